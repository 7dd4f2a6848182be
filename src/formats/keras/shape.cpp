// Layers that move elements and do not compute with them, and layers that do nothing at inference.
#include <algorithm>

#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

constexpr int64_t kMaxAdded = 1 << 16;
constexpr size_t kMaxRank = 8;

Result<Flows> identity(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  return use.inputs;
}

Outcome check_format(const Use& use) {
  THIMBLE_LET(const std::string format, use.word("data_format", "channels_last"));
  if (format == "channels_last") return {};
  return use.refuse(fmt::format("data_format {} is not supported", clean(format)),
                    "build the model with data_format=\"channels_last\"");
}

Result<Flows> flatten(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(check_format(use));
  const Flow& input = use.inputs[0];
  THIMBLE_TRY(use.expect_rank(1, kMaxRank));
  return Flows{{input.value, {input.shape[0], element_count(input.shape) / input.shape[0]}, false}};
}

Result<Flows> reshape(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(1, kMaxRank));
  const Flow& input = use.inputs[0];
  const Json target = use.config().value("target_shape", Json());
  if (!target.is_array() || target.size() + 1 > kMaxRank) return use.damaged("target_shape is not a list of extents");
  const int64_t elements = element_count(input.shape) / input.shape[0];
  THIMBLE_LET(std::vector<int64_t> extents, use.integers("target_shape", target.size(), 1, -1, 1 << 28));
  int64_t known = 1, unknown = 0;
  for (int64_t extent : extents) {
    if (extent == -1)
      ++unknown;
    else if (extent == 0 || known > elements / extent)
      return use.damaged(fmt::format("target_shape {} for {} elements", to_string(extents), elements));
    else
      known *= extent;
  }
  if (unknown > 1 || elements % known != 0 || (unknown == 0 && known != elements))
    return use.damaged(fmt::format("target_shape {} for {} elements", to_string(extents), elements));
  std::ranges::replace(extents, -1, elements / known);
  extents.insert(extents.begin(), input.shape[0]);
  return Flows{{input.value, extents, false}};
}

Result<Flows> permute(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  const Flow& input = use.inputs[0];
  THIMBLE_TRY(use.expect_rank(2, kMaxRank));
  const auto axes = static_cast<int64_t>(input.shape.size()) - 1;
  THIMBLE_LET(std::vector<int64_t> order, use.integers("dims", static_cast<size_t>(axes), 0, 1, axes));
  order.insert(order.begin(), 0);
  THIMBLE_LET(const ValueId x, use.plain(input));
  THIMBLE_LET(const ValueId y, use.emit("transpose", "", {x}, Attrs().set("perm", order)));
  return Flows{{y, use.to.shape_of(y)}};
}

// ---- padding and cropping

// [before, after] of each axis between batch and channels: one number, one for each axis, or pairs.
Result<std::vector<int64_t>> borders(const Use& use, const char* key, size_t axes) {
  const Json json = use.config().value(key, Json());
  std::vector<int64_t> values;
  const auto add = [&](const Json& item) {
    if (item.is_number_integer() && item >= 0 && item <= kMaxAdded) values.push_back(item.get<int64_t>());
  };
  if (json.is_number_integer()) {
    for (size_t i = 0; i < 2 * axes; ++i) add(json);
  } else if (json.is_array()) {
    for (const Json& item : json) {
      if (item.is_array())
        for (const Json& inner : item) add(inner);
      else
        for (size_t i = 0; i < (axes == 1 ? 1u : 2u); ++i) add(item);
    }
  }
  if (values.size() != 2 * axes)
    return use.damaged(fmt::format("{} must be whole numbers up to {}, found {}", key, kMaxAdded, clean(json.dump())));
  return values;
}

template <size_t kAxes>
Result<Flows> zero_padding(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(kAxes + 2, kAxes + 2));
  THIMBLE_TRY(check_format(use));
  THIMBLE_LET(std::vector<int64_t> paddings, borders(use, "padding", kAxes));
  // A sequence is padded as an image of height 1, which convolutions read without a reshape.
  Shape shape = use.inputs[0].shape;
  if (kAxes == 1) {
    shape.insert(shape.begin() + 1, 1);
    paddings.insert(paddings.begin(), {0, 0});
  }
  paddings.insert(paddings.begin(), {0, 0});
  paddings.insert(paddings.end(), {0, 0});
  THIMBLE_LET(const ValueId x, use.reshaped(use.inputs[0].value, shape));
  THIMBLE_LET(const ValueId y, use.emit("pad", "", {x}, Attrs().set("paddings", paddings)));
  Shape output = use.to.shape_of(y);
  if (kAxes == 1) output.erase(output.begin() + 1);
  return Flows{{y, output}};
}

template <size_t kAxes>
Result<Flows> cropping(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(kAxes + 2, kAxes + 2));
  THIMBLE_TRY(check_format(use));
  THIMBLE_LET(const std::vector<int64_t> crops, borders(use, "cropping", kAxes));
  THIMBLE_LET(const ValueId x, use.plain(use.inputs[0]));
  const Shape& shape = use.inputs[0].shape;
  std::vector<int64_t> begin(shape.size(), 0), size(shape);
  for (size_t i = 0; i < kAxes; ++i) {
    begin[i + 1] = crops[2 * i];
    size[i + 1] = shape[i + 1] - crops[2 * i] - crops[2 * i + 1];
    if (size[i + 1] < 1) return use.damaged(fmt::format("nothing is left of its input {}", to_string(shape)));
  }
  THIMBLE_LET(const ValueId y, use.emit("slice", "", {x}, Attrs().set("begin", begin).set("size", size)));
  return Flows{{y, use.to.shape_of(y)}};
}

