// Convolutions and pools, computed as [N, H, W, C]; those over one axis are those over two with H = 1.
#include <algorithm>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

constexpr int64_t kMostPadding = int64_t{1} << 20;

// One spatial axis of a window.
struct Axis {
  int64_t input = 1, taps = 1, stride = 1, dilation = 1;
  int64_t before = 0, after = 0;  // padding
  int64_t output = 1;
  int64_t reach() const { return (taps - 1) * dilation + 1; }
};
struct Window {
  Axis h, w;
};

Outcome check_axis(const Axis& a) {
  const auto fits = [](int64_t value, int64_t least) { return value >= least && value <= kMostPadding; };
  if (!fits(a.input, 1) || !fits(a.taps, 1) || !fits(a.stride, 1) || !fits(a.dilation, 1) ||
      !fits((a.taps - 1) * a.dilation + 1, 1))
    return damaged(
        fmt::format("a window of {} taps, stride {}, dilation {} over {}", a.taps, a.stride, a.dilation, a.input));
  if (!fits(a.before, 0) || !fits(a.after, 0))
    return refuse(fmt::format("pads of {} and {}", a.before, a.after), "use pads from 0 up");
  return {};
}

Result<Axis> make_axis(Call& call, Axis axis, const std::string& auto_pad) {
  THIMBLE_TRY(check_axis(axis));
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    axis.output = (axis.input + axis.stride - 1) / axis.stride;
    const int64_t total = std::max<int64_t>(0, (axis.output - 1) * axis.stride + axis.reach() - axis.input);
    axis.before = auto_pad == "SAME_LOWER" ? total - total / 2 : total / 2;
    axis.after = total - axis.before;
    return axis;
  }
  if (auto_pad == "VALID") axis.before = axis.after = 0;
  const int64_t room = axis.input + axis.before + axis.after - axis.reach();
  if (room < 0)
    return damaged(fmt::format("a window of {} does not fit {} with pads {} and {}", axis.reach(), axis.input,
                               axis.before, axis.after));
  axis.output = room / axis.stride + 1;
  // A rounded-up output may begin a window beyond the end, but not one that lies in the padding as a whole.
  if (call.integer("ceil_mode") && room % axis.stride != 0 && axis.output * axis.stride < axis.input + axis.before)
    ++axis.output;
  return axis;
}

// kernel: the spatial extents of the window.
Result<Window> read_window(Call& call, const Shape& input, const std::vector<int64_t>& kernel) {
  const size_t spatial = input.size() - 2;
  const auto list = [&](std::string_view name, size_t count, int64_t fallback) -> Result<std::vector<int64_t>> {
    std::vector<int64_t> values = call.integers(name);
    if (values.empty()) values.assign(count, fallback);
    if (values.size() != count) return damaged(fmt::format("{} {} for {} axes", values.size(), name, spatial));
    return values;
  };
  if (kernel.size() != spatial)
    return damaged(fmt::format("a window of {} axes over {}", kernel.size(), to_string(input)));
  THIMBLE_LET(const auto strides, list("strides", spatial, 1));
  THIMBLE_LET(const auto dilations, list("dilations", spatial, 1));
  THIMBLE_LET(const auto pads, list("pads", 2 * spatial, 0));
  const std::string auto_pad = call.word("auto_pad", "NOTSET");
  Window window;
  for (size_t i = 0; i < spatial; ++i) {
    Axis axis{.input = input[i + 2], .taps = kernel[i], .stride = strides[i], .dilation = dilations[i]};
    if (auto_pad.empty() || auto_pad == "NOTSET") axis.before = pads[i], axis.after = pads[i + spatial];
    THIMBLE_LET(axis, make_axis(call, axis, auto_pad));
    (i + 1 == spatial ? window.w : window.h) = axis;
  }
  return window;
}

// Zero where the padding attribute says it all; else what must be added around the input first.
struct Padding {
  std::string_view word = "valid";
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  bool any() const { return top || bottom || left || right; }
};

