// Moves a block of up to six axes from one tensor to another: every operator that only rearranges, repeats, joins or
// cuts elements is one or a few of these. One form per element size; what the elements mean does not matter.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

// extent_*: of the block, outermost axis first, unused axes 1. from_* and to_*: elements between neighbours along each
// axis in input and output; 0 repeats, negative goes backwards. from, to: where the block's first element lies.
#define THIMBLE_BLOCK                                                                                               \
  extent_0, extent_1, extent_2, extent_3, extent_4, extent_5, from_0, from_1, from_2, from_3, from_4, from_5, to_0, \
      to_1, to_2, to_3, to_4, to_5, from, to

THIMBLE_PARAMS(StridedCopyParams, THIMBLE_BLOCK);

template <class Word>
inline void copy_row(int32_t count, const Word* input, int32_t input_step, Word* output, int32_t output_step) {
  constexpr int32_t kWorthACall = 16;  // bytes
  if (input_step == 1 && output_step == 1 && count * static_cast<int32_t>(sizeof(Word)) >= kWorthACall) {
    __builtin_memcpy(output, input, static_cast<uint32_t>(count) * sizeof(Word));
  } else if (input_step == 0) {
    const Word value = *input;
    for (int32_t i = 0, o = 0; i < count; ++i, o += output_step) output[o] = value;
  } else {
    for (int32_t i = 0, f = 0, o = 0; i < count; ++i, f += input_step, o += output_step) output[o] = input[f];
  }
}

template <class Word>
inline void strided_copy(const StridedCopyParams& p, const void* input, void* output) {
  constexpr int kOuter = 5;
  const int32_t extent[kOuter] = {p.extent_0, p.extent_1, p.extent_2, p.extent_3, p.extent_4};
  const int32_t from[kOuter] = {p.from_0, p.from_1, p.from_2, p.from_3, p.from_4};
  const int32_t to[kOuter] = {p.to_0, p.to_1, p.to_2, p.to_3, p.to_4};
  int32_t at[kOuter] = {0, 0, 0, 0, 0};
  int32_t source = p.from, target = p.to;
  for (;;) {
    copy_row(p.extent_5, static_cast<const Word*>(input) + source, p.from_5, static_cast<Word*>(output) + target,
             p.to_5);
    int axis = kOuter - 1;
    for (; axis >= 0; --axis) {
      source += from[axis];
      target += to[axis];
      if (++at[axis] < extent[axis]) break;
      source -= from[axis] * extent[axis];
      target -= to[axis] * extent[axis];
      at[axis] = 0;
    }
    if (axis < 0) return;
  }
}

// Elements of any type are read as words of their size.
typedef uint8_t __attribute__((may_alias)) Word8;
typedef uint16_t __attribute__((may_alias)) Word16;
typedef uint32_t __attribute__((may_alias)) Word32;
typedef uint64_t __attribute__((may_alias)) Word64;

inline void strided_copy_b8(const StridedCopyParams& p, const void* input, void* output) {
  strided_copy<Word8>(p, input, output);
}
inline void strided_copy_b16(const StridedCopyParams& p, const void* input, void* output) {
  strided_copy<Word16>(p, input, output);
}
inline void strided_copy_b32(const StridedCopyParams& p, const void* input, void* output) {
  strided_copy<Word32>(p, input, output);
}
inline void strided_copy_b64(const StridedCopyParams& p, const void* input, void* output) {
  strided_copy<Word64>(p, input, output);
}

// A copy of bytes whose block begins where the model says while it runs: from (moves_output 0) or to (1) is shifted by
// start i times step_i, each start clamped to [0, room_i]. index_bytes: of a start, 4 or 8. axes: how many starts.
THIMBLE_PARAMS(StridedCopyAtParams, THIMBLE_BLOCK, moves_output, index_bytes, axes, room_0, room_1, room_2, room_3,
               room_4, room_5, step_0, step_1, step_2, step_3, step_4, step_5);
#undef THIMBLE_BLOCK

inline void strided_copy_at(const StridedCopyAtParams& p, const void* input, const void* starts, void* output) {
  const int32_t room[6] = {p.room_0, p.room_1, p.room_2, p.room_3, p.room_4, p.room_5};
  const int32_t step[6] = {p.step_0, p.step_1, p.step_2, p.step_3, p.step_4, p.step_5};
  int32_t shift = 0;
  for (int32_t i = 0; i < p.axes; ++i) {
    const int64_t start =
        p.index_bytes == 8 ? static_cast<const int64_t*>(starts)[i] : static_cast<const int32_t*>(starts)[i];
    shift += static_cast<int32_t>(start < 0 ? 0 : start > room[i] ? room[i] : start) * step[i];
  }
  StridedCopyParams block;
  __builtin_memcpy(&block, &p, sizeof(block));  // the fields that both begin with
  if (p.moves_output)
    block.to += shift;
  else
    block.from += shift;
  strided_copy_b8(block, input, output);
}

}  // namespace device
}  // namespace thimble
