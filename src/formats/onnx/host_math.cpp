// Nodes whose inputs are all known when a model is read, computed at once: the shape arithmetic that exporters leave in
// models, and what prepares weights.
#include <algorithm>
#include <cmath>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

constexpr int64_t kMostFolded = int64_t{1} << 24;  // elements of one result
constexpr size_t kMostJoined = size_t{1} << 26;    // bytes

// Applies f to two tensors element by element with broadcasting.
template <class T, class F>
std::vector<T> broadcast_map(const Shape& shape, const Shape& sa, const std::vector<T>& a, const Shape& sb,
                             const std::vector<T>& b, const F& f) {
  const auto steps = [&](const Shape& from) {
    std::vector<int64_t> result(shape.size(), 0);
    int64_t step = 1;
    for (size_t i = from.size(); i-- > 0;) {
      result[i + shape.size() - from.size()] = from[i] == 1 ? 0 : step;
      step *= from[i];
    }
    return result;
  };
  const std::vector<int64_t> step_a = steps(sa), step_b = steps(sb);
  std::vector<int64_t> at(shape.size(), 0);
  std::vector<T> result(static_cast<size_t>(element_count(shape)));
  int64_t ia = 0, ib = 0;
  for (T& value : result) {
    value = f(a[static_cast<size_t>(ia)], b[static_cast<size_t>(ib)]);
    for (size_t k = shape.size(); k-- > 0;) {
      ia += step_a[k], ib += step_b[k];
      if (++at[k] < shape[k]) break;
      ia -= step_a[k] * at[k], ib -= step_b[k] * at[k];
      at[k] = 0;
    }
  }
  return result;
}

