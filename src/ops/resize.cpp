// resize_nearest_neighbor and resize_bilinear: input x [N, H, W, C], attribute size (height, width of the output).
// align_corners 1 puts the corner pixels on each other, half_pixel_centers 1 the pixels' centres at halves; not both
// for bilinear.
#include "device/kernels/resize.h"

#include "ops/lowering.h"
#include "ops/ops.h"

namespace thimble::ops {

namespace {

constexpr TfliteConstantInput kConstantInputs[] = {{1, "size", 0}};
constexpr int64_t kLargest = int64_t{1} << 20;  // products of indices and 1024 stay in 31 bits

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& input = args.inputs[0].shape;
  const std::vector<int64_t> size = args.attrs.integers("size");
  if (input.size() != 4)
    return fail(ErrorCode::unsupported, fmt::format("it takes images [N, H, W, C], found {}", to_string(input)));
  if (size.size() != 2)
    return fail(ErrorCode::bad_data, fmt::format("size must be height and width, found {} numbers", size.size()));
  for (int64_t extent : {size[0], size[1], input[1], input[2]})
    if (extent < 1 || extent > kLargest)
      return fail(ErrorCode::bad_data, fmt::format("heights and widths must be 1 to {}, found {}", kLargest, extent));
  return std::vector<ValueType>{{args.inputs[0].dtype, {input[0], size[0], size[1], input[3]}}};
}

Result<std::vector<ValueType>> infer_bilinear(const InferArgs& args) {
  if (args.attrs.integer("align_corners") && args.attrs.integer("half_pixel_centers"))
    return fail(ErrorCode::bad_data, "align_corners and half_pixel_centers exclude each other");
  return infer(args);
}

// Input pixels per output pixel along one axis. Of nearest the corners aligned are the reference's own.
struct Ratio {
  int64_t input, output;
};
Ratio ratio_of(const Attrs& attrs, int64_t input, int64_t output) {
  return attrs.integer("align_corners") && output > 1 ? Ratio{input - 1, output - 1} : Ratio{input, output};
}
int32_t float_ratio(const Ratio& ratio) {
  return device::bits_of(static_cast<float>(ratio.input) / static_cast<float>(ratio.output));
}
// In 1/1024, rounded to the nearest.
int32_t fixed_ratio(const Ratio& ratio) {
  return static_cast<int32_t>((1024 * ratio.input + ratio.output / 2) / ratio.output);
}

Outcome expect_one_scale(const LowerArgs& args) {
  if (args.graph[args.node.inputs[0]].quantization != args.graph[args.node.outputs[0]].quantization)
    return cannot_lower(args.node, "it keeps the scale and zero point, but input and output differ in them");
  return {};
}

Result<std::vector<KernelCall>> lower_nearest(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  THIMBLE_TRY(expect_one_scale(args));
  const Attrs& attrs = args.node.attrs;
  const Shape& input = args.graph[args.node.inputs[0]].type.shape;
  const Shape& output = args.graph[args.node.outputs[0]].type.shape;
  const auto number = [](int64_t value) { return static_cast<int32_t>(value); };
  auto call = KernelCall::make(
      "resize_nearest",
      device::ResizeNearestParams{
          number(input[0]), number(input[1]), number(input[2]), number(output[1]), number(output[2]),
          number(input[3] * static_cast<int64_t>(size_of(dtype))), float_ratio(ratio_of(attrs, input[1], output[1])),
          float_ratio(ratio_of(attrs, input[2], output[2])),
          device::bits_of(attrs.integer("half_pixel_centers") ? 0.5f : 0.0f), attrs.integer("align_corners") ? 1 : 0});
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Result<std::vector<KernelCall>> lower_bilinear(const LowerArgs& args) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  THIMBLE_TRY(expect_one_scale(args));
  const Attrs& attrs = args.node.attrs;
  const Shape& input = args.graph[args.node.inputs[0]].type.shape;
  const Shape& output = args.graph[args.node.outputs[0]].type.shape;
  const auto number = [](int64_t value) { return static_cast<int32_t>(value); };
  const auto scale = dtype == DType::f32 ? float_ratio : fixed_ratio;
  auto call =
      KernelCall::make(fmt::format("resize_bilinear_{}", kernel_suffix(dtype)),
                       device::ResizeBilinearParams{
                           number(input[0]), number(input[1]), number(input[2]), number(input[3]), number(output[1]),
                           number(output[2]), scale(ratio_of(attrs, input[1], output[1])),
                           scale(ratio_of(attrs, input[2], output[2])), attrs.integer("half_pixel_centers") ? 1 : 0});
  call.operand(args.node.inputs[0]).operand(args.node.outputs[0]);
  return std::vector{std::move(call)};
}

Outcome read_options(const AttrReader& reader, Attrs& attrs) {
  attrs.set("align_corners", reader.integer("align_corners"))
      .set("half_pixel_centers", reader.integer("half_pixel_centers"));
  return {};
}

void write_options(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("align_corners", attrs.integer("align_corners"));
  writer.integer("half_pixel_centers", attrs.integer("half_pixel_centers"));
}

OpSpec make_spec(std::string_view name, std::string_view doc, std::string_view builtin, std::string_view options,
                 DTypes types, InferFn shape_rule, LowerFn lower) {
  return {.name = name,
          .doc = doc,
          .traits = {.channels = separate_channels},
          .dtypes = types,
          .infer = std::move(shape_rule),
          .forward = kImportedOnly,
          .backward = kImportedOnly,
          .quantize = QuantizeRule{.output = OutputScale::same_as_input},
          // The versions that know both attributes.
          .tflite = TfliteMapping{.builtin = builtin,
                                  .options = options,
                                  .version = 3,
                                  .version_f32 = 3,
                                  .version_i16 = 4,
                                  .read = read_options,
                                  .write = write_options,
                                  .constant_inputs = kConstantInputs},
          .lower = std::move(lower),
          .macs = OptOut{"small beside the layers around it"}};
}

}  // namespace

const OpSpec& resize_nearest_neighbor() {
  static const OpSpec spec =
      make_spec("resize_nearest_neighbor", "An image in another size, of its nearest pixels.",
                "RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", kAllDTypes, infer, lower_nearest);
  return spec;
}

const OpSpec& resize_bilinear() {
  static const OpSpec spec =
      make_spec("resize_bilinear", "An image in another size, interpolated between its pixels.", "RESIZE_BILINEAR",
                "ResizeBilinearOptions", kRealAndInteger, infer_bilinear, lower_bilinear);
  return spec;
}

}  // namespace thimble::ops
