#include "plan/arena.h"

#include <algorithm>
#include <numeric>

namespace thimble {

namespace {

constexpr size_t kMostSearched = 1000;    // the search recurses once per block
constexpr int kRounds = 200;              // of greedy improvement
constexpr int64_t kMostWork = 4'000'000;  // conflicts looked at in them

bool share_a_step(const ArenaBlock& a, const ArenaBlock& b) { return a.first <= b.last && b.first <= a.last; }

int64_t in_units(int64_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment; }

int64_t height(std::span<const ArenaBlock> blocks, std::span<const int64_t> offsets) {
  int64_t top = 0;
  for (size_t i = 0; i < blocks.size(); ++i) top = std::max(top, offsets[i] + blocks[i].bytes);
  return top;
}

// What a block adds to the bytes in use at a step. An input adds what it must have beyond its output, wherever the two
// lie: together they take max(output, input + distance) at least.
int64_t share_of(const ArenaBlock& block, const ArenaBlock* output, int64_t distance, int step) {
  if (!output || step < output->first || step > output->last) return block.bytes;
  return std::max<int64_t>(0, block.bytes + distance - output->bytes);
}

// Blocks with their overlaps, in units of the alignment; blocks that must begin at the same place are one item. So all
// that matters of two items is how far apart they must be, one way and the other.
class Items {
 public:
  // b must begin `above` or more above a, or `below` or more below it.
  struct Conflict {
    size_t other;
    int64_t above, below;
  };

  Items(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps)
      : blocks_(blocks), overlap_of_input_(blocks.size()), item_of_(blocks.size()) {
    std::iota(item_of_.begin(), item_of_.end(), size_t{0});
    for (const ArenaOverlap& overlap : overlaps) {
      overlap_of_input_[overlap.input] = &overlap;
      if (overlap.exact) join(overlap.input, overlap.output);
    }
    std::vector<size_t> number(blocks.size(), blocks.size());
    for (size_t b = 0; b < blocks.size(); ++b) {
      size_t& item = number[item_of_[b]];
      if (item == blocks.size()) {
        item = parts_.size();
        parts_.emplace_back();
      }
      parts_[item].push_back(b);
      item_of_[b] = item;
    }
    find_conflicts();
  }

  size_t size() const { return parts_.size(); }
  std::span<const size_t> parts(size_t item) const { return parts_[item]; }
  std::span<const Conflict> conflicts(size_t item) const { return conflicts_[item]; }
  int64_t count_conflicts() const {
    return std::accumulate(conflicts_.begin(), conflicts_.end(), int64_t{0},
                           [](int64_t sum, const auto& list) { return sum + static_cast<int64_t>(list.size()); });
  }
  const ArenaBlock& block(size_t index) const { return blocks_[index]; }
  int64_t bytes(size_t item) const {
    int64_t most = 0;
    for (size_t part : parts_[item]) most = std::max(most, blocks_[part].bytes);
    return most;
  }
  int first(size_t item) const {
    int first = blocks_[parts_[item].front()].first;
    for (size_t part : parts_[item]) first = std::min(first, blocks_[part].first);
    return first;
  }
  int64_t share(size_t part, int step) const {
    const ArenaOverlap* overlap = overlap_of_input_[part];
    return share_of(blocks_[part], overlap ? &blocks_[overlap->output] : nullptr, overlap ? overlap->distance : 0,
                    step);
  }
  std::vector<int64_t> load_per_step() const {
    int steps = 0;
    for (const ArenaBlock& block : blocks_) steps = std::max(steps, block.last + 1);
    std::vector<int64_t> load(static_cast<size_t>(steps), 0);
    for (size_t b = 0; b < blocks_.size(); ++b)
      for (int step = blocks_[b].first; step <= blocks_[b].last; ++step)
        load[static_cast<size_t>(step)] += share(b, step);
    return load;
  }
  std::vector<int64_t> offsets_of_blocks(std::span<const int64_t> offsets) const {
    std::vector<int64_t> result(blocks_.size());
    for (size_t b = 0; b < blocks_.size(); ++b) result[b] = offsets[item_of_[b]];
    return result;
  }
  int64_t top(std::span<const int64_t> offsets) const {
    int64_t top = 0;
    for (size_t i = 0; i < size(); ++i) top = std::max(top, offsets[i] + bytes(i));
    return top;
  }