bool is_valid(const Axis& a) {
  return a.before == 0 && a.input >= a.reach() && a.output == (a.input - a.reach()) / a.stride + 1;
}
bool is_same(const Axis& a) {
  const int64_t total = std::max<int64_t>(0, (a.output - 1) * a.stride + a.reach() - a.input);
  return a.output == (a.input + a.stride - 1) / a.stride && a.before == total / 2;
}
int64_t needed_after(const Axis& a) {
  return std::max<int64_t>(0, (a.output - 1) * a.stride + a.reach() - a.input - a.before);
}

Padding padding_of(const Window& window) {
  if (is_valid(window.h) && is_valid(window.w)) return {};
  if (is_same(window.h) && is_same(window.w)) return {.word = "same"};
  return {.top = window.h.before,
          .bottom = needed_after(window.h),
          .left = window.w.before,
          .right = needed_after(window.w)};
}

Attrs window_attrs(const Window& window, const Padding& padding) {
  Attrs attrs;
  attrs.set("padding", std::string(padding.word)).set("stride_h", window.h.stride).set("stride_w", window.w.stride);
  return attrs;
}

// x [N, C, W] or [N, C, H, W] as [N, C, H, W].
Result<Item> as_image(Importer& in, const Item& x) {
  if (x.rank() == 4) return x;
  if (x.rank() == 3) return in.reshaped(x, {x.shape[0], x.shape[1], 1, x.shape[2]});
  return refuse(fmt::format("an input {}; [N, C, W] and [N, C, H, W] are supported", to_string(x.shape)),
                "build the model from convolutions over one or two axes");
}

Result<Items> as_given(Importer& in, Item y, size_t rank) {
  if (rank == 4) return Items{y};
  return only(in.reshaped(y, {y.shape[0], y.shape[1], y.shape[3]}));
}

// Zeros around the image; in int8 the zero point stands for 0. mode: of mirror_pad instead.
Result<Item> pad_image(Call& call, const Item& x, const Padding& padding, std::string_view mode = {}) {
  if (!padding.any()) return x;
  Attrs attrs;
  attrs.set("paddings", std::vector<int64_t>{0, 0, padding.top, padding.bottom, padding.left, padding.right, 0, 0});
  if (!mode.empty()) attrs.set("mode", std::string(mode));
  THIMBLE_LET(const Items out, emit_move(call, mode.empty() ? "pad" : "mirror_pad", x, channels_last(4), attrs));
  return out[0];
}

bool is_positive(Importer& in, const Item& x) {
  const Node* node = x.constant ? nullptr : in.writer_of(x.id);
  return node && (node->op->name == "relu" || node->op->name == "relu6");
}

// For a maximum. Zeros where nothing is below them; else the elements at the border, which are in every window that
// reaches beyond it. (The lowest number there is would make any calibrated scale useless.)
Result<Item> pad_for_maximum(Call& call, const Item& x, const Padding& padding) {
  if (!padding.any()) return x;
  if (is_positive(call.in, x)) return pad_image(call, x, padding);
  if (std::max({padding.top, padding.bottom, padding.left, padding.right}) == 1)
    return pad_image(call, x, padding, "symmetric");
  Item image = x;
  image.order = channels_last(4);
  image.before = x.shape;
  image.constant = nullptr;
  THIMBLE_LET(image.id, call.in.in_order(x, image.order));
  const int64_t before[] = {padding.top, padding.left}, after[] = {padding.bottom, padding.right};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t extent = image.shape[i + 2];
    THIMBLE_TRY(call.in.spend((extent + before[i] + after[i]) * 8));
    std::vector<int64_t> indices;
    for (int64_t at = -before[i]; at < extent + after[i]; ++at)
      indices.push_back(std::clamp<int64_t>(at, 0, extent - 1));
    THIMBLE_LET(image, emit_gather(call, image, i + 2, indices));
  }
  return image;
}

Result<const Item*> constant_weights(Call& call, size_t input) {
  THIMBLE_LET(const Item* weights, call.input(input));
  if (!weights->constant)
    return refuse("its weights are computed by another node", "export the model with constant weights");
  if (weights->constant->size() == 0) return damaged(fmt::format("empty weights {}", to_string(weights->shape)));
  return weights;
}

