#include "ops/movement.h"

#include <algorithm>
#include <array>
#include <bit>

#include "device/kernels/strided_copy.h"
#include "ops/lowering.h"

namespace thimble::ops {

namespace {

constexpr size_t kAxes = 6;  // of the kernel

// A copy for the kernel: exactly kAxes axes, missing ones in front.
device::StridedCopyParams params_of(const Copy& copy) {
  int32_t extent[kAxes], from[kAxes], to[kAxes];
  for (size_t slot = 0, skipped = kAxes - copy.extents.size(); slot < kAxes; ++slot) {
    const bool used = slot >= skipped;
    extent[slot] = used ? static_cast<int32_t>(copy.extents[slot - skipped]) : 1;
    from[slot] = used ? static_cast<int32_t>(copy.from_strides[slot - skipped]) : 0;
    to[slot] = used ? static_cast<int32_t>(copy.to_strides[slot - skipped]) : 0;
  }
  return {extent[0],
          extent[1],
          extent[2],
          extent[3],
          extent[4],
          extent[5],
          from[0],
          from[1],
          from[2],
          from[3],
          from[4],
          from[5],
          to[0],
          to[1],
          to[2],
          to[3],
          to[4],
          to[5],
          static_cast<int32_t>(copy.from),
          static_cast<int32_t>(copy.to)};
}

// Whether neighbours in pairs can be moved as one element of twice the size.
bool pairs_up(const Copy& copy) {
  const auto even = [](int64_t value) { return value % 2 == 0; };
  return !copy.extents.empty() && copy.from_strides.back() == 1 && copy.to_strides.back() == 1 &&
         even(copy.extents.back()) && even(copy.from) && even(copy.to) &&
         std::all_of(copy.from_strides.begin(), copy.from_strides.end() - 1, even) &&
         std::all_of(copy.to_strides.begin(), copy.to_strides.end() - 1, even);
}

Copy paired(Copy copy) {
  copy.extents.back() /= 2;
  copy.from /= 2;
  copy.to /= 2;
  for (size_t axis = 0; axis + 1 < copy.extents.size(); ++axis) {
    copy.from_strides[axis] /= 2;
    copy.to_strides[axis] /= 2;
  }
  return copy;
}

std::string_view kernel_for(size_t bytes) {
  return bytes == 1   ? "strided_copy_b8"
         : bytes == 2 ? "strided_copy_b16"
         : bytes == 4 ? "strided_copy_b32"
                      : "strided_copy_b64";
}

// Copies of at most kAxes axes: one for each index of the outermost axes that are too many.
void split_axes(const Copy& copy, std::vector<Copy>& parts) {
  if (copy.extents.size() <= kAxes) {
    parts.push_back(copy);
    return;
  }
  Copy part = copy;
  part.extents.erase(part.extents.begin());
  part.from_strides.erase(part.from_strides.begin());
  part.to_strides.erase(part.to_strides.begin());
  for (int64_t i = 0; i < copy.extents[0]; ++i) {
    split_axes(part, parts);
    part.from += copy.from_strides[0];
    part.to += copy.to_strides[0];
  }
}

std::vector<Copy> copies_of(MoveRule rule, const Attrs& attrs, std::span<const FloatView> inputs,
                            std::span<const FloatView> outputs) {
  std::vector<Shape> from, to;
  for (const FloatView& view : inputs) from.push_back(view.shape);
  for (const FloatView& view : outputs) to.push_back(view.shape);
  return rule({attrs, from, to});
}

// body(position in the copy's input, position in its output) for every element.
template <class Body>
void for_each_element(const Copy& copy, const Body& body) {
  std::vector<int64_t> at(copy.extents.size(), 0);
  int64_t from = copy.from, to = copy.to;
  for (;;) {
    body(from, to);
    size_t axis = at.size();
    for (; axis > 0; --axis) {
      const size_t i = axis - 1;
      from += copy.from_strides[i];
      to += copy.to_strides[i];
      if (++at[i] < copy.extents[i]) break;
      from -= copy.from_strides[i] * copy.extents[i];
      to -= copy.to_strides[i] * copy.extents[i];
      at[i] = 0;
    }
    if (axis == 0) return;
  }
}

}  // namespace

std::vector<int64_t> strides_of(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = shape.size(); axis > 1; --axis) strides[axis - 2] = strides[axis - 1] * shape[axis - 1];
  return strides;
}

