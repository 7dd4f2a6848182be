// Convolution: inputs x [N, H, W, C], weights [O, kh, kw, C], bias [O] (optional); output [N, OH, OW, O].
// Training: every output pixel's taps form one row of a patch matrix, so all three products are matrix products.
// Patches are made a few images at a time, which keeps them in cache; a pointwise convolution's patches are the input
// itself.
#include "device/kernels/conv2d.h"

#include <algorithm>

#include "ops/conv_common.h"
#include "ops/gemm.h"
#include "ops/loops.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &weights = args.inputs[1].shape;
  if (weights.size() != 4)
    return fail(ErrorCode::bad_data, fmt::format("weights must be [O, kh, kw, C], found {}", to_string(weights)));
  THIMBLE_LET(const Window window, make_window(args.attrs, input, weights[1], weights[2]));
  if (weights[3] != input[3])
    return fail(ErrorCode::bad_data, fmt::format("weights {} read {} channels, but the input {} has {}",
                                                 to_string(weights), weights[3], to_string(input), input[3]));
  THIMBLE_TRY(check_bias(args, weights[0]));
  return std::vector<ValueType>{{args.inputs[0].dtype, {input[0], window.h.output, window.w.output, weights[0]}}};
}

struct Conv {
  Window window;
  int64_t batch = 0, inputs = 0, outputs = 0;
  int64_t pixels() const { return window.h.output * window.w.output; }
  int64_t patch() const { return window.h.taps * window.w.taps * inputs; }
  int64_t image() const { return window.h.input * window.w.input * inputs; }
  bool pointwise() const { return window.h.taps * window.w.taps * window.h.stride * window.w.stride == 1; }
  // Images whose patches fit a core's cache together.
  int64_t images_at_once() const {
    return std::max<int64_t>(1, (int64_t{64} << 10) / (pixels() * (patch() + outputs)));
  }
};

Conv conv_of(const Attrs& attrs, std::span<const FloatView> inputs) {
  const Shape &x = inputs[0].shape, &w = inputs[1].shape;
  return {*make_window(attrs, x, w[1], w[2]), x[0], x[3], w[0]};
}

device::TapRange taps_at(const WindowAxis& axis, int64_t output) {
  const auto narrow = [](int64_t value) { return static_cast<int32_t>(value); };
  return device::taps_inside(narrow(output), narrow(axis.stride), narrow(axis.padding), narrow(axis.dilation),
                             narrow(axis.taps), narrow(axis.input));
}

// Calls inside(patch offset, input offset, values) for each run of an image's taps that lie side by side in patch and
// input, and outside(patch offset, values) for the taps in the padding.
template <class Inside, class Outside>
void for_each_run(const Conv& conv, const Inside& inside, const Outside& outside) {
  const WindowAxis &h = conv.window.h, &w = conv.window.w;
  const int64_t c = conv.inputs, row = w.taps * c;
  int64_t at = 0;
  for (int64_t oy = 0; oy < h.output; ++oy)
    for (int64_t ox = 0; ox < w.output; ++ox) {
      const device::TapRange columns = taps_at(w, ox), rows = taps_at(h, oy);
      for (int64_t ky = 0; ky < h.taps; ++ky, at += row) {
        if (ky < rows.begin || ky >= rows.end) {
          outside(at, row);
          continue;
        }
        const int64_t from = ((rows.origin + ky * h.dilation) * w.input + columns.origin) * c;
        outside(at, columns.begin * c);
        if (w.dilation == 1) {
          inside(at + columns.begin * c, from + columns.begin * c, (columns.end - columns.begin) * c);
        } else {
          for (int64_t kx = columns.begin; kx < columns.end; ++kx) inside(at + kx * c, from + kx * w.dilation * c, c);
        }
        outside(at + columns.end * c, row - columns.end * c);
      }
    }
}

// Patches of `images` images, [images * pixels, patch]; x itself for a pointwise convolution.
const float* patches_of(const Conv& conv, const float* x, int64_t images, std::vector<float>& storage) {
  if (conv.pointwise()) return x;
  storage.resize(static_cast<size_t>(images * conv.pixels() * conv.patch()));
  for (int64_t n = 0; n < images; ++n) {
    const float* image = x + n * conv.image();
    float* patch = &storage[static_cast<size_t>(n * conv.pixels() * conv.patch())];
    for_each_run(
        conv,
        [&](int64_t to, int64_t from, int64_t values) {
          for (int64_t i = 0; i < values; ++i) patch[to + i] = image[from + i];
        },
        [&](int64_t to, int64_t values) { std::fill_n(patch + to, values, 0.0f); });
  }
  return storage.data();
}

