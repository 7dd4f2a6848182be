#include "train/loss.h"

#include <algorithm>
#include <cmath>

namespace thimble {

double softmax_cross_entropy(std::span<const float> logits, std::span<const float> targets, int64_t classes,
                             std::span<float> gradient) {
  const auto width = static_cast<size_t>(classes);
  const size_t rows = logits.size() / width;
  double total = 0;
  for (size_t row = 0; row < rows; ++row) {
    const auto x = logits.subspan(row * width, width), target = targets.subspan(row * width, width);
    const double largest = *std::ranges::max_element(x);
    double sum = 0;
    for (float value : x) sum += std::exp(value - largest);
    const double log_sum = largest + std::log(sum);
    for (size_t c = 0; c < width; ++c) {
      const double log_probability = x[c] - log_sum;
      total -= target[c] * log_probability;
      gradient[row * width + c] =
          static_cast<float>((std::exp(log_probability) - target[c]) / static_cast<double>(rows));
    }
  }
  return total / static_cast<double>(rows);
}

double mean_squared_error(std::span<const float> outputs, std::span<const float> targets, std::span<float> gradient) {
  double total = 0;
  const auto count = static_cast<double>(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const double difference = static_cast<double>(outputs[i]) - targets[i];
    total += difference * difference;
    gradient[i] = static_cast<float>(2 * difference / count);
  }
  return total / count;
}

int64_t count_correct(std::span<const float> outputs, std::span<const float> targets, int64_t classes) {
  const auto width = static_cast<size_t>(classes);
  int64_t correct = 0;
  for (size_t begin = 0; begin < outputs.size(); begin += width) {
    const auto output = outputs.subspan(begin, width), target = targets.subspan(begin, width);
    correct += std::ranges::max_element(output) - output.begin() == std::ranges::max_element(target) - target.begin();
  }
  return correct;
}

}  // namespace thimble
