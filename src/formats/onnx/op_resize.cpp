// Resize and Upsample. Nearest neighbours in any of ONNX's coordinate modes are picks by constant indices; where
// TensorFlow Lite's own operator picks the same, that is used. Linear goes to TensorFlow Lite's operator in the modes
// that it has; in others, and cubic, each axis is multiplied by a matrix of the weights.
#include <algorithm>
#include <cmath>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

struct Resize {
  std::string transform, rounding;
  Shape output;
  std::vector<double> scale;  // output / input, as given
  bool cubic = false;
  double coefficient = -0.75;  // of the cubic
  bool exclude_outside = false;
};

constexpr int64_t kMostExtent = int64_t{1} << 20;

Result<Resize> read_resize(Call& call, const Item& x) {
  const bool upsample = call.op() == "Upsample";
  const bool old = upsample || call.in.opset < 11;
  Resize r{.transform = old ? "asymmetric" : call.word("coordinate_transformation_mode", "half_pixel"),
           .rounding = old ? "floor" : call.word("nearest_mode", "round_prefer_floor")};
  r.cubic = call.word("mode", "nearest") == "cubic";
  r.coefficient = static_cast<double>(call.real("cubic_coeff_a", -0.75f));
  r.exclude_outside = r.cubic && call.integer("exclude_outside") != 0;
  const size_t scales_at = old ? 1 : 2;
  std::vector<float> scales;
  if (const auto* listed = call.attribute("scales")) {
    scales.assign(listed->floats().begin(), listed->floats().end());
  } else if (call.has_input(scales_at)) {
    THIMBLE_LET(scales, call.constant_floats(scales_at));
  }
  std::vector<int64_t> sizes;
  if (call.has_input(3)) {
    THIMBLE_LET(sizes, call.constant_integers(3));
  }
  if (call.has("axes")) return refuse("Resize with axes", "give scales or sizes of all axes");
  if (call.has("keep_aspect_ratio_policy") && call.word("keep_aspect_ratio_policy") != "stretch")
    return refuse("Resize that keeps the aspect ratio", "give sizes of all axes");
  if (call.integer("antialias")) return refuse("Resize with antialias", "use antialias = 0");
  if (sizes.size() != x.rank() && scales.size() != x.rank())
    return damaged(fmt::format("{} scales and {} sizes for {}", scales.size(), sizes.size(), to_string(x.shape)));
  for (size_t i = 0; i < x.rank(); ++i) {
    if (x.shape[i] < 1) return damaged(fmt::format("an empty input {}", to_string(x.shape)));
    const auto extent = static_cast<double>(x.shape[i]);
    const double wanted =
        sizes.size() == x.rank() ? static_cast<double>(sizes[i]) : std::floor(extent * static_cast<double>(scales[i]));
    if (!(wanted >= 1 && wanted <= kMostExtent)) return damaged(fmt::format("an output extent of {}", wanted));
    r.output.push_back(static_cast<int64_t>(wanted));
    r.scale.push_back(sizes.size() == x.rank() ? wanted / extent : static_cast<double>(scales[i]));
  }
  return r;
}

// The place in the input from which ONNX takes output i.
double source(const Resize& r, int64_t i, int64_t input, int64_t output, double scale) {
  const auto at = static_cast<double>(i);
  if (r.transform == "asymmetric") return at / scale;
  if (r.transform == "align_corners")
    return output == 1 ? 0 : at * static_cast<double>(input - 1) / static_cast<double>(output - 1);
  if (r.transform == "pytorch_half_pixel" && output == 1) return 0;
  if (r.transform == "tf_half_pixel_for_nn") return (at + 0.5) / scale;
  const double centre = (at + 0.5) / scale - 0.5;
  if (r.transform != "half_pixel_symmetric") return centre;
  const double extent = static_cast<double>(input);
  return centre + extent / 2 * (1 - static_cast<double>(output) / (scale * extent));
}

int64_t nearest(const Resize& r, double at, int64_t input) {
  double rounded = std::floor(at);
  if (r.rounding == "ceil") rounded = std::ceil(at);
  if (r.rounding == "round_prefer_floor") rounded = std::ceil(at - 0.5);
  if (r.rounding == "round_prefer_ceil") rounded = std::floor(at + 0.5);
  return std::clamp<int64_t>(static_cast<int64_t>(rounded), 0, input - 1);
}

std::vector<int64_t> nearest_indices(const Resize& r, int64_t input, int64_t output, double scale) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < output; ++i) indices.push_back(nearest(r, source(r, i, input, output, scale), input));
  return indices;
}

// TensorFlow Lite's picks, in float as it computes them.
std::vector<int64_t> tflite_indices(bool align_corners, bool half_pixel, int64_t input, int64_t output) {
  const float scale = align_corners && output > 1 ? static_cast<float>(input - 1) / static_cast<float>(output - 1)
                                                  : static_cast<float>(input) / static_cast<float>(output);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < output; ++i) {
    const float at = (static_cast<float>(i) + (half_pixel ? 0.5f : 0.0f)) * scale;
    indices.push_back(
        std::clamp<int64_t>(static_cast<int64_t>(align_corners ? std::round(at) : std::floor(at)), 0, input - 1));
  }
  return indices;
}

