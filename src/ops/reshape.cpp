// The same elements in order, under another shape. reshape: attribute shape, of which one extent may be -1 (whatever
// remains: the batch); flatten is a reshape to [-1, n]. expand_dims: an axis of one element at attribute axis. squeeze:
// without the axes of one element that attribute axes names, or all of them.
#include <algorithm>

#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

Result<std::vector<ValueType>> infer_reshape(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  const Shape wanted = args.attrs.integers("shape");
  const int64_t elements = element_count(input);
  Shape shape = wanted;
  if (shape == Shape{0}) shape.clear();  // a single number, as old files write it
  int64_t known = 1;
  int64_t* open = nullptr;
  bool valid = true;
  for (int64_t& extent : shape) {
    if (extent == -1 && !open)
      open = &extent;
    else if (extent <= 0 || __builtin_mul_overflow(known, extent, &known))
      valid = false;
  }
  if (open && valid) *open = elements / known;
  if (!valid || elements == 0 || element_count(shape) != elements)
    return fail(ErrorCode::bad_data, fmt::format("input {} has {} elements and cannot become {}", to_string(input),
                                                 elements, to_string(wanted)));
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

Result<std::vector<ValueType>> infer_expand(const InferArgs& args) {
  Shape shape = args.inputs[0].shape;
  THIMBLE_LET(const size_t axis, axis_of(args.attrs.integer("axis"), shape.size() + 1));
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), 1);
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

Result<std::vector<ValueType>> infer_squeeze(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  const std::vector<int64_t> axes = args.attrs.integers("axes");
  std::vector<bool> gone(input.size(), axes.empty());
  for (int64_t number : axes) {
    THIMBLE_LET(const size_t axis, axis_of(number, input.size()));
    if (input[axis] != 1)
      return fail(ErrorCode::bad_data,
                  fmt::format("axis {} of {} has more than one element", number, to_string(input)));
    gone[axis] = true;
  }
  Shape shape;
  for (size_t axis = 0; axis < input.size(); ++axis)
    if (!gone[axis] || input[axis] != 1) shape.push_back(input[axis]);
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

void forward(const ForwardArgs& args) {
  std::copy_n(args.inputs[0].data, args.outputs[0].size(), args.outputs[0].data);
}

void backward(const BackwardArgs& args) {
  if (float* dx = args.grad_inputs[0].data)
    for (int64_t i = 0; i < args.outputs[0].size(); ++i) dx[i] += args.grad_outputs[0].data[i];
}

// What the three have in common.
OpSpec reshaping(std::string_view name, std::string_view doc, InferFn infer, TfliteMapping tflite) {
  return {.name = name,
          .doc = doc,
          .traits = {.alias = true, .flattens = true},
          .dtypes = kAllDTypes,
          .infer = std::move(infer),
          .forward = forward,
          .backward = backward,
          .quantize = QuantizeRule{.output = OutputScale::same_as_input},
          .tflite = std::move(tflite),
          .lower = OptOut{"the output is the input's memory"},
          .macs = OptOut{"it computes nothing"}};
}

Outcome read_reshape(const AttrReader& reader, Attrs& attrs) {
  attrs.set("shape", reader.integers("new_shape"));
  return {};
}

Outcome read_squeeze(const AttrReader& reader, Attrs& attrs) {
  attrs.set("axes", reader.integers("squeeze_dims"));
  return {};
}

}  // namespace

const OpSpec& reshape() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "shape"}};
  static const OpSpec spec = reshaping(
      "reshape", "The same elements under another shape.", infer_reshape,
      {.builtin = "RESHAPE",
       .options = "ReshapeOptions",
       .read = read_reshape,
       .write = [](const Attrs& attrs, AttrWriter& writer) { writer.integers("new_shape", attrs.integers("shape")); },
       .constant_inputs = kConstantInputs});
  return spec;
}

const OpSpec& expand_dims() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "axis", TfliteConstantInput::kNumber}};
  static const OpSpec spec =
      reshaping("expand_dims", "The same elements with one more axis, of one element.", infer_expand,
                {.builtin = "EXPAND_DIMS",
                 .options = "ExpandDimsOptions",
                 .read = reads_nothing,
                 .write = writes_nothing,
                 .constant_inputs = kConstantInputs});
  return spec;
}

const OpSpec& squeeze() {
  static const OpSpec spec = reshaping("squeeze", "The same elements without axes of one element.", infer_squeeze,
                                       {.builtin = "SQUEEZE",
                                        .options = "SqueezeOptions",
                                        .read = read_squeeze,
                                        .write = [](const Attrs& attrs, AttrWriter& writer) {
                                          writer.integers("squeeze_dims", attrs.integers("axes"));
                                        }});
  return spec;
}

}  // namespace thimble::ops
