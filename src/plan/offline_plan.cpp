#include "plan/offline_plan.h"

#include <algorithm>
#include <limits>

#include "plan/arena.h"

namespace thimble {

namespace {

// The nodes during which a value lives.
struct Life {
  int64_t first = std::numeric_limits<int64_t>::max(), last = -1;
  void touch(int64_t node) {
    first = std::min(first, node);
    last = std::max(last, node);
  }
};

std::vector<Life> lives_of(const Graph& graph) {
  std::vector<Life> lives(graph.values.size());
  const auto touch = [&](const std::vector<ValueId>& ids, int64_t node) {
    for (ValueId id : ids)
      if (id != kNoValue) lives[static_cast<size_t>(id)].touch(node);
  };
  touch(graph.inputs, 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    touch(graph.nodes[n].inputs, static_cast<int64_t>(n));
    touch(graph.nodes[n].outputs, static_cast<int64_t>(n));
  }
  touch(graph.outputs, static_cast<int64_t>(graph.nodes.size()));
  return lives;
}

struct Placed {
  Life life;
  int64_t begin = 0, end = 0;
  bool meets(const Placed& other) const {
    return life.first <= other.life.last && other.life.first <= life.last && begin < other.end && other.begin < end;
  }
};

}  // namespace

std::vector<int32_t> offline_offsets(const Graph& graph, const Plan& plan) {
  const std::vector<Life> lives = lives_of(graph);
  std::vector<int32_t> offsets(graph.values.size(), -1);
  std::vector<Placed> placed;
  for (const ArenaTensor& tensor : plan.tensors) {
    if (tensor.value == kNoValue || tensor.state) continue;
    const auto value = static_cast<size_t>(tensor.value);
    const int64_t begin = tensor.offset;
    const Placed place{lives[value], begin,
                       begin + (tensor.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment};
    if (std::ranges::any_of(placed, [&](const Placed& other) { return place.meets(other); })) continue;
    placed.push_back(place);
    offsets[value] = static_cast<int32_t>(tensor.offset);
  }
  return offsets;
}

}  // namespace thimble