// How much each input counts in output i: two neighbours, or four under a cubic. Beyond the border the last counts.
std::vector<float> weights_at(const Resize& r, double at, int64_t input) {
  const double first = std::floor(at), t = at - first, a = r.coefficient;
  std::vector<double> taps = {1 - t, t};
  if (r.cubic) {
    const auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    const auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    taps = {far(1 + t), near(t), near(1 - t), far(2 - t)};
  }
  const auto begin = static_cast<int64_t>(first) - (r.cubic ? 1 : 0);
  std::vector<double> sums(static_cast<size_t>(input), 0.0);
  double total = 0;
  for (size_t k = 0; k < taps.size(); ++k) {
    const int64_t tap = begin + static_cast<int64_t>(k);
    if (r.exclude_outside && (tap < 0 || tap >= input)) continue;
    sums[static_cast<size_t>(std::clamp<int64_t>(tap, 0, input - 1))] += taps[k];
    total += taps[k];
  }
  std::vector<float> weights;
  for (double sum : sums) weights.push_back(static_cast<float>(r.exclude_outside ? sum / total : sum));
  return weights;
}

Result<Item> resize_by_matrices(Call& call, Item x, const Resize& r) {
  for (size_t axis = 0; axis < r.output.size(); ++axis) {
    const int64_t input = x.shape[axis], output = r.output[axis];
    if (input == output && r.scale[axis] == 1) continue;
    const double exact = static_cast<double>(output) / static_cast<double>(input);
    if (r.transform == "align_corners" && std::abs(r.scale[axis] / exact - 1) > 1e-6)  // runtimes disagree
      return refuse(fmt::format("align_corners with a scale of {} from {} to {}", r.scale[axis], input, output),
                    "give sizes instead of scales");
    if (input * output > kMostExtent) return refuse(fmt::format("from {} to {} along axis {}", input, output, axis));
    THIMBLE_TRY(call.in.spend(input * output * 4));
    std::vector<float> matrix;
    for (int64_t i = 0; i < output; ++i) {
      const std::vector<float> row = weights_at(r, source(r, i, input, output, r.scale[axis]), input);
      matrix.insert(matrix.end(), row.begin(), row.end());
    }
    THIMBLE_LET(x, emit_along_axis(call, x, axis, Tensor::from({output, input}, matrix)));
  }
  return x;
}

Attrs resize_attrs(const Resize& r, bool align_corners, bool half_pixel) {
  Attrs attrs;
  attrs.set("size", std::vector<int64_t>{r.output[2], r.output[3]})
      .set("align_corners", int64_t{align_corners})
      .set("half_pixel_centers", int64_t{half_pixel});
  return attrs;
}

Result<Item> resize_nearest(Call& call, Item x, const Resize& r) {
  std::vector<std::vector<int64_t>> indices;
  for (size_t i = 0; i < x.rank(); ++i) indices.push_back(nearest_indices(r, x.shape[i], r.output[i], r.scale[i]));
  if (x.rank() == 4 && r.output[0] == x.shape[0] && r.output[1] == x.shape[1] &&
      call.in.need("resize_nearest_neighbor"))
    for (const auto& [align, half] : {std::pair{false, false}, {true, false}, {false, true}})
      if (tflite_indices(align, half, x.shape[2], r.output[2]) == indices[2] &&
          tflite_indices(align, half, x.shape[3], r.output[3]) == indices[3]) {
        THIMBLE_LET(const Items out,
                    emit_move(call, "resize_nearest_neighbor", x, channels_last(4), resize_attrs(r, align, half)));
        return out[0];
      }
  for (size_t i = 0; i < indices.size(); ++i) {
    THIMBLE_LET(x, emit_gather(call, x, i, indices[i]));
  }
  return x;
}

Result<Item> resize_linear(Call& call, const Item& given, const Resize& r) {
  const bool align = r.transform == "align_corners",
             half = r.transform == "half_pixel" || r.transform == "pytorch_half_pixel";
  bool own = given.rank() == 4 && r.output[0] == given.shape[0] && r.output[1] == given.shape[1] &&
             !r.exclude_outside && (align || half || r.transform == "asymmetric");
  for (size_t i = 2; own && i < 4; ++i) {
    const double exact = static_cast<double>(r.output[i]) / static_cast<double>(given.shape[i]);
    own = std::abs(r.scale[i] / exact - 1) <= 1e-6 &&  // else ONNX counts in extents that are no integers
          !(r.transform == "pytorch_half_pixel" && r.output[i] == 1 && given.shape[i] > 1);
  }
  if (!own) return resize_by_matrices(call, given, r);
  Item x = given;
  const auto after = call.in.scale_after(call.node.output(0));
  if (!call.in.carries_scale(x) || (x.type == DType::f32 && after != std::optional(call.in.quantization_of(x)))) {
    THIMBLE_LET(x, call.in.as_declared(x));
  }
  THIMBLE_LET(const Items out, emit_move(call, "resize_bilinear", x, channels_last(4), resize_attrs(r, align, half)));
  return out[0];
}

Result<Items> resize(Call& call) {
  THIMBLE_LET(const Item* x, call.input(0));
  THIMBLE_LET(const Resize r, read_resize(call, *x));
  const std::string mode = call.word("mode", "nearest");
  if (r.transform == "tf_crop_and_resize") return refuse("Resize that crops", "crop with Slice before");
  constexpr std::string_view kKnown[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                         "align_corners", "asymmetric",           "tf_half_pixel_for_nn"};
  if (std::ranges::find(kKnown, r.transform) == std::end(kKnown))
    return refuse(fmt::format("Resize with coordinates {}", clean_name(r.transform)), "use half_pixel");
  if (mode == "nearest") return only(resize_nearest(call, *x, r));
  if (r.cubic) return only(resize_by_matrices(call, *x, r));
  if (mode == "linear" || mode == "bilinear") return only(resize_linear(call, *x, r));
  return refuse(fmt::format("Resize mode {}", clean_name(mode)), "use nearest, linear or cubic");
}

}  // namespace

void add_resize(HandlerTable& table) { table.insert({{"Resize", resize}, {"Upsample", resize}}); }

}  // namespace thimble::onnx_import
