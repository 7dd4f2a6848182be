// What conv2d and depthwise_conv2d share on the host: checking shapes, and walking a batch in fixed groups so that
// gradients of weights are summed in the same order on any number of cores.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "device/base/params.h"
#include "graph/op_spec.h"
#include "ops/lowering.h"
#include "ops/overlap.h"
#include "ops/window.h"

namespace thimble::ops {

// Calls body(group, first, last) in parallel for consecutive ranges of images; at most kBatchGroups, whatever the
// machine.
constexpr int64_t kBatchGroups = 32;
int64_t batch_groups(int64_t batch);
void for_each_group(int64_t batch, const std::function<void(int64_t group, int64_t first, int64_t last)>& body);

// sum[i] += partial[0 * size + i] + partial[1 * size + i] + ... in this order.
void add_partials(const std::vector<float>& partials, int64_t size, float* sum);

// Gradient of the sums before the fused activation: the output's own where there is none, else masked in `storage`.
const float* gradient_before_activation(const BackwardArgs& args, std::vector<float>& storage);

// y[row, c] += bias[c], and its gradient: sum[c] += dy[row, c].
void add_bias(const float* bias, int64_t rows, int64_t channels, float* y);
void add_rows(const float* dy, int64_t rows, int64_t channels, float* sum);

// OpTraits::rows of a convolution with weights [., kh, kw, .].
std::optional<RowWindow> filter_rows(const Graph& graph, const Node& node);

// Fields that Conv2DOptions and DepthwiseConv2DOptions share.
Outcome read_convolution(const AttrReader& reader, Attrs& attrs);
void write_convolution(const Attrs& attrs, AttrWriter& writer);

// The window in the parameters of a kernel.
template <class Params>
void set_window(const Window& window, Params& params) {
  const auto set = [](int32_t& field, int64_t value) { field = static_cast<int32_t>(value); };
  set(params.input_h, window.h.input), set(params.input_w, window.w.input);
  set(params.output_h, window.h.output), set(params.output_w, window.w.output);
  set(params.kernel_h, window.h.taps), set(params.kernel_w, window.w.taps);
  set(params.stride_h, window.h.stride), set(params.stride_w, window.w.stride);
  set(params.dilation_h, window.h.dilation), set(params.dilation_w, window.w.dilation);
  set(params.padding_h, window.h.padding), set(params.padding_w, window.w.padding);
}

// The call of kernel <name>_f32 or an integer one; set_channels fills what is not the window, zero points or
// activation. channel_axis: axis of the weights that counts output channels.
template <class IntegerParams, class F32Params, class SetChannels>
Result<std::vector<KernelCall>> lower_convolution(const LowerArgs& args, std::string_view name, int channel_axis,
                                                  const SetChannels& set_channels) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Graph& graph = args.graph;
  const Node& node = args.node;
  const Value &input = graph[node.inputs[0]], &weights = graph[node.inputs[1]], &output = graph[node.outputs[0]];
  const Shape& taps = weights.type.shape;
  THIMBLE_LET(const Window window, make_window(node.attrs, input.type.shape, taps[1], taps[2]));
  const std::string activation = node.attrs.word("activation", "none");
  const auto make = [&](auto params, auto min, auto max, const std::string& kernel) {
    set_window(window, params);
    set_channels(params);
    params.batches = static_cast<int32_t>(input.type.shape[0]);
    params.activation_min = min, params.activation_max = max;
    auto call = KernelCall::make(kernel, params);
    call.overlap = overlap_of(portable_loop(params, dtype), 0, 0);
    call.operand(node.inputs[0]).operand(operand_of(graph, node.inputs[1]));
    return call;
  };
  const auto with_output = [&](KernelCall& call) {
    if (call.overlap) call.overlap->output = call.operands.size();
    call.operand(node.outputs[0]);
    return std::vector{std::move(call)};
  };
  if (dtype == DType::f32) {
    if (weights.type.dtype != DType::f32)
      return cannot_lower(node, "the weights of float32 activations must be float32");
    const FloatRange range = activation_range(activation);
    THIMBLE_LET(Operand bias, float_bias(graph, node, taps[static_cast<size_t>(channel_axis)]));
    KernelCall call =
        make(F32Params{}, device::bits_of(range.min), device::bits_of(range.max), fmt::format("{}_f32", name));
    call.operand(std::move(bias));
    return with_output(call);
  }
  THIMBLE_LET(ChannelConstants constants, channel_constants(graph, node, {.channel_axis = channel_axis}));
  THIMBLE_LET(const std::string kernel, integer_kernel(node, name, dtype, constants.bias.dtype));
  const IntRange range = activation_range(activation, output.quantization, dtype);
  IntegerParams params{};
  params.input_zero_point = zero_point_of(input), params.output_zero_point = zero_point_of(output);
  KernelCall call = make(params, range.min, range.max, kernel);
  call.operand(std::move(constants.bias)).operand(std::move(constants.multiplier)).operand(std::move(constants.shift));
  return with_output(call);
}

}  // namespace thimble::ops