Copy whole(const Shape& shape, int input, int output) { return {input, output, {element_count(shape)}, {1}, {1}}; }

Copy zeros(const Shape& output, int kind) { return {kind, 0, {element_count(output)}, {0}, {1}}; }

Copy simplified(const Copy& copy) {
  Copy result{copy.input, copy.output, {}, {}, {}, copy.from, copy.to};
  for (size_t axis = 0; axis < copy.extents.size(); ++axis) {
    const int64_t extent = copy.extents[axis], from = copy.from_strides[axis], to = copy.to_strides[axis];
    if (extent == 1) continue;
    if (!result.extents.empty() && result.from_strides.back() == from * extent &&
        result.to_strides.back() == to * extent) {
      result.extents.back() *= extent;
      result.from_strides.back() = from;
      result.to_strides.back() = to;
      continue;
    }
    result.extents.push_back(extent);
    result.from_strides.push_back(from);
    result.to_strides.push_back(to);
  }
  return result;
}

Result<size_t> axis_of(int64_t axis, size_t rank) {
  const auto count = static_cast<int64_t>(rank);
  if (axis < -count || axis >= count)
    return fail(ErrorCode::bad_data, fmt::format("axis {} is not one of {} axes", axis, rank));
  return static_cast<size_t>(axis < 0 ? axis + count : axis);
}

std::vector<KernelCall> copy_calls(const Copy& copy, DType dtype, const Operand& from, const Operand& to) {
  Copy units = simplified(copy);
  size_t bytes = size_of(dtype);
  for (; bytes < 4 && pairs_up(units); bytes *= 2) units = paired(units);
  std::vector<Copy> parts;
  split_axes(simplified(units), parts);
  std::vector<KernelCall> calls;
  for (const Copy& part : parts) {
    calls.push_back(KernelCall::make(std::string(kernel_for(bytes)), params_of(part)));
    calls.back().operand(from).operand(to);
  }
  return calls;
}

Operand input_operand(const LowerArgs& args, size_t input) {
  const ValueId id = args.node.inputs.at(input);
  if (args.graph[id].constant) return *args.graph[id].constant;
  return id;
}

Tensor zero_of(const Value& value) {
  Tensor zero = Tensor::zeros(value.type.dtype, {1});
  if (value.quantization.empty()) return zero;
  const int32_t code = zero_point_of(value);
  if (value.type.dtype == DType::i8 || value.type.dtype == DType::u8)
    zero.bytes[0] = static_cast<std::byte>(code & 0xFF);
  return zero;
}

Outcome check_indices(const ValueType& indices, bool int16) {
  if (indices.dtype == DType::i32 || indices.dtype == DType::i64 || (int16 && indices.dtype == DType::i16)) return {};
  return fail(ErrorCode::unsupported, fmt::format("indices must be int32 or int64, found {}", name_of(indices.dtype)));
}

// In bytes, which suits every type: along the last axis the block is contiguous in both tensors.
Result<KernelCall> copy_call_at(const LowerArgs& args, const Shape& whole, const Shape& part, bool into, Operand from,
                                size_t starts) {
  if (whole.size() > kAxes)
    return cannot_lower(args.node, fmt::format("{} axes; at most {} are supported", whole.size(), kAxes));
  const ValueId output = args.node.outputs[0];
  const auto bytes = static_cast<int64_t>(size_of(args.graph[output].type.dtype));
  std::array<int32_t, kAxes> room{}, step{};
  Copy copy{
      .extents = part, .from_strides = strides_of(into ? part : whole), .to_strides = strides_of(into ? whole : part)};
  for (size_t axis = 0; axis < whole.size(); ++axis) {
    const bool last = axis + 1 == whole.size();
    room[axis] = static_cast<int32_t>(whole[axis] - part[axis]);
    step[axis] = static_cast<int32_t>((into ? copy.to_strides : copy.from_strides)[axis] * bytes);
    copy.extents[axis] *= last ? bytes : 1;
    copy.from_strides[axis] *= last ? 1 : bytes;
    copy.to_strides[axis] *= last ? 1 : bytes;
  }
  const struct {  // as StridedCopyAtParams lists them
    device::StridedCopyParams block;
    int32_t moves_output, index_bytes, axes;
    std::array<int32_t, kAxes> room, step;
  } fields = {.block = params_of(copy),
              .moves_output = into,
              .index_bytes = static_cast<int32_t>(size_of(args.graph[args.node.inputs[starts]].type.dtype)),
              .axes = static_cast<int32_t>(whole.size()),
              .room = room,
              .step = step};
  auto call = KernelCall::make("strided_copy_at", std::bit_cast<device::StridedCopyAtParams>(fields));
  call.operand(std::move(from)).operand(input_operand(args, starts)).operand(output);
  return call;
}

