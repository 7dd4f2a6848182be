// Two forms of one model side by side, layer by layer: where does the second part from the first, and by how much.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "graph/samples.h"

namespace thimble {

// What one layer gives in both models, over all samples.
struct LayerComparison {
  std::string layer, op;    // of the first model
  std::string other_layer;  // of the second
  std::string value;
  ValueType type, other_type;
  bool same_numbers = false;  // both hold the same kind of number with the same scale: bytes can be compared
  int64_t elements = 0;       // of all samples
  int64_t differing = 0;      // elements that are not equal
  double largest_error = 0;   // |a - b|, in real numbers
  double largest_value = 0;   // |a|
  double sqnr_db = 0;         // 10 log10(sum a^2 / sum (a - b)^2); infinite when equal
  bool parts = false;
};

struct OutputComparison {
  std::string name;
  int64_t same_largest = 0;  // samples whose largest element is the same one
};

struct Comparison {
  int64_t samples = 0;
  std::vector<LayerComparison> layers;  // in the first model's order
  std::optional<size_t> first;          // the first layer that parts
  std::vector<OutputComparison> outputs;
  std::vector<std::string> unmatched;  // layers of the first model that the second does not have
};

struct CompareOptions {
  double tolerance = 1e-5;    // of float32 values, relative to the largest; integers must be equal
  double least_sqnr_db = 20;  // between numbers of different kinds, such as float32 and int8
};

// Layers are matched by the names of what they give, else by operator, shape and order. Errors: those of the
// interpreter; bad_data when inputs or outputs differ in number or size.
Result<Comparison> compare_graphs(const Graph& a, const Graph& b, const Samples& samples,
                                  const CompareOptions& options = {});

// Adds one sample's values to a layer; finish() then judges it. For values that come from elsewhere, such as a device.
class LayerJudge {
 public:
  LayerJudge(const Value& a, const Value& b);
  void add(std::span<const std::byte> a, std::span<const std::byte> b);
  void finish(const CompareOptions& options, LayerComparison& comparison) const;

 private:
  Value a_, b_;
  LayerComparison sum_;
  double signal_ = 0, noise_ = 0;
};

nlohmann::json to_json(const Comparison& comparison);
std::string to_text(const Comparison& comparison);

}  // namespace thimble