Result<Items> conv(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const Item* stored, constant_weights(call, 1));
  THIMBLE_LET(const Item x, as_image(call.in, *given));
  if (stored->rank() != given->rank())
    return damaged(fmt::format("weights {} for an input {}", to_string(stored->shape), to_string(given->shape)));
  THIMBLE_LET(const Item weights, as_image(call.in, *stored));
  const int64_t group = call.integer("group", 1), channels = x.shape[1], outputs = weights.shape[0];
  if (group < 1 || channels % group != 0 || outputs % group != 0 || weights.shape[1] != channels / group)
    return damaged(fmt::format("weights {} in {} groups for an input {}", to_string(stored->shape), group,
                               to_string(given->shape)));
  const Shape kernel(stored->shape.begin() + 2, stored->shape.end());
  if (const auto told = call.integers("kernel_shape"); !told.empty() && told != kernel)
    return damaged(fmt::format("kernel_shape {} for weights {}", to_string(told), to_string(stored->shape)));
  THIMBLE_LET(const Window window, read_window(call, given->shape, kernel));
  const Padding padding = padding_of(window);
  const bool depthwise = group == channels && group > 1;
  Linear linear{.op = depthwise ? "depthwise_conv2d" : "conv2d",
                .x_order = channels_last(4),
                .weights_axis = depthwise ? 3 : 0,
                .bias = call.has_input(2) ? call.inputs[2] : nullptr,
                .attrs = window_attrs(window, padding),
                .output_order = channels_last(4)};
  linear.attrs.set("dilation_h", window.h.dilation).set("dilation_w", window.w.dilation);
  if (depthwise) linear.attrs.set("depth_multiplier", outputs / channels);
  std::tie(linear.weights, linear.weights_quantization) =
      arranged(weights, depthwise ? Order{1, 2, 3, 0} : Order{0, 2, 3, 1});
  THIMBLE_LET(linear.x, pad_image(call, x, padding));
  THIMBLE_LET(const Item y, emit_linear(call, std::move(linear)));
  return as_given(call.in, y, given->rank());
}

// ---- pools

// Of how many taps ONNX's mean is, for every output of an axis.
std::vector<int64_t> counted_taps(const Axis& a, bool include_pad) {
  std::vector<int64_t> counts;
  for (int64_t i = 0; i < a.output; ++i) {
    const int64_t first = i * a.stride - a.before;
    const int64_t low = include_pad ? -a.before : 0, high = include_pad ? a.input + a.after : a.input;
    counts.push_back(std::min(first + a.reach(), high) - std::max(first, low));
  }
  return counts;
}

// A mean that divides by all taps, although ONNX leaves out those in the padding: corrected per output.
Result<Item> correct_mean(Call& call, const Item& y, const Window& window, bool include_pad) {
  const auto rows = counted_taps(window.h, include_pad), columns = counted_taps(window.w, include_pad);
  THIMBLE_TRY(call.in.spend(window.h.output * window.w.output * 4));
  std::vector<float> factors;
  for (int64_t row : rows)
    for (int64_t column : columns)
      factors.push_back(static_cast<float>(window.h.taps * window.w.taps) /
                        static_cast<float>(std::max<int64_t>(row * column, 1)));
  if (std::ranges::all_of(factors, [](float f) { return f == 1; })) return y;
  THIMBLE_LET(const Item scale, call.in.constant_item(Tensor::from({1, 1, window.h.output, window.w.output}, factors)));
  return emit_binary(call, "mul", y, scale);
}

// Pools keep the scale in int8. A mean of int8 whose result is wanted in another scale is computed in float.
bool keeps_int8(Call& call, const Item& x, bool max) {
  if (!call.in.carries_scale(x)) return false;
  if (max) return true;
  const auto after = call.in.scale_after(call.node.output(0));
  return after && *after == call.in.quantization_of(x);
}

