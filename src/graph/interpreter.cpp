#include "graph/interpreter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "graph/kernel_table.h"
#include "graph/op_spec.h"

namespace thimble {

namespace {

constexpr int64_t kMostBytes = int64_t{1} << 31;

using Memory = std::vector<std::max_align_t>;

Memory memory_of(size_t bytes) { return Memory(bytes / sizeof(std::max_align_t) + 1); }

size_t bytes_of(const Value& value) {
  return static_cast<size_t>(element_count(value.type.shape)) * size_of(value.type.dtype);
}

// The scale and zero point of one element.
struct Scaling {
  double scale = 1;
  int32_t zero_point = 0;
};

class Scalings {
 public:
  explicit Scalings(const Value& value) : q_(value.quantization) {
    if (!q_.per_channel()) return;
    for (size_t axis = static_cast<size_t>(q_.axis) + 1; axis < value.type.shape.size(); ++axis)
      inner_ *= static_cast<size_t>(value.type.shape[axis]);
  }
  Scaling at(size_t index) const {
    if (q_.empty()) return {};
    const size_t channel = q_.per_channel() ? index / inner_ % q_.scale.size() : 0;
    return {static_cast<double>(q_.scale[channel]), q_.zero_point[channel]};
  }

 private:
  const Quantization& q_;
  size_t inner_ = 1;
};

// Calls body.operator()<T>() with the C++ type behind a dtype; a boolean is a byte.
template <class Body>
auto with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::i8:
      return body.template operator()<int8_t>();
    case DType::u8:
    case DType::boolean:
      return body.template operator()<uint8_t>();
    case DType::i16:
      return body.template operator()<int16_t>();
    case DType::i32:
      return body.template operator()<int32_t>();
    case DType::i64:
      return body.template operator()<int64_t>();
    case DType::f32:
      break;
  }
  return body.template operator()<float>();
}

}  // namespace

Result<Interpreter> Interpreter::make(const Graph& graph, const KernelForm& form) {
  THIMBLE_TRY(verify(graph));
  Interpreter result;
  result.graph_ = graph;
  int64_t total = 0;
  for (const Value& value : graph.values) {
    total += static_cast<int64_t>(bytes_of(value));
    if (total > kMostBytes)
      return fail(ErrorCode::does_not_fit, fmt::format("the tensors need more than {} bytes", kMostBytes), graph.name);
    result.memory_.push_back(memory_of(bytes_of(value)));
    if (value.constant)
      std::memcpy(result.memory_.back().data(), value.constant->bytes.data(), value.constant->bytes.size());
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = result.graph_.nodes[n];
    Step& step = result.steps_.emplace_back();
    step.node = n;
    if (node.op->traits.alias) continue;
    if (!node.op->lower)
      return fail(ErrorCode::unsupported, fmt::format("{} has no kernel: {}", node.op->name, node.op->lower.reason()),
                  node.name);
    THIMBLE_LET(step.calls, lower_node({result.graph_, node, form}));
    for (KernelCall& call : step.calls) call.layer = node.name;
  }
  result.reset();
  return result;
}

std::span<std::byte> Interpreter::value(ValueId id) {
  return {reinterpret_cast<std::byte*>(memory_[static_cast<size_t>(id)].data()), bytes_of(graph_[id])};
}

std::span<const std::byte> Interpreter::value(ValueId id) const {
  return {reinterpret_cast<const std::byte*>(memory_[static_cast<size_t>(id)].data()), bytes_of(graph_[id])};
}

void Interpreter::reset() {
  for (size_t i = 0; i < graph_.values.size(); ++i)
    if (const auto& initial = graph_.values[i].initial)
      std::memcpy(memory_[i].data(), initial->bytes.data(), initial->bytes.size());
}

Outcome Interpreter::run() {
  for (Step& step : steps_) {
    const Node& node = graph_.nodes[step.node];
    if (node.op->traits.alias) {
      std::memcpy(value(node.outputs[0]).data(), value(node.inputs[0]).data(), bytes_of(graph_[node.outputs[0]]));
      continue;
    }
    for (KernelCall& call : step.calls) {
      std::vector<void*> operands;
      std::vector<Memory> scratch;
      for (Operand& operand : call.operands) {
        if (const auto* id = std::get_if<ValueId>(&operand)) {
          operands.push_back(memory_[static_cast<size_t>(*id)].data());
        } else if (auto* constant = std::get_if<Tensor>(&operand)) {
          operands.push_back(constant->bytes.data());
        } else {
          operands.push_back(
              scratch.emplace_back(memory_of(static_cast<size_t>(std::get<ScratchBytes>(operand).bytes))).data());
        }
      }
      THIMBLE_TRY(run_kernel(call, operands));
    }
  }
  return {};
}

std::vector<float> real_values(const Value& value, std::span<const std::byte> bytes) {
  const Scalings scalings(value);
  return with_type(value.type.dtype, [&]<class T>() {
    std::vector<float> reals(bytes.size() / sizeof(T));
    for (size_t i = 0; i < reals.size(); ++i) {
      T code;
      std::memcpy(&code, bytes.data() + i * sizeof(T), sizeof(T));
      if constexpr (std::is_same_v<T, float>) {
        reals[i] = code;
      } else {
        const Scaling s = scalings.at(i);
        reals[i] = static_cast<float>((static_cast<double>(code) - s.zero_point) * s.scale);
      }
    }
    return reals;
  });
}

Result<std::vector<std::byte>> codes_of(const Value& value, std::span<const float> reals) {
  if (static_cast<int64_t>(reals.size()) != element_count(value.type.shape))
    return fail(ErrorCode::bad_data,
                fmt::format("{} numbers for {} {}", reals.size(), value.name, to_string(value.type.shape)));
  const Scalings scalings(value);
  return with_type(value.type.dtype, [&]<class T>() {
    std::vector<std::byte> bytes(reals.size() * sizeof(T));
    for (size_t i = 0; i < reals.size(); ++i) {
      T code;
      if constexpr (std::is_same_v<T, float>) {
        code = reals[i];
      } else {
        const Scaling s = scalings.at(i);
        const double real = std::isnan(reals[i]) ? 0 : std::round(static_cast<double>(reals[i]) / s.scale);
        // The largest int64 is not a double; the limits of the others are exact.
        const double low = static_cast<double>(std::numeric_limits<T>::min());
        const double high = sizeof(T) == 8 ? 9.2e18 : static_cast<double>(std::numeric_limits<T>::max());
        code = static_cast<T>(std::clamp(real + s.zero_point, low, high));
      }
      std::memcpy(bytes.data() + i * sizeof(T), &code, sizeof(T));
    }
    return bytes;
  });
}

}  // namespace thimble
