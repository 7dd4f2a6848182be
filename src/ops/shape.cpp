// Tensors made from shapes and numbers: fill (attribute shape; the input is the number), zeros_like, shape and rank of
// the input, range (attributes start, limit, delta), broadcast_args (the shape to which two shapes broadcast). Most of
// them are folded when a model is read.
#include <algorithm>

#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr int64_t kMostElements = int64_t{1} << 31;
constexpr int64_t kTfliteInt64 = 4;  // its TensorType

Result<std::vector<ValueType>> infer_fill(const InferArgs& args) {
  const Shape shape = args.attrs.integers("shape");
  int64_t room = kMostElements;
  for (int64_t extent : shape) {
    if (extent < 1 || extent > room)
      return fail(ErrorCode::bad_data, fmt::format("an output of shape {} is not possible", to_string(shape)));
    room /= extent;
  }
  if (element_count(args.inputs[0].shape) != 1)
    return fail(ErrorCode::bad_data, fmt::format("expected one number, found {}", to_string(args.inputs[0].shape)));
  return std::vector<ValueType>{{args.inputs[0].dtype, shape}};
}

std::vector<Copy> fill_moves(const MoveArgs& args) {
  Copy copy = zeros(args.outputs[0]);
  copy.input = 0;
  return {copy};
}

// Zeros as TFLite Micro writes them: also in quantised types the number 0.
std::vector<Copy> zero_moves(const MoveArgs& args) { return {zeros(args.outputs[0], Copy::kZeroBytes)}; }

DType index_type(const Attrs& attrs) { return attrs.word("type") == "int64" ? DType::i64 : DType::i32; }

Tensor integers(const std::vector<int64_t>& values, DType dtype, Shape shape) {
  if (dtype == DType::i64) return Tensor::from<int64_t>(std::move(shape), values);
  const std::vector<int32_t> narrow(values.begin(), values.end());
  return Tensor::from<int32_t>(std::move(shape), narrow);
}

// A call that writes these numbers.
std::vector<KernelCall> constant_calls(const LowerArgs& args, const std::vector<int64_t>& values) {
  const ValueType& output = args.graph[args.node.outputs[0]].type;
  return copy_calls(whole(output.shape), output.dtype, integers(values, output.dtype, output.shape),
                    args.node.outputs[0]);
}

Result<std::vector<ValueType>> infer_shape(const InferArgs& args) {
  const std::string type = args.attrs.word("type");
  if (type != "int32" && type != "int64")
    return fail(ErrorCode::bad_data, fmt::format("type must be int32 or int64, found \"{}\"", type));
  if (args.inputs[0].shape.empty()) return fail(ErrorCode::unsupported, "the shape of a single number is empty");
  return std::vector<ValueType>{{index_type(args.attrs), {static_cast<int64_t>(args.inputs[0].shape.size())}}};
}

Result<std::vector<KernelCall>> lower_shape(const LowerArgs& args) {
  return constant_calls(args, args.graph[args.node.inputs[0]].type.shape);
}

Result<std::vector<ValueType>> infer_rank(const InferArgs&) { return std::vector<ValueType>{{DType::i32, {}}}; }

Result<std::vector<KernelCall>> lower_rank(const LowerArgs& args) {
  return constant_calls(args, {static_cast<int64_t>(args.graph[args.node.inputs[0]].type.shape.size())});
}

Result<std::vector<ValueType>> infer_range(const InferArgs& args) {
  constexpr int64_t kMost = int64_t{1} << 24;
  const int64_t start = args.attrs.integer("start"), limit = args.attrs.integer("limit"),
                delta = args.attrs.integer("delta");
  const bool small = std::ranges::all_of(std::array{start, limit, delta},
                                         [](int64_t number) { return number >= INT32_MIN && number <= INT32_MAX; });
  int64_t count = 0;
  if (small && delta != 0) count = (limit - start + delta - (delta > 0 ? 1 : -1)) / delta;
  if (count < 1 || count > kMost)
    return fail(ErrorCode::bad_data, fmt::format("from {} to {} by {} is no range", start, limit, delta));
  return std::vector<ValueType>{{DType::i32, {count}}};
}

Result<std::vector<KernelCall>> lower_range(const LowerArgs& args) {
  std::vector<int64_t> values;
  const int64_t count = args.graph[args.node.outputs[0]].type.shape[0];
  for (int64_t i = 0; i < count; ++i)
    values.push_back(args.node.attrs.integer("start") + i * args.node.attrs.integer("delta"));
  return constant_calls(args, values);
}

Result<std::vector<ValueType>> infer_broadcast_args(const InferArgs& args) {
  THIMBLE_TRY(check_one_dtype(args));
  THIMBLE_TRY(check_indices(args.inputs[0]));
  for (const ValueType& input : args.inputs)
    if (input.shape.size() != 1)
      return fail(ErrorCode::bad_data, fmt::format("expected two shapes, found a tensor {}", to_string(input.shape)));
  return std::vector<ValueType>{{args.inputs[0].dtype, {std::max(args.inputs[0].shape[0], args.inputs[1].shape[0])}}};
}

