// Convolution: inputs x [N, H, W, C], weights [O, kh, kw, C], bias [O] (optional); output [N, OH, OW, O]. Grouped:
// weights [O, kh, kw, C / groups]; training then sees them as dense weights with zeros.
// Training: every output pixel's taps form one row of a patch matrix, so all three products are matrix products.
// Patches are made a few images at a time, which keeps them in cache; a pointwise convolution's patches are the input
// itself.
#include "device/kernels/conv2d.h"

#include <algorithm>

#include "device/kernels/fully_connected.h"
#include "ops/arm_dsp.h"
#include "ops/arm_mve.h"
#include "ops/conv_common.h"
#include "ops/gemm.h"
#include "ops/loops.h"
#include "ops/ops.h"
#include "ops/scalar.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &weights = args.inputs[1].shape;
  if (weights.size() != 4)
    return fail(ErrorCode::bad_data, fmt::format("weights must be [O, kh, kw, C], found {}", to_string(weights)));
  THIMBLE_LET(const Window window, make_window(args.attrs, input, weights[1], weights[2]));
  if (weights[3] < 1 || input[3] % weights[3] != 0 || weights[0] % (input[3] / weights[3]) != 0)
    return fail(ErrorCode::bad_data,
                fmt::format("weights {} read {} channels each, but the input {} has {}: all, or groups of them that "
                            "divide the outputs evenly, are possible",
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

// Calls action(dense offset, grouped offset) for each row of a filter's channels: where grouped weights [O, kh, kw, F]
// lie in dense ones [O, kh, kw, C].
template <class Action>
void for_each_filter_row(const Conv& conv, const Shape& weights, const Action& action) {
  const int64_t rows = weights[1] * weights[2], depth = weights[3], group = weights[0] / (conv.inputs / depth);
  for (int64_t o = 0; o < weights[0]; ++o)
    for (int64_t row = 0; row < rows; ++row)
      action((o * rows + row) * conv.inputs + o / group * depth, (o * rows + row) * depth);
}

// The weights themselves where there are no groups.
const float* dense_weights(const Conv& conv, const FloatView& weights, std::vector<float>& storage) {
  if (weights.shape[3] == conv.inputs) return weights.data;
  storage.assign(static_cast<size_t>(conv.outputs * conv.patch()), 0.0f);
  for_each_filter_row(conv, weights.shape, [&](int64_t dense, int64_t grouped) {
    std::copy_n(weights.data + grouped, weights.shape[3], &storage[static_cast<size_t>(dense)]);
  });
  return storage.data();
}

// Adds the gradients of dense weights to those of the weights.
void add_weight_gradients(const Conv& conv, const std::vector<float>& partials, const FloatView& grad) {
  const int64_t size = conv.outputs * conv.patch();
  if (grad.shape[3] == conv.inputs) return add_partials(partials, size, grad.data);
  std::vector<float> sums(static_cast<size_t>(size), 0.0f);
  add_partials(partials, size, sums.data());
  for_each_filter_row(conv, grad.shape, [&](int64_t dense, int64_t grouped) {
    for (int64_t c = 0; c < grad.shape[3]; ++c) grad.data[grouped + c] += sums[static_cast<size_t>(dense + c)];
  });
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
  std::vector<float> dense;
  const float* weights = dense_weights(conv, args.inputs[1], dense);
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
           patches, weights, y);
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
  std::vector<float> dense, masked, dw_partials(static_cast<size_t>(dw ? groups * weights : 0)),
      db_partials(static_cast<size_t>(db ? groups * conv.outputs : 0));
  const float* all_dy = gradient_before_activation(args, masked);
  const float* w = dense_weights(conv, args.inputs[1], dense);
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
        gemm(product, dy, w, dx + n * conv.image());
      } else {
        dx_patches.resize(static_cast<size_t>(rows * conv.patch()));
        gemm(product, dy, w, dx_patches.data());
        add_patches(conv, dx_patches, images, dx + n * conv.image());
      }
    }
  });
  if (dw) add_weight_gradients(conv, dw_partials, args.grad_inputs[1]);
  if (db) add_partials(db_partials, conv.outputs, db);
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  read_bias_type(reader, attrs);
  return read_convolution(reader, attrs);
}

