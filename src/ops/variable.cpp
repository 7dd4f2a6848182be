// State by name: read_variable gives what the state (input 0) holds, assign_variable makes it hold its input 1, and
// slide_rows keeps the rows (axis 1) that came last: input 1 pushes as many old ones out.
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

Result<std::vector<ValueType>> infer_slide(const InferArgs& args) {
  const ValueType &state = args.inputs[0], &rows = args.inputs[1];
  Shape expected = state.shape;
  const bool fits = state.dtype == rows.dtype && state.shape.size() >= 2 && rows.shape.size() == state.shape.size() &&
                    state.shape[0] == 1 && rows.shape[1] <= state.shape[1];
  if (fits) expected[1] = rows.shape[1];
  if (!fits || rows.shape != expected)
    return fail(ErrorCode::bad_data,
                fmt::format("the state is {} {}, and new rows {} {} do not fit it", name_of(state.dtype),
                            to_string(state.shape), name_of(rows.dtype), to_string(rows.shape)));
  return std::vector<ValueType>{};
}

Result<std::vector<KernelCall>> lower_slide(const LowerArgs& args) {
  const auto bytes = [&](ValueId id) {
    const ValueType& type = args.graph[id].type;
    return static_cast<int32_t>(element_count(type.shape) * static_cast<int64_t>(size_of(type.dtype)));
  };
  const ValueId state = args.node.inputs[0], rows = args.node.inputs[1];
  if (rows == kNoValue) return cannot_lower(args.node, "there are no rows to add");
  KernelCall call = KernelCall::make("slide_bytes", device::SlideBytesParams{bytes(state) - bytes(rows), bytes(rows)});
  call.operand(operand_of(args.graph, rows)).operand(state);
  return std::vector{std::move(call)};
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

const OpSpec& slide_rows() {
  static const OpSpec spec{
      .name = "slide_rows",
      .doc = "A state of the last rows that came: new ones push old ones out; no output.",
      .traits = {.min_inputs = 2, .max_inputs = 2, .state_inputs = kWritten},
      .dtypes = kAllDTypes,
      .infer = infer_slide,
      .forward = OptOut{"it comes with streaming, which is for inference"},
      .backward = OptOut{"it comes with streaming, which is for inference"},
      .quantize = kNoQuantization,
      .tflite = OptOut{"streaming models are made for a board from models that are not"},
      .lower = lower_slide,
      .macs = OptOut{"it multiplies nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
