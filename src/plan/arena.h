// Placing blocks of memory that live for a while into one arena, as low as possible (dynamic storage allocation), where
// the block that a step reads for the last time and the one that it writes first may overlap.
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

// A step's input, whose last step it is, and its output, whose first it is: they may share bytes when the output begins
// `distance` bytes before the input or further below, or, if `exact`, where the input does. Several steps together may
// have such a pair too, which both live in all of them. In a step a block is in one pair at most.
struct ArenaOverlap {
  size_t input = 0, output = 0;  // blocks
  int64_t distance = 0;
  bool exact = false;
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // multiples of kArenaAlignment, one per block
  int64_t bytes = 0;
  int64_t lower_bound = 0;  // largest sum of (aligned) blocks alive in one step, what may overlap counted once
  bool smallest = false;    // proved: no layout needs less
};

// What every tensor is aligned to: enough for vector loads on all cores.
constexpr int64_t kArenaAlignment = 16;

// Greedy first fit in several orders; then, for up to 1000 blocks and effort > 0, better orders, and branch and bound
// for as many steps as `effort`, or until the layout is proved smallest. Deterministic.
ArenaLayout place_in_arena(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps = {},
                           int64_t effort = 50'000);

// True when blocks that live at the same time share no byte but as `overlaps` allow, and all lie inside [0,
// arena_bytes).
bool is_valid_layout(std::span<const ArenaBlock> blocks, std::span<const ArenaOverlap> overlaps,
                     std::span<const int64_t> offsets, int64_t arena_bytes);

}  // namespace thimble
