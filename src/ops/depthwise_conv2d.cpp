// Depthwise convolution: inputs x [N, H, W, C], weights [1, kh, kw, C * M], bias [C * M] (optional); output [N, OH, OW,
// C * M]; attribute depth_multiplier M: output channel o reads input channel o / M. Training: for each tap, a row of
// outputs is a row of inputs times one vector of weights, so every loop runs over channels that lie side by side. With
// M > 1 the input's channels are first repeated M times.
#include "device/kernels/depthwise_conv2d.h"

#include <algorithm>

#include "ops/arm_dsp.h"
#include "ops/arm_mve.h"
#include "ops/conv_common.h"
#include "ops/loops.h"
#include "ops/ops.h"
#include "ops/scalar.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &weights = args.inputs[1].shape;
  if (weights.size() != 4 || weights[0] != 1)
    return fail(ErrorCode::bad_data,
                fmt::format("weights must be [1, kh, kw, C * multiplier], found {}", to_string(weights)));
  THIMBLE_LET(const Window window, make_window(args.attrs, input, weights[1], weights[2]));
  const int64_t multiplier = args.attrs.integer("depth_multiplier", 1);
  if (multiplier < 1 || weights[3] % multiplier != 0 || weights[3] / multiplier != input[3])
    return fail(ErrorCode::bad_data,
                fmt::format("weights {} do not hold {} x depth multiplier {} channels for the input {}",
                            to_string(weights), input[3], multiplier, to_string(input)));
  THIMBLE_TRY(check_bias(args, weights[3]));
  return std::vector<ValueType>{{args.inputs[0].dtype, {input[0], window.h.output, window.w.output, weights[3]}}};
}

struct Depthwise {
  Window window;
  int64_t batch = 0, inputs = 0, multiplier = 1;
  int64_t channels() const { return inputs * multiplier; }
  int64_t input_pixels() const { return window.h.input * window.w.input; }
  int64_t output_pixels() const { return window.h.output * window.w.output; }
  int64_t weights() const { return window.h.taps * window.w.taps * channels(); }
};

Depthwise depthwise_of(const Attrs& attrs, std::span<const FloatView> inputs) {
  const Shape &x = inputs[0].shape, &w = inputs[1].shape;
  return {*make_window(attrs, x, w[1], w[2]), x[0], x[3], w[3] / x[3]};
}

// Outputs [first, last) along an axis for which a tap lies inside the input.
struct OutputRange {
  int64_t first, last;
};
OutputRange outputs_inside(const WindowAxis& axis, int64_t tap) {
  const int64_t offset = axis.padding - tap * axis.dilation;  // input = output * stride - offset
  const int64_t first = offset > 0 ? (offset + axis.stride - 1) / axis.stride : 0;
  const int64_t end = axis.input + offset;
  return {first, end > 0 ? std::min(axis.output, (end + axis.stride - 1) / axis.stride) : 0};
}

// Calls row(weights offset, input offset, output offset, pixels) for every tap and row of outputs of one image; offsets
// in elements.
template <class Row>
void for_each_row(const Depthwise& d, const Row& row) {
  const WindowAxis &h = d.window.h, &w = d.window.w;
  const int64_t channels = d.channels();
  for (int64_t oy = 0; oy < h.output; ++oy)
    for (int64_t ky = 0; ky < h.taps; ++ky) {
      const int64_t y = oy * h.stride - h.padding + ky * h.dilation;
      if (y < 0 || y >= h.input) continue;
      for (int64_t kx = 0; kx < w.taps; ++kx) {
        const OutputRange range = outputs_inside(w, kx);
        if (range.first >= range.last) continue;
        const int64_t x = range.first * w.stride - w.padding + kx * w.dilation;
        row((ky * w.taps + kx) * channels, (y * w.input + x) * channels, (oy * w.output + range.first) * channels,
            range.last - range.first);
      }
    }
}

