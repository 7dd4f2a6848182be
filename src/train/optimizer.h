// Gradient descent: AdamW (Loshchilov and Hutter 2019) and SGD with momentum, and the learning-rate schedule.
#pragma once
#include <span>
#include <vector>

#include "train/train.h"

namespace thimble {

class Optimizer {
 public:
  struct Parameter {
    std::span<float> weights;
    std::span<const float> gradient;
    bool decay = false;  // weight decay: matrices and filters, not biases and scales
  };
  // options.optimizer must be one of optimizer_names().
  Optimizer(std::vector<Parameter> parameters, const TrainOptions& options);
  // One update. step counts from 1.
  void step(int64_t step, double learning_rate);
  // First moments of all parameters, then (adam) second ones: what a checkpoint keeps.
  std::span<float> state() { return state_; }

 private:
  void adam(const Parameter& parameter, float* mean, float* square, int64_t step, double learning_rate);
  void sgd(const Parameter& parameter, float* velocity, double learning_rate);

  std::vector<Parameter> parameters_;
  TrainOptions options_;
  size_t count_ = 0;
  std::vector<float> state_;
};

std::vector<std::string> optimizer_names();

// Linear warm-up, then a half cosine (Loshchilov and Hutter 2017) to final_learning_rate. step counts from 0.
double scheduled_learning_rate(const TrainOptions& options, int64_t step, int64_t steps_per_epoch);

}  // namespace thimble
