#include "differential/random_graph.h"

#include <cmath>
#include <functional>
#include <map>

#include "graph/builder.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

// Draws what a graph is made of. Everything a case needs in one place, so that an op's generator is a few lines.
class Draw {
 public:
  Draw(const std::string& op, uint64_t seed) : rng_{seed, std::hash<std::string>{}(op)}, builder_(op) {}

  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(rng_.below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(double probability) { return rng_.uniform() < probability; }
  double real(double low, double high) { return rng_.uniform(low, high); }
  template <class T>
  T one_of(std::vector<T> list) {
    return list[rng_.below(list.size())];
  }
  // With a mantissa of 12 bits, so that the product of two scales is exact in float32: TensorFlow Lite Micro, whose
  // numbers are ours, multiplies a fully connected layer's scales in float32, and this interpreter in double.
  float scale(double low = 1e-3, double high = 0.5) {
    int exponent = 0;
    const double mantissa = std::frexp(std::exp(rng_.uniform(std::log(low), std::log(high))), &exponent);
    return static_cast<float>(std::ldexp(std::round(mantissa * 4096), exponent - 12));
  }
  int32_t zero_point() {
    return chance(0.3) ? one_of<int32_t>({-128, 127, 0}) : static_cast<int32_t>(between(-128, 127));
  }
  Quantization quantization() { return {{scale()}, {zero_point()}}; }
  Shape shape(size_t least, size_t most, int64_t extent = 7) {
    Shape shape;
    const auto rank = static_cast<size_t>(between(static_cast<int64_t>(least), static_cast<int64_t>(most)));
    for (size_t i = 0; i < rank; ++i) shape.push_back(between(1, extent));
    return shape;
  }
  Shape image() { return {between(1, 2), between(1, 11), between(1, 11), between(1, 9)}; }

  ValueId input(Shape shape) { return input(std::move(shape), quantization()); }
  ValueId input(Shape shape, Quantization q) {
    return builder_.input("x", {DType::i8, std::move(shape)}, std::move(q));
  }
  ValueId table(Shape shape, Quantization q) {
    return builder_.constant("table", codes(std::move(shape)), std::move(q));
  }
  ValueId weights(Shape shape, int axis, bool per_channel) {
    Quantization q{{}, {}, axis};
    const int64_t count = per_channel ? shape[static_cast<size_t>(axis)] : 1;
    for (int64_t i = 0; i < count; ++i) q.scale.push_back(scale(1e-3, 0.05)), q.zero_point.push_back(0);
    if (count == 1) q.axis = 0;
    Tensor data = codes(std::move(shape));
    for (int8_t& code : data.as<int8_t>()) code = std::max<int8_t>(code, -127);
    return builder_.constant("weights", std::move(data), std::move(q));
  }
  // One int32 bias per channel, of the sizes that its products have.
  ValueId bias(ValueId x, ValueId w, int64_t channels) {
    const Quantization &qx = graph()[x].quantization, &qw = graph()[w].quantization;
    Quantization q{{}, {}, 0};
    for (float s : qw.scale) q.scale.push_back(s * qx.scale[0]), q.zero_point.push_back(0);
    std::vector<int32_t> values;
    for (int64_t i = 0; i < channels; ++i) values.push_back(static_cast<int32_t>(between(-20000, 20000)));
    return builder_.constant("bias", Tensor::from<int32_t>({channels}, values), std::move(q));
  }

  // A node whose outputs have quantisation q (empty: that of the first input).
  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attrs attrs = {}, Quantization q = {}) {
    return nodes(op, std::move(inputs), std::move(attrs), std::move(q)).at(0);
  }
  std::vector<ValueId> nodes(const std::string& op, std::vector<ValueId> inputs, Attrs attrs = {},
                             Quantization q = {}) {
    const OpSpec* spec = ops::find(op);
    if (!spec) throw std::runtime_error("there is no op " + op);
    if (q.empty()) q = graph()[inputs.at(0)].quantization;
    auto outputs = builder_.node(*spec, op, std::move(inputs), std::move(attrs));
    if (!outputs) throw std::runtime_error(to_string(outputs.error()));
    for (ValueId id : *outputs)
      if (graph()[id].type.dtype == DType::i8) graph()[id].quantization = q;
    return *outputs;
  }
  // The scale of what a linear layer gives: mostly such that its codes spread over int8, sometimes far off.
  Quantization linear_output(ValueId x, ValueId w, int64_t products) {
    const double step =
        static_cast<double>(graph()[x].quantization.scale[0]) * static_cast<double>(graph()[w].quantization.scale[0]);
    const double spread =
        chance(0.15) ? std::exp(real(-3, 6)) : 30 * std::sqrt(static_cast<double>(products)) * real(0.5, 3);
    return {{static_cast<float>(step * spread)}, {zero_point()}};
  }
  Quantization near(ValueId x) {
    return {{graph()[x].quantization.scale[0] * static_cast<float>(std::exp(real(-1.5, 1.5)))}, {zero_point()}};
  }
  std::string activation() { return one_of<std::string>({"none", "none", "relu", "relu6"}); }
  Attrs window(int64_t h, int64_t w, bool dilated) {
    Attrs attrs;
    attrs.set("padding", std::string(chance(0.5) ? "same" : "valid"))
        .set("stride_h", between(1, 3))
        .set("stride_w", between(1, 3));
    (void)h, (void)w;
    if (dilated && chance(0.25))
      attrs.set("stride_h", int64_t{1})
          .set("stride_w", int64_t{1})
          .set("dilation_h", between(1, 2))
          .set("dilation_w", between(1, 2));
    return attrs;
  }

