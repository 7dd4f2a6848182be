// Layers around other layers.
#include "formats/keras/translate.h"

namespace thimble::keras {

namespace {

Result<Layer> inner_layer(const Use& use) {
  const auto found = use.config().find("layer");
  if (found == use.config().end() || !found->is_object()) return use.damaged("the layer inside it is missing");
  THIMBLE_LET(Layer layer, parse_layer(*found));
  if (layer.model) return use.refuse("around a whole model is not supported", "wrap the model's layers one by one");
  return layer;
}

Result<Handler> handler_of(const Use& use, const Layer& layer) {
  if (const Handler handler = find_handler(layer)) return handler;
  return use.refuse(fmt::format("around {} is not supported", layer.class_name), "`docs/keras.md` lists what is");
}

// Each time step is an image of its own: [N, T, ...] is seen as [N * T, ...].
Result<Flows> time_distributed(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_TRY(use.expect_rank(2, 8));
  const Flow& input = use.inputs[0];
  if (input.masked) return use.refuse("an input with masked time steps", "train without mask_zero and Masking");
  THIMBLE_LET(const Layer layer, inner_layer(use));
  THIMBLE_LET(const Handler handler, handler_of(use, layer));
  const int64_t batch = input.shape[0], steps = input.shape[1];
  Shape step_shape(input.shape.begin() + 1, input.shape.end());
  step_shape[0] = batch * steps;
  THIMBLE_LET(Flows outputs, handler({use.to, layer, use.name, {{input.value, step_shape}}, nullptr, use.weights}));
  for (Flow& output : outputs) {
    output.shape[0] = steps;
    output.shape.insert(output.shape.begin(), batch);
  }
  return outputs;
}

Result<Flows> merge_directions(const Use& use, const Flow& forward, const Flow& backward) {
  const Json mode = use.config().value("merge_mode", Json("concat"));
  if (mode.is_null()) return Flows{forward, backward};
  Layer merge{.class_name = mode == "concat" ? "Concatenate"
                            : mode == "sum"  ? "Add"
                            : mode == "mul"  ? "Multiply"
                                             : "Average"};
  if (merge.class_name == "Average" && mode != "ave")
    return use.damaged(fmt::format("merge_mode {} is not known", clean(mode.dump())));
  merge.config = Json::object();
  return find_handler(merge)({use.to, merge, use.name, {forward, backward}, nullptr, {}});
}

Result<Flows> bidirectional(const Use& use) {
  THIMBLE_TRY(use.expect_inputs(1));
  THIMBLE_LET(Layer forward, inner_layer(use));
  Layer backward = forward;
  if (const auto own = use.config().find("backward_layer"); own != use.config().end() && own->is_object()) {
    THIMBLE_LET(backward, parse_layer(*own));
    if (backward.class_name != forward.class_name)
      return use.refuse("two directions of different classes are not supported", "use one class for both");
  }
  const bool goes_back = forward.config.value("go_backwards", Json(false)) == Json(true);
  backward.config["go_backwards"] = !goes_back;
  if (forward.config.value("return_state", Json(false)) == Json(true))
    return use.refuse("return_state=True is not supported", "use return_state=False");
  const auto half = use.weights.size() / 2;
  const auto in_direction = [&](const Layer& layer, const char* part, std::span<const Tensor> weights) {
    return recurrent_layer({use.to, layer, use.name + part, use.inputs, nullptr, weights}, true);
  };
  THIMBLE_LET(const Flows ahead, in_direction(forward, "/forward", use.weights.first(half)));
  THIMBLE_LET(const Flows back, in_direction(backward, "/backward", use.weights.subspan(half)));
  return merge_directions(use, ahead.at(0), back.at(0));
}

}  // namespace

std::span<const NamedHandler> wrapper_layers() {
  static constexpr NamedHandler kTable[] = {{"TimeDistributed", time_distributed}, {"Bidirectional", bidirectional}};
  return kTable;
}

}  // namespace thimble::keras
