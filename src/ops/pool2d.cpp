// average_pool2d, max_pool2d and l2_pool2d (root mean square; float32 only): input x [N, H, W, C]. Attributes window_h,
// window_w, those of ops/window.h, and activation. Taps in the padding do not count.
#include "device/kernels/pool2d.h"

#include <cmath>
#include <limits>

#include "ops/arm_mve.h"
#include "ops/loops.h"
#include "ops/lowering.h"
#include "ops/ops.h"
#include "ops/overlap.h"
#include "ops/window.h"

namespace thimble::ops {

namespace {

Result<Window> pool_window(const Attrs& attrs, const Shape& input) {
  if (attrs.integer("dilation_h", 1) != 1 || attrs.integer("dilation_w", 1) != 1)
    return fail(ErrorCode::unsupported, "pooling has no dilation");
  return make_window(attrs, input, attrs.integer("window_h", 1), attrs.integer("window_w", 1));
}

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  THIMBLE_LET(const Window window, pool_window(args.attrs, input));
  return std::vector<ValueType>{{args.inputs[0].dtype, {input[0], window.h.output, window.w.output, input[3]}}};
}

// visit(output pixel, first and last input pixel of a row of valid taps, valid taps of the whole window), for each row
// of each window; images in parallel.
template <class Visit>
void for_tap_rows(const Attrs& attrs, const Shape& input, Visit&& visit) {
  const Window window = *pool_window(attrs, input);
  const auto inside = [](const WindowAxis& axis, int64_t out) {
    const int64_t origin = out * axis.stride - axis.padding;
    return std::pair{std::max<int64_t>(0, origin), std::min(axis.input, origin + axis.taps)};
  };
  parallel_for(input[0], [&](int64_t n) {
    for (int64_t oy = 0; oy < window.h.output; ++oy)
      for (int64_t ox = 0; ox < window.w.output; ++ox) {
        const auto [top, bottom] = inside(window.h, oy);
        const auto [left, right] = inside(window.w, ox);
        const int64_t pixel = (n * window.h.output + oy) * window.w.output + ox;
        for (int64_t y = top; y < bottom; ++y) {
          const int64_t row = (n * window.h.input + y) * window.w.input;
          visit(pixel, row + left, row + right, (bottom - top) * (right - left));
        }
      }
  });
}

void average_forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  const int64_t channels = x.shape[3];
  std::fill_n(y.data, y.size(), 0.0f);
  for_tap_rows(args.attrs, x.shape, [&](int64_t pixel, int64_t first, int64_t last, int64_t taps) {
    const float share = 1.0f / static_cast<float>(taps);
    float* sums = y.data + pixel * channels;
    for (int64_t tap = first; tap < last; ++tap)
      for (int64_t c = 0; c < channels; ++c) sums[c] += x.data[tap * channels + c] * share;
  });
  apply_activation(args.attrs.word("activation", "none"), y);
}

void average_backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0], &dx = args.grad_inputs[0];
  if (!dx.data) return;
  const int64_t channels = x.shape[3];
  std::vector<float> dy(args.grad_outputs[0].data, args.grad_outputs[0].data + y.size());
  mask_activation_gradient(args.attrs.word("activation", "none"), y, dy);
  for_tap_rows(args.attrs, x.shape, [&](int64_t pixel, int64_t first, int64_t last, int64_t taps) {
    const float share = 1.0f / static_cast<float>(taps);
    const float* gradient = dy.data() + pixel * channels;
    for (int64_t tap = first; tap < last; ++tap)
      for (int64_t c = 0; c < channels; ++c) dx.data[tap * channels + c] += gradient[c] * share;
  });
}

// saved: the maxima before the activation.
void max_forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  const int64_t channels = x.shape[3];
  std::fill_n(y.data, y.size(), -std::numeric_limits<float>::infinity());
  for_tap_rows(args.attrs, x.shape, [&](int64_t pixel, int64_t first, int64_t last, int64_t) {
    float* tops = y.data + pixel * channels;
    for (int64_t tap = first; tap < last; ++tap)
      for (int64_t c = 0; c < channels; ++c) tops[c] = std::max(tops[c], x.data[tap * channels + c]);
  });
  args.saved.assign(y.data, y.data + y.size());
  apply_activation(args.attrs.word("activation", "none"), y);
}

// The gradient goes to the first tap that holds the maximum.
void max_backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0], &dx = args.grad_inputs[0];
  if (!dx.data) return;
  const int64_t channels = x.shape[3];
  std::vector<float> dy(args.grad_outputs[0].data, args.grad_outputs[0].data + y.size());
  mask_activation_gradient(args.attrs.word("activation", "none"), y, dy);
  for_tap_rows(args.attrs, x.shape, [&](int64_t pixel, int64_t first, int64_t last, int64_t) {
    float* gradient = dy.data() + pixel * channels;
    const float* tops = args.saved.data() + pixel * channels;
    for (int64_t tap = first; tap < last; ++tap)
      for (int64_t c = 0; c < channels; ++c)
        if (x.data[tap * channels + c] == tops[c]) dx.data[tap * channels + c] += std::exchange(gradient[c], 0.0f);
  });
}

// As the reference has it, scales that differ by less than 1e-6 count as one.
bool same_quantization(const Quantization& a, const Quantization& b) {
  return !a.empty() && !b.empty() && std::abs(a.scale[0] - b.scale[0]) <= 1e-6f && a.zero_point == b.zero_point;
}

