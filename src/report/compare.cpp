#include "report/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "graph/op_spec.h"

namespace thimble {

namespace {

// One value that both models compute.
struct Pair {
  size_t node = 0, other_node = 0;
  ValueId value = kNoValue, other_value = kNoValue;
};

struct Produced {
  size_t node;
  ValueId value;
  bool taken = false;
};

std::vector<Produced> produced_by(const Graph& graph) {
  std::vector<Produced> values;
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (ValueId id : graph.nodes[n].outputs) values.push_back({n, id});
  return values;
}

int64_t elements_of(const Graph& graph, ValueId id) { return element_count(graph[id].type.shape); }

// By name; what is left by operator and size, in order.
std::vector<Pair> match(const Graph& a, const Graph& b, std::vector<std::string>& unmatched) {
  std::vector<Produced> others = produced_by(b);
  std::map<std::string, Produced*> by_name;
  for (Produced& other : others) by_name[b[other.value].name] = &other;
  std::vector<Pair> pairs;
  std::vector<Produced> rest;
  for (const Produced& own : produced_by(a)) {
    const auto found = by_name.find(a[own.value].name);
    if (found == by_name.end() || found->second->taken ||
        elements_of(b, found->second->value) != elements_of(a, own.value)) {
      rest.push_back(own);
      continue;
    }
    found->second->taken = true;
    pairs.push_back({own.node, found->second->node, own.value, found->second->value});
  }
  for (const Produced& own : rest) {
    const auto found = std::ranges::find_if(others, [&](const Produced& other) {
      return !other.taken && b.nodes[other.node].op == a.nodes[own.node].op &&
             elements_of(b, other.value) == elements_of(a, own.value);
    });
    if (found == others.end()) {
      unmatched.push_back(a.nodes[own.node].name);
      continue;
    }
    found->taken = true;
    pairs.push_back({own.node, found->node, own.value, found->value});
  }
  std::ranges::sort(pairs, {}, &Pair::node);
  return pairs;
}

Outcome check_ports(const Graph& a, const Graph& b) {
  const auto sizes = [](const Graph& graph, const std::vector<ValueId>& ids) {
    std::vector<int64_t> list;
    for (ValueId id : ids) list.push_back(elements_of(graph, id));
    return list;
  };
  for (const auto& [what, x, y] : {std::tuple("inputs", sizes(a, a.inputs), sizes(b, b.inputs)),
                                   std::tuple("outputs", sizes(a, a.outputs), sizes(b, b.outputs))})
    if (x != y)
      return fail(ErrorCode::bad_data,
                  fmt::format("the {} have [{}] and [{}] elements", what, fmt::join(x, ","), fmt::join(y, ",")), b.name,
                  "compare two forms of one model");
  return {};
}

size_t largest_index(const std::vector<float>& values) {
  return static_cast<size_t>(std::ranges::max_element(values) - values.begin());
}

std::string number_or_equal(double sqnr_db) {
  return std::isinf(sqnr_db) ? "equal" : fmt::format("{:.1f} dB", sqnr_db);
}

}  // namespace

LayerJudge::LayerJudge(const Value& a, const Value& b) : a_(a), b_(b) {
  a_.constant = b_.constant = nullptr;
  sum_.same_numbers = a.type.dtype == b.type.dtype && a.quantization.scale == b.quantization.scale &&
                      a.quantization.zero_point == b.quantization.zero_point;
}

void LayerJudge::add(std::span<const std::byte> a, std::span<const std::byte> b) {
  const std::vector<float> x = real_values(a_, a), y = real_values(b_, b);
  const size_t unit = size_of(a_.type.dtype);
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    ++sum_.elements;
    const bool equal = sum_.same_numbers ? std::memcmp(a.data() + i * unit, b.data() + i * unit, unit) == 0 ||
                                               (a_.type.dtype == DType::f32 && x[i] == y[i])
                                         : x[i] == y[i];
    if (equal) {
      signal_ += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      sum_.largest_value = std::max(sum_.largest_value, std::abs(static_cast<double>(x[i])));
      continue;
    }
    ++sum_.differing;
    const double real = x[i], error = real - static_cast<double>(y[i]);
    signal_ += real * real;
    noise_ += error * error;
    sum_.largest_value = std::max(sum_.largest_value, std::abs(real));
    // NaN against a number is as far apart as can be.
    sum_.largest_error =
        std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(sum_.largest_error, std::abs(error));
  }
}

void LayerJudge::finish(const CompareOptions& options, LayerComparison& comparison) const {
  comparison.same_numbers = sum_.same_numbers;
  comparison.elements = sum_.elements, comparison.differing = sum_.differing;
  comparison.largest_error = sum_.largest_error, comparison.largest_value = sum_.largest_value;
  comparison.sqnr_db = sum_.differing == 0 ? std::numeric_limits<double>::infinity()
                                           : 10 * std::log10(std::max(signal_, 1e-300) / std::max(noise_, 1e-300));
  if (!sum_.same_numbers)
    comparison.parts = !(comparison.sqnr_db >= options.least_sqnr_db);
  else if (a_.type.dtype == DType::f32)
    comparison.parts = !(sum_.largest_error <= options.tolerance * std::max(sum_.largest_value, 1e-30));
  else
    comparison.parts = sum_.differing > 0;
}

