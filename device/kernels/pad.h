// Constant padding of up to four axes.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

// Extents of the input, elements before it along each axis, extents of the output. value: an int8 (the zero point) or a
// float's bits.
THIMBLE_PARAMS(PadParams, input_0, input_1, input_2, input_3, before_0, before_1, before_2, before_3, output_0,
               output_1, output_2, output_3, value);

template <class T>
inline void pad_elements(const PadParams& p, T value, const T* input, T* output) {
  const auto inside = [](int32_t at, int32_t before, int32_t extent) { return at >= before && at < before + extent; };
  for (int32_t i = 0; i < p.output_0; ++i)
    for (int32_t j = 0; j < p.output_1; ++j)
      for (int32_t k = 0; k < p.output_2; ++k) {
        const bool row =
            inside(i, p.before_0, p.input_0) && inside(j, p.before_1, p.input_1) && inside(k, p.before_2, p.input_2);
        for (int32_t l = 0; l < p.output_3; ++l) *output++ = row && inside(l, p.before_3, p.input_3) ? *input++ : value;
      }
}

inline void pad_s8(const PadParams& p, const int8_t* input, int8_t* output) {
  pad_elements(p, static_cast<int8_t>(p.value), input, output);
}
inline void pad_f32(const PadParams& p, const float* input, float* output) {
  pad_elements(p, float_of(p.value), input, output);
}

}  // namespace device
}  // namespace thimble