// Adds gradients of patches to the gradient of the input.
void add_patches(const Conv& conv, const std::vector<float>& patches, int64_t images, float* dx) {
  for (int64_t n = 0; n < images; ++n) {
    const float* patch = &patches[static_cast<size_t>(n * conv.pixels() * conv.patch())];
    float* image = dx + n * conv.image();
    for_each_run(
        conv,
        [&](int64_t from, int64_t to, int64_t values) {
          for (int64_t i = 0; i < values; ++i) image[to + i] += patch[from + i];
        },
        [](int64_t, int64_t) {});
  }
}

void forward(const ForwardArgs& args) {
  const Conv conv = conv_of(args.attrs, args.inputs);
  const float* bias = args.inputs.size() > 2 ? args.inputs[2].data : nullptr;
  const std::string activation = args.attrs.word("activation", "none");
  for_each_group(conv.batch, [&](int64_t, int64_t first, int64_t last) {
    thread_local std::vector<float> storage;
    for (int64_t n = first; n < last; n += conv.images_at_once()) {
      const int64_t images = std::min(conv.images_at_once(), last - n), rows = images * conv.pixels();
      const float* patches = patches_of(conv, args.inputs[0].data + n * conv.image(), images, storage);
      float* y = args.outputs[0].data + n * conv.pixels() * conv.outputs;
      gemm({.transpose_b = true,
            .m = rows,
            .n = conv.outputs,
            .k = conv.patch(),
            .lda = conv.patch(),
            .ldb = conv.patch(),
            .ldc = conv.outputs},
           patches, args.inputs[1].data, y);
      if (bias) add_bias(bias, rows, conv.outputs, y);
      apply_activation(activation, {y, {rows, conv.outputs}});
    }
  });
}

void backward(const BackwardArgs& args) {
  const Conv conv = conv_of(args.attrs, args.inputs);
  float* dx = args.grad_inputs[0].data;
  float* dw = args.grad_inputs[1].data;
  float* db = args.inputs.size() > 2 ? args.grad_inputs[2].data : nullptr;
  const int64_t weights = conv.outputs * conv.patch(), groups = batch_groups(conv.batch);
  std::vector<float> masked, dw_partials(static_cast<size_t>(dw ? groups * weights : 0)),
      db_partials(static_cast<size_t>(db ? groups * conv.outputs : 0));
  const float* all_dy = gradient_before_activation(args, masked);
  for_each_group(conv.batch, [&](int64_t group, int64_t first, int64_t last) {
    thread_local std::vector<float> storage, dx_patches;
    for (int64_t n = first; n < last; n += conv.images_at_once()) {
      const int64_t images = std::min(conv.images_at_once(), last - n), rows = images * conv.pixels();
      const float* dy = all_dy + n * conv.pixels() * conv.outputs;
      if (dw) {
        const float* patches = patches_of(conv, args.inputs[0].data + n * conv.image(), images, storage);
        gemm({.transpose_a = true,
              .m = conv.outputs,
              .n = conv.patch(),
              .k = rows,
              .lda = conv.outputs,
              .ldb = conv.patch(),
              .ldc = conv.patch(),
              .add = true},
             dy, patches, &dw_partials[static_cast<size_t>(group * weights)]);
      }
      if (db) add_rows(dy, rows, conv.outputs, &db_partials[static_cast<size_t>(group * conv.outputs)]);
      if (!dx) continue;
      Gemm product{.m = rows,
                   .n = conv.patch(),
                   .k = conv.outputs,
                   .lda = conv.outputs,
                   .ldb = conv.patch(),
                   .ldc = conv.patch(),
                   .add = conv.pointwise()};
      if (conv.pointwise()) {
        gemm(product, dy, args.inputs[1].data, dx + n * conv.image());
      } else {
        dx_patches.resize(static_cast<size_t>(rows * conv.patch()));
        gemm(product, dy, args.inputs[1].data, dx_patches.data());
        add_patches(conv, dx_patches, images, dx + n * conv.image());
      }
    }
  });
  if (dw) add_partials(dw_partials, weights, dw);
  if (db) add_partials(db_partials, conv.outputs, db);
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  const Shape& weights = args.graph[args.node.inputs[1]].type.shape;
  return lower_convolution<device::Conv2DS8Params, device::Conv2DF32Params>(args, "conv2d", 0, [&](auto& params) {
    params.input_c = static_cast<int32_t>(weights[3]), params.output_c = static_cast<int32_t>(weights[0]);
  });
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape& weights = graph[node.inputs[1]].type.shape;
  return element_count(graph[node.outputs[0]].type.shape) * weights[1] * weights[2] * weights[3];
}

}  // namespace

const OpSpec& conv2d() {
  static const OpSpec spec{
      .name = "conv2d",
      .doc = "2-D convolution with weights [out, height, width, in], plus bias.",
      .traits = {.min_inputs = 2, .max_inputs = 3, .fuses_activation = true},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.weights = 1, .weights_axis = 0, .per_channel = true, .bias = 2},
      .tflite = TfliteMapping{.builtin = "CONV_2D",
                              .options = "Conv2DOptions",
                              .version = 3,
                              .read = read_convolution,
                              .write = write_convolution},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