Result<std::vector<KernelCall>> lower_broadcast_args(const LowerArgs& args) {
  std::vector<int64_t> shapes[2];
  for (size_t i = 0; i < 2; ++i) {
    const auto& constant = args.graph[args.node.inputs[i]].constant;
    if (!constant) return cannot_lower(args.node, "the shapes must be constant; export the model with fixed shapes");
    for (int64_t k = 0; k < constant->size(); ++k)
      shapes[i].push_back(constant->dtype == DType::i64 ? constant->as<int64_t>()[static_cast<size_t>(k)]
                                                        : constant->as<int32_t>()[static_cast<size_t>(k)]);
  }
  std::vector<int64_t>&longer = shapes[shapes[0].size() < shapes[1].size()],
  &shorter = shapes[shapes[0].size() >= shapes[1].size()];
  shorter.insert(shorter.begin(), longer.size() - shorter.size(), 1);
  for (size_t i = 0; i < longer.size(); ++i) {
    if (longer[i] != shorter[i] && longer[i] != 1 && shorter[i] != 1)
      return fail(ErrorCode::bad_data,
                  fmt::format("{} and {} do not broadcast", to_string(shapes[0]), to_string(shapes[1])),
                  args.node.name);
    if (longer[i] == 1) longer[i] = shorter[i];
  }
  return constant_calls(args, longer);
}

Outcome read_shape(const AttrReader& reader, Attrs& attrs) {
  attrs.set("type", reader.integer("out_type") == kTfliteInt64 ? "int64" : "int32");
  return {};
}

void write_shape(const Attrs& attrs, AttrWriter& writer) {
  constexpr int64_t kTfliteInt32 = 2;
  writer.integer("out_type", index_type(attrs) == DType::i64 ? kTfliteInt64 : kTfliteInt32);
}

}  // namespace

const OpSpec& fill() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{0, "shape"}};
  static const OpSpec spec{
      .name = "fill",
      .doc = "One number everywhere.",
      .dtypes = kAllDTypes,
      .infer = infer_fill,
      .forward = forward_moves(fill_moves),
      .backward = backward_moves(fill_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "FILL",
                              .options = "FillOptions",
                              .version = 3,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(fill_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& zeros_like() {
  static const OpSpec spec{
      .name = "zeros_like",
      .doc = "Zeros in the shape of the input.",
      .traits = {.reads_shapes_only = true},
      .dtypes = kAllDTypes,
      .infer = same_as_input,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"its zeros are the number 0 in every type, whatever the zero point"},
      .tflite =
          TfliteMapping{
              .builtin = "ZEROS_LIKE", .options = "ZerosLikeOptions", .read = reads_nothing, .write = writes_nothing},
      .lower = lower_moves(zero_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& shape() {
  static const OpSpec spec{
      .name = "shape",
      .doc = "The extents of the input.",
      .traits = {.reads_shapes_only = true},
      .dtypes = kAllDTypes,
      .infer = infer_shape,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"its output is integers"},
      .tflite = TfliteMapping{.builtin = "SHAPE", .options = "ShapeOptions", .read = read_shape, .write = write_shape},
      .lower = lower_shape,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& rank() {
  static const OpSpec spec{
      .name = "rank",
      .doc = "The number of axes of the input.",
      .traits = {.reads_shapes_only = true},
      .dtypes = kAllDTypes,
      .infer = infer_rank,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"its output is an integer"},
      .tflite =
          TfliteMapping{.builtin = "RANK", .options = "RankOptions", .read = reads_nothing, .write = writes_nothing},
      .lower = lower_rank,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& broadcast_args() {
  static const OpSpec spec{
      .name = "broadcast_args",
      .doc = "The shape to which two shapes broadcast.",
      .traits = {.min_inputs = 2, .max_inputs = 2},
      .dtypes = {DType::i32, DType::i64},
      .infer = infer_broadcast_args,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"its output is integers"},
      .tflite =
          TfliteMapping{.builtin = "BROADCAST_ARGS", .options = "", .read = reads_nothing, .write = writes_nothing},
      .lower = lower_broadcast_args,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& range() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{0, "start", TfliteConstantInput::kNumber},
                                                            {1, "limit", TfliteConstantInput::kNumber},
                                                            {2, "delta", TfliteConstantInput::kNumber}};
  static const OpSpec spec{
      .name = "range",
      .doc = "Integers from a start in steps, up to a limit.",
      .traits = {.min_inputs = 0, .max_inputs = 0, .reads_shapes_only = true},
      .dtypes = {DType::i32},
      .infer = infer_range,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = OptOut{"its output is integers"},
      .tflite = TfliteMapping{.builtin = "RANGE",
                              .options = "RangeOptions",
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_range,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
