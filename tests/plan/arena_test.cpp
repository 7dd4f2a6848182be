// The planner's promises: blocks that live together never overlap, nothing needs less than the bound, and small cases
// are solved to the optimum.
#include "plan/arena.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/rng.h"

using namespace thimble;

namespace {

std::vector<ArenaBlock> random_blocks(uint64_t seed, size_t count, int steps) {
  Rng rng{seed};
  std::vector<ArenaBlock> blocks;
  for (size_t i = 0; i < count; ++i) {
    const int first = static_cast<int>(rng.below(static_cast<uint64_t>(steps)));
    const int last = std::min(steps - 1, first + static_cast<int>(rng.below(4)));
    blocks.push_back({static_cast<int64_t>(1 + rng.below(500)), first, last});
  }
  return blocks;
}

// Chains of blocks, each the input of the step that makes the next, and some others.
struct Chain {
  std::vector<ArenaBlock> blocks;
  std::vector<ArenaOverlap> overlaps;
};
Chain random_chain(uint64_t seed, size_t links, size_t others, bool exact) {
  Rng rng{seed};
  const int steps = static_cast<int>(links);
  Chain chain{random_blocks(seed + 1, others, steps), {}};
  for (int step = 0; step < steps; ++step) {
    const size_t input = chain.blocks.size() - 1;
    chain.blocks.push_back({static_cast<int64_t>(1 + rng.below(600)), std::max(0, step - 1), step});
    if (step == 0 || rng.below(5) == 0) continue;
    const bool at_once = exact && rng.below(3) == 0;
    chain.overlaps.push_back({input, input + 1, at_once ? 0 : static_cast<int64_t>(rng.below(300)), at_once});
  }
  for (ArenaOverlap& overlap : chain.overlaps) chain.blocks[overlap.input].last = chain.blocks[overlap.output].first;
  return chain;
}

// How far above block a block b must begin.
int64_t above(const Chain& chain, size_t a, size_t b) {
  for (const ArenaOverlap& overlap : chain.overlaps)
    if (overlap.output == a && overlap.input == b) return std::min(overlap.distance, chain.blocks[a].bytes);
  return chain.blocks[a].bytes;
}

// The least arena over all orders of placing, each block above all that were placed before it.
int64_t best_of_all_orders(const Chain& chain) {
  std::vector<size_t> order(chain.blocks.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto aligned = [](int64_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; };
  int64_t best = INT64_MAX;
  do {
    std::vector<int64_t> offsets(order.size(), 0);
    int64_t top = 0;
    for (size_t k = 0; k < order.size(); ++k) {
      const ArenaBlock& block = chain.blocks[order[k]];
      for (size_t j = 0; j < k; ++j) {
        const ArenaBlock& other = chain.blocks[order[j]];
        if (block.first <= other.last && other.first <= block.last)
          offsets[order[k]] =
              std::max(offsets[order[k]], offsets[order[j]] + aligned(above(chain, order[j], order[k])));
      }
      top = std::max(top, offsets[order[k]] + aligned(block.bytes));
    }
    best = std::min(best, top);
  } while (std::ranges::next_permutation(order).found);
  return best;
}

// The least arena over all orders of placing, each block as low as the ones before it allow. Some order is optimal.
int64_t best_of_all_orders(const std::vector<ArenaBlock>& blocks) {
  std::vector<size_t> order(blocks.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  int64_t best = INT64_MAX;
  do {
    std::vector<int64_t> end(64, 0);
    int64_t top = 0;
    for (size_t i : order) {
      int64_t offset = 0;
      for (int step = blocks[i].first; step <= blocks[i].last; ++step)
        offset = std::max(offset, end[static_cast<size_t>(step)]);
      const int64_t next = offset + (blocks[i].bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
      for (int step = blocks[i].first; step <= blocks[i].last; ++step) end[static_cast<size_t>(step)] = next;
      top = std::max(top, next);
    }
    best = std::min(best, top);
  } while (std::ranges::next_permutation(order).found);
  return best;
}

}  // namespace

TEST(Arena, RandomBlocksNeverOverlapAndRespectTheBound) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto blocks = random_blocks(seed, 5 + seed % 60, 30);
    const ArenaLayout layout = place_in_arena(blocks, {}, 2000);
    EXPECT_TRUE(is_valid_layout(blocks, {}, layout.offsets, layout.bytes)) << seed;
    EXPECT_GE(layout.bytes, layout.lower_bound) << seed;
    EXPECT_TRUE(layout.smallest || layout.bytes > layout.lower_bound) << seed;
  }
}

TEST(Arena, SmallCasesAreSolvedToTheOptimum) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto blocks = random_blocks(seed + 1000, 7, 8);
    const ArenaLayout layout = place_in_arena(blocks);
    EXPECT_TRUE(layout.smallest) << seed;
    EXPECT_EQ(layout.bytes, best_of_all_orders(blocks)) << seed;
  }
}

TEST(Arena, OverlapsAreUsedAsAllowedAndToTheOptimum) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Chain chain = random_chain(seed, 5, 2, false);
    const ArenaLayout layout = place_in_arena(chain.blocks, chain.overlaps);
    EXPECT_TRUE(is_valid_layout(chain.blocks, chain.overlaps, layout.offsets, layout.bytes)) << seed;
    EXPECT_TRUE(layout.smallest) << seed;
    EXPECT_GE(layout.bytes, layout.lower_bound) << seed;
    EXPECT_EQ(layout.bytes, best_of_all_orders(chain)) << seed;
  }
}

