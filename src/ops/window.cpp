#include "ops/window.h"

#include <algorithm>

namespace thimble::ops {

namespace {

constexpr int64_t kLargest = int64_t{1} << 20;

Outcome check_extent(std::string_view what, int64_t value) {
  if (value < 1 || value > kLargest)
    return fail(ErrorCode::bad_data, fmt::format("{} must be 1 to {}, found {}", what, kLargest, value));
  return {};
}

struct Padding {
  bool same = false;
  int64_t before = 0, after = 0;  // where it is not
};

Result<WindowAxis> make_axis(std::string_view name, const Padding& padding, int64_t input, int64_t taps, int64_t stride,
                             int64_t dilation) {
  THIMBLE_TRY(check_extent(fmt::format("the input's {}", name), input));
  THIMBLE_TRY(check_extent(fmt::format("the window's {}", name), taps));
  THIMBLE_TRY(check_extent(fmt::format("the stride along {}", name), stride));
  THIMBLE_TRY(check_extent(fmt::format("the dilation along {}", name), dilation));
  WindowAxis axis{.input = input, .taps = taps, .stride = stride, .dilation = dilation};
  const int64_t reach = (taps - 1) * dilation + 1;
  THIMBLE_TRY(check_extent(fmt::format("the dilated window's {}", name), reach));
  if (padding.same) {
    axis.output = (input + stride - 1) / stride;
    axis.padding = std::max<int64_t>(0, (axis.output - 1) * stride + reach - input) / 2;
  } else {
    if (padding.before < 0 || padding.after < 0 || padding.before > kLargest || padding.after > kLargest)
      return fail(ErrorCode::bad_data, fmt::format("a padding along {} must be 0 to {}, found {} and {}", name,
                                                   kLargest, padding.before, padding.after));
    const int64_t padded = padding.before + input + padding.after;
    if (reach > padded)
      return fail(ErrorCode::bad_data,
                  fmt::format("a window of {} does not fit an input of {} along {} {}", reach, padded, name,
                              padded > input ? "with its padding" : "without padding"));
    axis.output = (padded - reach) / stride + 1;
    axis.padding = padding.before;
  }
  return axis;
}

}  // namespace

Result<Window> make_window(const Attrs& attrs, const Shape& input, int64_t taps_h, int64_t taps_w) {
  if (input.size() != 4)
    return fail(ErrorCode::bad_data, fmt::format("the input must be [N, H, W, C], found {}", to_string(input)));
  THIMBLE_TRY(check_extent("the input's batch", input[0]));
  THIMBLE_TRY(check_extent("the input's channel count", input[3]));
  const std::string padding = attrs.word("padding", "valid");
  if (padding != "same" && padding != "valid" && padding != "explicit")
    return fail(ErrorCode::bad_data, fmt::format("padding must be same or valid, found {}", padding));
  Padding rows{.same = padding == "same"}, columns{.same = rows.same};
  if (padding == "explicit") {
    rows.before = attrs.integer("pad_top"), rows.after = attrs.integer("pad_bottom");
    columns.before = attrs.integer("pad_left"), columns.after = attrs.integer("pad_right");
  }
  Window window;
  const bool band = attrs.has(kBandRows);  // its rows are those that its window needs, whatever the padding
  if (band) rows.same = true;
  THIMBLE_LET(window.h, make_axis("height", rows, input[1], taps_h, attrs.integer("stride_h", 1),
                                  attrs.integer("dilation_h", 1)));
  THIMBLE_LET(window.w, make_axis("width", columns, input[2], taps_w, attrs.integer("stride_w", 1),
                                  attrs.integer("dilation_w", 1)));
  if (band) {
    window.h.output = attrs.integer(kBandRows);
    window.h.padding = attrs.integer(kBandPadding);
  }
  return window;
}

std::optional<RowWindow> window_rows(const Graph& graph, const Node& node, int64_t taps_h, int64_t taps_w) {
  const auto window = make_window(node.attrs, graph[node.inputs[0]].type.shape, taps_h, taps_w);
  if (!window) return {};
  RowWindow rows{window->h.taps, window->h.stride, window->h.dilation, window->h.padding};
  rows.inside = rows.padding == 0 && (window->h.output - 1) * rows.stride + rows.span() <= window->h.input;
  return rows;
}

Outcome read_padding(const AttrReader& reader, Attrs& attrs) {
  const int64_t code = reader.integer("padding");
  if (code != 0 && code != 1)
    return fail(ErrorCode::unsupported, fmt::format("padding number {} is not known (0 same, 1 valid are)", code));
  attrs.set("padding", code == 0 ? "same" : "valid");
  return {};
}

void write_padding(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("padding", attrs.word("padding", "valid") == "same" ? 0 : 1);
}

void read_strides(const AttrReader& reader, Attrs& attrs) {
  attrs.set("stride_w", reader.integer("stride_w")).set("stride_h", reader.integer("stride_h"));
}

void write_strides(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("stride_w", attrs.integer("stride_w", 1));
  writer.integer("stride_h", attrs.integer("stride_h", 1));
}

void read_dilations(const AttrReader& reader, Attrs& attrs) {
  attrs.set("dilation_w", reader.integer("dilation_w_factor", 1))
      .set("dilation_h", reader.integer("dilation_h_factor", 1));
}

void write_dilations(const Attrs& attrs, AttrWriter& writer) {
  writer.integer("dilation_w_factor", attrs.integer("dilation_w", 1));
  writer.integer("dilation_h_factor", attrs.integer("dilation_h", 1));
}

}  // namespace thimble::ops