Result<Comparison> compare_graphs(const Graph& a, const Graph& b, const Samples& samples,
                                  const CompareOptions& options) {
  THIMBLE_TRY(check_ports(a, b));
  THIMBLE_LET(Interpreter first, Interpreter::make(a));
  THIMBLE_LET(Interpreter second, Interpreter::make(b));
  Comparison comparison{.samples = samples.count};
  const std::vector<Pair> pairs = match(a, b, comparison.unmatched);
  std::vector<LayerJudge> judges;
  for (const Pair& pair : pairs) judges.emplace_back(a[pair.value], b[pair.other_value]);
  for (ValueId id : a.outputs) comparison.outputs.push_back({a[id].name});
  for (int64_t s = 0; s < samples.count; ++s) {
    THIMBLE_TRY(set_inputs(first, samples, s));
    THIMBLE_TRY(set_inputs(second, samples, s));
    THIMBLE_TRY(first.run());
    THIMBLE_TRY(second.run());
    for (size_t i = 0; i < pairs.size(); ++i)
      judges[i].add(first.value(pairs[i].value), second.value(pairs[i].other_value));
    for (size_t o = 0; o < a.outputs.size(); ++o)
      comparison.outputs[o].same_largest += largest_index(real_values(a[a.outputs[o]], first.value(a.outputs[o]))) ==
                                            largest_index(real_values(b[b.outputs[o]], second.value(b.outputs[o])));
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Pair& pair = pairs[i];
    LayerComparison layer{.layer = a.nodes[pair.node].name,
                          .op = std::string(a.nodes[pair.node].op->name),
                          .other_layer = b.nodes[pair.other_node].name,
                          .value = a[pair.value].name,
                          .type = a[pair.value].type,
                          .other_type = b[pair.other_value].type};
    judges[i].finish(options, layer);
    if (layer.parts && !comparison.first) comparison.first = i;
    comparison.layers.push_back(std::move(layer));
  }
  return comparison;
}

nlohmann::json to_json(const Comparison& comparison) {
  nlohmann::json layers = nlohmann::json::array(), outputs = nlohmann::json::array();
  for (const LayerComparison& l : comparison.layers) {
    layers.push_back({{"layer", l.layer},
                      {"op", l.op},
                      {"other_layer", l.other_layer},
                      {"value", l.value},
                      {"shape", l.type.shape},
                      {"dtype", name_of(l.type.dtype)},
                      {"other_dtype", name_of(l.other_type.dtype)},
                      {"elements", l.elements},
                      {"differing", l.differing},
                      {"largest_error", l.largest_error},
                      {"parts", l.parts}});
    // JSON has no infinity: null when nothing differs.
    layers.back()["sqnr_db"] = std::isinf(l.sqnr_db) ? nlohmann::json() : nlohmann::json(l.sqnr_db);
  }
  for (const OutputComparison& output : comparison.outputs)
    outputs.push_back({{"name", output.name}, {"same_largest", output.same_largest}});
  return {{"samples", comparison.samples},
          {"layers", std::move(layers)},
          {"outputs", std::move(outputs)},
          {"unmatched", comparison.unmatched},
          {"first_different_layer",
           comparison.first ? nlohmann::json(comparison.layers[*comparison.first].layer) : nlohmann::json()}};
}

std::string to_text(const Comparison& comparison) {
  std::string text = fmt::format("{:<28} {:<16} {:>18} {:>9} {:>12} {:>11}\n", "layer", "op", "shape", "SQNR",
                                 "largest err", "differing");
  for (const LayerComparison& l : comparison.layers)
    text +=
        fmt::format("{:<28} {:<16} {:>18} {:>9} {:>12.4g} {:>10.2f}%{}\n", l.layer.substr(0, 28), l.op,
                    to_string(l.type.shape), number_or_equal(l.sqnr_db), l.largest_error,
                    100.0 * static_cast<double>(l.differing) / static_cast<double>(std::max<int64_t>(1, l.elements)),
                    l.parts ? "  <" : "");
  if (!comparison.unmatched.empty())
    text += fmt::format("only in the first model: {}\n", fmt::join(comparison.unmatched, ", "));
  for (const OutputComparison& output : comparison.outputs)
    text += fmt::format("output {}: the same largest element in {} of {} samples\n", output.name, output.same_largest,
                        comparison.samples);
  if (comparison.first) {
    const LayerComparison& l = comparison.layers[*comparison.first];
    return text + fmt::format("they part at {} ({}): {} of {} elements differ, by up to {:.4g}", l.layer, l.op,
                              l.differing, l.elements, l.largest_error);
  }
  return text + fmt::format("they agree on {} samples", comparison.samples);
}

}  // namespace thimble