// Wraps around as the device would; never undefined.
int64_t integer_binary(const std::string& op, int64_t a, int64_t b, bool& valid) {
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  if (op == "Add" || op == "Sum") return static_cast<int64_t>(ua + ub);
  if (op == "Sub") return static_cast<int64_t>(ua - ub);
  if (op == "Mul") return static_cast<int64_t>(ua * ub);
  if (op == "Max") return std::max(a, b);
  if (op == "Min") return std::min(a, b);
  if (op == "Div" || op == "Mod") {
    if (b == 0 || b == -1) {
      valid = valid && b != 0;
      return op == "Mod" || b == 0 ? 0 : static_cast<int64_t>(-ua);
    }
    if (op == "Div") return a / b;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  if (op == "Equal") return a == b;
  if (op == "Greater") return a > b;
  if (op == "GreaterOrEqual") return a >= b;
  if (op == "Less") return a < b;
  if (op == "LessOrEqual") return a <= b;
  if (op == "And") return a && b;
  if (op == "Or") return a || b;
  valid = false;
  return 0;
}

float float_binary(const std::string& op, float a, float b, bool& valid) {
  if (op == "Add" || op == "Sum") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div") return a / b;
  if (op == "Max") return std::max(a, b);
  if (op == "Min") return std::min(a, b);
  if (op == "Pow") return std::pow(a, b);
  if (op == "Equal") return a == b;
  if (op == "Greater") return a > b;
  if (op == "GreaterOrEqual") return a >= b;
  if (op == "Less") return a < b;
  if (op == "LessOrEqual") return a <= b;
  valid = false;
  return 0;
}

bool is_comparison(const std::string& op) {
  return op == "Equal" || op == "Greater" || op == "GreaterOrEqual" || op == "Less" || op == "LessOrEqual" ||
         op == "And" || op == "Or";
}

bool is_binary(const std::string& op) {
  for (const char* known : {"Add", "Sum", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Pow"})
    if (op == known) return true;
  return is_comparison(op);
}

using Folded = std::optional<Result<Item>>;

Folded fold_binary(Call& call, const Item& a, const Item& b) {
  if (a.type != b.type || a.type != a.constant->dtype || b.type != b.constant->dtype) return std::nullopt;
  if (call.in.opset < 7 && a.rank() != b.rank()) return std::nullopt;
  const auto shape = broadcast_shape(a.shape, b.shape);
  if (!shape)
    return damaged(fmt::format("shapes {} and {} do not go together", to_string(a.shape), to_string(b.shape)));
  int64_t elements = 1;
  for (int64_t extent : *shape)
    if (__builtin_mul_overflow(elements, extent, &elements) || elements > kMostFolded) return std::nullopt;
  bool valid = true;
  const std::string& op = call.op();
  if (a.type == DType::f32) {
    const auto values = broadcast_map<float>(*shape, a.shape, floats_of(*a.constant), b.shape, floats_of(*b.constant),
                                             [&](float x, float y) { return float_binary(op, x, y, valid); });
    if (!valid) return std::nullopt;
    if (is_comparison(op))
      return call.in.constant_item(
          integer_tensor(DType::boolean, *shape, std::vector<int64_t>(values.begin(), values.end())));
    return call.in.constant_item(Tensor::from(*shape, values));
  }
  const auto values =
      broadcast_map<int64_t>(*shape, a.shape, integers_of(*a.constant), b.shape, integers_of(*b.constant),
                             [&](int64_t x, int64_t y) { return integer_binary(op, x, y, valid); });
  if (!valid) return std::nullopt;
  return call.in.constant_item(integer_tensor(is_comparison(op) ? DType::boolean : a.type, *shape, values));
}

Folded fold_unary(Call& call, const Item& x) {
  const std::string& op = call.op();
  if (x.type != x.constant->dtype) return std::nullopt;
  if (x.type == DType::f32) {
    std::vector<float> values = floats_of(*x.constant);
    for (float& v : values) {
      if (op == "Floor")
        v = std::floor(v);
      else if (op == "Ceil")
        v = std::ceil(v);
      else if (op == "Round")
        v = std::nearbyint(v);
      else if (op == "Sqrt")
        v = std::sqrt(v);
      else if (op == "Exp")
        v = std::exp(v);
      else if (op == "Log")
        v = std::log(v);
      else if (op == "Neg")
        v = -v;
      else if (op == "Abs")
        v = std::abs(v);
      else if (op == "Reciprocal")
        v = 1 / v;
      else
        return std::nullopt;
    }
    return call.in.constant_item(Tensor::from(x.shape, values));
  }
  std::vector<int64_t> values = integers_of(*x.constant);
  for (int64_t& v : values) {
    if (op == "Neg")
      v = static_cast<int64_t>(-static_cast<uint64_t>(v));
    else if (op == "Abs")
      v = v < 0 ? static_cast<int64_t>(-static_cast<uint64_t>(v)) : v;
    else if (op == "Not")
      v = !v;
    else
      return std::nullopt;
  }
  return call.in.constant_item(integer_tensor(x.type, x.shape, values));
}

Folded fold_cast(Call& call, const Item& x) {
  if (x.type != x.constant->dtype) return std::nullopt;
  const int to_code = static_cast<int>(call.integer("to"));
  auto to = to_code == ::onnx::TensorProto::DOUBLE ? Result<DType>(DType::f32) : dtype_of_onnx(to_code);
  if (!to) return Result<Item>(tl::unexpected<Error>(std::move(to).error()));
  if (*to == DType::f32) return call.in.constant_item(Tensor::from(x.shape, floats_of(*x.constant)));
  std::vector<int64_t> values;
  if (x.type == DType::f32) {
    for (float v : floats_of(*x.constant)) {
      const double kept = std::isnan(v) ? 0 : std::clamp(std::trunc(static_cast<double>(v)), -9.2e18, 9.2e18);
      values.push_back(*to == DType::boolean ? v != 0 : static_cast<int64_t>(kept));
    }
  } else {
    values = integers_of(*x.constant);
    if (*to == DType::boolean)
      for (int64_t& v : values) v = v != 0;
  }
  return call.in.constant_item(integer_tensor(*to, x.shape, values));
}

Folded fold_shape(Call& call, const Item& x) {
  if (call.op() == "Size") return call.in.constant_item(Tensor::from({}, std::vector<int64_t>{element_count(x.shape)}));
  const auto rank = static_cast<int64_t>(x.rank());
  const auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const int64_t start = bound(std::max(call.integer("start"), -rank)),
                end = bound(std::max(call.integer("end", rank), -rank));
  std::vector<int64_t> extents;
  for (int64_t i = start; i < end; ++i) extents.push_back(x.shape[static_cast<size_t>(i)]);
  return call.in.constant_item(Tensor::from({static_cast<int64_t>(extents.size())}, extents));
}

Folded fold_constant_of_shape(Call& call) {
  auto shape = call.constant_integers(0);
  if (!shape) return Result<Item>(tl::unexpected<Error>(std::move(shape).error()));
  Tensor value = Tensor::from({1}, std::vector<float>{0});
  if (const auto* given = call.attribute("value"); given && given->has_t()) {
    auto read = read_tensor(given->t());
    if (!read) return Result<Item>(tl::unexpected<Error>(std::move(read).error()));
    value = std::move(*read);
  }
  if (value.size() != 1) return damaged("the value must be one number");
  const auto count = elements_within(*shape, kMostFolded);
  if (!count) return damaged(fmt::format("a constant of shape {}", to_string(*shape)));
  const auto elements = static_cast<size_t>(*count);
  if (shape->size() > kMaxRank) return damaged(fmt::format("a constant with {} axes", shape->size()));
  if (value.dtype == DType::f32)
    return call.in.constant_item(Tensor::from(*shape, std::vector<float>(elements, floats_of(value)[0])));
  return call.in.constant_item(
      integer_tensor(value.dtype, *shape, std::vector<int64_t>(elements, integers_of(value)[0])));
}

Folded fold_range(Call& call) {
  for (const Item* item : call.inputs)
    if (!item || item->constant->size() != 1) return damaged("start, limit and delta must be one number each");
  const Item &start = *call.inputs[0], &limit = *call.inputs[1], &delta = *call.inputs[2];
  for (const Item* item : {&start, &limit, &delta})
    if (item->type != start.type || item->constant->dtype != start.type)
      return damaged("start, limit and delta must be of one type");
  if (start.type == DType::f32) {
    const float first = floats_of(*start.constant)[0], step = floats_of(*delta.constant)[0];
    const double count =
        std::ceil(static_cast<double>(floats_of(*limit.constant)[0] - first) / static_cast<double>(step));
    if (!(count <= kMostFolded)) return damaged("a range without end");
    std::vector<float> values;
    for (int64_t i = 0; static_cast<double>(i) < count; ++i) values.push_back(first + static_cast<float>(i) * step);
    return call.in.constant_item(Tensor::from({static_cast<int64_t>(values.size())}, values));
  }
  const int64_t first = integers_of(*start.constant)[0], step = integers_of(*delta.constant)[0];
  const double count = std::ceil((static_cast<double>(integers_of(*limit.constant)[0]) - static_cast<double>(first)) /
                                 static_cast<double>(step));
  if (step == 0 || !(count <= kMostFolded)) return damaged("a range without end");
  std::vector<int64_t> values;
  for (int64_t i = 0; static_cast<double>(i) < count; ++i)
    values.push_back(
        static_cast<int64_t>(static_cast<uint64_t>(first) + static_cast<uint64_t>(i) * static_cast<uint64_t>(step)));
  return call.in.constant_item(integer_tensor(start.type, {static_cast<int64_t>(values.size())}, values));
}

// Elements of x picked by flat positions.
Folded picked(Call& call, const Item& x, Shape shape, const std::vector<int64_t>& from) {
  const size_t width = size_of(x.constant->dtype);
  Tensor tensor{x.constant->dtype, std::move(shape), std::vector<std::byte>(from.size() * width)};
  for (size_t i = 0; i < from.size(); ++i)
    std::memcpy(tensor.bytes.data() + i * width, x.constant->bytes.data() + static_cast<size_t>(from[i]) * width,
                width);
  return call.in.constant_item(std::move(tensor));
}

Folded fold_gather(Call& call, const Item& x, const Item& indices) {
  if (x.type != x.constant->dtype || indices.type == DType::f32) return std::nullopt;
  const auto axis = axis_in(call.integer("axis"), x.rank());
  if (!axis) return Result<Item>(tl::unexpected<Error>(axis.error()));
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < x.rank(); ++i) (i < *axis ? outer : inner) *= i == *axis ? 1 : x.shape[i];
  const int64_t extent = x.shape[*axis];
  const std::vector<int64_t> picks = integers_of(*indices.constant);
  if (outer * inner > 0 && static_cast<int64_t>(picks.size()) > kMostFolded / (outer * inner)) return std::nullopt;
  std::vector<int64_t> from;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t pick : picks) {
      if (pick < -extent || pick >= extent) return damaged(fmt::format("index {} of {} elements", pick, extent));
      for (int64_t i = 0; i < inner; ++i) from.push_back((o * extent + (pick < 0 ? pick + extent : pick)) * inner + i);
    }
  Shape shape = x.shape;
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(*axis));
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(*axis), indices.shape.begin(), indices.shape.end());
  return picked(call, x, std::move(shape), from);
}