 private:
  void join(size_t a, size_t b) {
    const size_t from = item_of_[b], to = item_of_[a];
    std::ranges::replace(item_of_, from, to);
  }

  // How far above block a block b must begin.
  int64_t distance(size_t a, size_t b) const {
    const ArenaOverlap* overlap = overlap_of_input_[b];
    return overlap && overlap->output == a ? overlap->distance : blocks_[a].bytes;
  }

  void find_conflicts() {
    conflicts_.resize(parts_.size());
    std::vector<size_t> slot(parts_.size(), SIZE_MAX);  // in conflicts_[a], by the other item
    for (size_t a = 0; a < parts_.size(); ++a) {
      for (size_t mine : parts_[a])
        for (size_t b = 0; b < blocks_.size(); ++b) {
          if (item_of_[b] == a || !share_a_step(blocks_[mine], blocks_[b])) continue;
          size_t& at = slot[item_of_[b]];
          if (at == SIZE_MAX) {
            at = conflicts_[a].size();
            conflicts_[a].push_back({item_of_[b], 0, 0});
          }
          Conflict& conflict = conflicts_[a][at];
          conflict.above = std::max(conflict.above, distance(mine, b));
          conflict.below = std::max(conflict.below, distance(b, mine));
        }
      for (const Conflict& conflict : conflicts_[a]) slot[conflict.other] = SIZE_MAX;
    }
  }

  std::span<const ArenaBlock> blocks_;
  std::vector<const ArenaOverlap*> overlap_of_input_;
  std::vector<size_t> item_of_;             // by block
  std::vector<std::vector<size_t>> parts_;  // blocks by item
  std::vector<std::vector<Conflict>> conflicts_;
};

constexpr int64_t kUnplaced = -1;

// Each item, in this order, at the lowest offset where nothing placed before it is in the way.
std::vector<int64_t> first_fit(const Items& items, std::span<const size_t> order) {
  std::vector<int64_t> offsets(items.size(), kUnplaced);
  std::vector<std::pair<int64_t, int64_t>> taken;  // offsets strictly between are not possible
  for (size_t index : order) {
    taken.clear();
    for (const Items::Conflict& conflict : items.conflicts(index))
      if (const int64_t at = offsets[conflict.other]; at != kUnplaced)
        taken.emplace_back(at - conflict.above, at + conflict.below);
    std::ranges::sort(taken);
    int64_t offset = 0;
    for (const auto& [begin, end] : taken)
      if (offset > begin && offset < end) offset = end;
    offsets[index] = offset;
  }
  return offsets;
}

// First fit, largest first, and from the last step to the first, and the other way round; each again and again with
// the items that reach the top moved to the front of the order ("squeaky wheel" optimisation, Joslin and Clements
// 1999).
std::vector<int64_t> greedy_layout(const Items& items, int64_t lower_bound, int rounds) {
  std::vector<size_t> order(items.size());
  std::vector<int64_t> keys(items.size()), best;
  const auto improve = [&](const auto& key) {
    for (size_t i = 0; i < items.size(); ++i) keys[i] = key(i);
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return keys[a] > keys[b]; });
    for (int round = 0; round <= rounds && (best.empty() || items.top(best) > lower_bound); ++round) {
      const std::vector<int64_t> offsets = first_fit(items, order);
      const int64_t top = items.top(offsets);
      if (best.empty() || top < items.top(best)) best = offsets;
      std::ranges::stable_partition(order, [&](size_t i) { return offsets[i] + items.bytes(i) == top; });
    }
  };
  improve([&](size_t i) { return items.bytes(i); });
  improve([&](size_t i) { return int64_t{items.first(i)}; });
  improve([&](size_t i) { return -int64_t{items.first(i)}; });
  return best;
}

