#include "train/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "core/text.h"
#include "core/threads.h"
#include "graph/op_spec.h"
#include "train/augment.h"
#include "train/checkpoint.h"
#include "train/executor.h"
#include "train/loss.h"
#include "train/model_file.h"
#include "train/optimizer.h"

namespace thimble {

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::vector<size_t> indices_of(const Features& features, Split split) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < features.splits.size(); ++i)
    if (features.splits[i] == split) indices.push_back(i);
  return indices;
}

int64_t target_width(const Features& features) {
  return features.task == Task::classification ? static_cast<int64_t>(features.classes.size()) : features.target_count;
}

// The value that the loss looks at: logits before the softmax, which the cross-entropy includes, or the output itself.
ValueId loss_value(const Graph& graph, Task task) {
  const Node& last = graph.nodes.back();
  return task == Task::classification && last.op->name == "softmax" ? last.inputs[0] : graph.outputs[0];
}

Outcome check_model(const Graph& graph, const Features& features) {
  THIMBLE_TRY(verify(graph));
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1 || graph.nodes.empty())
    return fail(ErrorCode::unsupported, "a model to train has one input, one output and at least one layer",
                graph.name);
  const Shape& input = graph[graph.inputs[0]].type.shape;
  if (element_count(input) != features.feature_count())
    return fail(ErrorCode::bad_data,
                fmt::format("input {} for features {}", to_string(input), to_string(features.sample_shape)),
                graph.name);
  const Shape& output = graph[graph.outputs[0]].type.shape;
  if (element_count(output) != target_width(features))
    return fail(ErrorCode::bad_data, fmt::format("output {} for {} targets", to_string(output), target_width(features)),
                graph.name);
  if (features.task == Task::classification && loss_value(graph, features.task) == graph.outputs[0])
    return fail(ErrorCode::unsupported, "a classifier must end in softmax", graph.nodes.back().name);
  return {};
}

Outcome check_options(const TrainOptions& options, const Features& features) {
  const auto check = [](bool ok, std::string_view name, auto value, std::string_view range) -> Outcome {
    if (ok) return {};
    return fail(ErrorCode::usage, fmt::format("{} is not {}", value, range), fmt::format("train.{}", name));
  };
  const auto names = optimizer_names();
  if (std::ranges::find(names, options.optimizer) == names.end())
    return fail(ErrorCode::usage, fmt::format("optimizer \"{}\" is not known", options.optimizer), "train.optimizer",
                name_hint(options.optimizer, names));
  THIMBLE_TRY(check(options.epochs >= 1, "epochs", options.epochs, "1 or more"));
  THIMBLE_TRY(check(options.batch >= 1, "batch", options.batch, "1 or more"));
  THIMBLE_TRY(check(options.learning_rate > 0, "learning_rate", options.learning_rate, "above 0"));
  THIMBLE_TRY(check(options.final_learning_rate >= 0, "final_learning_rate", options.final_learning_rate, "0 or more"));
  THIMBLE_TRY(check(options.warmup_epochs >= 0, "warmup_epochs", options.warmup_epochs, "0 or more"));
  THIMBLE_TRY(check(options.label_smoothing >= 0 && options.label_smoothing < 1, "label_smoothing",
                    options.label_smoothing, "in 0 ... 1"));
  THIMBLE_TRY(check(options.momentum >= 0 && options.momentum < 1, "momentum", options.momentum, "in 0 ... 1"));
  THIMBLE_TRY(check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "0 or more"));
  const AugmentOptions& augment = options.augment;
  for (const auto& [name, value] : {std::pair{"shift_frames", augment.shift_frames},
                                    {"shift_bands", augment.shift_bands},
                                    {"time_mask_frames", augment.time_mask_frames},
                                    {"band_mask", augment.band_mask}})
    THIMBLE_TRY(check(value >= 0 && value <= features.feature_count(), fmt::format("augment.{}", name), value,
                      "0 or more and within the features"));
  for (const auto& [name, value] :
       {std::pair{"gain", augment.gain}, {"mixup", augment.mixup}, {"noise", augment.noise}})
    THIMBLE_TRY(check(value >= 0, fmt::format("augment.{}", name), value, "0 or more"));
  return {};
}

