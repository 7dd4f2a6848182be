// output[b, i, j] = sum_k a[b, i, k] * b[b, k, j] + bias[j] over up to three axes of batches, all read through steps: 0
// along an axis that is broadcast, and a transposed matrix is one with its steps exchanged.
#pragma once
#include "device/kernels/linear.h"

namespace thimble {
namespace device {

// a_step0..2, b_step0..2: from batch to batch along each axis. bias_step: 1, or 0 for a bias of one number.
THIMBLE_PARAMS(BatchMatmulIntegerParams, batches0, batches1, batches2, a_step0, a_step1, a_step2, b_step0, b_step1,
               b_step2, rows, cols, depth, a_row_step, a_depth_step, b_depth_step, b_col_step, bias_step, a_zero_point,
               b_zero_point, output_zero_point, multiplier, shift, activation_min, activation_max);

// activation_min/max: bits of floats, -infinity/+infinity for none.
THIMBLE_PARAMS(BatchMatmulF32Params, batches0, batches1, batches2, a_step0, a_step1, a_step2, b_step0, b_step1, b_step2,
               rows, cols, depth, a_row_step, a_depth_step, b_depth_step, b_col_step, bias_step, activation_min,
               activation_max);

// Calls matrix(a, b, output) for every matrix of the batch.
template <class Params, class T, class Matrix>
inline void for_each_matrix(const Params& p, const T* a, const T* b, T* output, const Matrix& matrix) {
  for (int32_t i = 0; i < p.batches0; ++i)
    for (int32_t j = 0; j < p.batches1; ++j)
      for (int32_t k = 0; k < p.batches2; ++k, output += p.rows * p.cols)
        matrix(a + i * p.a_step0 + j * p.a_step1 + k * p.a_step2, b + i * p.b_step0 + j * p.b_step1 + k * p.b_step2,
               output);
}

// One matrix; product(x, y) is added to a Sum, store(sum, column) makes the output.
template <class Sum, class Params, class T, class Product, class Store>
inline void matmul(const Params& p, const T* a, const T* b, T* output, const Product& product, const Store& store) {
  for (int32_t row = 0; row < p.rows; ++row, a += p.a_row_step)
    for (int32_t col = 0; col < p.cols; ++col) {
      const T* x = a;
      const T* y = b + col * p.b_col_step;
      Sum sum = 0;
      for (int32_t k = p.depth; k > 0; --k, x += p.a_depth_step, y += p.b_depth_step) sum = product(sum, *x, *y);
      *output++ = store(sum, col);
    }
}

template <class T, class Sum>
inline void batch_matmul_integer(const BatchMatmulIntegerParams& p, const T* a, const T* b, const Sum* bias,
                                 T* output) {
  const int32_t min = p.activation_min - p.output_zero_point, max = p.activation_max - p.output_zero_point;
  const auto product = [&](Sum sum, int32_t x, int32_t y) {
    return sum_of(sum, static_cast<Sum>((x - p.a_zero_point) * (y - p.b_zero_point)));
  };
  const auto store = [&](Sum sum, int32_t col) {
    const int32_t scaled = requantize_sum(sum_of(sum, bias[col * p.bias_step]), p.multiplier, p.shift);
    return static_cast<T>(clamp(scaled, min, max) + p.output_zero_point);
  };
  for_each_matrix(p, a, b, output,
                  [&](const T* left, const T* right, T* to) { matmul<Sum>(p, left, right, to, product, store); });
}

// Arithmetic: TFLite's integer reference; sums of int8 products in int32, of int16 products in int64.
inline void batch_matmul_s8(const BatchMatmulIntegerParams& p, const int8_t* a, const int8_t* b, const int32_t* bias,
                            int8_t* output) {
  batch_matmul_integer(p, a, b, bias, output);
}

inline void batch_matmul_s16(const BatchMatmulIntegerParams& p, const int16_t* a, const int16_t* b, const int64_t* bias,
                             int16_t* output) {
  batch_matmul_integer(p, a, b, bias, output);
}

inline void batch_matmul_f32(const BatchMatmulF32Params& p, const float* a, const float* b, const float* bias,
                             float* output) {
  const float min = float_of(p.activation_min), max = float_of(p.activation_max);
  const auto product = [](float sum, float x, float y) { return sum_of(sum, x * y); };
  const auto store = [&](float sum, int32_t col) {
    const float value = sum + bias[col * p.bias_step];
    return value < min ? min : value > max ? max : value;
  };
  for_each_matrix(p, a, b, output, [&](const float* left, const float* right, float* to) {
    matmul<float>(p, left, right, to, product, store);
  });
}

}  // namespace device
}  // namespace thimble