THIMBLE_VECTORIZED void add_outputs(const float* __restrict x, int64_t x_step, const float* __restrict w,
                                    int64_t pixels, int64_t channels, float* __restrict y) {
  for (int64_t i = 0; i < pixels; ++i, x += x_step, y += channels)
    for (int64_t c = 0; c < channels; ++c) y[c] += x[c] * w[c];
}

THIMBLE_VECTORIZED void add_input_gradient(const float* __restrict dy, const float* __restrict w, int64_t pixels,
                                           int64_t channels, float* __restrict dx, int64_t x_step) {
  for (int64_t i = 0; i < pixels; ++i, dx += x_step, dy += channels)
    for (int64_t c = 0; c < channels; ++c) dx[c] += dy[c] * w[c];
}

THIMBLE_VECTORIZED void add_weight_gradient(const float* __restrict x, int64_t x_step, const float* __restrict dy,
                                            int64_t pixels, int64_t channels, float* __restrict dw) {
  for (int64_t i = 0; i < pixels; ++i, x += x_step, dy += channels)
    for (int64_t c = 0; c < channels; ++c) dw[c] += x[c] * dy[c];
}

// One image with each channel repeated `multiplier` times; the image itself when that is once.
const float* repeat_channels(const Depthwise& d, const float* image, std::vector<float>& storage) {
  if (d.multiplier == 1) return image;
  storage.resize(static_cast<size_t>(d.input_pixels() * d.channels()));
  for (size_t i = 0; i < storage.size(); ++i) storage[i] = image[i / static_cast<size_t>(d.multiplier)];
  return storage.data();
}

void forward(const ForwardArgs& args) {
  const Depthwise d = depthwise_of(args.attrs, args.inputs);
  const float* bias = args.inputs.size() > 2 ? args.inputs[2].data : nullptr;
  const float* w = args.inputs[1].data;
  const std::string activation = args.attrs.word("activation", "none");
  const int64_t outputs = d.output_pixels() * d.channels(), x_step = d.window.w.stride * d.channels();
  for_each_group(d.batch, [&](int64_t, int64_t first, int64_t last) {
    thread_local std::vector<float> storage;
    for (int64_t n = first; n < last; ++n) {
      const float* x = repeat_channels(d, args.inputs[0].data + n * d.input_pixels() * d.inputs, storage);
      float* y = args.outputs[0].data + n * outputs;
      std::fill_n(y, outputs, 0.0f);
      for_each_row(d, [&](int64_t at_w, int64_t at_x, int64_t at_y, int64_t pixels) {
        add_outputs(x + at_x, x_step, w + at_w, pixels, d.channels(), y + at_y);
      });
      if (bias) add_bias(bias, d.output_pixels(), d.channels(), y);
      apply_activation(activation, {y, {outputs}});
    }
  });
}

// Adds the gradient of one image.
void backward_input(const Depthwise& d, const float* dy, const float* w, float* dx) {
  thread_local std::vector<float> repeated;
  if (d.multiplier > 1) repeated.assign(static_cast<size_t>(d.input_pixels() * d.channels()), 0.0f);
  float* sum = d.multiplier > 1 ? repeated.data() : dx;
  for_each_row(d, [&](int64_t at_w, int64_t at_x, int64_t at_y, int64_t pixels) {
    add_input_gradient(dy + at_y, w + at_w, pixels, d.channels(), sum + at_x, d.window.w.stride * d.channels());
  });
  if (d.multiplier == 1) return;
  for (size_t i = 0; i < repeated.size(); ++i) dx[i / static_cast<size_t>(d.multiplier)] += repeated[i];
}