Result<Items> pool(Call& call) {
  const bool max = call.op() == "MaxPool";
  THIMBLE_LET(const Item* given, call.input(0));
  if (call.wants_output(1)) return refuse("the indices of a MaxPool", "use its values only");
  THIMBLE_LET(Item x, as_image(call.in, *given));
  THIMBLE_LET(const Window window, read_window(call, given->shape, call.integers("kernel_shape")));
  if (window.h.dilation != 1 || window.w.dilation != 1)
    return refuse("a pool with dilation", "use a pool without dilation");
  const bool include_pad = call.integer("count_include_pad") != 0;
  const bool padded = window.h.before || window.h.after || window.w.before || window.w.after;
  Padding padding = padding_of(window);
  if (!max && include_pad && padded && padding.word == "same")
    padding = {.top = window.h.before,
               .bottom = needed_after(window.h),
               .left = window.w.before,
               .right = needed_after(window.w)};
  const bool corrected = !max && padding.any();
  if (!keeps_int8(call, x, max) || corrected) {
    THIMBLE_LET(x, call.in.as_declared(x));
  }
  THIMBLE_LET(x, max ? pad_for_maximum(call, x, padding) : pad_image(call, x, padding));
  const Quantization q = call.in.quantization_of(x);
  Attrs attrs = window_attrs(window, padding);
  attrs.set("window_h", window.h.taps).set("window_w", window.w.taps);
  THIMBLE_LET(const ValueId id, call.in.in_order(x, channels_last(4)));
  THIMBLE_LET(const Items out, call.in.emit(max ? "max_pool2d" : "average_pool2d", {id}, attrs, channels_last(4), q));
  Item y = out[0];
  y.type = x.type;
  if (corrected) {
    THIMBLE_LET(y, correct_mean(call, y, window, include_pad));
  }
  return as_given(call.in, y, given->rank());
}

// ---- transposed convolution