// Of lists, as shapes are cut; other slices go the way of nodes.
Folded fold_slice(Call& call, const Item& x) {
  if (x.type != x.constant->dtype || x.rank() != 1) return std::nullopt;
  auto starts = call.integers_from(1, "starts"), ends = call.integers_from(2, "ends");
  auto steps = call.has_input(4) ? call.constant_integers(4) : Result<std::vector<int64_t>>(std::vector<int64_t>{1});
  if (!starts || !ends || !steps || starts->size() != 1 || ends->size() != 1 || steps->size() != 1 || (*steps)[0] == 0)
    return std::nullopt;
  const int64_t extent = x.shape[0], step = std::clamp<int64_t>((*steps)[0], -extent - 1, extent + 1);
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
  const auto bound = [&](int64_t at) { return at < -extent ? low : std::clamp(at < 0 ? at + extent : at, low, high); };
  std::vector<int64_t> from;
  const int64_t first = std::max<int64_t>(bound((*starts)[0]), step > 0 ? 0 : -1), last = bound((*ends)[0]);
  for (int64_t i = first; step > 0 ? i < last : i > last; i += step) from.push_back(i);
  return picked(call, x, {static_cast<int64_t>(from.size())}, from);
}

Folded fold_concat(Call& call) {
  // Only along the first axis: the bytes follow one another.
  int64_t axis = call.integer("axis");
  Tensor joined;
  for (const Item* item : call.inputs) {
    if (!item || item->type != item->constant->dtype) return std::nullopt;
    if (axis < 0) axis += static_cast<int64_t>(item->rank());
    if (axis != 0 || item->rank() == 0) return std::nullopt;
    if (joined.shape.empty()) {
      joined = *item->constant;
      continue;
    }
    if (joined.dtype != item->type ||
        !std::equal(joined.shape.begin() + 1, joined.shape.end(), item->shape.begin() + 1, item->shape.end()))
      return damaged("parts of different types or shapes");
    if (joined.bytes.size() + item->constant->bytes.size() > kMostJoined) return std::nullopt;
    joined.shape[0] += item->shape[0];
    joined.bytes.insert(joined.bytes.end(), item->constant->bytes.begin(), item->constant->bytes.end());
  }
  return call.in.constant_item(std::move(joined));
}

