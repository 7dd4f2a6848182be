// Batch matrix multiplication: inputs a [..., rows, depth] and b [..., depth, cols], 2 to 5 extents, either constant or
// not; output [..., rows, cols]. Extents before the last two are equal or 1. Attributes adj_x, adj_y: a, b are stored
// transposed.
#include "device/kernels/batch_matmul.h"

#include <algorithm>
#include <array>

#include "ops/matmul.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr size_t kLeastRank = 2, kMostRank = 5;

struct Extents {
  int64_t rows, cols, depth;
};
Extents extents_of(const MatrixProduct& m) {
  const auto from_end = [](const Shape& shape, size_t i) { return shape[shape.size() - i]; };
  return {from_end(m.a_shape, m.transpose_a ? 1 : 2), from_end(m.b_shape, m.transpose_b ? 2 : 1),
          from_end(m.a_shape, m.transpose_a ? 2 : 1)};
}

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const ValueType &a = args.inputs[0], &b = args.inputs[1];
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::bad_data, fmt::format("{} {} times {} {}: {}", name_of(a.dtype), to_string(a.shape),
                                                 name_of(b.dtype), to_string(b.shape), why));
  };
  for (const Shape& shape : {a.shape, b.shape})
    if (shape.size() < kLeastRank || shape.size() > kMostRank) return refuse("2 to 5 extents are possible");
  if (a.dtype != b.dtype) return refuse("both must be of one type");
  const bool adj_x = args.attrs.integer("adj_x") != 0, adj_y = args.attrs.integer("adj_y") != 0;
  const Extents e = extents_of({.transpose_a = adj_x, .transpose_b = adj_y, .a_shape = a.shape, .b_shape = b.shape});
  if (e.depth != b.shape[b.shape.size() - (adj_y ? 1 : 2)]) return refuse("the extents that are summed over differ");
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  Shape output(rank, 1);
  for (size_t i = 3; i <= rank; ++i) {
    const int64_t left = i <= a.shape.size() ? a.shape[a.shape.size() - i] : 1;
    const int64_t right = i <= b.shape.size() ? b.shape[b.shape.size() - i] : 1;
    if (left != right && left != 1 && right != 1) return refuse("batches must be equal or 1");
    output[rank - i] = std::max(left, right);
  }
  output[rank - 2] = e.rows, output[rank - 1] = e.cols;
  return std::vector<ValueType>{{a.dtype, std::move(output)}};
}

// Three extents of batches, those of a shorter shape filled with ones.
std::array<int64_t, 3> batches_of(const Shape& shape) {
  std::array<int64_t, 3> batches = {1, 1, 1};
  for (size_t i = 2; i < shape.size(); ++i) batches[4 - i] = shape[shape.size() - 1 - i];
  return batches;
}

template <class Params>
void set_geometry(const MatrixProduct& m, Params& p) {
  const auto narrow = [](int64_t value) { return static_cast<int32_t>(value); };
  const Extents e = extents_of(m);
  p.rows = narrow(e.rows), p.cols = narrow(e.cols), p.depth = narrow(e.depth);
  p.a_row_step = narrow(m.transpose_a ? 1 : e.depth), p.a_depth_step = narrow(m.transpose_a ? e.rows : 1);
  p.b_depth_step = narrow(m.transpose_b ? 1 : e.cols), p.b_col_step = narrow(m.transpose_b ? e.depth : 1);
  p.bias_step = m.bias == kNoValue ? 0 : 1;
  const std::array<int64_t, 3> a = batches_of(m.a_shape), b = batches_of(m.b_shape);
  p.batches0 = narrow(std::max(a[0], b[0])), p.batches1 = narrow(std::max(a[1], b[1]));
  p.batches2 = narrow(std::max(a[2], b[2]));
  const auto steps = [&](const std::array<int64_t, 3>& batches, int64_t matrix, int32_t& s0, int32_t& s1, int32_t& s2) {
    s2 = batches[2] == 1 ? 0 : narrow(matrix);
    s1 = batches[1] == 1 ? 0 : narrow(matrix * batches[2]);
    s0 = batches[0] == 1 ? 0 : narrow(matrix * batches[2] * batches[1]);
  };
  steps(a, e.rows * e.depth, p.a_step0, p.a_step1, p.a_step2);
  steps(b, e.depth * e.cols, p.b_step0, p.b_step1, p.b_step2);
}

