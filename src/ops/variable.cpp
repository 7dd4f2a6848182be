// State by name: read_variable gives what the state (input 0) holds, assign_variable makes it hold its input 1.
#include "device/kernels/copy.h"
#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr OptOut kNoQuantization{"state keeps the type it has in the imported model"};
constexpr int kWritten[] = {0};

KernelCall copy(const LowerArgs& args, ValueId from, ValueId to) {
  const ValueType& type = args.graph[from].type;
  const int64_t bytes = element_count(type.shape) * static_cast<int64_t>(size_of(type.dtype));
  KernelCall call = KernelCall::make("copy_bytes", device::CopyBytesParams{static_cast<int32_t>(bytes)});
  if (const auto& constant = args.graph[from].constant)
    call.operand(*constant);
  else
    call.operand(from);
  call.operand(to);
  return call;
}

Result<std::vector<ValueType>> infer_assign(const InferArgs& args) {
  const ValueType &state = args.inputs[0], &value = args.inputs[1];
  if (state != value)
    return fail(ErrorCode::bad_data, fmt::format("the state is {} {}, the value for it {} {}", name_of(state.dtype),
                                                 to_string(state.shape), name_of(value.dtype), to_string(value.shape)));
  return std::vector<ValueType>{};
}

}  // namespace

const OpSpec& read_variable() {
  static const OpSpec spec{
      .name = "read_variable",
      .doc = "What a state holds at this moment.",
      .traits = {},
      .dtypes = kAllDTypes,
      .infer = [](const InferArgs& args) -> Result<std::vector<ValueType>> { return std::vector{args.inputs[0]}; },
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = kNoQuantization,
      .tflite = TfliteMapping{.builtin = "READ_VARIABLE", .options = "ReadVariableOptions"},
      .lower = [](const LowerArgs& args) -> Result<std::vector<KernelCall>> {
        return std::vector{copy(args, args.node.inputs[0], args.node.outputs[0])};
      },
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

const OpSpec& assign_variable() {
  static const OpSpec spec{
      .name = "assign_variable",
      .doc = "Makes a state hold a value, from here on and in the inferences to come; no output.",
      .traits = {.min_inputs = 2, .max_inputs = 2, .state_inputs = kWritten},
      .dtypes = kAllDTypes,
      .infer = infer_assign,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = kNoQuantization,
      .tflite = TfliteMapping{.builtin = "ASSIGN_VARIABLE", .options = "AssignVariableOptions"},
      .lower = [](const LowerArgs& args) -> Result<std::vector<KernelCall>> {
        if (args.node.inputs[1] == kNoValue) return cannot_lower(args.node, "there is no value to assign");
        return std::vector{copy(args, args.node.inputs[1], args.node.inputs[0])};
      },
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
