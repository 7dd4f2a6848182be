// Running sums along one axis: input and output [outer, count, inner].
#pragma once
#include "device/base/fixed_point.h"
#include "device/base/params.h"

namespace thimble {
namespace device {

// exclusive: 1 leaves an element out of its own sum. reverse: 1 runs from the end.
THIMBLE_PARAMS(CumsumParams, outer, count, inner, exclusive, reverse);

// start: the sum before the first element; next(sum, x); last(sum): what is stored.
template <class Params, class T, class Sum, class Next, class Last>
inline void running_sums(const Params& p, const T* input, T* output, Sum start, Next&& next, Last&& last) {
  const int32_t first = p.reverse ? (p.count - 1) * p.inner : 0, step = p.reverse ? -p.inner : p.inner;
  for (int32_t outer = 0; outer < p.outer; ++outer)
    for (int32_t inner = 0; inner < p.inner; ++inner) {
      int32_t at = outer * p.count * p.inner + inner + first;
      Sum sum = start;
      for (int32_t i = 0; i < p.count; ++i, at += step) {
        const Sum after = next(sum, input[at]);
        output[at] = last(p.exclusive ? sum : after);
        sum = after;
      }
    }
}

// output may be the memory of input.
inline void cumsum_f32(const CumsumParams& p, const float* input, float* output) {
  running_sums(
      p, input, output, 0.0f, [](float sum, float x) { return sum + x; }, [](float sum) { return sum; });
}
inline void cumsum_i32(const CumsumParams& p, const int32_t* input, int32_t* output) {
  running_sums(
      p, input, output, uint32_t{0}, [](uint32_t sum, int32_t x) { return sum + static_cast<uint32_t>(x); },
      [](uint32_t sum) { return static_cast<int32_t>(sum); });
}

// output_multiplier and output_shift: 2 * input scale / 2^20 / output scale.
THIMBLE_PARAMS(CumsumS8Params, outer, count, inner, exclusive, reverse, input_zero_point, output_multiplier,
               output_shift, output_zero_point);

// Arithmetic: TFLite Micro's int8 reference, which starts each sum at minus the input's zero point, not at 0.
inline void cumsum_s8(const CumsumS8Params& p, const int8_t* input, int8_t* output) {
  constexpr int32_t kHalfSteps = 1 << 19;
  running_sums(
      p, input, output, static_cast<uint32_t>(-p.input_zero_point * kHalfSteps),
      [&](uint32_t sum, int8_t x) { return sum + static_cast<uint32_t>((x - p.input_zero_point) * kHalfSteps); },
      [&](uint32_t sum) {
        const int32_t value =
            requantize(static_cast<int32_t>(sum), p.output_multiplier, p.output_shift) + p.output_zero_point;
        return static_cast<int8_t>(clamp(value, -128, 127));
      });
}

}  // namespace device
}  // namespace thimble
