#include "plan/arena.h"

#include <algorithm>
#include <numeric>

namespace thimble {

namespace {

constexpr size_t kMostSearched = 1000;  // the search recurses once per block
constexpr int kRounds = 200;            // of greedy improvement

bool share_a_step(const ArenaBlock& a, const ArenaBlock& b) { return a.first <= b.last && b.first <= a.last; }

// Blocks with sizes in units of the alignment, so that every offset is aligned.
std::vector<ArenaBlock> in_units(std::span<const ArenaBlock> blocks) {
  std::vector<ArenaBlock> units(blocks.begin(), blocks.end());
  for (ArenaBlock& block : units) block.bytes = (block.bytes + kArenaAlignment - 1) / kArenaAlignment;
  return units;
}

std::vector<int64_t> load_per_step(std::span<const ArenaBlock> blocks) {
  int steps = 0;
  for (const ArenaBlock& block : blocks) steps = std::max(steps, block.last + 1);
  std::vector<int64_t> load(static_cast<size_t>(steps), 0);
  for (const ArenaBlock& block : blocks)
    for (int step = block.first; step <= block.last; ++step) load[static_cast<size_t>(step)] += block.bytes;
  return load;
}

int64_t height(std::span<const ArenaBlock> blocks, std::span<const int64_t> offsets) {
  int64_t top = 0;
  for (size_t i = 0; i < blocks.size(); ++i) top = std::max(top, offsets[i] + blocks[i].bytes);
  return top;
}

// Each block, in this order, at the lowest offset where nothing placed before it is in the way.
std::vector<int64_t> first_fit(std::span<const ArenaBlock> blocks, std::span<const size_t> order) {
  std::vector<int64_t> offsets(blocks.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (size_t index : order) {
    int64_t offset = 0;
    for (size_t other : placed) {
      if (!share_a_step(blocks[index], blocks[other])) continue;
      if (offset + blocks[index].bytes <= offsets[other]) break;
      offset = std::max(offset, offsets[other] + blocks[other].bytes);
    }
    offsets[index] = offset;
    placed.insert(std::ranges::upper_bound(placed, offset, {}, [&](size_t i) { return offsets[i]; }), index);
  }
  return offsets;
}

// First fit, largest first; then again and again with the blocks that reach the top moved to the front of the order
// ("squeaky wheel" optimisation, Joslin and Clements 1999).
std::vector<int64_t> greedy_layout(std::span<const ArenaBlock> blocks, int64_t lower_bound, int rounds) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<int64_t> best = first_fit(blocks, order);
  std::vector<int64_t> offsets = best;
  for (int round = 0; round < rounds && height(blocks, best) > lower_bound; ++round) {
    const int64_t top = height(blocks, offsets);
    std::ranges::stable_partition(order, [&](size_t i) { return offsets[i] + blocks[i].bytes == top; });
    offsets = first_fit(blocks, order);
    if (height(blocks, offsets) < height(blocks, best)) best = offsets;
  }
  return best;
}

// Places blocks in order of (offset, index). Any layout can be pushed down until every block rests on another that was
// placed before it, or on 0; so it is enough to try each block at the top of the skyline over its life.
class SkylineSearch {
 public:
  SkylineSearch(std::span<const ArenaBlock> blocks, std::vector<int64_t> start, int64_t lower_bound, int64_t effort)
      : blocks_(blocks),
        best_(std::move(start)),
        best_height_(height(blocks, best_)),
        lower_bound_(lower_bound),
        effort_(effort),
        offsets_(blocks.size(), kUnplaced),
        unplaced_(load_per_step(blocks)),
        skyline_(unplaced_.size(), 0) {}

  // True when the whole space was searched or the bound was met: best() is smallest.
  bool run() {
    if (best_height_ > lower_bound_) place_next(0, 0, 0);
    return effort_ > 0 || best_height_ == lower_bound_;
  }
  const std::vector<int64_t>& best() const { return best_; }

