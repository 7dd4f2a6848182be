// Placing blocks of memory that live for a while into one arena, as low as possible (dynamic storage allocation).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace thimble {

struct ArenaBlock {
  int64_t bytes = 0;  // > 0
  int first = 0;      // lives during steps [first, last]
  int last = 0;
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // multiples of kArenaAlignment, one per block
  int64_t bytes = 0;
  int64_t lower_bound = 0;  // largest sum of (aligned) blocks alive in one step
  bool smallest = false;    // proved: no layout needs less
};

// What every tensor is aligned to: enough for vector loads on all cores.
constexpr int64_t kArenaAlignment = 16;

// Greedy first fit, largest block first; then, for up to 1000 blocks and effort > 0, better orders, and branch and
// bound over skylines for as many steps as `effort`, or until the layout is proved smallest. Deterministic.
ArenaLayout place_in_arena(std::span<const ArenaBlock> blocks, int64_t effort = 50'000);

// True when no two blocks that live at the same time share a byte, and all lie inside [0, arena_bytes).
bool is_valid_layout(std::span<const ArenaBlock> blocks, std::span<const int64_t> offsets, int64_t arena_bytes);

}  // namespace thimble
