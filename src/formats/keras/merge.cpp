// Layers of several inputs, and the functions of keras.ops and of TensorFlow that models call on layers' outputs.
#include <algorithm>

#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

bool any_masked(const Flows& flows) { return std::ranges::any_of(flows, &Flow::masked); }

// Inputs as values that can be combined element by element, and the Keras shape of what comes out: those of fewer axes
// get extents of 1 after the batch, as Keras's merging layers do it.
struct Operands {
  std::vector<ValueId> values;
  bool as_they_are = false;  // all have one shape in the graph and one in Keras
};

Result<Operands> operands(const Use& use) {
  const Flows& inputs = use.inputs;
  Operands result;
  size_t rank = 0;
  result.as_they_are = std::ranges::all_of(inputs, [&](const Flow& flow) {
    return flow.shape == inputs[0].shape && use.to.shape_of(flow.value) == use.to.shape_of(inputs[0].value);
  });
  for (const Flow& flow : inputs) rank = std::max(rank, flow.shape.size());
  for (const Flow& flow : inputs) {
    ValueId value = flow.value;
    if (!result.as_they_are) {
      Shape shape = flow.shape;
      if (shape.empty()) return use.damaged("an input without axes");
      shape.insert(shape.begin() + 1, rank - shape.size(), 1);
      THIMBLE_LET(value, use.reshaped(flow.value, shape));
    }
    result.values.push_back(value);
  }
  return result;
}

Result<Flows> chain(const Use& use, std::string_view op, size_t most = SIZE_MAX) {
  if (use.inputs.size() < 2 || use.inputs.size() > most)
    return use.damaged(fmt::format("{} inputs, expected {}", use.inputs.size(), most == 2 ? "2" : "2 or more"));
  THIMBLE_LET(const Operands all, operands(use));
  ValueId y = all.values[0];
  for (size_t i = 1; i < all.values.size(); ++i) {
    THIMBLE_LET(y, use.emit(op, i + 1 == all.values.size() ? "" : op, {y, all.values[i]}));
  }
  return Flows{{y, all.as_they_are ? use.inputs[0].shape : use.to.shape_of(y), any_masked(use.inputs)}};
}

Result<Flows> add(const Use& use) { return chain(use, "add"); }
Result<Flows> subtract(const Use& use) { return chain(use, "sub", 2); }
Result<Flows> multiply(const Use& use) { return chain(use, "mul"); }
Result<Flows> maximum(const Use& use) { return chain(use, "maximum"); }
Result<Flows> minimum(const Use& use) { return chain(use, "minimum"); }

Result<Flows> average(const Use& use) {
  THIMBLE_LET(Flows sum, chain(use, "add"));
  const ValueId share = use.scalar("share", 1.0f / static_cast<float>(use.inputs.size()));
  THIMBLE_LET(sum[0].value, use.emit("mul", "average", {sum[0].value, share}));
  return sum;
}

constexpr size_t kMaxParts = 24;  // of one concatenation: a kernel takes few operands

Result<Flows> concatenate(const Use& use) {
  if (use.inputs.empty()) return use.damaged("no inputs");
  const size_t rank = use.inputs[0].shape.size();
  THIMBLE_LET(const int64_t axis, axis_of(use, use.config().value("axis", Json(-1)), rank));
  if (axis == 0) return use.refuse("along the batch is not supported", "concatenate along another axis");
  if (any_masked(use.inputs)) return use.refuse("inputs with masked time steps", "train without mask_zero and Masking");
  std::vector<ValueId> values;
  for (const Flow& flow : use.inputs) {
    THIMBLE_LET(const ValueId value, use.plain(flow));
    values.push_back(value);
  }
  while (values.size() > 1) {
    std::vector<ValueId> joined;
    for (size_t i = 0; i < values.size(); i += kMaxParts) {
      std::vector<ValueId> part(values.begin() + static_cast<ptrdiff_t>(i),
                                values.begin() + static_cast<ptrdiff_t>(std::min(values.size(), i + kMaxParts)));
      THIMBLE_LET(const ValueId value,
                  part.size() == 1 ? part[0] : use.emit("concatenation", "", part, Attrs().set("axis", axis)));
      joined.push_back(value);
    }
    values = std::move(joined);
  }
  return Flows{{values[0], use.to.shape_of(values[0])}};
}