  Graph& graph() { return builder_.graph(); }
  const Shape& shape_of(ValueId id) { return graph()[id].type.shape; }
  Result<Graph> finish(std::vector<ValueId> outputs) {
    for (ValueId id : outputs) builder_.output(id);
    return builder_.finish();
  }

 private:
  Tensor codes(Shape shape) {
    Tensor tensor = Tensor::zeros(DType::i8, std::move(shape));
    for (std::byte& code : tensor.bytes) code = static_cast<std::byte>(rng_.next());
    return tensor;
  }

  Rng rng_;
  GraphBuilder builder_;
};

using Make = std::function<std::vector<ValueId>(Draw&)>;

int64_t taps(Draw& d, int64_t extent) { return d.between(1, std::min<int64_t>(extent, 5)); }

std::vector<ValueId> convolution(Draw& d) {
  const Shape image = d.image();
  const int64_t outputs = d.between(1, 9), h = taps(d, (image[1] + 1) / 2), w = taps(d, (image[2] + 1) / 2);
  const ValueId x = d.input(image), weights = d.weights({outputs, h, w, image[3]}, 0, d.chance(0.7));
  // The interpreter insists on a bias here.
  return {d.node("conv2d", {x, weights, d.bias(x, weights, outputs)},
                 d.window(h, w, true).set("activation", d.activation()),
                 d.linear_output(x, weights, h * w * image[3]))};
}

std::vector<ValueId> depthwise(Draw& d) {
  const Shape image = d.image();
  const int64_t multiplier = d.chance(0.7) ? 1 : d.between(2, 4), outputs = image[3] * multiplier;
  const int64_t h = taps(d, (image[1] + 1) / 2), w = taps(d, (image[2] + 1) / 2);
  const ValueId x = d.input(image), weights = d.weights({1, h, w, outputs}, 3, d.chance(0.7));
  return {d.node("depthwise_conv2d", {x, weights, d.bias(x, weights, outputs)},
                 d.window(h, w, true).set("activation", d.activation()).set("depth_multiplier", multiplier),
                 d.linear_output(x, weights, h * w))};
}

std::vector<ValueId> fully_connected(Draw& d) {
  const int64_t inputs = d.between(1, 70), outputs = d.between(1, 20);
  const ValueId x = d.input({d.between(1, 3), inputs}), weights = d.weights({outputs, inputs}, 0, false);
  std::vector<ValueId> operands = {x, weights};
  if (d.chance(0.8)) operands.push_back(d.bias(x, weights, outputs));
  return {d.node("fully_connected", operands, Attrs().set("activation", d.activation()),
                 d.linear_output(x, weights, inputs))};
}

