// Draws the training examples of an epoch: normalised features with augmentation, and their targets.
#pragma once
#include <span>

#include "train/features.h"
#include "train/train.h"

namespace thimble {

struct Example {
  std::span<float> input;   // [feature_count], overwritten
  std::span<float> target;  // [classes] as a distribution, or [target_count]; overwritten
};

// The example that sample `index` gives in this epoch: the same for the same options.seed, epoch and index, whatever
// was drawn before. partners: the samples mixup may choose from.
void draw_example(const Features& features, const TrainOptions& options, std::span<const size_t> partners,
                  uint64_t epoch, size_t index, const Example& example);

}  // namespace thimble
