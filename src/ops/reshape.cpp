// Reshape: the input's elements in order, under attribute shape, of which one extent may be -1 (whatever remains: the
// batch). Flatten is a reshape to [-1, n].
#include <algorithm>

#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "shape", 0}};

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  const Shape wanted = args.attrs.integers("shape");
  const int64_t elements = element_count(input);
  Shape shape = wanted;
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

void forward(const ForwardArgs& args) {
  std::copy_n(args.inputs[0].data, args.outputs[0].size(), args.outputs[0].data);
}

void backward(const BackwardArgs& args) {
  if (float* dx = args.grad_inputs[0].data)
    for (int64_t i = 0; i < args.outputs[0].size(); ++i) dx[i] += args.grad_outputs[0].data[i];
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("shape", reader.integers("new_shape"));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) { writer.integers("new_shape", attrs.integers("shape")); }

}  // namespace

const OpSpec& reshape() {
  static const OpSpec spec{
      .name = "reshape",
      .doc = "The same elements under another shape.",
      .traits = {.alias = true},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "RESHAPE",
                              .options = "ReshapeOptions",
                              .version = 1,
                              .read = read_options,
                              .write = write_options,
                              .constant_inputs = kConstantInputs},
      .lower = OptOut{"the output is the input's memory"},
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