Make pool(const std::string& op) {
  return [op](Draw& d) {
    const Shape image = d.image();
    const int64_t h = taps(d, image[1]), w = taps(d, image[2]);
    return std::vector{
        d.node(op, {d.input(image)},
               d.window(h, w, false).set("window_h", h).set("window_w", w).set("activation", d.activation()))};
  };
}

// Two inputs that broadcast; one of them may be constant.
Make binary(const std::string& op, bool activation, bool shared) {
  return [op, activation, shared](Draw& d) {
    Shape a = d.shape(1, 4), b = a;
    if (d.chance(0.4))
      for (int64_t& extent : b)
        if (d.chance(0.5)) extent = 1;
    if (d.chance(0.2)) b.erase(b.begin(), b.begin() + d.between(0, static_cast<int64_t>(b.size()) - 1));
    if (d.chance(0.5)) std::swap(a, b);
    const Quantization q = d.quantization();
    const ValueId x = d.input(a, q);
    const Quantization other = shared ? q : d.near(x);
    const ValueId y = d.chance(0.3) ? d.table(b, other) : d.input(b, other);
    Attrs attrs;
    if (activation) attrs.set("activation", d.activation());
    Quantization output = shared ? q : d.near(x);
    if (op == "mul" || op == "squared_difference") output.scale[0] *= other.scale[0] * 60;
    return std::vector{d.node(op, {x, y}, attrs, output)};
  };
}

// One input, output near its scale, or fixed.
Make unary(const std::string& op, std::function<Attrs(Draw&)> attrs = {}, Quantization fixed = {}) {
  return [op, attrs, fixed](Draw& d) {
    const ValueId x = d.input(d.shape(1, 4));
    return std::vector{d.node(op, {x}, attrs ? attrs(d) : Attrs(), fixed.empty() ? d.near(x) : fixed)};
  };
}

Make reduction(const std::string& op, bool same_scale) {
  return [op, same_scale](Draw& d) {
    const Shape shape = d.shape(2, 4);
    std::vector<int64_t> axes;
    for (size_t i = 0; i < shape.size(); ++i)
      if (d.chance(0.5)) axes.push_back(static_cast<int64_t>(i));
    if (axes.empty()) axes.push_back(static_cast<int64_t>(shape.size()) - 1);
    const ValueId x = d.input(shape);
    // A scalar output has no place in this comparison's files.
    const auto keep = static_cast<int64_t>(axes.size() == shape.size() || d.chance(0.5));
    return std::vector{d.node(op, {x}, Attrs().set("axes", axes).set("keep_dims", keep),
                              same_scale || d.chance(0.3) ? Quantization{} : d.near(x))};
  };
}

std::vector<ValueId> softmax(Draw& d) {
  Shape shape = d.shape(2, 4);
  shape.back() = d.between(1, 40);
  const ValueId x = d.input(shape, {{d.scale(1e-3, 1)}, {d.zero_point()}});
  return {d.node("softmax", {x}, Attrs().set("beta", d.chance(0.8) ? 1.0 : d.real(0.1, 3)), {{1.0f / 256}, {-128}})};
}

std::vector<ValueId> pad(Draw& d) {
  const Shape shape = d.shape(1, 4);
  std::vector<int64_t> paddings;
  for (size_t i = 0; i < 2 * shape.size(); ++i) paddings.push_back(d.between(0, 3));
  return {d.node("pad", {d.input(shape)}, Attrs().set("paddings", paddings))};
}

std::vector<ValueId> transpose(Draw& d) {
  const Shape shape = d.shape(2, 4);
  std::vector<int64_t> order;
  for (size_t i = 0; i < shape.size(); ++i)
    order.insert(order.begin() + d.between(0, static_cast<int64_t>(i)), static_cast<int64_t>(i));
  return {d.node("transpose", {d.input(shape)}, Attrs().set("perm", order))};
}

std::vector<ValueId> concatenation(Draw& d) {
  const Shape shape = d.shape(1, 4);
  const int64_t axis = d.between(0, static_cast<int64_t>(shape.size()) - 1);
  const Quantization q = d.quantization();
  std::vector<ValueId> inputs;
  for (int64_t i = d.between(2, 5); i > 0; --i) {
    Shape part = shape;
    part[static_cast<size_t>(axis)] = d.between(1, 6);
    inputs.push_back(d.input(part, q));
  }
  return {d.node("concatenation", inputs, Attrs().set("axis", axis))};
}

