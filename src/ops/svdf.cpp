// svdf: inputs x [batch, in], feature weights [filters, in], time weights [filters, memory], bias [filters / rank]
// (optional), state [batch, filters * memory]; output [batch, filters / rank]. Attributes rank, activation (float only:
// the integer form clamps to its type).
#include "device/kernels/svdf.h"

#include <cmath>

#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr size_t kFeatureWeights = 1, kTimeWeights = 2, kBias = 3, kState = 4;
constexpr int kStateInputs[] = {static_cast<int>(kState)};

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape &input = args.inputs[0].shape, &features = args.inputs[kFeatureWeights].shape,
              &times = args.inputs[kTimeWeights].shape, &bias = args.inputs[kBias].shape,
              &state = args.inputs[kState].shape;
  if (input.size() != 2 || features.size() != 2 || times.size() != 2 || features[1] != input[1] ||
      times[0] != features[0])
    return fail(
        ErrorCode::bad_data,
        fmt::format("input [batch, in], feature weights [filters, in] and time weights [filters, memory] do not "
                    "fit together: {}, {}, {}",
                    to_string(input), to_string(features), to_string(times)));
  const int64_t rank = args.attrs.integer("rank", 1);
  if (rank < 1 || features[0] % rank != 0)
    return fail(ErrorCode::bad_data,
                fmt::format("{} filters cannot be shared out to units of rank {}", features[0], rank));
  const int64_t units = features[0] / rank;
  if (!bias.empty() && bias != Shape{units})
    return fail(ErrorCode::bad_data, fmt::format("the bias must be [{}], found {}", units, to_string(bias)));
  if (state != Shape{input[0], features[0] * times[1]})
    return fail(ErrorCode::bad_data, fmt::format("the state must be [{}, {}], found {}", input[0],
                                                 features[0] * times[1], to_string(state)));
  const std::string activation = args.attrs.word("activation", "none");
  if (activation != "none" && activation != "relu" && activation != "relu6" && activation != "relu_n1_to_1")
    return fail(ErrorCode::bad_data,
                fmt::format("activation must be none, relu, relu6 or relu_n1_to_1, found {}", activation));
  return std::vector<ValueType>{{args.inputs[0].dtype, {input[0], units}}};
}

// The constant behind an input. Errors: unsupported when it is not constant or of another type.
Result<Tensor> constant_of(const LowerArgs& args, size_t input, DType dtype, std::string_view what) {
  const Value& value = args.graph[args.node.inputs[input]];
  if (!value.constant || value.type.dtype != dtype)
    return cannot_lower(args.node, fmt::format("the {} must be constant {}, found {} {}", what, name_of(dtype),
                                               value.constant ? "constant" : "computed", name_of(value.type.dtype)));
  return *value.constant;
}

Result<device::SvdfS8Params> integer_params(const LowerArgs& args, const device::SvdfF32Params& sizes) {
  const auto value = [&](size_t input) -> const Value& { return args.graph[args.node.inputs[input]]; };
  const Value &state = value(kState), &output = args.graph[args.node.outputs[0]];
  for (size_t weights : {kFeatureWeights, kTimeWeights})
    if (value(weights).quantization.scale.size() != 1 || zero_point_of(value(weights)) != 0)
      return cannot_lower(args.node, fmt::format("weights (input {}) need one scale and zero point 0", weights));
  // TFLite multiplies and divides these scales in float.
  const float to_state = scale_of(value(0)) * scale_of(value(kFeatureWeights)) / scale_of(state);
  const float to_output = scale_of(state) * scale_of(value(kTimeWeights)) / scale_of(output);
  if (!std::isfinite(to_state) || !std::isfinite(to_output))
    return cannot_lower(args.node, "the scales of input, weights, state and output are too far apart");
  const Multiplier first = quantize_multiplier(static_cast<double>(to_state));
  const Multiplier second = quantize_multiplier(static_cast<double>(to_output));
  return device::SvdfS8Params{sizes.batch,          sizes.inputs,
                              sizes.filters,        sizes.rank,
                              sizes.memory,         zero_point_of(value(0)),
                              zero_point_of(state), first.multiplier,
                              first.shift,          zero_point_of(output),
                              second.multiplier,    second.shift};
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Node& node = args.node;
  const bool int8 = dtype == DType::i8;
  const DType state = args.graph[node.inputs[kState]].type.dtype;
  if (int8 ? state != DType::i8 && state != DType::i16 : state != DType::f32)
    return cannot_lower(node, fmt::format("{} state beside {} activations; {} is supported", name_of(state),
                                          name_of(dtype), int8 ? "int8 or int16" : "float32"));
  const auto extent = [&](size_t input, size_t axis) {
    return static_cast<int32_t>(args.graph[node.inputs[input]].type.shape[axis]);
  };
  const FloatRange range = activation_range(node.attrs.word("activation", "none"));
  const device::SvdfF32Params sizes{extent(0, 0),
                                    extent(0, 1),
                                    extent(kFeatureWeights, 0),
                                    static_cast<int32_t>(node.attrs.integer("rank", 1)),
                                    extent(kTimeWeights, 1),
                                    device::bits_of(range.min),
                                    device::bits_of(range.max)};
  THIMBLE_LET(Tensor features, constant_of(args, kFeatureWeights, dtype, "feature weights"));
  THIMBLE_LET(Tensor times, constant_of(args, kTimeWeights, state, "time weights"));
  Tensor bias = Tensor::zeros(int8 ? DType::i32 : DType::f32, {sizes.filters / sizes.rank});
  if (node.inputs[kBias] != kNoValue) {
    THIMBLE_LET(bias, constant_of(args, kBias, bias.dtype, "bias"));
  }
  KernelCall call;
  if (int8) {
    THIMBLE_LET(const device::SvdfS8Params params, integer_params(args, sizes));
    call = KernelCall::make(state == DType::i8 ? "svdf_state8_s8" : "svdf_s8", params);
  } else {
    call = KernelCall::make("svdf_f32", sizes);
  }
  call.operand(node.inputs[0]).operand(std::move(features)).operand(std::move(times)).operand(std::move(bias));
  call.operand(node.inputs[kState]).operand(node.outputs[0]);
  return std::vector{std::move(call)};
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape &features = graph[node.inputs[kFeatureWeights]].type.shape,
              &times = graph[node.inputs[kTimeWeights]].type.shape;
  return graph[node.inputs[0]].type.shape[0] * features[0] * (features[1] + times[1]);
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  attrs.set("rank", reader.integer("rank"));
  return read_fused_activation(reader, attrs);
}

void write(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("rank", attrs.integer("rank", 1));
  write_fused_activation(attrs, writer);
}

}  // namespace

const OpSpec& svdf() {
  static const OpSpec spec{
      .name = "svdf",
      .doc = "Filters over inputs and time of a low rank, with state (singular value decomposition filter).",
      .traits = {.min_inputs = 5, .max_inputs = 5, .state_inputs = kStateInputs},
      .dtypes = {DType::f32, DType::i8},
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"state keeps the type it has in the imported model"},
      .tflite = TfliteMapping{.builtin = "SVDF",
                              .options = "SVDFOptions",
                              .version = 3,
                              .version_f32 = 1,
                              .read = read,
                              .write = write},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
