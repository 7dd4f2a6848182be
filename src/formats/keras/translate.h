// What the handlers of Keras's layers share: tensors on their way through the graph, and how nodes are added.
#pragma once
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "formats/keras/config.h"
#include "formats/keras/weights.h"
#include "graph/builder.h"

namespace thimble::keras {

// A Keras tensor. The value in the graph may have another shape with the same elements in the same order, as the
// outputs of 1-D convolutions do ([N, 1, T, C] for [N, T, C]): a reshape is added only where somebody needs it.
struct Flow {
  ValueId value = kNoValue;
  Shape shape;          // as Keras sees it, batch first
  bool masked = false;  // Keras would carry a mask of padded time steps along
};

using Flows = std::vector<Flow>;

// Adds nodes to the graph being built, under limits that keep a hostile file's demands bounded.
class Translator {
 public:
  Translator(std::string name, bool keras3) : builder_(std::move(name)), keras3_(keras3) {}

  GraphBuilder& builder() { return builder_; }
  bool keras3() const { return keras3_; }
  const Shape& shape_of(ValueId id) const { return builder_[id].type.shape; }
  DType dtype_of(ValueId id) const { return builder_[id].type.dtype; }

  // Adds a node. Errors: unsupported when there is no such op, naming `layer`.
  Result<std::vector<ValueId>> emit_all(const std::string& layer, std::string_view op, const std::string& name,
                                        std::vector<ValueId> inputs, Attrs attrs = {});
  // The first output of the node.
  Result<ValueId> emit(const std::string& layer, std::string_view op, const std::string& name,
                       std::vector<ValueId> inputs, Attrs attrs = {});
  // The value under another shape; free where it has that shape already.
  Result<ValueId> reshaped(ValueId value, const Shape& shape, const std::string& name);
  Outcome count_call(const std::string& layer);
  // The layers of a model, once more for each call of it.
  Outcome count_walk(const std::string& model, size_t layers);
  ValueId constant(const std::string& name, Tensor tensor);
  ValueId constant(const std::string& name, const Tensor& weight, Tensor (*make)(const Tensor&));

 private:
  GraphBuilder builder_;
  bool keras3_;
  int calls_ = 0, nodes_ = 0;
  size_t walked_ = 0;
  uint64_t constant_bytes_ = 0;
  std::map<std::tuple<const Tensor*, Tensor (*)(const Tensor&)>, ValueId> from_weights_;
  std::map<std::pair<ValueId, Shape>, ValueId> reshapes_;
};

// One call of one layer.
struct Use {
  Translator& to;
  const Layer& layer;
  std::string name;  // of its last node
  Flows inputs;
  const Call* call = nullptr;            // null inside wrappers
  std::span<const Tensor> weights = {};  // by slot

  const Json& config() const { return layer.config; }

  // Settings, with what Keras assumes where they are absent. Errors: bad_data.
  Result<int64_t> integer(const char* key, int64_t fallback, int64_t low, int64_t high) const;
  Result<double> real(const char* key, double fallback) const;
  Result<bool> flag(const char* key, bool fallback) const;
  Result<std::string> word(const char* key, std::string_view fallback) const;
  // `count` integers; one alone stands for all of them.
  Result<std::vector<int64_t>> integers(const char* key, size_t count, int64_t fallback, int64_t low,
                                        int64_t high) const;

  tl::unexpected<Error> refuse(std::string message, std::string hint) const;
  tl::unexpected<Error> damaged(std::string message) const;

  // The input with Keras's own shape. Errors: bad_data when there is not exactly that many.
  Outcome expect_inputs(size_t count) const;
  Outcome expect_rank(size_t low, size_t high) const;  // of input 0, batch included
  Result<ValueId> plain(const Flow& flow) const;

  // `part`: what the node is called after the layer's name, empty for the layer's last node.
  Result<ValueId> emit(std::string_view op, std::string_view part, std::vector<ValueId> inputs, Attrs attrs = {}) const;
  ValueId constant(std::string_view part, Tensor tensor) const;
  // A constant made from a weight, once for all calls of the layer.
  ValueId constant(std::string_view part, const Tensor& weight, Tensor (*make)(const Tensor& weight)) const;
  ValueId weight(std::string_view part, size_t slot) const;
  ValueId scalar(std::string_view part, float value) const;
  Result<ValueId> reshaped(ValueId value, const Shape& shape) const;
  // An activation by name or as a serialised object; null and "linear" give the value itself.
  Result<ValueId> activate(ValueId value, const Json& activation) const;
  Result<ValueId> activate(ValueId value, const char* key = "activation") const;
};

// What each layer does with its inputs. Errors: unsupported, bad_data.
using Handler = Result<Flows> (*)(const Use& use);
// LSTM, GRU and SimpleRNN. in_time_order: a layer that goes backwards gives its sequence in the order of time, and not,
// as Keras does, the last step first.
Result<Flows> recurrent_layer(const Use& use, bool in_time_order);

// Null for classes that are not known.
Handler find_handler(const Layer& layer);
std::vector<std::string> known_layers();

struct NamedHandler {
  std::string_view class_name;
  Handler handler;
};
std::span<const NamedHandler> linear_layers();
std::span<const NamedHandler> pooling_layers();
std::span<const NamedHandler> shape_layers();
std::span<const NamedHandler> merge_layers();
std::span<const NamedHandler> activation_layers();
std::span<const NamedHandler> normalization_layers();
std::span<const NamedHandler> recurrent_layers();
std::span<const NamedHandler> wrapper_layers();
std::span<const NamedHandler> operations();  // functions of keras.ops and of TensorFlow, by name

// The tensor with its axes in another order: axis i of the result is axis order[i].
Tensor permuted(const Tensor& tensor, const std::vector<size_t>& order);
// An axis that may count from the end. Errors: bad_data.
Result<int64_t> axis_of(const Use& use, const Json& json, size_t rank);
// Copies a weight as it is: for constant().
Tensor as_it_is(const Tensor& weight);
// y = scale * x + offset along the last axis, in the form that passes fold into neighbours.
Result<Flow> affine(const Use& use, const Flow& input, std::vector<float> scale, std::vector<float> offset);

}  // namespace thimble::keras