// The sum of products along one axis of each input, which may have two or three axes.
Result<Flows> dot(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(2));
  THIMBLE_LET(const bool normalize, use.flag("normalize", false));
  if (normalize) return use.refuse("normalize=True is not supported", "use normalize=False");
  const Json given = use.config().value("axes", Json());
  const size_t rank = use.inputs[0].shape.size();
  if (rank != use.inputs[1].shape.size() || rank < 2 || rank > 3)
    return use.refuse("inputs of other than two or three axes each are not supported", "reshape them before");
  std::vector<ValueId> values;
  std::vector<bool> first_axis;
  for (size_t i = 0; i < 2; ++i) {
    THIMBLE_LET(const int64_t axis, axis_of(use, given.is_array() && given.size() == 2 ? given[i] : given, rank));
    if (axis == 0) return use.refuse("along the batch is not supported", "use another axis");
    Shape shape = use.inputs[i].shape;
    if (rank == 2) shape.insert(shape.begin() + 1, 1);
    first_axis.push_back(rank == 3 && axis == 1);
    THIMBLE_LET(const ValueId value, use.reshaped(use.inputs[i].value, shape));
    values.push_back(value);
  }
  // [N, A, K] x [N, B, K] with the second one turned.
  THIMBLE_LET(const ValueId y,
              use.emit("batch_matmul", "", values,
                       Attrs().set("adj_x", int64_t{first_axis[0]}).set("adj_y", int64_t{!first_axis[1]})));
  Shape shape = use.to.shape_of(y);
  if (rank == 2) shape.erase(shape.begin() + 1);
  return Flows{{y, shape}};
}

// ---- functions

// The two operands of a function, each a tensor or a number; Keras broadcasts them as numpy does.
Result<Flows> binary(const Use& use, std::string_view op) {
  std::vector<Argument> arguments = use.call ? use.call->arguments : std::vector<Argument>();
  if (use.call)
    for (const char* key : {"x", "x1", "y", "x2"})
      if (const auto named = use.call->named.find(key); named != use.call->named.end())
        arguments.push_back(named->second);
  if (arguments.size() != 2) return use.damaged(fmt::format("{} operands, expected 2", arguments.size()));
  std::vector<ValueId> values;
  size_t next = 0;
  const bool same =
      use.inputs.size() == 1 || (use.inputs.size() == 2 && use.inputs[0].shape == use.inputs[1].shape &&
                                 use.to.shape_of(use.inputs[0].value) == use.to.shape_of(use.inputs[1].value));
  for (const Argument& argument : arguments) {
    if (argument.is_ref) {
      const Flow& flow = use.inputs.at(next++);
      THIMBLE_LET(const ValueId value, same ? Result<ValueId>(flow.value) : use.plain(flow));
      values.push_back(value);
    } else if (argument.constant.is_number()) {
      values.push_back(use.scalar("number", argument.constant.get<float>()));
    } else {
      return use.refuse("an operand that is neither a tensor nor a number is not supported",
                        "use a layer of keras.layers instead");
    }
  }
  if (use.inputs.empty()) return use.damaged("no operand is a tensor");
  THIMBLE_LET(const ValueId y, use.emit(op, "", values));
  return Flows{{y, same ? use.inputs[0].shape : use.to.shape_of(y), any_masked(use.inputs)}};
}