// Outputs [indices.size(), outputs] in batches of the executor; the last batch is filled up with its first sample.
std::vector<float> run_batches(Executor& executor, const Graph& graph, const Features& features,
                               std::span<const size_t> indices) {
  const auto batch = static_cast<size_t>(executor.batch());
  const auto input = executor.value(graph.inputs[0]), output = executor.value(graph.outputs[0]);
  const size_t input_width = input.size() / batch, output_width = output.size() / batch;
  std::vector<float> outputs(indices.size() * output_width);
  for (size_t begin = 0; begin < indices.size(); begin += batch) {
    const size_t count = std::min(batch, indices.size() - begin);
    for (size_t row = 0; row < batch; ++row)
      std::ranges::transform(features.sample(indices[row < count ? begin + row : begin]),
                             input.begin() + static_cast<ptrdiff_t>(row * input_width),
                             [&](int16_t q) { return features.normalized(q); });
    executor.forward(false, 0);
    std::copy_n(output.begin(), count * output_width, outputs.begin() + static_cast<ptrdiff_t>(begin * output_width));
  }
  return outputs;
}

struct Score {
  double loss = 0, accuracy = 0;
};

// Cross-entropy and accuracy of probabilities, or squared error.
Score score_outputs(const Features& features, std::span<const size_t> indices, std::span<const float> outputs) {
  Score score;
  const auto width = static_cast<size_t>(target_width(features));
  for (size_t row = 0; row < indices.size(); ++row) {
    const auto output = outputs.subspan(row * width, width);
    if (features.task == Task::classification) {
      const auto label = static_cast<size_t>(features.labels[indices[row]]);
      score.loss -= std::log(std::max(output[label], 1e-7f));
      score.accuracy += static_cast<size_t>(std::ranges::max_element(output) - output.begin()) == label;
    } else {
      for (size_t i = 0; i < width; ++i) {
        const double difference = output[i] - features.targets[indices[row] * width + i];
        score.loss += difference * difference / static_cast<double>(width);
      }
    }
  }
  const auto count = static_cast<double>(std::max<size_t>(1, indices.size()));
  return {score.loss / count, score.accuracy / count};
}

class Training {
 public:
  static Result<TrainedModel> run(Graph graph, const Features& features, const TrainOptions& options,
                                  Progress& progress);

 private:
  Training(Graph& graph, const Features& features, const TrainOptions& options, Progress& progress)
      : graph_(graph), features_(features), options_(options), progress_(progress) {}
  Outcome prepare();
  Outcome resume();
  Outcome train_epoch();
  Outcome train_step(std::span<const size_t> batch, int64_t step, EpochLog& log);
  Outcome finish_epoch(EpochLog& log);
  tl::unexpected<Error> diverged(double loss, int64_t step) const;
  bool out_of_patience() const;

  Graph& graph_;
  const Features& features_;
  const TrainOptions& options_;
  Progress& progress_;
  std::vector<size_t> train_, validation_;  // sample indices
  int64_t batch_ = 0, steps_ = 0;           // samples a step, steps an epoch
  ValueId loss_at_ = kNoValue;
  std::optional<Executor> executor_;
  std::optional<Optimizer> optimizer_;
  std::vector<float> targets_;  // [batch, width]
  std::string fingerprint_;
  TrainState state_;
};

Outcome Training::prepare() {
  THIMBLE_TRY(check_model(graph_, features_));
  THIMBLE_TRY(check_options(options_, features_));
  train_ = indices_of(features_, Split::train);
  validation_ = indices_of(features_, Split::validation);
  if (train_.empty())
    return fail(ErrorCode::bad_data, "no sample is in the training split", {}, "split the data first");
  batch_ = std::min<int64_t>(options_.batch, static_cast<int64_t>(train_.size()));
  steps_ = static_cast<int64_t>(train_.size()) / batch_;
  loss_at_ = loss_value(graph_, features_.task);
  THIMBLE_LET(executor_, Executor::make(graph_, batch_, loss_at_));
  targets_.resize(static_cast<size_t>(batch_ * target_width(features_)));
  std::vector<Optimizer::Parameter> parameters;
  for (size_t i = 0; i < graph_.values.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (graph_.values[i].trainable && !executor_->gradient(id).empty())
      parameters.push_back({executor_->value(id), executor_->gradient(id), graph_.values[i].type.shape.size() > 1});
  }
  optimizer_.emplace(std::move(parameters), options_);
  const std::vector<float> initial = constants_of(graph_);
  const std::span bytes(reinterpret_cast<const uint8_t*>(initial.data()), initial.size() * sizeof(float));
  fingerprint_ = content_hash(graph_to_json(graph_).dump() + nlohmann::json(options_).dump() + features_.hash +
                              content_hash(bytes));
  return options_.resume && !options_.checkpoint.empty() ? resume() : Outcome{};
}