Result<Window> read_transposed_window(Call& call, const Shape& input, const std::vector<int64_t>& kernel) {
  const size_t spatial = input.size() - 2;
  std::vector<int64_t> strides = call.integers("strides"), dilations = call.integers("dilations"),
                       pads = call.integers("pads"), extra = call.integers("output_padding"),
                       wanted = call.integers("output_shape");
  if (strides.empty()) strides.assign(spatial, 1);
  if (dilations.empty()) dilations.assign(spatial, 1);
  if (pads.empty()) pads.assign(2 * spatial, 0);
  if (extra.empty()) extra.assign(spatial, 0);
  if (wanted.size() == spatial + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (kernel.size() != spatial || strides.size() != spatial || dilations.size() != spatial || extra.size() != spatial ||
      pads.size() != 2 * spatial || (!wanted.empty() && wanted.size() != spatial))
    return damaged("lists that do not have one entry per axis");
  const std::string auto_pad = call.word("auto_pad", "NOTSET");
  Window window;
  for (size_t i = 0; i < spatial; ++i) {
    Axis axis{.input = input[i + 2],
              .taps = kernel[i],
              .stride = strides[i],
              .dilation = dilations[i],
              .before = pads[i],
              .after = pads[i + spatial]};
    THIMBLE_TRY(check_axis(axis));
    if (extra[i] < 0 || extra[i] > kMostPadding) return damaged(fmt::format("output_padding {}", extra[i]));
    const int64_t full = (axis.input - 1) * axis.stride + axis.reach() + extra[i];
    const bool same = auto_pad.starts_with("SAME");
    if (!wanted.empty() || same) {
      axis.output = wanted.empty() ? axis.input * axis.stride : wanted[i];
      const int64_t total = std::max<int64_t>(0, full - axis.output);
      axis.before = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      axis.after = total - axis.before;
    } else {
      if (auto_pad == "VALID") axis.before = axis.after = 0;
      axis.output = full - axis.before - axis.after;
    }
    if (axis.output < 1 || axis.output > kMostPadding || axis.output > full)
      return refuse(fmt::format("an output extent of {}", axis.output), "let the output extent follow from the input");
    (i + 1 == spatial ? window.w : window.h) = axis;
  }
  return window;
}

// Elements [begin, begin + size) of a constant's axis.
Item constant_part(const Item& constant, size_t axis, int64_t begin, int64_t size) {
  Item part = constant;
  part.shape[axis] = size;
  part.before = part.shape;
  size_t inner = size_of(constant.constant->dtype), outer = 1;
  for (size_t i = axis + 1; i < constant.rank(); ++i) inner *= static_cast<size_t>(constant.shape[i]);
  for (size_t i = 0; i < axis; ++i) outer *= static_cast<size_t>(constant.shape[i]);
  const size_t row = static_cast<size_t>(constant.shape[axis]) * inner, wide = static_cast<size_t>(size) * inner;
  Tensor tensor{constant.constant->dtype, part.shape, std::vector<std::byte>(outer * wide)};
  for (size_t o = 0; o < outer; ++o)
    std::memcpy(tensor.bytes.data() + o * wide,
                constant.constant->bytes.data() + o * row + static_cast<size_t>(begin) * inner, wide);
  part.constant = std::make_shared<const Tensor>(std::move(tensor));
  if (part.quantization.per_channel() && static_cast<size_t>(part.quantization.axis) == axis) {
    const auto cut = [&](auto& list) {
      list = {list.begin() + static_cast<ptrdiff_t>(begin), list.begin() + static_cast<ptrdiff_t>(begin + size)};
    };
    cut(part.quantization.scale);
    cut(part.quantization.zero_point);
  }
  return part;
}

// Weights [I, O, kh, kw] with zeros between the taps; the window then has no dilation.
Result<Item> without_dilation(Importer& in, const Item& weights, Window& window) {
  if (window.h.dilation == 1 && window.w.dilation == 1) return weights;
  if (std::ranges::any_of(weights.quantization.zero_point, [](int32_t zero) { return zero != 0; }))
    return refuse("a transposed convolution with dilation on such weights", "use dilation = 1");
  Item result = weights;
  result.shape[2] = window.h.reach();
  result.shape[3] = window.w.reach();
  result.before = result.shape;
  const auto elements = elements_within(result.shape, kMaxElements);
  if (!elements) return damaged("a dilation beyond any size");
  const size_t width = size_of(weights.constant->dtype);
  THIMBLE_TRY(in.spend(*elements * static_cast<int64_t>(width)));
  Tensor tensor{weights.constant->dtype, result.shape, std::vector<std::byte>(static_cast<size_t>(*elements) * width)};
  for (int64_t plane = 0; plane < weights.shape[0] * weights.shape[1]; ++plane)
    for (int64_t y = 0; y < window.h.taps; ++y)
      for (int64_t x = 0; x < window.w.taps; ++x) {
        const int64_t from = (plane * window.h.taps + y) * window.w.taps + x;
        const int64_t to = (plane * result.shape[2] + y * window.h.dilation) * result.shape[3] + x * window.w.dilation;
        std::memcpy(tensor.bytes.data() + static_cast<size_t>(to) * width,
                    weights.constant->bytes.data() + static_cast<size_t>(from) * width, width);
      }
  result.constant = std::make_shared<const Tensor>(std::move(tensor));
  for (Axis* axis : {&window.h, &window.w}) {
    axis->taps = axis->reach();
    axis->dilation = 1;
  }
  return result;
}

Result<Item> transposed_group(Call& call, const Item& x, const Item& weights, const Item* bias, const Window& window);

// Each group of channels by itself, joined again.
Result<Item> transposed_groups(Call& call, const Item& x, const Item& weights, const Item* bias, const Window& window,
                               int64_t groups) {
  if (groups == 1) return transposed_group(call, x, weights, bias, window);
  Item image = x;
  image.order = channels_last(4);
  image.before = x.shape;
  THIMBLE_LET(image.id, call.in.in_order(x, image.order));
  image.constant = nullptr;
  const int64_t inputs = x.shape[1] / groups, outputs = weights.shape[1];
  if (bias && (!bias->constant || bias->rank() != 1 || bias->shape[0] != groups * outputs))
    return refuse("a bias that is computed, or not one per channel", "export the model with constant biases");
  std::vector<ValueId> parts;
  Item y;
  for (int64_t g = 0; g < groups; ++g) {
    Shape begin(4, 0), size = x.shape;
    begin[1] = g * inputs;
    size[1] = inputs;
    THIMBLE_LET(const Item part, emit_slice(call, image, begin, size));
    std::optional<Item> own_bias;
    if (bias) own_bias = constant_part(*bias, 0, g * outputs, outputs);
    THIMBLE_LET(y, transposed_group(call, part, constant_part(weights, 0, g * inputs, inputs),
                                    own_bias ? &*own_bias : nullptr, window));
    THIMBLE_LET(const ValueId id, call.in.in_order(y, channels_last(4)));
    parts.push_back(id);
  }
  THIMBLE_LET(y.id, emit_concat(call.in, std::move(parts), 3, call.in.quantization_of(y)));
  y.order = channels_last(4);
  y.shape = y.before = unpermuted(call.in.builder[y.id].type.shape, y.order);
  return y;
}

Result<Items> conv_transpose(Call& call) {
  THIMBLE_LET(const Item* given, call.input(0));
  THIMBLE_LET(const Item* stored, constant_weights(call, 1));
  THIMBLE_LET(const Item x, as_image(call.in, *given));
  if (stored->rank() != given->rank()) return damaged("weights and input of different rank");
  THIMBLE_LET(const Item weights, as_image(call.in, *stored));
  const int64_t groups = call.integer("group", 1);
  if (groups < 1 || weights.shape[0] != x.shape[1] || x.shape[1] % groups != 0)
    return damaged(fmt::format("weights {} in {} groups for an input {}", to_string(stored->shape), groups,
                               to_string(given->shape)));
  THIMBLE_LET(Window window,
              read_transposed_window(call, given->shape, Shape(stored->shape.begin() + 2, stored->shape.end())));
  THIMBLE_LET(const Item dense, without_dilation(call.in, weights, window));
  THIMBLE_LET(const Item y,
              transposed_groups(call, x, dense, call.has_input(2) ? call.inputs[2] : nullptr, window, groups));
  return as_given(call.in, y, given->rank());
}

// The full result ("valid", as far as the taps reach), of which a part is cut out where ONNX pads.
Result<Item> transposed_group(Call& call, const Item& x, const Item& weights, const Item* bias, const Window& window) {
  const auto full = [](const Axis& a) { return std::max((a.input - 1) * a.stride + a.taps, a.before + a.output); };
  const auto same = [](const Axis& a) {
    return a.output == a.input * a.stride && a.before == std::max<int64_t>(0, a.taps - a.stride) / 2;
  };
  const auto valid = [&](const Axis& a) { return a.before == 0 && a.output == full(a); };
  const bool whole = (same(window.h) && same(window.w)) || (valid(window.h) && valid(window.w));
  const bool is_same = same(window.h) && same(window.w);
  const int64_t height = whole ? window.h.output : full(window.h), width = whole ? window.w.output : full(window.w);
  Linear linear{.op = "transpose_conv",
                .x = x,
                .x_order = channels_last(4),
                .bias = bias,
                .attrs = window_attrs(window, {.word = is_same ? "same" : "valid"}),
                .output_order = channels_last(4)};
  linear.attrs.set("output_shape", std::vector<int64_t>{x.shape[0], height, width, weights.shape[1]});
  std::tie(linear.weights, linear.weights_quantization) = arranged(weights, {1, 2, 3, 0});
  THIMBLE_LET(Item y, emit_linear(call, std::move(linear)));
  if (!whole) {
    THIMBLE_LET(y, emit_slice(call, y, {0, 0, window.h.before, window.w.before},
                              {y.shape[0], y.shape[1], window.h.output, window.w.output}));
  }
  return y;
}

}  // namespace

void add_window(HandlerTable& table) {
  table.insert({{"Conv", conv}, {"ConvTranspose", conv_transpose}, {"MaxPool", pool}, {"AveragePool", pool}});
}

}  // namespace thimble::onnx_import