Result<Flows> f_add(const Use& use) { return binary(use, "add"); }
Result<Flows> f_sub(const Use& use) { return binary(use, "sub"); }
Result<Flows> f_mul(const Use& use) { return binary(use, "mul"); }
Result<Flows> f_div(const Use& use) { return binary(use, "div"); }
Result<Flows> f_maximum(const Use& use) { return binary(use, "maximum"); }
Result<Flows> f_minimum(const Use& use) { return binary(use, "minimum"); }

template <class Body>
Result<Flows> unary(const Use& use, const Body& body) {
  if (use.inputs.size() != 1 || (use.call && use.call->arguments.size() > 1))
    return use.refuse("with more than a tensor is not supported", "use a layer of keras.layers instead");
  THIMBLE_LET(const ValueId y, body(use.inputs[0].value));
  return Flows{{y, use.inputs[0].shape, use.inputs[0].masked}};
}

Result<Flows> f_activation(const Use& use, std::string_view name) {
  return unary(use, [&](ValueId x) { return use.activate(x, Json(std::string(name))); });
}
Result<Flows> f_op(const Use& use, std::string_view op) {
  return unary(use, [&](ValueId x) { return use.emit(op, "", {x}); });
}

Result<Flows> f_relu(const Use& use) { return f_activation(use, "relu"); }
Result<Flows> f_relu6(const Use& use) { return f_activation(use, "relu6"); }
Result<Flows> f_sigmoid(const Use& use) { return f_activation(use, "sigmoid"); }
Result<Flows> f_tanh(const Use& use) { return f_activation(use, "tanh"); }
Result<Flows> f_silu(const Use& use) { return f_activation(use, "silu"); }
Result<Flows> f_abs(const Use& use) { return f_op(use, "abs"); }
Result<Flows> f_neg(const Use& use) { return f_op(use, "neg"); }
Result<Flows> f_exp(const Use& use) { return f_op(use, "exp"); }
Result<Flows> f_sqrt(const Use& use) { return f_op(use, "sqrt"); }
Result<Flows> f_square(const Use& use) { return f_op(use, "square"); }

}  // namespace

std::span<const NamedHandler> merge_layers() {
  static constexpr NamedHandler kTable[] = {
      {"Add", add},         {"Subtract", subtract}, {"Multiply", multiply},       {"Average", average},
      {"Maximum", maximum}, {"Minimum", minimum},   {"Concatenate", concatenate}, {"Dot", dot},
  };
  return kTable;
}

std::span<const NamedHandler> operations() {
  static constexpr NamedHandler kTable[] = {
      {"Add", f_add},
      {"Subtract", f_sub},
      {"Multiply", f_mul},
      {"Divide", f_div},
      {"TrueDivide", f_div},
      {"Maximum", f_maximum},
      {"Minimum", f_minimum},
      {"Relu", f_relu},
      {"Relu6", f_relu6},
      {"Sigmoid", f_sigmoid},
      {"Tanh", f_tanh},
      {"Silu", f_silu},
      {"Absolute", f_abs},
      {"Abs", f_abs},
      {"Negative", f_neg},
      {"Exp", f_exp},
      {"Sqrt", f_sqrt},
      {"Square", f_square},
      {"__operators__.add", f_add},
      {"__operators__.sub", f_sub},
      {"__operators__.mul", f_mul},
      {"__operators__.truediv", f_div},
      {"math.add", f_add},
      {"math.subtract", f_sub},
      {"math.multiply", f_mul},
      {"math.divide", f_div},
      {"math.truediv", f_div},
      {"math.maximum", f_maximum},
      {"math.minimum", f_minimum},
      {"nn.relu", f_relu},
      {"nn.relu6", f_relu6},
      {"nn.silu", f_silu},
      {"math.sigmoid", f_sigmoid},
      {"nn.sigmoid", f_sigmoid},
      {"math.tanh", f_tanh},
      {"math.abs", f_abs},
      {"math.negative", f_neg},
      {"__operators__.neg", f_neg},
      {"math.exp", f_exp},
      {"math.sqrt", f_sqrt},
      {"math.square", f_square},
  };
  return kTable;
}

}  // namespace thimble::keras
