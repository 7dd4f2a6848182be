// Training losses with their gradients, averaged over the batch.
#pragma once
#include <cstdint>
#include <span>

namespace thimble {

// Cross-entropy of softmax(logits) against target distributions; logits, targets, gradient: [rows, classes].
// The gradient is with respect to the logits: (softmax - target) / rows.
double softmax_cross_entropy(std::span<const float> logits, std::span<const float> targets, int64_t classes,
                             std::span<float> gradient);

// Mean of (output - target)^2 over all elements.
double mean_squared_error(std::span<const float> outputs, std::span<const float> targets, std::span<float> gradient);

// Rows whose largest value is where the target's is.
int64_t count_correct(std::span<const float> outputs, std::span<const float> targets, int64_t classes);

}  // namespace thimble
