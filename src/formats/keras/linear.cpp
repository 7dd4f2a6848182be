// Dense and convolutions of all kinds. 1-D convolutions are 2-D ones of height 1. Kernels are stored by Keras as
// [height, width, in, out], or [height, width, in, multiplier] where they are depthwise.
#include <algorithm>

#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

constexpr int64_t kMaxWindow = 1 << 16;
constexpr int64_t kMaxChannels = int64_t{1} << 28;

// [in, out] -> [out, in]
Tensor dense_weights(const Tensor& kernel) { return permuted(kernel, {1, 0}); }

Tensor four_axes(const Tensor& kernel) {
  Tensor result = kernel;
  if (result.shape.size() == 3) result.shape.insert(result.shape.begin(), 1);
  return result;
}

// [h, w, in, out] -> [out, h, w, in]
Tensor convolution_weights(const Tensor& kernel) { return permuted(four_axes(kernel), {3, 0, 1, 2}); }

// [h, w, in, m] -> [1, h, w, in * m]
Tensor depthwise_weights(const Tensor& kernel) {
  Tensor result = four_axes(kernel);
  result.shape = {1, result.shape[0], result.shape[1], result.shape[2] * result.shape[3]};
  return result;
}

// [h, w, out, in] -> [out, h, w, in]
Tensor transposed_weights(const Tensor& kernel) { return permuted(four_axes(kernel), {2, 0, 1, 3}); }

Outcome check_kernel(const Use& use, size_t slot, size_t rank) {
  if (slot >= use.weights.size() || use.weights[slot].shape.size() != rank || use.weights[slot].size() == 0)
    return use.damaged(fmt::format("weight {} must have {} axes, found {}", slot, rank,
                                   slot < use.weights.size() ? to_string(use.weights[slot].shape) : "none"));
  return {};
}

Tensor zero_bias(const Tensor& kernel) {
  const Shape shape{kernel.shape.back()};
  return Tensor::zeros(DType::f32, shape);
}

// [h, w, in, m] -> [in * m]
Tensor depthwise_zero_bias(const Tensor& kernel) {
  const size_t rank = kernel.shape.size();
  return Tensor::zeros(DType::f32, {kernel.shape[rank - 1] * kernel.shape[rank - 2]});
}

std::vector<ValueId> with_bias(const Use& use, ValueId x, ValueId weights, size_t slot) {
  std::vector<ValueId> inputs{x, weights};
  if (use.weights.size() > slot) inputs.push_back(use.weight("bias", slot));
  return inputs;
}

// TensorFlow Lite's convolutions must have a bias: zeros where Keras has none.
std::vector<ValueId> with_some_bias(const Use& use, ValueId x, ValueId weights, size_t slot, size_t kernel,
                                    Tensor (*zeros)(const Tensor&)) {
  std::vector<ValueId> inputs = with_bias(use, x, weights, slot);
  if (inputs.size() < 3) inputs.push_back(use.constant("bias", use.weights[kernel], zeros));
  return inputs;
}

Result<Flows> dense(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(2, 8));
  THIMBLE_TRY(check_kernel(use, 0, 2));
  const Flow& input = use.inputs[0];
  const Shape& kernel = use.weights[0].shape;
  if (input.shape.back() != kernel[0])
    return use.damaged(
        fmt::format("its kernel {} does not fit its input {}", to_string(kernel), to_string(input.shape)));
  ValueId x = input.value;
  if (use.to.shape_of(x).empty() || use.to.shape_of(x).back() != kernel[0]) {
    THIMBLE_LET(x, use.plain(input));
  }
  const ValueId weights = use.constant("kernel", use.weights[0], dense_weights);
  THIMBLE_LET(ValueId y, use.emit("fully_connected", "", with_bias(use, x, weights, 1)));
  Shape shape = input.shape;
  shape.back() = kernel[1];
  // Softmax looks at rows, which are the same in both shapes.
  THIMBLE_LET(y, use.activate(y));
  return Flows{{y, shape, input.masked}};
}

