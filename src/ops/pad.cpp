// Padding: pad (real zeros), padv2 (the one number of its second input), mirror_pad (the tensor's own elements, mode
// "reflect" without the edge or "symmetric" with it). Attribute paddings: before and after of each axis in turn.
#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "paddings", 2}};

// most: of one padding, given the extent of its axis.
Result<std::vector<ValueType>> padded(const InferArgs& args, int64_t (*most)(int64_t extent)) {
  Shape shape = args.inputs[0].shape;
  const std::vector<int64_t> paddings = args.attrs.integers("paddings");
  if (paddings.size() != 2 * shape.size())
    return fail(ErrorCode::bad_data, fmt::format("paddings of {} must be {} numbers, found {}", to_string(shape),
                                                 2 * shape.size(), paddings.size()));
  for (size_t i = 0; i < paddings.size(); ++i) {
    const int64_t limit = most(args.inputs[0].shape[i / 2]);
    if (paddings[i] < 0 || paddings[i] > limit)
      return fail(ErrorCode::bad_data, fmt::format("a padding of axis {} of {} must be 0 to {}, found {}", i / 2,
                                                   to_string(args.inputs[0].shape), limit, paddings[i]));
    shape[i / 2] += paddings[i];
  }
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

Result<std::vector<ValueType>> infer_pad(const InferArgs& args) {
  return padded(args, [](int64_t) { return int64_t{1} << 20; });
}

Result<std::vector<ValueType>> infer_padv2(const InferArgs& args) {
  THIMBLE_TRY(check_one_dtype(args));
  if (element_count(args.inputs[1].shape) != 1)
    return fail(ErrorCode::bad_data,
                fmt::format("the value to pad with must be one number, found {}", to_string(args.inputs[1].shape)));
  return infer_pad(args);
}

Copy interior(const MoveArgs& args) {
  const std::vector<int64_t> paddings = args.attrs.integers("paddings");
  Copy copy{0, 0, args.inputs[0], strides_of(args.inputs[0]), strides_of(args.outputs[0])};
  for (size_t axis = 0; axis < copy.extents.size(); ++axis) copy.to += paddings[2 * axis] * copy.to_strides[axis];
  return copy;
}

std::vector<Copy> pad_moves(const MoveArgs& args) {
  if (args.inputs[0] == args.outputs[0]) return {interior(args)};
  return {zeros(args.outputs[0]), interior(args)};
}

std::vector<Copy> padv2_moves(const MoveArgs& args) {
  Copy value = zeros(args.outputs[0]);
  value.input = 1;
  return {value, interior(args)};
}

Result<std::vector<KernelCall>> lower_padv2(const LowerArgs& args) {
  THIMBLE_TRY(check_one_scale(args));
  return lower_moves(padv2_moves)(args);
}

bool is_symmetric(const Attrs& attrs) { return attrs.word("mode") == "symmetric"; }

Result<std::vector<ValueType>> infer_mirror(const InferArgs& args) {
  const std::string mode = args.attrs.word("mode");
  if (mode != "reflect" && mode != "symmetric")
    return fail(ErrorCode::bad_data, fmt::format("mode must be reflect or symmetric, found \"{}\"", mode));
  return is_symmetric(args.attrs) ? padded(args, [](int64_t extent) { return extent; })
                                  : padded(args, [](int64_t extent) { return extent - 1; });
}

// One axis of the output: the mirrored part before, the tensor itself, the mirrored part after.
struct Segment {
  int64_t count, from, step, to;
};

std::vector<Copy> mirror_moves(const MoveArgs& args) {
  const std::vector<int64_t> paddings = args.attrs.integers("paddings");
  const int64_t skipped = is_symmetric(args.attrs) ? 0 : 1;
  std::vector<Copy> copies = {{.from_strides = strides_of(args.inputs[0]), .to_strides = strides_of(args.outputs[0])}};
  for (size_t axis = 0; axis < args.inputs[0].size(); ++axis) {
    const int64_t extent = args.inputs[0][axis], before = paddings[2 * axis], after = paddings[2 * axis + 1];
    std::vector<Copy> longer;
    for (const Segment& segment : {Segment{before, before - 1 + skipped, -1, 0}, Segment{extent, 0, 1, before},
                                   Segment{after, extent - 1 - skipped, -1, before + extent}}) {
      if (segment.count == 0) continue;
      for (Copy copy : copies) {
        copy.extents.push_back(segment.count);
        copy.from += segment.from * copy.from_strides[axis];
        copy.to += segment.to * copy.to_strides[axis];
        copy.from_strides[axis] *= segment.step;
        longer.push_back(std::move(copy));
      }
    }
    copies = std::move(longer);
  }
  return copies;
}

Outcome read_mirror(const AttrReader& reader, Attrs& attrs) {
  attrs.set("mode", reader.integer("mode") == 1 ? "symmetric" : "reflect");
  return {};
}

}  // namespace

const OpSpec& pad() {
  static const OpSpec spec{
      .name = "pad",
      .doc = "Zeros around the input.",
      .traits = {.channels = separate_channels, .pads = true},
      .dtypes = kAllDTypes,
      .infer = infer_pad,
      .forward = forward_moves(pad_moves),
      .backward = backward_moves(pad_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "PAD",
                              .options = "PadOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(pad_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& padv2() {
  static const OpSpec spec{
      .name = "padv2",
      .doc = "A number that is an input of its own, around the first input.",
      .traits = {.min_inputs = 2, .max_inputs = 2, .channels = separate_channels},
      .dtypes = kAllDTypes,
      .infer = infer_padv2,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = QuantizeRule{.output = OutputScale::shared},
      .tflite = TfliteMapping{.builtin = "PADV2",
                              .options = "PadV2Options",
                              .version = 2,
                              .version_i16 = 3,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_padv2,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& mirror_pad() {
  static const OpSpec spec{
      .name = "mirror_pad",
      .doc = "The input's own elements, mirrored, around the input.",
      .traits = {.channels = separate_channels},
      .dtypes = kAllDTypes,
      .infer = infer_mirror,
      .forward = forward_moves(mirror_moves),
      .backward = backward_moves(mirror_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "MIRROR_PAD",
                              .options = "MirrorPadOptions",
                              .version = 2,
                              .version_i16 = 3,
                              .read = read_mirror,
                              .write = [](const Attrs& attrs,
                                          AttrWriter& writer) { writer.integer("mode", is_symmetric(attrs) ? 1 : 0); },
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(mirror_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
