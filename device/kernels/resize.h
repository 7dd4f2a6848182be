// Images [N, H, W, C] in another height and width: nearest pixel or bilinear.
#pragma once
#include <stdint.h>

#include "device/base/params.h"

namespace thimble {
namespace device {

inline int32_t floor_to_int(float x) {
  const int32_t whole = static_cast<int32_t>(x);
  return static_cast<float>(whole) > x ? whole - 1 : whole;
}

// scale_h, scale_w: bits of float input pixels per output pixel; offset: bits of the float added to an output index;
// round: 1 rounds to the nearest (ties up), 0 down. pixel_bytes: of all channels of a pixel.
THIMBLE_PARAMS(ResizeNearestParams, batches, input_h, input_w, output_h, output_w, pixel_bytes, scale_h, scale_w,
               offset, round);

inline int32_t nearest_index(int32_t index, int32_t size, float scale, float offset, bool round) {
  const float exact = (static_cast<float>(index) + offset) * scale;
  int32_t nearest = floor_to_int(exact);
  if (round && exact - static_cast<float>(nearest) >= 0.5f) ++nearest;
  return nearest < size ? nearest : size - 1;
}

// Elements of any type.
inline void resize_nearest(const ResizeNearestParams& p, const void* input, void* output) {
  const float scale_h = float_of(p.scale_h), scale_w = float_of(p.scale_w), offset = float_of(p.offset);
  const auto bytes = static_cast<uint32_t>(p.pixel_bytes);
  const uint8_t* image = static_cast<const uint8_t*>(input);
  uint8_t* to = static_cast<uint8_t*>(output);
  for (int32_t n = 0; n < p.batches; ++n, image += p.input_h * p.input_w * p.pixel_bytes)
    for (int32_t y = 0; y < p.output_h; ++y) {
      const uint8_t* row = image + nearest_index(y, p.input_h, scale_h, offset, p.round) * p.input_w * p.pixel_bytes;
      for (int32_t x = 0; x < p.output_w; ++x, to += bytes)
        __builtin_memcpy(to, row + nearest_index(x, p.input_w, scale_w, offset, p.round) * p.pixel_bytes, bytes);
    }
}

// The two pixels along one axis between which an output pixel lies, and how far from the first.
template <class Real>
struct Between {
  int32_t low, high;
  Real fraction;
};

// scale_h, scale_w: input pixels per output pixel; bits of floats, or 1/1024 for integers. half_pixel: 1 puts the
// pixels' centres at halves.
THIMBLE_PARAMS(ResizeBilinearParams, batches, input_h, input_w, channels, output_h, output_w, scale_h, scale_w,
               half_pixel);

inline Between<float> between_pixels(int32_t index, int32_t size, float scale, bool half_pixel) {
  const float at = half_pixel ? (static_cast<float>(index) + 0.5f) * scale - 0.5f : static_cast<float>(index) * scale;
  const int32_t below = floor_to_int(at);
  const int32_t above = static_cast<float>(below) < at ? below + 1 : below;
  const int32_t low = below > 0 ? below : 0;
  return {low < size ? low : size - 1, above < size ? above : size - 1, at - static_cast<float>(low)};
}

inline Between<int32_t> between_pixels(int32_t index, int32_t size, int32_t scale, bool half_pixel) {
  const int32_t at = index * scale + (half_pixel ? scale / 2 - (1 << 9) : 0);
  const int32_t low = at > 0 ? at / 1024 : 0, above = (at + 1023) / 1024;
  return {low < size ? low : size - 1, above < size ? above : size - 1, at - 1024 * low};
}

// blend(top left, bottom left, top right, bottom right, fraction along h, along w).
template <class T, class Scale, class Blend>
inline void resize_bilinear(const ResizeBilinearParams& p, Scale scale_h, Scale scale_w, const T* input, T* output,
                            Blend&& blend) {
  const int32_t row_size = p.input_w * p.channels;
  for (int32_t n = 0; n < p.batches; ++n, input += p.input_h * row_size)
    for (int32_t y = 0; y < p.output_h; ++y) {
      const Between<Scale> h = between_pixels(y, p.input_h, scale_h, p.half_pixel);
      const T* top = input + h.low * row_size;
      const T* bottom = input + h.high * row_size;
      for (int32_t x = 0; x < p.output_w; ++x) {
        const Between<Scale> w = between_pixels(x, p.input_w, scale_w, p.half_pixel);
        const int32_t left = w.low * p.channels, right = w.high * p.channels;
        for (int32_t c = 0; c < p.channels; ++c)
          *output++ = blend(top[left + c], bottom[left + c], top[right + c], bottom[right + c], h.fraction, w.fraction);
      }
    }
}

inline void resize_bilinear_f32(const ResizeBilinearParams& p, const float* input, float* output) {
  resize_bilinear(p, float_of(p.scale_h), float_of(p.scale_w), input, output,
                  [](float tl, float bl, float tr, float br, float h, float w) {
                    return tl * (1 - h) * (1 - w) + bl * h * (1 - w) + tr * (1 - h) * w + br * h * w;
                  });
}

// Arithmetic: TFLite integer reference; Wide holds a product of an element and 2^22.
template <class Wide, class T>
inline void resize_bilinear_integer(const ResizeBilinearParams& p, const T* input, T* output) {
  resize_bilinear(p, p.scale_h, p.scale_w, input, output, [](T tl, T bl, T tr, T br, int32_t h, int32_t w) {
    const Wide sum = static_cast<Wide>(tl) * ((1024 - h) * (1024 - w)) + static_cast<Wide>(bl) * (h * (1024 - w)) +
                     static_cast<Wide>(tr) * ((1024 - h) * w) + static_cast<Wide>(br) * (h * w);
    return static_cast<T>((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
  });
}

inline void resize_bilinear_s8(const ResizeBilinearParams& p, const int8_t* input, int8_t* output) {
  resize_bilinear_integer<int32_t>(p, input, output);
}
inline void resize_bilinear_s16(const ResizeBilinearParams& p, const int16_t* input, int16_t* output) {
  resize_bilinear_integer<int64_t>(p, input, output);
}

}  // namespace device
}  // namespace thimble