Outcome Training::resume() {
  THIMBLE_LET(std::optional<TrainState> found, load_checkpoint(fingerprint_, options_.checkpoint));
  if (!found) {
    if (std::filesystem::exists(options_.checkpoint))
      progress_.note(fmt::format("{} is of another model, data or options: starting from the first epoch",
                                 options_.checkpoint.string()));
    return {};
  }
  if (found->optimizer.size() != optimizer_->state().size())
    return fail(ErrorCode::bad_data, "the optimiser's state has the wrong size", options_.checkpoint.string());
  THIMBLE_TRY(set_constants(graph_, found->weights));
  std::ranges::copy(found->optimizer, optimizer_->state().begin());
  state_ = std::move(*found);
  progress_.note(fmt::format("going on after epoch {} of {}", state_.epoch, options_.epochs));
  return {};
}

tl::unexpected<Error> Training::diverged(double loss, int64_t step) const {
  return fail(ErrorCode::diverged,
              fmt::format("the loss became {} in epoch {}, step {} of {}", loss, state_.epoch + 1, step + 1, steps_),
              graph_.name,
              fmt::format("lower the learning rate (now {}), lengthen the warm-up (now {} epochs), or look for values "
                          "in the data that are out of proportion",
                          options_.learning_rate, options_.warmup_epochs));
}

Outcome Training::train_step(std::span<const size_t> batch, int64_t step, EpochLog& log) {
  const auto epoch = static_cast<uint64_t>(state_.epoch);
  const auto input = executor_->value(graph_.inputs[0]);
  const size_t input_width = input.size() / batch.size(), target_count = targets_.size() / batch.size();
  parallel_for(static_cast<int64_t>(batch.size()), [&](int64_t row) {
    const auto r = static_cast<size_t>(row);
    draw_example(
        features_, options_, train_, epoch, batch[r],
        {input.subspan(r * input_width, input_width), std::span(targets_).subspan(r * target_count, target_count)});
  });
  const int64_t global_step = static_cast<int64_t>(epoch) * steps_ + step;
  executor_->forward(true, mix64(options_.seed ^ mix64(static_cast<uint64_t>(global_step))));
  const auto outputs = executor_->value(loss_at_), gradient = executor_->gradient(loss_at_);
  double loss = 0;
  if (features_.task == Task::classification) {
    loss = softmax_cross_entropy(outputs, targets_, target_width(features_), gradient);
    log.train_accuracy +=
        static_cast<double>(count_correct(outputs, targets_, target_width(features_))) / static_cast<double>(batch_);
  } else {
    loss = mean_squared_error(outputs, targets_, gradient);
  }
  if (!std::isfinite(loss)) return diverged(loss, step);
  log.train_loss += loss;
  log.learning_rate = scheduled_learning_rate(options_, global_step, steps_);
  executor_->zero_gradients();
  executor_->backward();
  optimizer_->step(global_step + 1, log.learning_rate);
  return {};
}

std::string describe(const EpochLog& log, int epochs, Task task, bool validated) {
  const bool classifies = task == Task::classification;
  std::string text = fmt::format("epoch {}/{}  loss {:.4f}", log.epoch, epochs, log.train_loss);
  if (classifies) text += fmt::format("  accuracy {:.3f}", log.train_accuracy);
  if (validated) text += fmt::format("  validation loss {:.4f}", log.validation_loss);
  if (validated && classifies) text += fmt::format("  accuracy {:.3f}", log.validation_accuracy);
  return fmt::format("{}  {:.0f} samples/s  {:.1f} s", text, log.samples_per_s, log.seconds);
}