// Places items in order of (offset, index). Any layout can be pushed down until every item rests on another that was
// placed before it, or on 0; so it is enough to try each item where those placed before it let it begin.
class Search {
 public:
  Search(const Items& items, std::vector<int64_t> start, int64_t lower_bound, int64_t effort)
      : items_(items),
        best_(std::move(start)),
        best_height_(items.top(best_)),
        lower_bound_(lower_bound),
        effort_(effort),
        offsets_(items.size(), kUnplaced),
        lowest_(items.size(), 0),
        unplaced_(items.load_per_step()),
        skyline_(unplaced_.size(), 0) {}

  // True when the whole space was searched or the bound was met: best() is smallest.
  bool run() {
    if (best_height_ > lower_bound_) place_next(0, 0, 0);
    return effort_ > 0 || best_height_ == lower_bound_;
  }
  const std::vector<int64_t>& best() const { return best_; }

 private:
  struct Choice {
    int64_t offset;
    size_t index;
  };

  bool hopeless(int64_t floor) const {
    for (size_t step = 0; step < skyline_.size(); ++step)
      if (unplaced_[step] > 0 && std::max(skyline_[step], floor) + unplaced_[step] >= best_height_) return true;
    return false;
  }

  // An output and its input may begin at the same place: the output comes first there, whatever the indices.
  bool begins_with_another(size_t item) const {
    return std::ranges::any_of(items_.conflicts(item), [&](const Items::Conflict& conflict) {
      return offsets_[conflict.other] == lowest_[item] && conflict.below == 0;
    });
  }

  void place_next(size_t placed, int64_t floor, size_t after) {
    if (placed == items_.size()) {
      best_ = offsets_;
      best_height_ = items_.top(best_);
      return;
    }
    std::vector<Choice> choices;
    for (size_t i = 0; i < items_.size(); ++i)
      if (offsets_[i] == kUnplaced &&
          (lowest_[i] > floor || (lowest_[i] == floor && (i >= after || begins_with_another(i)))))
        choices.push_back({lowest_[i], i});
    std::ranges::stable_sort(choices, [&](const Choice& a, const Choice& b) {
      return a.offset != b.offset ? a.offset < b.offset : items_.bytes(a.index) > items_.bytes(b.index);
    });
    for (const Choice& choice : choices) {
      if (--effort_ <= 0 || best_height_ == lower_bound_) return;
      try_choice(choice, placed, choice.offset > floor ? 0 : after);
    }
  }

  void try_choice(const Choice& choice, size_t placed, size_t after) {
    const std::vector<int64_t> skyline = skyline_, lowest = lowest_;
    offsets_[choice.index] = choice.offset;
    for (const Items::Conflict& conflict : items_.conflicts(choice.index))
      lowest_[conflict.other] = std::max(lowest_[conflict.other], choice.offset + conflict.above);
    count_unplaced(choice.index, -1);
    for (size_t part : items_.parts(choice.index)) {
      const ArenaBlock& block = items_.block(part);
      for (int step = block.first; step <= block.last; ++step) {
        int64_t& top = skyline_[static_cast<size_t>(step)];
        top = std::max(top, choice.offset + block.bytes);
      }
    }
    if (choice.offset + items_.bytes(choice.index) < best_height_ && !hopeless(choice.offset))
      place_next(placed + 1, choice.offset, std::max(after, choice.index + 1));
    count_unplaced(choice.index, 1);
    skyline_ = skyline;
    lowest_ = lowest;
    offsets_[choice.index] = kUnplaced;
  }

  void count_unplaced(size_t item, int64_t sign) {
    for (size_t part : items_.parts(item))
      for (int step = items_.block(part).first; step <= items_.block(part).last; ++step)
        unplaced_[static_cast<size_t>(step)] += sign * items_.share(part, step);
  }

  const Items& items_;
  std::vector<int64_t> best_;
  int64_t best_height_, lower_bound_, effort_;
  std::vector<int64_t> offsets_, lowest_;  // lowest_: where those placed let an item begin
  std::vector<int64_t> unplaced_, skyline_;
};