std::string describe(const Quantization& q) {
  return q.empty() ? "none" : fmt::format("{} and {}", q.scale[0], q.zero_point[0]);
}

// The conditions of device/kernels/pool2d_arm_dsp.h.
bool fits_arm_dsp(const device::Pool2DParams& p) {
  return p.channels % 4 == 0 && int64_t{p.window_h} * p.window_w <= 255;
}

int64_t instructions_arm_dsp(const device::Pool2DParams& p) {
  const int64_t pixels = int64_t{p.batches} * p.output_h * p.output_w;
  return pixels * (60 + p.channels / 4 * (70 + int64_t{p.window_h} * p.window_w * 6));
}

Result<std::vector<KernelCall>> lower(const std::string& kernel, const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  THIMBLE_LET(const Window window, pool_window(args.node.attrs, input.type.shape));
  const std::string activation = args.node.attrs.word("activation", "none");
  device::Pool2DParams params{.batches = static_cast<int32_t>(input.type.shape[0]),
                              .input_h = static_cast<int32_t>(window.h.input),
                              .input_w = static_cast<int32_t>(window.w.input),
                              .channels = static_cast<int32_t>(input.type.shape[3]),
                              .output_h = static_cast<int32_t>(window.h.output),
                              .output_w = static_cast<int32_t>(window.w.output),
                              .window_h = static_cast<int32_t>(window.h.taps),
                              .window_w = static_cast<int32_t>(window.w.taps),
                              .stride_h = static_cast<int32_t>(window.h.stride),
                              .stride_w = static_cast<int32_t>(window.w.stride),
                              .padding_h = static_cast<int32_t>(window.h.padding),
                              .padding_w = static_cast<int32_t>(window.w.padding),
                              .activation_min = 0,
                              .activation_max = 0};
  if (dtype != DType::f32) {
    if (!same_quantization(input.quantization, output.quantization))
      return cannot_lower(args.node, fmt::format("pooling keeps the scale and zero point, found {} in and {} out",
                                                 describe(input.quantization), describe(output.quantization)));
    const IntRange range = activation_range(activation, output.quantization, dtype);
    params.activation_min = range.min;
    params.activation_max = range.max;
  } else {
    const FloatRange range = activation_range(activation);
    params.activation_min = device::bits_of(range.min);
    params.activation_max = device::bits_of(range.max);
  }
  const bool by_four = dtype == DType::i8 && args.form.isa == "arm_dsp" && fits_arm_dsp(params);
  auto call = KernelCall::make(fmt::format("{}_{}{}", kernel, kernel_suffix(dtype), by_four ? "_arm_dsp" : ""), params);
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  call.overlap = overlap_of(portable_loop(params, dtype), 0, 1);
  if (by_four) call.instructions = instructions_arm_dsp(params);
  std::vector calls{std::move(call)};
  return args.form.isa == "arm_mve" ? with_arm_mve(std::move(calls)) : std::move(calls);
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  THIMBLE_TRY(read_padding(reader, attrs));
  read_strides(reader, attrs);
  attrs.set("window_h", reader.integer("filter_height")).set("window_w", reader.integer("filter_width"));
  return read_fused_activation(reader, attrs);
}

void write_options(const Attrs& attrs, AttrWriter& writer) {
  write_padding(attrs, writer);
  write_strides(attrs, writer);
  writer.integer("filter_height", attrs.integer("window_h", 1));
  writer.integer("filter_width", attrs.integer("window_w", 1));
  write_fused_activation(attrs, writer);
}

OpSpec make_spec(std::string_view name, std::string_view doc, std::string_view builtin, DTypes types,
                 Stage<ForwardFn> forward, Stage<BackwardFn> backward) {
  return {
      .name = name,
      .doc = doc,
      .traits = {.fuses_activation = true,
                 .rows =
                     [](const Graph& graph, const Node& node) {
                       return window_rows(graph, node, node.attrs.integer("window_h", 1),
                                          node.attrs.integer("window_w", 1));
                     },
                 .channels = separate_channels},
      .dtypes = types,
      .infer = infer,
      .forward = std::move(forward),
      .backward = std::move(backward),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = builtin,
                              .options = "Pool2DOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = read_options,
                              .write = write_options},
      .lower = [name](const LowerArgs& args) { return lower(std::string(name), args); },
      .macs = OptOut{"it adds or compares, and multiplies nothing"},
  };
}

}  // namespace

const OpSpec& average_pool2d() {
  static const OpSpec spec = make_spec("average_pool2d", "Mean over windows of each channel.", "AVERAGE_POOL_2D",
                                       kRealAndInteger, average_forward, average_backward);
  return spec;
}

const OpSpec& max_pool2d() {
  static const OpSpec spec = make_spec("max_pool2d", "Maximum over windows of each channel.", "MAX_POOL_2D",
                                       kRealAndInteger, max_forward, max_backward);
  return spec;
}

const OpSpec& l2_pool2d() {
  static const OpSpec spec = [] {
    OpSpec l2 = make_spec("l2_pool2d", "Root mean square over windows of each channel.", "L2_POOL_2D", DType::f32,
                          kImportedOnly, kImportedOnly);
    l2.quantize = OptOut{"it has no integer form"};
    return l2;
  }();
  return spec;
}

}  // namespace thimble::ops