void write(const Attrs& attrs, AttrWriter& writer) {
  write_convolution(attrs, writer);
  write_bias_type(attrs, writer);
}

// A window as large as the input is a fully connected layer, whose kernels do not wait for a second pixel.
std::optional<KernelCall> as_fully_connected(const KernelForm& form, const KernelCall& conv) {
  device::Conv2DIntegerParams p{};
  if (conv.kernel != "conv2d_s8") return {};
  std::memcpy(&p, conv.params.data(), sizeof(p));
  if (p.output_h * p.output_w != 1 || p.kernel_h != p.input_h || p.kernel_w != p.input_w || p.filter_c != p.input_c ||
      p.padding_h + p.padding_w != 0)
    return {};
  KernelCall dense =
      KernelCall::make("fully_connected_s8",
                       device::FullyConnectedIntegerParams{p.batches, p.kernel_h * p.kernel_w * p.input_c, p.output_c,
                                                           p.output_zero_point, p.activation_min, p.activation_max});
  dense.operands = conv.operands;
  if (form.isa == "arm_dsp") return fully_connected_arm_dsp(form, dense);
  const auto own = with_scalar(form, std::vector{dense});
  return own && own->front().kernel != dense.kernel ? std::optional(own->front()) : std::nullopt;
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  const Shape& weights = args.graph[args.node.inputs[1]].type.shape;
  auto calls =
      lower_convolution<device::Conv2DIntegerParams, device::Conv2DF32Params>(args, "conv2d", 0, [&](auto& params) {
        params.input_c = static_cast<int32_t>(args.graph[args.node.inputs[0]].type.shape[3]);
        params.filter_c = static_cast<int32_t>(weights[3]), params.output_c = static_cast<int32_t>(weights[0]);
      });
  if (args.form.isa == "arm_mve") return with_arm_mve(std::move(calls));
  if (!calls || args.form.isa == "portable") return calls;
  if (auto dense = as_fully_connected(args.form, calls->front())) return std::vector{std::move(*dense)};
  if (args.form.isa == "scalar") return with_scalar(args.form, std::move(calls));
  if (calls->front().kernel != "conv2d_s8" || args.form.isa != "arm_dsp") return calls;
  if (auto call = conv2d_arm_dsp(args.form, calls->front())) calls->front() = std::move(*call);
  return calls;
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape& weights = graph[node.inputs[1]].type.shape;
  return element_count(graph[node.outputs[0]].type.shape) * weights[1] * weights[2] * weights[3];
}

int version_of(const Graph& graph, const Node& node) {
  const LinearForm form = linear_form(graph, node);
  if (form.sums_int32) return 8;
  if (form.int4) return 7;
  if (graph[node.inputs[1]].type.shape[3] != graph[node.inputs[0]].type.shape[3]) return 6;
  return form.activations == DType::i16 ? 4 : form.activations == DType::i8 ? 3 : 1;
}

}  // namespace

const OpSpec& conv2d() {
  static const OpSpec spec{
      .name = "conv2d",
      .doc = "2-D convolution with weights [out, height, width, in / groups], plus bias.",
      .traits = {.min_inputs = 2,
                 .max_inputs = 3,
                 .fuses_activation = true,
                 .rows = filter_rows,
                 .channels = mixed_channels,
                 .takes_padding = true},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.weights = 1, .weights_axis = 0, .per_channel = true, .bias = 2},
      .tflite =
          TfliteMapping{
              .builtin = "CONV_2D", .options = "Conv2DOptions", .read = read, .write = write, .version_of = version_of},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