Outcome Training::train_epoch() {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<size_t> order = train_;
  Rng({options_.seed, static_cast<uint64_t>(state_.epoch)}).shuffle(order);
  EpochLog log{.epoch = state_.epoch + 1};
  for (int64_t step = 0; step < steps_; ++step) {
    THIMBLE_TRY(check_stop());
    THIMBLE_TRY(train_step(std::span(order).subspan(static_cast<size_t>(step * batch_), static_cast<size_t>(batch_)),
                           step, log));
    const auto done = static_cast<double>(step + 1);
    log.samples_per_s = done * static_cast<double>(batch_) / std::max(1e-9, seconds_since(begin));
    std::string detail = fmt::format("epoch {}/{}  loss {:.4f}", log.epoch, options_.epochs, log.train_loss / done);
    if (features_.task == Task::classification) detail += fmt::format("  accuracy {:.3f}", log.train_accuracy / done);
    progress_.update(state_.epoch * steps_ + step + 1, fmt::format("{}  {:.0f} samples/s", detail, log.samples_per_s));
  }
  log.train_loss /= static_cast<double>(steps_);
  log.train_accuracy /= static_cast<double>(steps_);
  THIMBLE_TRY(finish_epoch(log));
  log.seconds = seconds_since(begin);
  // Ten lines or so, however long the training.
  if (log.epoch % std::max(1, options_.epochs / 10) == 0 || log.epoch == options_.epochs)
    progress_.note(describe(log, options_.epochs, features_.task, !validation_.empty()));
  state_.log.push_back(log);
  ++state_.epoch;
  return {};
}

// Validation, and whether this epoch is the best so far.
Outcome Training::finish_epoch(EpochLog& log) {
  if (validation_.empty()) return {};
  const Score score = score_outputs(features_, validation_, run_batches(*executor_, graph_, features_, validation_));
  if (!std::isfinite(score.loss)) return diverged(score.loss, steps_ - 1);
  log.validation_loss = score.loss;
  log.validation_accuracy = score.accuracy;
  if (state_.best_epoch == 0 || score.loss < state_.best_loss) {
    state_.best_loss = score.loss;
    state_.best_epoch = log.epoch;
    state_.best_weights = constants_of(graph_);
  }
  return {};
}

bool Training::out_of_patience() const {
  return options_.patience > 0 && state_.best_epoch > 0 && state_.epoch - state_.best_epoch >= options_.patience;
}

Result<TrainedModel> Training::run(Graph graph, const Features& features, const TrainOptions& options,
                                   Progress& progress) {
  graph = deep_copy(graph);
  Training training(graph, features, options, progress);
  THIMBLE_TRY(training.prepare());
  TrainState& state = training.state_;
  progress.begin("training", options.epochs * training.steps_);
  while (state.epoch < options.epochs && !training.out_of_patience()) {
    THIMBLE_TRY(training.train_epoch());
    if (options.checkpoint.empty()) continue;
    state.weights = constants_of(graph);
    state.optimizer.assign(training.optimizer_->state().begin(), training.optimizer_->state().end());
    THIMBLE_TRY(save_checkpoint(state, training.fingerprint_, options.checkpoint));
  }
  if (training.out_of_patience()) progress.note(fmt::format("stopped early: epoch {} was the best", state.best_epoch));
  progress.end(fmt::format("{} epochs, {} parameters", state.epoch, count_parameters(graph)));
  if (options.keep_best && state.best_epoch > 0) THIMBLE_TRY(set_constants(graph, state.best_weights));
  const std::vector<float> weights = constants_of(graph);
  const std::span bytes(reinterpret_cast<const uint8_t*>(weights.data()), weights.size() * sizeof(float));
  TrainedModel model{.task = features.task,
                     .classes = features.classes,
                     .signal = features.signal.config,
                     .feature_mean = features.feature_mean,
                     .feature_std = features.feature_std,
                     .log = std::move(state.log),
                     .options = options};
  model.hash = content_hash(training.fingerprint_ + content_hash(bytes));
  model.graph = std::move(graph);
  return model;
}

}  // namespace

Result<TrainedModel> train_model(Graph graph, const Features& features, const TrainOptions& options,
                                 Progress& progress) {
  return Training::run(std::move(graph), features, options, progress);
}

std::vector<float> predict(const Graph& graph, const Features& features, std::span<const size_t> indices) {
  constexpr int64_t kBatch = 64;
  Graph view = graph;  // shares the constants, which a forward pass outside training leaves alone
  if (indices.empty()) return {};
  Executor executor = Executor::make(view, std::min<int64_t>(kBatch, static_cast<int64_t>(indices.size()))).value();
  return run_batches(executor, view, features, indices);
}

}  // namespace thimble