Result<KernelCall> integer_call(const LowerArgs& args, const MatrixProduct& m, DType dtype) {
  const Value &a = args.graph[m.a], &b = args.graph[m.b], &output = args.graph[args.node.outputs[0]];
  for (const Value* value : {&a, &b, &output})
    if (value->quantization.scale.size() != 1)
      return cannot_lower(args.node,
                          fmt::format("{} has {} scales, expected one", value->name, value->quantization.scale.size()));
  const float product = scale_of(a) * scale_of(b);
  const Multiplier multiplier =
      quantize_multiplier(static_cast<double>(product) / static_cast<double>(scale_of(output)));
  if (dtype == DType::i16 && multiplier.shift > device::kMostShift64)
    return cannot_lower(args.node, fmt::format("output scale {} is too small for input scales {} and {}",
                                               scale_of(output), scale_of(a), scale_of(b)));
  const IntRange range = activation_range(args.node.attrs.word("activation", "none"), output.quantization, dtype);
  device::BatchMatmulIntegerParams params{};
  set_geometry(m, params);
  params.a_zero_point = zero_point_of(a), params.b_zero_point = zero_point_of(b);
  params.output_zero_point = zero_point_of(output);
  params.multiplier = multiplier.multiplier, params.shift = multiplier.shift;
  params.activation_min = range.min, params.activation_max = range.max;
  return KernelCall::make(dtype == DType::i16 ? "batch_matmul_s16" : "batch_matmul_s8", params);
}

KernelCall float_call(const LowerArgs& args, const MatrixProduct& m) {
  const FloatRange range = activation_range(args.node.attrs.word("activation", "none"));
  device::BatchMatmulF32Params params{};
  set_geometry(m, params);
  params.activation_min = device::bits_of(range.min), params.activation_max = device::bits_of(range.max);
  return KernelCall::make("batch_matmul_f32", params);
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  const Node& node = args.node;
  return lower_matmul(args, {.a = node.inputs[0],
                             .b = node.inputs[1],
                             .transpose_a = node.attrs.integer("adj_x") != 0,
                             .transpose_b = node.attrs.integer("adj_y") != 0,
                             .a_shape = args.graph[node.inputs[0]].type.shape,
                             .b_shape = args.graph[node.inputs[1]].type.shape});
}

int64_t macs(const Graph& graph, const Node& node) {
  const Shape& a = graph[node.inputs[0]].type.shape;
  return element_count(graph[node.outputs[0]].type.shape) * a[a.size() - (node.attrs.integer("adj_x") != 0 ? 2 : 1)];
}

Outcome read(const AttrReader& reader, Attrs& attrs) {
  attrs.set("adj_x", reader.integer("adj_x")).set("adj_y", reader.integer("adj_y"));
  return {};
}

void write(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("adj_x", attrs.integer("adj_x"));
  writer.integer("adj_y", attrs.integer("adj_y"));
}

}  // namespace

Result<std::vector<KernelCall>> lower_matmul(const LowerArgs& args, const MatrixProduct& product) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  for (ValueId id : {product.a, product.b})
    if (args.graph[id].type.dtype != dtype)
      return cannot_lower(args.node, fmt::format("{} times {} has no kernel", name_of(args.graph[product.a].type.dtype),
                                                 name_of(args.graph[product.b].type.dtype)));
  const DType sums = dtype == DType::f32 ? DType::f32 : dtype == DType::i16 ? DType::i64 : DType::i32;
  if (product.bias != kNoValue && args.graph[product.bias].type.dtype != sums)
    return cannot_lower(args.node, fmt::format("the bias must be {}, found {}", name_of(sums),
                                               name_of(args.graph[product.bias].type.dtype)));
  KernelCall call;
  if (dtype == DType::f32) {
    call = float_call(args, product);
  } else {
    THIMBLE_LET(call, integer_call(args, product, dtype));
  }
  call.operand(operand_of(args.graph, product.a)).operand(operand_of(args.graph, product.b));
  if (product.bias != kNoValue)
    call.operand(operand_of(args.graph, product.bias));
  else
    call.operand(Tensor::zeros(sums, {1}));
  call.operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

const OpSpec& batch_matmul() {
  static const OpSpec spec{
      .name = "batch_matmul",
      .doc = "Matrix product of two inputs, for each matrix of a batch.",
      .traits = {.min_inputs = 2, .max_inputs = 2},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{},
      .tflite = TfliteMapping{.builtin = "BATCH_MATMUL",
                              .options = "BatchMatMulOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = read,
                              .write = write},
      .lower = lower,
      .macs = macs,
  };
  return spec;
}

}  // namespace thimble::ops