// ---- windows

struct Window {
  size_t axes = 2;
  std::vector<int64_t> stride, dilation;  // [h, w]
  std::string padding;
  Attrs attrs() const {
    return Attrs()
        .set("padding", padding)
        .set("stride_h", stride[0])
        .set("stride_w", stride[1])
        .set("dilation_h", dilation[0])
        .set("dilation_w", dilation[1]);
  }
};

Outcome refuse_channels_first(const Use& use) {
  THIMBLE_LET(const std::string format, use.word("data_format", "channels_last"));
  if (format == "channels_last") return {};
  return use.refuse(fmt::format("data_format {} is not supported", clean(format)),
                    "build the model with data_format=\"channels_last\"");
}

Result<Window> window_of(const Use& use, size_t axes) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(axes + 2, axes + 2));
  THIMBLE_TRY(refuse_channels_first(use));
  Window window{.axes = axes};
  THIMBLE_LET(window.stride, use.integers("strides", axes, 1, 1, kMaxWindow));
  THIMBLE_LET(window.dilation, use.integers("dilation_rate", axes, 1, 1, kMaxWindow));
  THIMBLE_LET(window.padding, use.word("padding", "valid"));
  if (axes == 1) {
    window.stride.insert(window.stride.begin(), 1);
    window.dilation.insert(window.dilation.begin(), 1);
  }
  if (window.padding != "same" && window.padding != "valid" && !(window.padding == "causal" && axes == 1))
    return use.damaged(fmt::format("padding {} is not known", clean(window.padding)));
  return window;
}

Shape image_shape(const Shape& shape) { return shape.size() == 3 ? Shape{shape[0], 1, shape[1], shape[2]} : shape; }

// The input as [N, H, W, C], with zeros before it where the padding is causal.
Result<ValueId> image(const Use& use, Window& window, int64_t taps_w) {
  THIMBLE_LET(const ValueId x, use.reshaped(use.inputs[0].value, image_shape(use.inputs[0].shape)));
  if (window.padding != "causal") return x;
  window.padding = "valid";
  const int64_t before = (taps_w - 1) * window.dilation[1];
  if (before == 0) return x;
  return use.emit("pad", "causal", {x}, Attrs().set("paddings", std::vector<int64_t>{0, 0, 0, 0, before, 0, 0, 0}));
}

Flow flow_of(const Use& use, ValueId image, size_t axes) {
  Shape shape = use.to.shape_of(image);
  if (axes == 1) shape.erase(shape.begin() + 1);
  return {image, shape, use.inputs[0].masked};
}

Result<ValueId> depthwise(const Use& use, ValueId x, const Window& window, std::string_view part, size_t bias_slot) {
  const int64_t multiplier = use.weights[0].shape.back();
  const ValueId weights = use.constant("depthwise_kernel", use.weights[0], depthwise_weights);
  return use.emit("depthwise_conv2d", part, with_some_bias(use, x, weights, bias_slot, 0, depthwise_zero_bias),
                  window.attrs().set("depth_multiplier", multiplier));
}

template <size_t kAxes>
Result<Flows> convolution(const Use& use) {
  THIMBLE_LET(Window window, window_of(use, kAxes));
  THIMBLE_TRY(check_kernel(use, 0, kAxes + 2));
  THIMBLE_LET(const int64_t groups, use.integer("groups", 1, 1, 1 << 20));
  const Shape& kernel = use.weights[0].shape;
  THIMBLE_LET(const ValueId x, image(use, window, kernel[kAxes - 1]));
  if (kernel[kAxes] > kMaxChannels || kernel[kAxes] * groups != use.to.shape_of(x).back())
    return use.damaged(fmt::format("kernel {} for {} groups of its input {}", to_string(kernel), groups,
                                   to_string(use.inputs[0].shape)));
  const ValueId weights = use.constant("kernel", use.weights[0], convolution_weights);
  THIMBLE_LET(ValueId y, use.emit("conv2d", "", with_some_bias(use, x, weights, 1, 0, zero_bias), window.attrs()));
  THIMBLE_LET(y, use.activate(y));
  return Flows{flow_of(use, y, kAxes)};
}