Folded fold_where(Call& call) {
  for (const Item* item : call.inputs)
    if (!item || item->type != item->constant->dtype || item->type == DType::f32) return std::nullopt;
  if (call.inputs.size() != 3) return std::nullopt;
  const Item &c = *call.inputs[0], &x = *call.inputs[1], &y = *call.inputs[2];
  if (c.shape != x.shape || c.shape != y.shape) {
    if (x.constant->size() != 1 && x.shape != c.shape) return std::nullopt;
    if (y.constant->size() != 1 && y.shape != c.shape) return std::nullopt;
  }
  const auto conditions = integers_of(*c.constant), xs = integers_of(*x.constant), ys = integers_of(*y.constant);
  std::vector<int64_t> values;
  for (size_t i = 0; i < conditions.size(); ++i)
    values.push_back(conditions[i] ? xs[xs.size() == 1 ? 0 : i] : ys[ys.size() == 1 ? 0 : i]);
  return call.in.constant_item(integer_tensor(x.type, c.shape, values));
}

Folded fold_expand(Call& call, const Item& x) {
  auto wanted = call.constant_integers(1);
  if (!wanted || x.constant->size() != 1 || x.type != x.constant->dtype) return std::nullopt;
  Shape shape = *wanted;
  while (shape.size() < x.rank()) shape.insert(shape.begin(), 1);
  int64_t elements = 1;
  for (int64_t extent : shape)
    if (extent < 1 || __builtin_mul_overflow(elements, extent, &elements) || elements > kMostFolded)
      return std::nullopt;
  return picked(call, x, std::move(shape), std::vector<int64_t>(static_cast<size_t>(elements), 0));
}

Folded fold_prod(Call& call, const Item& x) {
  if (x.type == DType::f32 || x.type != x.constant->dtype || x.rank() != 1) return std::nullopt;
  uint64_t product = 1;
  for (int64_t value : integers_of(*x.constant)) product *= static_cast<uint64_t>(value);
  const Shape shape = call.integer("keepdims", 1) ? Shape{1} : Shape{};
  return call.in.constant_item(integer_tensor(x.type, shape, {static_cast<int64_t>(product)}));
}

Folded fold_one(Call& call) {
  const std::string& op = call.op();
  if (op == "Shape" || op == "Size") return call.has_input(0) ? fold_shape(call, *call.inputs[0]) : std::nullopt;
  for (const Item* item : call.inputs)
    if (item && !item->constant) return std::nullopt;
  if (op == "ConstantOfShape") return fold_constant_of_shape(call);
  if (op == "Range" && call.inputs.size() == 3) return fold_range(call);
  if (!call.has_input(0)) return std::nullopt;
  const Item& x = *call.inputs[0];
  if (op == "Cast") return fold_cast(call, x);
  if (op == "Slice") return fold_slice(call, x);
  if (op == "Concat") return fold_concat(call);
  if (op == "Where") return fold_where(call);
  if (op == "ReduceProd") return fold_prod(call, x);
  if (op == "Expand") return fold_expand(call, x);
  if (op == "Gather" && call.has_input(1)) return fold_gather(call, x, *call.inputs[1]);
  if (call.inputs.size() == 1) return fold_unary(call, x);
  if (call.inputs.size() == 2 && call.has_input(1) && is_binary(op)) return fold_binary(call, x, *call.inputs[1]);
  return std::nullopt;
}

}  // namespace

std::optional<Result<Items>> fold(Call& call) {
  Folded folded = fold_one(call);
  if (!folded) return std::nullopt;
  return only(std::move(*folded));
}

}  // namespace thimble::onnx_import
