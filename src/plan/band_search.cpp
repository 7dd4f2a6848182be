#include "plan/band_search.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace thimble {

namespace {

constexpr int64_t kRows[] = {32, 16, 8, 4, 2, 1};
constexpr size_t kReach = 20;   // layers before and after the one that needs most
constexpr int kMostPlans = 16;  // made for one group; the others are only estimated
constexpr int kMostGroups = 4;
constexpr double kLeastGain = 0.99;  // of the arena: what saves less is not worth its calls

// Less RAM is better down to what is enough, then fewer calls.
struct Cost {
  int64_t bytes = 0;
  size_t calls = 0;
  auto operator<=>(const Cost&) const = default;
};

// The nodes during which the values live that have memory of their own.
struct Lives {
  struct Life {
    size_t first = std::numeric_limits<size_t>::max(), last = 0;
    int64_t bytes = 0;
    bool output = false;
  };
  std::vector<Life> of;  // by value; bytes 0 for those without

  explicit Lives(const Graph& graph) : of(graph.values.size()) {
    std::vector<size_t> root(graph.values.size());
    for (size_t v = 0; v < root.size(); ++v) root[v] = v;
    for (const Node& node : graph.nodes)
      if (shares_memory(graph, node))
        root[static_cast<size_t>(node.outputs[0])] = root[static_cast<size_t>(node.inputs[0])];
    const auto touch = [&](ValueId id, size_t n) {
      if (id == kNoValue || graph[id].constant || graph[id].initial) return;
      Life& life = of[root[static_cast<size_t>(id)]];
      life.first = std::min(life.first, n);
      life.last = std::max(life.last, n);
      life.bytes = element_count(graph[id].type.shape) * static_cast<int64_t>(size_of(graph[id].type.dtype));
    };
    for (ValueId id : graph.inputs) touch(id, 0);
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      for (ValueId id : graph.nodes[n].inputs) touch(id, n);
      for (ValueId id : graph.nodes[n].outputs) touch(id, n);
    }
    for (ValueId id : graph.outputs) {
      touch(id, graph.nodes.size());
      of[root[static_cast<size_t>(id)]].output = true;
    }
  }

  // Bytes that a group needs, but for scratch.
  int64_t bytes_of(const Graph& graph, const BandSchedule& schedule) const {
    const auto [first_node, last_node, rows] = schedule.group;
    const auto output = static_cast<size_t>(graph.nodes[last_node].outputs[0]);
    int64_t sum = 0;
    for (const auto& [id, bytes] : schedule.buffer_bytes) sum += bytes;
    for (size_t v = 0; v < of.size(); ++v)
      if (!schedule.buffer_bytes.contains(static_cast<ValueId>(v)) && of[v].bytes > 0 && of[v].first <= last_node &&
          of[v].last >= first_node)
        sum += of[v].bytes;
    if (!schedule.over) return sum;
    const Life& input = of[static_cast<size_t>(schedule.over->input)];
    if (input.bytes == 0 || input.output || input.last > last_node) return sum;
    const int64_t both = std::max(of[output].bytes, input.bytes + schedule.over->distance);
    return sum - std::max<int64_t>(0, input.bytes + of[output].bytes - both);
  }
};

struct Candidate {
  BandSchedule schedule;
  Cost estimate;
};

class Search {
 public:
  Search(const Graph& graph, int64_t enough, const PlanWithBands& make)
      : graph_(graph), lives_(graph), enough_(enough), make_(make) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) node_of_layer_.emplace(graph.nodes[n].name, n);
  }

  // The plan with one more group, if that is better.
  Result<std::optional<Plan>> improve(const Plan& plan) {
    std::vector<Candidate> candidates = find_candidates(plan);
    std::ranges::stable_sort(candidates, {}, &Candidate::estimate);
    std::optional<Plan> best;
    Cost least{static_cast<int64_t>(static_cast<double>(plan.arena_bytes) * kLeastGain), 0};
    int plans = 0;
    const BandSchedule* chosen = nullptr;
    for (const Candidate& candidate : candidates) {
      if (least <= candidate.estimate || ++plans > kMostPlans) break;
      std::vector<BandSchedule> groups = groups_;
      groups.push_back(candidate.schedule);
      std::ranges::sort(groups, {}, [](const BandSchedule& s) { return s.group.first; });
      THIMBLE_LET(Plan made, make_(groups));
      const Cost cost = cost_of(made.arena_bytes, made.calls.size());
      if (made.arena_bytes >= plan.arena_bytes || least <= cost) continue;
      least = cost;
      best = std::move(made);
      chosen = &candidate.schedule;
    }
    if (chosen) groups_.push_back(*chosen);
    return best;
  }

 private:
  Cost cost_of(int64_t bytes, size_t calls) const { return {std::max(bytes, enough_), calls}; }

  bool taken(size_t first, size_t last) const {
    return std::ranges::any_of(groups_,
                               [&](const BandSchedule& s) { return s.group.first <= last && first <= s.group.last; });
  }

  // Groups around the layer that needs most: with no other is anything to be gained.
  std::vector<Candidate> find_candidates(const Plan& plan) const {
    const std::vector<int64_t> ram = ram_over_time(plan);
    std::vector<int64_t> ram_of_node(graph_.nodes.size(), 0);
    for (size_t c = 0; c < ram.size(); ++c)
      if (const auto node = node_of_layer_.find(plan.calls[c].call.layer); node != node_of_layer_.end())
        ram_of_node[node->second] = std::max(ram_of_node[node->second], ram[c]);
    const auto peak = static_cast<size_t>(std::ranges::max_element(ram_of_node) - ram_of_node.begin());
    std::vector<Candidate> candidates;
    for (size_t first = peak > kReach ? peak - kReach : 0; first <= peak; ++first)
      for (size_t last = peak; last < std::min(graph_.nodes.size(), peak + kReach); ++last) {
        if (first == last || taken(first, last)) continue;
        int64_t outside = 0;
        for (size_t n = 0; n < ram_of_node.size(); ++n)
          if (n < first || n > last) outside = std::max(outside, ram_of_node[n]);
        if (outside < plan.arena_bytes) add_candidates(first, last, outside, plan, candidates);
      }
    return candidates;
  }

  void add_candidates(size_t first, size_t last, int64_t outside, const Plan& plan,
                      std::vector<Candidate>& candidates) const {
    for (const int64_t rows : kRows) {
      auto schedule = schedule_bands(graph_, {first, last, rows});
      if (!schedule) return;
      const int64_t inside = lives_.bytes_of(graph_, *schedule);
      const Cost cost = cost_of(std::max(inside, outside), plan.calls.size() + schedule->steps.size());
      if (cost.bytes < plan.arena_bytes) candidates.push_back({std::move(*schedule), cost});
    }
  }

  const Graph& graph_;
  const Lives lives_;
  int64_t enough_;
  const PlanWithBands& make_;
  std::map<std::string, size_t, std::less<>> node_of_layer_;
  std::vector<BandSchedule> groups_;
};

}  // namespace

Result<Plan> search_bands(const Graph& graph, Plan plan, int64_t enough, const PlanWithBands& make) {
  Search search(graph, enough, make);
  for (int group = 0; group < kMostGroups && plan.arena_bytes > enough; ++group) {
    THIMBLE_LET(std::optional<Plan> better, search.improve(plan));
    if (!better) break;
    plan = std::move(*better);
  }
  return plan;
}

}  // namespace thimble