// Networks of several layers, as people have them.
std::vector<ValueId> network(Draw& d) {
  const Shape image = {1, d.between(6, 14), d.between(6, 14), d.between(1, 6)};
  const int64_t channels = d.between(2, 8);
  const auto same = [](std::string activation) {
    return Attrs()
        .set("padding", std::string("same"))
        .set("stride_h", int64_t{1})
        .set("stride_w", int64_t{1})
        .set("activation", std::move(activation));
  };
  const auto conv = [&](ValueId x, int64_t outputs, int64_t size, const std::string& activation) {
    const ValueId w = d.weights({outputs, size, size, d.shape_of(x)[3]}, 0, true);
    return d.node("conv2d", {x, w, d.bias(x, w, outputs)}, same(activation),
                  d.linear_output(x, w, size * size * d.shape_of(x)[3]));
  };
  ValueId x = conv(d.input(image), channels, 3, "relu");
  const ValueId skip = x;
  const ValueId w = d.weights({1, 3, 3, channels}, 3, true);
  x = d.node("depthwise_conv2d", {x, w, d.bias(x, w, channels)}, same("relu6").set("depth_multiplier", int64_t{1}),
             d.linear_output(x, w, 9));
  x = conv(x, channels, 1, "none");
  x = d.node("add", {x, skip}, Attrs().set("activation", std::string("relu")), d.near(x));
  x = d.node("average_pool2d", {x},
             Attrs()
                 .set("padding", std::string("valid"))
                 .set("stride_h", int64_t{2})
                 .set("stride_w", int64_t{2})
                 .set("window_h", int64_t{2})
                 .set("window_w", int64_t{2})
                 .set("activation", std::string("none")));
  x = d.node("mean", {x}, Attrs().set("axes", std::vector<int64_t>{1, 2}).set("keep_dims", int64_t{0}), d.near(x));
  const ValueId f = d.weights({5, channels}, 0, false);
  x = d.node("fully_connected", {x, f, d.bias(x, f, 5)}, Attrs().set("activation", std::string("none")),
             d.linear_output(x, f, channels));
  return {d.node("softmax", {x}, Attrs().set("beta", 1.0), {{1.0f / 256}, {-128}})};
}

// Not here: sum, whose int8 form the interpreter computes otherwise than TensorFlow Lite Micro, whose numbers are ours.
const std::map<std::string, Make>& makers() {
  static const std::map<std::string, Make> list = {
      {"conv2d", convolution},
      {"depthwise_conv2d", depthwise},
      {"fully_connected", fully_connected},
      {"average_pool2d", pool("average_pool2d")},
      {"max_pool2d", pool("max_pool2d")},
      {"add", binary("add", true, false)},
      {"sub", binary("sub", true, false)},
      {"mul", binary("mul", true, false)},
      {"squared_difference", binary("squared_difference", false, false)},
      {"maximum", binary("maximum", false, true)},
      {"minimum", binary("minimum", false, true)},
      {"softmax", softmax},
      {"mean", reduction("mean", false)},
      {"reduce_max", reduction("reduce_max", true)},
      {"reduce_min", reduction("reduce_min", true)},
      {"pad", pad},
      {"transpose", transpose},
      {"concatenation", concatenation},
      {"logistic", unary("logistic", {}, {{1.0f / 256}, {-128}})},
      {"tanh", unary("tanh", {}, {{1.0f / 128}, {0}})},
      {"relu", unary("relu")},
      {"hard_swish", unary("hard_swish")},
      {"leaky_relu", unary("leaky_relu", [](Draw& d) { return Attrs().set("alpha", d.real(0.01, 0.9)); })},
      {"network", network},
  };
  return list;
}

}  // namespace

std::vector<std::string> differential_ops() {
  std::vector<std::string> names;
  for (const auto& [name, make] : makers()) names.push_back(name);
  return names;
}

Result<Graph> random_graph(const std::string& op, uint64_t seed) {
  Draw draw(op, seed);
  const std::vector<ValueId> outputs = makers().at(op)(draw);
  return draw.finish(outputs);
}

}  // namespace thimble::test
