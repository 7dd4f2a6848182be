#include "train/optimizer.h"

#include <cmath>
#include <numbers>

namespace thimble {

namespace {

constexpr double kAdamMeanDecay = 0.9, kAdamSquareDecay = 0.999, kAdamEpsilon = 1e-8;

}  // namespace

std::vector<std::string> optimizer_names() { return {"adam", "sgd"}; }

Optimizer::Optimizer(std::vector<Parameter> parameters, const TrainOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const Parameter& parameter : parameters_) count_ += parameter.weights.size();
  state_.assign(options_.optimizer == "adam" ? 2 * count_ : count_, 0.0f);
}

void Optimizer::step(int64_t step, double learning_rate) {
  size_t offset = 0;
  for (const Parameter& parameter : parameters_) {
    if (options_.optimizer == "adam")
      adam(parameter, &state_[offset], &state_[count_ + offset], step, learning_rate);
    else
      sgd(parameter, &state_[offset], learning_rate);
    offset += parameter.weights.size();
  }
}

void Optimizer::adam(const Parameter& parameter, float* mean, float* square, int64_t step, double learning_rate) {
  const auto a = static_cast<float>(kAdamMeanDecay), b = static_cast<float>(kAdamSquareDecay);
  const auto rate = static_cast<float>(learning_rate / (1 - std::pow(kAdamMeanDecay, step)));
  const auto square_correction = static_cast<float>(1 / (1 - std::pow(kAdamSquareDecay, step)));
  const auto shrink = static_cast<float>(parameter.decay ? 1 - learning_rate * options_.weight_decay : 1);
  for (size_t i = 0; i < parameter.weights.size(); ++i) {
    const float gradient = parameter.gradient[i];
    mean[i] = a * mean[i] + (1 - a) * gradient;
    square[i] = b * square[i] + (1 - b) * gradient * gradient;
    const float size = std::sqrt(square[i] * square_correction) + static_cast<float>(kAdamEpsilon);
    parameter.weights[i] = shrink * parameter.weights[i] - rate * mean[i] / size;
  }
}

void Optimizer::sgd(const Parameter& parameter, float* velocity, double learning_rate) {
  const auto momentum = static_cast<float>(options_.momentum), rate = static_cast<float>(learning_rate);
  const auto decay = static_cast<float>(parameter.decay ? options_.weight_decay : 0);
  for (size_t i = 0; i < parameter.weights.size(); ++i) {
    velocity[i] = momentum * velocity[i] + parameter.gradient[i] + decay * parameter.weights[i];
    parameter.weights[i] -= rate * velocity[i];
  }
}

double scheduled_learning_rate(const TrainOptions& options, int64_t step, int64_t steps_per_epoch) {
  const double total = static_cast<double>(options.epochs) * static_cast<double>(steps_per_epoch);
  const double warmup = std::min(options.warmup_epochs * static_cast<double>(steps_per_epoch), total);
  const auto now = static_cast<double>(step);
  if (now < warmup) return options.learning_rate * (now + 1) / (warmup + 1);
  const double done = (now - warmup) / std::max(1.0, total - warmup);
  return options.final_learning_rate +
         (options.learning_rate - options.final_learning_rate) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace thimble