void backward(const BackwardArgs& args) {
  const Depthwise d = depthwise_of(args.attrs, args.inputs);
  float* dx = args.grad_inputs[0].data;
  float* dw = args.grad_inputs[1].data;
  float* db = args.inputs.size() > 2 ? args.grad_inputs[2].data : nullptr;
  const int64_t groups = batch_groups(d.batch), x_step = d.window.w.stride * d.channels();
  std::vector<float> masked, dw_partials(static_cast<size_t>(dw ? groups * d.weights() : 0)),
      db_partials(static_cast<size_t>(db ? groups * d.channels() : 0));
  const float* all_dy = gradient_before_activation(args, masked);
  for_each_group(d.batch, [&](int64_t group, int64_t first, int64_t last) {
    thread_local std::vector<float> storage;
    for (int64_t n = first; n < last; ++n) {
      const float* dy = all_dy + n * d.output_pixels() * d.channels();
      const int64_t at_image = n * d.input_pixels() * d.inputs;
      if (dw) {
        const float* x = repeat_channels(d, args.inputs[0].data + at_image, storage);
        float* sum = &dw_partials[static_cast<size_t>(group * d.weights())];
        for_each_row(d, [&](int64_t at_w, int64_t at_x, int64_t at_y, int64_t pixels) {
          add_weight_gradient(x + at_x, x_step, dy + at_y, pixels, d.channels(), sum + at_w);
        });
      }
      if (db) add_rows(dy, d.output_pixels(), d.channels(), &db_partials[static_cast<size_t>(group * d.channels())]);
      if (dx) backward_input(d, dy, args.inputs[1].data, dx + at_image);
    }
  });
  if (dw) add_partials(dw_partials, d.weights(), dw);
  if (db) add_partials(db_partials, d.channels(), db);
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  const Shape& weights = args.graph[args.node.inputs[1]].type.shape;
  const int64_t channels = args.graph[args.node.inputs[0]].type.shape[3];
  auto calls = lower_convolution<device::DepthwiseConv2DIntegerParams, device::DepthwiseConv2DF32Params>(
      args, "depthwise_conv2d", 3, [&](auto& params) {
        params.input_c = static_cast<int32_t>(channels),
        params.depth_multiplier = static_cast<int32_t>(weights[3] / channels);
      });
  if (args.form.isa == "arm_mve") return with_arm_mve(std::move(calls));
  if (args.form.isa == "arm_dsp" && calls && calls->front().kernel == "depthwise_conv2d_s8")
    if (auto own = depthwise_arm_dsp(args.form, calls->front())) calls->front() = std::move(*own);
  return with_scalar(args.form, std::move(calls));
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape& weights = graph[node.inputs[1]].type.shape;
  return element_count(graph[node.outputs[0]].type.shape) * weights[1] * weights[2];
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  attrs.set("depth_multiplier", reader.integer("depth_multiplier"));
  return read_convolution(reader, attrs);
}

void write(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("depth_multiplier", attrs.integer("depth_multiplier", 1));
  write_convolution(attrs, writer);
}

int version_of(const Graph& graph, const Node& node) {
  const LinearForm form = linear_form(graph, node);
  if (form.int4) return 7;
  if (form.activations == DType::i16) return 5;
  if (form.activations == DType::i8) return 3;
  return node.attrs.integer("dilation_h", 1) != 1 || node.attrs.integer("dilation_w", 1) != 1 ? 2 : 1;
}

}  // namespace

const OpSpec& depthwise_conv2d() {
  static const OpSpec spec{
      .name = "depthwise_conv2d",
      .doc =
          "2-D convolution of each channel by itself, with weights [1, height, width, channels x depth multiplier], "
          "plus bias.",
      .traits = {.min_inputs = 2,
                 .max_inputs = 3,
                 .fuses_activation = true,
                 .rows = filter_rows,
                 .channels = separate_channels,
                 .takes_padding = true},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.weights = 1, .weights_axis = 3, .per_channel = true, .bias = 2},
      .tflite = TfliteMapping{.builtin = "DEPTHWISE_CONV_2D",
                              .options = "DepthwiseConv2DOptions",
                              .read = read,
                              .write = write,
                              .version_of = version_of},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