 private:
  static constexpr int64_t kUnplaced = -1;

  struct Choice {
    int64_t offset;
    size_t index;
    auto operator<=>(const Choice&) const = default;
  };

  bool hopeless(int64_t floor) const {
    for (size_t step = 0; step < skyline_.size(); ++step)
      if (unplaced_[step] > 0 && std::max(skyline_[step], floor) + unplaced_[step] >= best_height_) return true;
    return false;
  }

  void place_next(size_t placed, int64_t floor, size_t after) {
    if (placed == blocks_.size()) {
      best_ = offsets_;
      best_height_ = height(blocks_, best_);
      return;
    }
    std::vector<Choice> choices;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (offsets_[i] != kUnplaced) continue;
      const auto life = std::span(skyline_).subspan(static_cast<size_t>(blocks_[i].first),
                                                    static_cast<size_t>(blocks_[i].last - blocks_[i].first + 1));
      const Choice choice{std::ranges::max(life), i};
      if (choice.offset > floor || (choice.offset == floor && i >= after)) choices.push_back(choice);
    }
    std::ranges::sort(choices, [&](const Choice& a, const Choice& b) {
      return a.offset != b.offset ? a.offset < b.offset : blocks_[a.index].bytes > blocks_[b.index].bytes;
    });
    for (const Choice& choice : choices) {
      if (--effort_ <= 0 || best_height_ == lower_bound_) return;
      try_choice(choice, placed);
    }
  }

  void try_choice(const Choice& choice, size_t placed) {
    const ArenaBlock& block = blocks_[choice.index];
    const std::vector<int64_t> skyline = skyline_;
    offsets_[choice.index] = choice.offset;
    for (int step = block.first; step <= block.last; ++step) {
      skyline_[static_cast<size_t>(step)] = choice.offset + block.bytes;
      unplaced_[static_cast<size_t>(step)] -= block.bytes;
    }
    if (choice.offset + block.bytes < best_height_ && !hopeless(choice.offset))
      place_next(placed + 1, choice.offset, choice.index + 1);
    for (int step = block.first; step <= block.last; ++step) unplaced_[static_cast<size_t>(step)] += block.bytes;
    skyline_ = skyline;
    offsets_[choice.index] = kUnplaced;
  }

  std::span<const ArenaBlock> blocks_;
  std::vector<int64_t> best_;
  int64_t best_height_, lower_bound_, effort_;
  std::vector<int64_t> offsets_, unplaced_, skyline_;
};

}  // namespace

ArenaLayout place_in_arena(std::span<const ArenaBlock> blocks, int64_t effort) {
  if (blocks.empty()) return {.smallest = true};
  const std::vector<ArenaBlock> units = in_units(blocks);
  const int64_t lower_bound = std::ranges::max(load_per_step(units));
  if (blocks.size() > kMostSearched) effort = 0;
  SkylineSearch search(units, greedy_layout(units, lower_bound, effort > 0 ? kRounds : 0), lower_bound, effort);
  ArenaLayout layout;
  layout.smallest = search.run();
  layout.offsets = search.best();
  layout.bytes = height(units, layout.offsets) * kArenaAlignment;
  layout.lower_bound = lower_bound * kArenaAlignment;
  for (int64_t& offset : layout.offsets) offset *= kArenaAlignment;
  return layout;
}

bool is_valid_layout(std::span<const ArenaBlock> blocks, std::span<const int64_t> offsets, int64_t arena_bytes) {
  if (blocks.size() != offsets.size()) return false;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (offsets[i] < 0 || offsets[i] % kArenaAlignment != 0 || offsets[i] + blocks[i].bytes > arena_bytes) return false;
    for (size_t j = 0; j < i; ++j)
      if (share_a_step(blocks[i], blocks[j]) && offsets[i] < offsets[j] + blocks[j].bytes &&
          offsets[j] < offsets[i] + blocks[i].bytes)
        return false;
  }
  return true;
}

}  // namespace thimble
