// Graphs within nodes: a branch of an If whose condition is known, and a Loop whose number of rounds is, stand in the
// node's place, the loop round by round.
#include <algorithm>
#include <utility>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

constexpr int64_t kMostRounds = 1024;

void add_names(const ::onnx::GraphProto& graph, std::set<std::string>& names) {
  for (const auto& input : graph.input()) names.insert(input.name());
  for (const auto& tensor : graph.initializer()) names.insert(tensor.name());
  for (const auto& node : graph.node()) names.insert(node.output().begin(), node.output().end());
}

}  // namespace

// Readers within the branches of an If count, whichever is taken. in_loop: names of the loop's body; null outside of
// loops. What a body reads from outside has a reader in every round.
void Importer::count_uses(const ::onnx::GraphProto& graph, const std::set<std::string>* in_loop) {
  for (const auto& node : graph.node()) {
    for (const std::string& input : node.input()) {
      if (input.empty()) continue;
      readers_[input].push_back(&node);
      if (in_loop && !in_loop->contains(input)) readers_[input].push_back(&node);
    }
    for (const auto& attribute : node.attribute()) {
      if (!attribute.has_g()) continue;
      std::set<std::string> names;
      if (in_loop) names = *in_loop;
      add_names(attribute.g(), names);
      count_uses(attribute.g(), in_loop || node.op_type() == "Loop" ? &names : nullptr);
    }
  }
  for (const auto& output : graph.output()) ++outputs_[output.name()];
}

// An If whose condition is known, as exporters make for shapes: the branch it takes stands in its place.
Outcome Importer::translate_branch(const Call& call) {
  THIMBLE_LET(const auto condition, call.constant_integers(0));
  if (condition.size() != 1) return damaged("one condition expected");
  const auto* branch = call.attribute(condition[0] ? "then_branch" : "else_branch");
  if (!branch || !branch->has_g() || branch->g().output_size() != call.node.output_size())
    return damaged("a branch without as many outputs as the If has");
  THIMBLE_TRY(read_initializers(branch->g()));
  THIMBLE_TRY(translate_nodes(branch->g()));
  for (int i = 0; i < call.node.output_size(); ++i) {
    const Item* item = find(branch->g().output(i).name());
    if (!item) return damaged(fmt::format("no node writes output {} of the branch", i));
    Item copy = *item;
    THIMBLE_TRY(bind(call.node.output(i), std::move(copy)));
  }
  return {};
}

Outcome Importer::translate_loop(const Call& call) {
  const auto* attribute = call.attribute("body");
  if (!attribute || !attribute->has_g()) return damaged("a loop without a body");
  const ::onnx::GraphProto& body = attribute->g();
  const int carried = call.node.input_size() - 2, scans = body.output_size() - 1 - carried;
  if (carried < 0 || scans < 0 || body.input_size() != 2 + carried || call.node.output_size() > carried + scans)
    return damaged("a loop whose body has other inputs and outputs than it");
  int64_t rounds = INT64_MAX;
  bool goes_on = true;
  for (size_t i = 0; i < 2; ++i) {
    if (!call.has_input(i)) continue;
    THIMBLE_LET(const auto given, call.constant_integers(i));
    if (given.size() != 1) return damaged(fmt::format("input {} must be one number", i));
    if (i == 0) rounds = given[0];
    if (i == 1) goes_on = given[0] != 0;
  }
  std::vector<Item> state;
  for (size_t i = 2; i < call.inputs.size(); ++i) {
    THIMBLE_LET(const Item* item, call.input(i));
    state.push_back(*item);
  }
  std::vector<std::vector<ValueId>> lists(static_cast<size_t>(scans));
  std::vector<Item> last(static_cast<size_t>(scans));
  for (int64_t round = 0; goes_on && round < rounds; ++round) {
    if (round == kMostRounds)
      return refuse(fmt::format("a loop of more than {} rounds", kMostRounds), "use fewer steps");
    THIMBLE_LET(const std::vector<Item> results, translate_round(body, round, state));
    const Item& condition = results[0];
    if (!condition.constant || condition.constant->size() != 1 || condition.constant->dtype == DType::f32)
      return refuse("a loop whose end depends on the input", "export the model with a fixed number of steps");
    goes_on = integers_of(*condition.constant)[0] != 0;
    std::copy_n(results.begin() + 1, carried, state.begin());
    for (size_t i = 0; i < lists.size(); ++i) {
      last[i] = results[1 + static_cast<size_t>(carried) + i];
      Shape row = last[i].shape;
      row.insert(row.begin(), 1);
      THIMBLE_LET(last[i], as_declared(last[i]));
      THIMBLE_LET(last[i], reshaped(last[i], row));
      THIMBLE_LET(const ValueId id, plain(last[i]));
      lists[i].push_back(id);
    }
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    if (lists[i].empty()) return refuse("a loop without rounds", "leave it out of the model");
    Item item = last[i];
    item.shape[0] = static_cast<int64_t>(lists[i].size());
    THIMBLE_LET(item.id, emit_concat(*this, std::move(lists[i]), 0));
    item.constant = nullptr;
    item.before = item.shape;
    item.order = same_order(item.rank());
    state.push_back(std::move(item));
  }
  for (int i = 0; i < call.node.output_size(); ++i)
    if (!call.node.output(i).empty()) THIMBLE_TRY(bind(call.node.output(i), state[static_cast<size_t>(i)]));
  return {};
}

// The body's outputs after one round; the names of its tensors are free again.
Result<std::vector<Item>> Importer::translate_round(const ::onnx::GraphProto& body, int64_t number,
                                                    const std::vector<Item>& state) {
  Round round{.number = number};
  Round* const outer = std::exchange(round_, &round);
  const auto run = [&]() -> Result<std::vector<Item>> {
    std::vector<Item> inputs(2);
    THIMBLE_LET(inputs[0], constant_item(Tensor::from({}, std::vector<int64_t>{number})));
    THIMBLE_LET(inputs[1], constant_item(integer_tensor(DType::boolean, {}, {1})));
    inputs.insert(inputs.end(), state.begin(), state.end());
    for (size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].exclusive = false;
      THIMBLE_TRY(bind(body.input(static_cast<int>(i)).name(), inputs[i]));
    }
    THIMBLE_TRY(read_initializers(body));
    THIMBLE_TRY(translate_nodes(body));
    std::vector<Item> results;
    for (const auto& output : body.output()) {
      const Item* item = find(output.name());
      if (!item) return damaged(fmt::format("no node writes {} in the loop's body", clean_name(output.name())));
      results.push_back(*item);
      results.back().exclusive = false;
    }
    return results;
  };
  auto results = run();
  round_ = outer;
  for (const std::string& name : round.names) items_.erase(name);
  return results;
}

}  // namespace thimble::onnx_import