Outcome check_one_scale(const LowerArgs& args) {
  const Value& output = args.graph[args.node.outputs[0]];
  if (output.type.dtype != DType::i8 && output.type.dtype != DType::u8) return {};
  for (ValueId id : args.node.inputs)
    if (args.graph[id].quantization != output.quantization)
      return fail(ErrorCode::unsupported,
                  fmt::format("{} {} and the output differ in scale or zero point", name_of(output.type.dtype),
                              args.graph[id].name),
                  args.node.name, "quantise the model so that all inputs share the output's scale");
  return {};
}

LowerFn lower_moves(MoveRule rule) {
  return [rule](const LowerArgs& args) -> Result<std::vector<KernelCall>> {
    constexpr size_t kMostCalls = 4096;
    const auto shapes = [&](const std::vector<ValueId>& ids) {
      std::vector<Shape> list;
      for (ValueId id : ids) list.push_back(id == kNoValue ? Shape{} : args.graph[id].type.shape);
      return list;
    };
    std::vector<KernelCall> calls;
    const std::vector<Shape> inputs = shapes(args.node.inputs), outputs = shapes(args.node.outputs);
    for (const Copy& copy : rule({args.node.attrs, inputs, outputs})) {
      const ValueId to = args.node.outputs.at(static_cast<size_t>(copy.output));
      const Value& output = args.graph[to];
      const Operand from = copy.input == Copy::kZeros       ? Operand(zero_of(output))
                           : copy.input == Copy::kZeroBytes ? Operand(Tensor::zeros(output.type.dtype, {1}))
                                                            : input_operand(args, static_cast<size_t>(copy.input));
      for (KernelCall& call : copy_calls(copy, output.type.dtype, from, to)) calls.push_back(std::move(call));
      if (calls.size() > kMostCalls)
        return cannot_lower(args.node, fmt::format("it would take more than {} copies", kMostCalls));
    }
    return calls;
  };
}

ForwardFn forward_moves(MoveRule rule) {
  return [rule](const ForwardArgs& args) {
    for (const Copy& copy : copies_of(rule, args.attrs, args.inputs, args.outputs)) {
      const float zero = 0;
      const bool reads = copy.input >= 0;
      const float* from = reads ? args.inputs[static_cast<size_t>(copy.input)].data : &zero;
      float* to = args.outputs[static_cast<size_t>(copy.output)].data;
      std::vector<Copy> parts;
      split_axes(simplified(copy), parts);
      for (const Copy& part : parts) device::strided_copy_b32(params_of(part), from, to);
    }
  };
}

BackwardFn backward_moves(MoveRule rule) {
  return [rule](const BackwardArgs& args) {
    for (const Copy& copy : copies_of(rule, args.attrs, args.inputs, args.outputs)) {
      if (copy.input < 0) continue;
      float* dx = args.grad_inputs[static_cast<size_t>(copy.input)].data;
      const float* dy = args.grad_outputs[static_cast<size_t>(copy.output)].data;
      if (!dx || !dy) continue;
      for_each_element(simplified(copy), [&](int64_t from, int64_t to) { dx[from] += dy[to]; });
    }
  };
}

Outcome check_one_dtype(const InferArgs& args) {
  for (const ValueType& input : args.inputs)
    if (input.dtype != args.inputs[0].dtype)
      return fail(ErrorCode::bad_data, fmt::format("inputs must be of one type, found {} and {}",
                                                   name_of(args.inputs[0].dtype), name_of(input.dtype)));
  return {};
}

}  // namespace thimble::ops