template <size_t kAxes>
Result<Flows> depthwise_convolution(const Use& use) {
  THIMBLE_LET(Window window, window_of(use, kAxes));
  THIMBLE_TRY(check_kernel(use, 0, kAxes + 2));
  THIMBLE_LET(const ValueId x, image(use, window, use.weights[0].shape[kAxes - 1]));
  THIMBLE_LET(ValueId y, depthwise(use, x, window, "", 1));
  THIMBLE_LET(y, use.activate(y));
  return Flows{flow_of(use, y, kAxes)};
}

template <size_t kAxes>
Result<Flows> separable_convolution(const Use& use) {
  THIMBLE_LET(Window window, window_of(use, kAxes));
  THIMBLE_TRY(check_kernel(use, 0, kAxes + 2));
  THIMBLE_TRY(check_kernel(use, 1, kAxes + 2));
  THIMBLE_LET(const ValueId x, image(use, window, use.weights[0].shape[kAxes - 1]));
  THIMBLE_LET(ValueId y, depthwise(use, x, window, "depthwise", SIZE_MAX));
  const ValueId weights = use.constant("pointwise_kernel", use.weights[1], convolution_weights);
  THIMBLE_LET(
      y, use.emit("conv2d", "", with_some_bias(use, y, weights, 2, 1, zero_bias), Attrs().set("padding", "valid")));
  THIMBLE_LET(y, use.activate(y));
  return Flows{flow_of(use, y, kAxes)};
}

template <size_t kAxes>
Result<Flows> transposed_convolution(const Use& use) {
  THIMBLE_LET(Window window, window_of(use, kAxes));
  THIMBLE_TRY(check_kernel(use, 0, kAxes + 2));
  if (window.dilation != std::vector<int64_t>{1, 1})
    return use.refuse("dilation of a transposed convolution is not supported", "use dilation_rate=1");
  const auto padding = use.config().find("output_padding");
  if (padding != use.config().end() && !padding->is_null())
    return use.refuse("output_padding is not supported", "leave output_padding out");
  THIMBLE_LET(const ValueId x, image(use, window, 1));
  const ValueId weights = use.constant("kernel", use.weights[0], transposed_weights);
  const Tensor kernel = four_axes(use.weights[0]);
  Shape shape = use.to.shape_of(x);
  for (size_t i = 0; i < 2; ++i) {
    const int64_t taps = kernel.shape[i], stride = window.stride[i];
    shape[i + 1] = shape[i + 1] * stride + (window.padding == "valid" ? std::max<int64_t>(taps - stride, 0) : 0);
  }
  shape[3] = kernel.shape[2];
  Attrs attrs = Attrs()
                    .set("padding", window.padding)
                    .set("stride_h", window.stride[0])
                    .set("stride_w", window.stride[1])
                    .set("output_shape", shape);
  THIMBLE_LET(ValueId y, use.emit("transpose_conv", "", with_bias(use, x, weights, 1), std::move(attrs)));
  THIMBLE_LET(y, use.activate(y));
  return Flows{flow_of(use, y, kAxes)};
}

}  // namespace

std::span<const NamedHandler> linear_layers() {
  static constexpr NamedHandler kTable[] = {
      {"Dense", dense},
      {"Conv1D", convolution<1>},
      {"Conv2D", convolution<2>},
      {"Convolution1D", convolution<1>},
      {"Convolution2D", convolution<2>},
      {"DepthwiseConv1D", depthwise_convolution<1>},
      {"DepthwiseConv2D", depthwise_convolution<2>},
      {"SeparableConv1D", separable_convolution<1>},
      {"SeparableConv2D", separable_convolution<2>},
      {"Conv1DTranspose", transposed_convolution<1>},
      {"Conv2DTranspose", transposed_convolution<2>},
  };
  return kTable;
}

}  // namespace thimble::keras
