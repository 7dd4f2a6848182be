// prelu: inputs x and alpha, which is broadcast against x (usually one slope for each channel); output x where x >= 0,
// else alpha x. Beside int16 activations alpha is int8.
#include "device/kernels/binary_f32.h"
#include "ops/ops.h"
#include "ops/quantized_binary.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const ValueType &x = args.inputs[0], &alpha = args.inputs[1];
  if (x.dtype != alpha.dtype && !(x.dtype == DType::i16 && alpha.dtype == DType::i8))
    return fail(ErrorCode::bad_data, fmt::format("prelu takes an alpha of its input's type, found {} and {}",
                                                 name_of(x.dtype), name_of(alpha.dtype)));
  const Shape shapes[] = {x.shape, alpha.shape};
  THIMBLE_TRY(broadcast_axes("prelu", shapes));
  THIMBLE_LET(Shape shape, broadcast_shape("prelu", shapes));
  return std::vector{ValueType{x.dtype, std::move(shape)}};
}

Result<std::vector<KernelCall>> lower(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  THIMBLE_LET(const BinaryNode node, binary_node(args));
  KernelCall call;
  if (dtype == DType::f32) {
    device::BroadcastParams params{};
    set_broadcast(params, node.axes);
    call = KernelCall::make("prelu_f32", params);
  } else if (node.b.type.dtype != DType::i8) {
    return cannot_lower(args.node,
                        fmt::format("int16 prelu takes an int8 alpha, found {}", name_of(node.b.type.dtype)));
  } else {
    THIMBLE_TRY(require_one_scale(args.node, {&node.a, &node.b, &node.output}));
    THIMBLE_LET(call, quantized_prelu(node));
  }
  call.operand(args.node.inputs[0]).operand(operand_of(args.graph, args.node.inputs[1])).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

}  // namespace

const OpSpec& prelu() {
  static const OpSpec spec{
      .name = "prelu",
      .doc = "x where x >= 0, else a learnt slope times x.",
      .traits = {.min_inputs = 2, .max_inputs = 2, .in_place = true, .channels = separate_channels},
      .dtypes = kRealAndInteger,
      .infer = infer,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{},
      .tflite = TfliteMapping{.builtin = "PRELU", .options = "", .read = reads_nothing, .write = writes_nothing},
      .lower = lower,
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