// ---- resizing

// Keras puts half pixels' centres on one another; its nearest pixel is the one whose area holds the centre.
Result<ValueId> resize(const Use& use, ValueId x, int64_t height, int64_t width, const std::string& interpolation,
                       bool whole_factors) {
  if (interpolation != "nearest" && interpolation != "bilinear")
    return use.refuse(fmt::format("interpolation {} is not supported", clean(interpolation)),
                      "use interpolation=\"nearest\" or \"bilinear\"");
  // By whole factors both rules of "nearest" choose the same pixels; the plain one is the cheaper.
  const bool half_pixel = interpolation == "bilinear" || !whole_factors;
  return use.emit(interpolation == "nearest" ? "resize_nearest_neighbor" : "resize_bilinear", "", {x},
                  Attrs()
                      .set("size", std::vector<int64_t>{height, width})
                      .set("align_corners", int64_t{0})
                      .set("half_pixel_centers", int64_t{half_pixel}));
}

Result<Flows> up_sampling_2d(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(4, 4));
  THIMBLE_TRY(check_format(use));
  THIMBLE_LET(const std::vector<int64_t> factors, use.integers("size", 2, 2, 1, kMaxAdded));
  THIMBLE_LET(const std::string interpolation, use.word("interpolation", "nearest"));
  const Shape& shape = use.inputs[0].shape;
  THIMBLE_LET(const ValueId x, use.plain(use.inputs[0]));
  THIMBLE_LET(const ValueId y, resize(use, x, shape[1] * factors[0], shape[2] * factors[1], interpolation, true));
  return Flows{{y, use.to.shape_of(y)}};
}

Result<Flows> up_sampling_1d(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(3, 3));
  THIMBLE_LET(const int64_t factor, use.integer("size", 2, 1, kMaxAdded));
  const Shape& shape = use.inputs[0].shape;
  THIMBLE_LET(const ValueId x, use.reshaped(use.inputs[0].value, {shape[0], 1, shape[1], shape[2]}));
  THIMBLE_LET(const ValueId y, resize(use, x, 1, shape[1] * factor, "nearest", true));
  return Flows{{y, {shape[0], shape[1] * factor, shape[2]}}};
}

Result<Flows> resizing(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(4, 4));
  THIMBLE_TRY(check_format(use));
  for (const char* key : {"crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"}) {
    THIMBLE_LET(const bool set, use.flag(key, false));
    if (set) return use.refuse(fmt::format("{} is not supported", key), "resize the images before the model");
  }
  THIMBLE_LET(const int64_t height, use.integer("height", 1, 1, kMaxAdded));
  THIMBLE_LET(const int64_t width, use.integer("width", 1, 1, kMaxAdded));
  THIMBLE_LET(const std::string interpolation, use.word("interpolation", "bilinear"));
  THIMBLE_LET(const ValueId x, use.plain(use.inputs[0]));
  THIMBLE_LET(const ValueId y, resize(use, x, height, width, interpolation, false));
  return Flows{{y, use.to.shape_of(y)}};
}

// [N, C] -> [N, n, C]
Result<Flows> repeat_vector(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(2, 2));
  THIMBLE_LET(const int64_t count, use.integer("n", 1, 1, kMaxAdded));
  const Shape& shape = use.inputs[0].shape;
  THIMBLE_LET(const ValueId x, use.reshaped(use.inputs[0].value, {shape[0], 1, shape[1]}));
  THIMBLE_LET(const ValueId y, use.emit("tile", "", {x}, Attrs().set("multiples", std::vector<int64_t>{1, count, 1})));
  return Flows{{y, use.to.shape_of(y)}};
}

}  // namespace

std::span<const NamedHandler> shape_layers() {
  static constexpr NamedHandler kTable[] = {
      {"Flatten", flatten},
      {"Reshape", reshape},
      {"Permute", permute},
      {"ZeroPadding1D", zero_padding<1>},
      {"ZeroPadding2D", zero_padding<2>},
      {"Cropping1D", cropping<1>},
      {"Cropping2D", cropping<2>},
      {"UpSampling1D", up_sampling_1d},
      {"UpSampling2D", up_sampling_2d},
      {"Resizing", resizing},
      {"RepeatVector", repeat_vector},
      {"Dropout", identity},
      {"SpatialDropout1D", identity},
      {"SpatialDropout2D", identity},
      {"GaussianNoise", identity},
      {"GaussianDropout", identity},
      {"AlphaDropout", identity},
      {"ActivityRegularization", identity},
      {"Identity", identity},
      {"RandomBrightness", identity},
      {"RandomContrast", identity},
      {"RandomFlip", identity},
      {"RandomRotation", identity},
      {"RandomTranslation", identity},
      {"RandomZoom", identity},
  };
  return kTable;
}

}  // namespace thimble::keras