TEST(Arena, OverlapsOfAllKindsGiveValidLayouts) {
  int smaller = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Chain chain = random_chain(seed + 300, 3 + seed % 30, seed % 20, true);
    const ArenaLayout layout = place_in_arena(chain.blocks, chain.overlaps, 2000);
    EXPECT_TRUE(is_valid_layout(chain.blocks, chain.overlaps, layout.offsets, layout.bytes)) << seed;
    EXPECT_GE(layout.bytes, layout.lower_bound) << seed;
    smaller += layout.bytes < place_in_arena(chain.blocks, {}, 2000).bytes;
  }
  EXPECT_GT(smaller, 50);
}

TEST(Arena, AnOutputOverItsInputMayBeginAtTheSamePlace) {
  const std::vector<ArenaBlock> blocks = {{64, 0, 0}, {64, 0, 1}, {64, 1, 1}};
  const std::vector<ArenaOverlap> over = {{0, 1, 0, false}, {1, 2, 0, true}};
  const ArenaLayout layout = place_in_arena(blocks, over);
  EXPECT_EQ(layout.bytes, 64);
  EXPECT_EQ(layout.lower_bound, 64);
  EXPECT_TRUE(layout.smallest);
}

TEST(Arena, SearchBeatsGreedyWhereGreedyIsNotOptimal) {
  int improved = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto blocks = random_blocks(seed + 5000, 14, 12);
    const ArenaLayout greedy = place_in_arena(blocks, {}, 0), searched = place_in_arena(blocks);
    EXPECT_LE(searched.bytes, greedy.bytes) << seed;
    improved += searched.bytes < greedy.bytes;
  }
  EXPECT_GT(improved, 0);
}

TEST(Arena, ChainNeedsItsLargestNeighbours) {
  // 100 -> 300 -> 50 -> 200, each step reading one and writing the next: the peak is 100 + 300, in aligned bytes.
  const std::vector<ArenaBlock> blocks = {{100, 0, 0}, {300, 0, 1}, {50, 1, 2}, {200, 2, 2}};
  const ArenaLayout layout = place_in_arena(blocks);
  EXPECT_EQ(layout.bytes, 112 + 304);
  EXPECT_EQ(layout.lower_bound, layout.bytes);
  EXPECT_TRUE(layout.smallest);
}

TEST(Arena, MobileNetReachesTheBound) {
  // MobileNet v1 0.25 at 96 x 96: sizes of its activations in order, each alive for the layer that writes it and the
  // next.
  const std::vector<int64_t> sizes = {27648, 18432, 18432, 36864, 9216, 18432, 18432, 18432, 4608, 9216,
                                      9216,  9216,  2304,  4608,  4608, 4608,  4608,  4608,  4608, 4608,
                                      4608,  4608,  4608,  4608,  1152, 2304,  2304,  2304,  256,  2};
  std::vector<ArenaBlock> blocks;
  for (int i = 0; i < static_cast<int>(sizes.size()); ++i)
    blocks.push_back({sizes[static_cast<size_t>(i)], std::max(0, i - 1), i});
  EXPECT_EQ(place_in_arena(blocks).bytes, 55296);
}

TEST(Arena, CheckerFindsOverlapsAndStrays) {
  const std::vector<ArenaBlock> blocks = {{32, 0, 1}, {32, 1, 2}, {32, 2, 3}};
  EXPECT_TRUE(is_valid_layout(blocks, {}, std::vector<int64_t>{0, 32, 0}, 64));
  EXPECT_FALSE(is_valid_layout(blocks, {}, std::vector<int64_t>{0, 16, 0}, 64));   // share bytes at step 1
  EXPECT_FALSE(is_valid_layout(blocks, {}, std::vector<int64_t>{0, 32, 48}, 80));  // share bytes at step 2
  EXPECT_FALSE(is_valid_layout(blocks, {}, std::vector<int64_t>{0, 32, 0}, 60));   // ends outside
  EXPECT_FALSE(is_valid_layout(blocks, {}, std::vector<int64_t>{0, 36, 0}, 80));   // not aligned
  const std::vector<ArenaOverlap> over = {{0, 1, 16, false}, {1, 2, 0, true}};
  EXPECT_TRUE(is_valid_layout(blocks, over, std::vector<int64_t>{16, 0, 0}, 48));
  EXPECT_FALSE(is_valid_layout(blocks, over, std::vector<int64_t>{0, 0, 0}, 48));    // too near
  EXPECT_FALSE(is_valid_layout(blocks, over, std::vector<int64_t>{0, 16, 16}, 48));  // the wrong way round
  EXPECT_FALSE(is_valid_layout(blocks, over, std::vector<int64_t>{48, 16, 0}, 80));  // not at the same place
}

TEST(Arena, NothingNeedsNothing) {
  const ArenaLayout layout = place_in_arena({});
  EXPECT_EQ(layout.bytes, 0);
  EXPECT_TRUE(layout.smallest);
}
