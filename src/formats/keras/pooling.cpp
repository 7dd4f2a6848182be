// Pooling, by windows and over whole images or sequences.
#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

constexpr int64_t kMaxWindow = 1 << 16;

Outcome check_format(const Use& use) {
  THIMBLE_LET(const std::string format, use.word("data_format", "channels_last"));
  if (format == "channels_last") return {};
  return use.refuse(fmt::format("data_format {} is not supported", clean(format)),
                    "build the model with data_format=\"channels_last\"");
}

Result<Flows> pool(const Use& use, size_t axes, std::string_view op) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(axes + 2, axes + 2));
  THIMBLE_TRY(check_format(use));
  const Flow& input = use.inputs[0];
  if (input.masked) return use.refuse("an input with masked time steps", "train without mask_zero and Masking");
  THIMBLE_LET(std::vector<int64_t> window, use.integers("pool_size", axes, 2, 1, kMaxWindow));
  std::vector<int64_t> stride = window;
  if (const auto given = use.config().find("strides"); given != use.config().end() && !given->is_null()) {
    THIMBLE_LET(stride, use.integers("strides", axes, 1, 1, kMaxWindow));
  }
  THIMBLE_LET(const std::string padding, use.word("padding", "valid"));
  Shape shape = input.shape;
  if (axes == 1) {
    shape.insert(shape.begin() + 1, 1);
    window.insert(window.begin(), 1);
    stride.insert(stride.begin(), 1);
  }
  THIMBLE_LET(const ValueId x, use.reshaped(input.value, shape));
  THIMBLE_LET(const ValueId y, use.emit(op, "", {x},
                                        Attrs()
                                            .set("padding", padding)
                                            .set("window_h", window[0])
                                            .set("window_w", window[1])
                                            .set("stride_h", stride[0])
                                            .set("stride_w", stride[1])));
  Shape output = use.to.shape_of(y);
  if (axes == 1) output.erase(output.begin() + 1);
  return Flows{{y, output}};
}

Result<Flows> global_pool(const Use& use, size_t axes, std::string_view op) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(axes + 2, axes + 2));
  THIMBLE_TRY(check_format(use));
  const Flow& input = use.inputs[0];
  if (input.masked) return use.refuse("an input with masked time steps", "train without mask_zero and Masking");
  THIMBLE_LET(const bool keep, use.flag("keepdims", false));
  // A sequence that lies as an image of height 1 already is reduced as one.
  const Shape as_image{input.shape[0], 1, input.shape[1], input.shape.back()};
  const bool image = axes == 2 || use.to.shape_of(input.value) == as_image;
  ValueId x = input.value;
  if (axes == 2 || !image) {
    THIMBLE_LET(x, use.plain(input));
  }
  const std::vector<int64_t> reduced = image ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{1};
  THIMBLE_LET(const ValueId y,
              use.emit(op, "", {x}, Attrs().set("axes", reduced).set("keep_dims", int64_t{keep && axes == 2})));
  Shape shape{input.shape[0], input.shape.back()};
  if (keep) shape.insert(shape.begin() + 1, axes, 1);
  return Flows{{y, shape}};
}

Result<Flows> max_pool_1d(const Use& use) { return pool(use, 1, "max_pool2d"); }
Result<Flows> max_pool_2d(const Use& use) { return pool(use, 2, "max_pool2d"); }
Result<Flows> average_pool_1d(const Use& use) { return pool(use, 1, "average_pool2d"); }
Result<Flows> average_pool_2d(const Use& use) { return pool(use, 2, "average_pool2d"); }
Result<Flows> global_average_1d(const Use& use) { return global_pool(use, 1, "mean"); }
Result<Flows> global_average_2d(const Use& use) { return global_pool(use, 2, "mean"); }
Result<Flows> global_max_1d(const Use& use) { return global_pool(use, 1, "reduce_max"); }
Result<Flows> global_max_2d(const Use& use) { return global_pool(use, 2, "reduce_max"); }

}  // namespace

std::span<const NamedHandler> pooling_layers() {
  static constexpr NamedHandler kTable[] = {
      {"MaxPooling1D", max_pool_1d},
      {"MaxPooling2D", max_pool_2d},
      {"AveragePooling1D", average_pool_1d},
      {"AveragePooling2D", average_pool_2d},
      {"GlobalAveragePooling1D", global_average_1d},
      {"GlobalAveragePooling2D", global_average_2d},
      {"GlobalMaxPooling1D", global_max_1d},
      {"GlobalMaxPooling2D", global_max_2d},
  };
  return kTable;
}

}  // namespace thimble::keras