struct Solution {
  std::vector<int64_t> offsets;
  int64_t height = 0;
  bool smallest = false;  // with these overlaps
};

Solution solve(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps, int64_t lower_bound,
               int64_t effort) {
  const Items items(blocks, overlaps);
  const int64_t rounds = effort > 0 ? kMostWork / (items.count_conflicts() + 1) : 0;
  Search search(items, greedy_layout(items, lower_bound, static_cast<int>(std::min<int64_t>(kRounds, rounds))),
                lower_bound, effort);
  Solution solution{.smallest = search.run()};
  solution.offsets = items.offsets_of_blocks(search.best());
  solution.height = height(blocks, solution.offsets);
  return solution;
}

// Exact overlaps are blocks put together, which may be too much of a good thing: others may then find no room. So they
// are taken apart, or put together again, one by one, as long as that helps.
Solution solve_with_exact(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps,
                          int64_t lower_bound, int64_t effort) {
  constexpr int64_t kLessEffort = 20;
  std::vector<bool> used(overlaps.size(), true);
  const auto solve_used = [&](int64_t spent) {
    std::vector<ArenaOverlap> some;
    for (size_t i = 0; i < overlaps.size(); ++i)
      if (used[i]) some.push_back(overlaps[i]);
    return solve(blocks, some, lower_bound, spent);
  };
  Solution best = solve_used(effort);
  bool better = true, all = true;
  while (better && best.height > lower_bound) {
    better = false;
    for (size_t i = 0; i < overlaps.size() && best.height > lower_bound; ++i) {
      if (!overlaps[i].exact) continue;
      all = false;
      used[i] = !used[i];
      Solution other = solve_used(effort / kLessEffort);
      if (other.height < best.height)
        best = std::move(other), better = true;
      else
        used[i] = !used[i];
    }
  }
  if (best.height > lower_bound && !all) best.smallest = false;
  return best;
}

}  // namespace

ArenaLayout place_in_arena(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps, int64_t effort) {
  if (blocks.empty()) return {.smallest = true};
  std::vector<ArenaBlock> units(blocks.begin(), blocks.end());
  for (ArenaBlock& block : units) block.bytes = in_units(block.bytes);
  std::vector<ArenaOverlap> rules(overlaps.begin(), overlaps.end());
  for (ArenaOverlap& rule : rules) rule.distance = std::min(in_units(rule.distance), units[rule.output].bytes);
  const int64_t lower_bound = std::ranges::max(Items(units, rules).load_per_step());
  if (blocks.size() > kMostSearched) effort = 0;
  Solution best = solve_with_exact(units, rules, lower_bound, effort);
  ArenaLayout layout{.offsets = std::move(best.offsets),
                     .bytes = best.height * kArenaAlignment,
                     .lower_bound = lower_bound * kArenaAlignment,
                     .smallest = best.smallest};
  for (int64_t& offset : layout.offsets) offset *= kArenaAlignment;
  return layout;
}

bool is_valid_layout(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps,
                     std::span<const int64_t> offsets, int64_t arena_bytes) {
  if (blocks.size() != offsets.size()) return false;
  const auto allowed = [&](size_t i, size_t j) {
    return std::ranges::any_of(overlaps, [&](const ArenaOverlap& overlap) {
      if (overlap.input != i || overlap.output != j) return false;
      return offsets[j] + overlap.distance <= offsets[i] && (!overlap.exact || offsets[i] == offsets[j]);
    });
  };
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (offsets[i] < 0 || offsets[i] % kArenaAlignment != 0 || offsets[i] + blocks[i].bytes > arena_bytes) return false;
    for (size_t j = 0; j < i; ++j)
      if (share_a_step(blocks[i], blocks[j]) && offsets[i] < offsets[j] + blocks[j].bytes &&
          offsets[j] < offsets[i] + blocks[i].bytes && !allowed(i, j) && !allowed(j, i))
        return false;
  }
  return true;
}

}  // namespace thimble
