#include "project/workspace.h"

#include <array>
#include <set>

#include "data/dataset_file.h"
#include "data/import.h"
#include "data/sine.h"
#include "data/speak.h"
#include "data/split.h"
#include "firmware/board.h"
#include "graph/passes/prepare_for_device.h"
#include "train/features.h"

namespace thimble {

namespace {

// One line: what there is, and how much of it is in which part.
std::string describe(const Dataset& dataset) {
  std::array<int64_t, 3> samples = {};
  std::array<std::set<std::string>, 3> groups;
  double seconds = 0;
  for (const Sample& sample : dataset.samples) {
    ++samples[static_cast<size_t>(sample.split)];
    if (!sample.group.empty()) groups[static_cast<size_t>(sample.split)].insert(sample.group);
    seconds += sample.duration_s;
  }
  std::string text = fmt::format("data: {} samples", dataset.samples.size());
  if (!dataset.classes.empty())
    text += fmt::format(" of {} classes ({})", dataset.classes.size(), fmt::join(dataset.classes, ", "));
  if (seconds > 0) text += fmt::format(", {:.0f} min", seconds / 60);
  text += fmt::format("; train {}, validation {}, test {}", samples[0], samples[1], samples[2]);
  if (!groups[0].empty())
    text += fmt::format(", of {}, {} and {} groups", groups[0].size(), groups[1].size(), groups[2].size());
  return text;
}

// A stage's artefact is current when the key beside it is the one its settings give.
bool is_current(const Path& artefact, const std::string& key) {
  const auto kept = read_text(artefact.string() + ".key");
  return kept && *kept == key && std::filesystem::exists(artefact);
}
Outcome mark_current(const Path& artefact, const std::string& key) {
  return write_text(artefact.string() + ".key", key);
}

}  // namespace

std::string Workspace::data_key() const {
  const DataConfig& d = project_.data;
  const ImportOptions& i = d.import;
  return content_hash(fmt::format(
      "{} {} {} {} {} {} {} | {} {} {} {} {} | {} {} | {} {} {} {} {} {} {} {} | {}", d.kind, d.source.string(),
      d.train, d.validation, d.test, fmt::join(d.validation_groups, ","), fmt::join(d.test_groups, ","),
      fmt::join(d.speech.words, ","), fmt::join(d.speech.unknown_words, ","), d.speech.silence,
      d.speech.clips_per_class, d.speech.voices, d.rows, d.noise, i.sample_rate_hz, i.channels, i.pattern,
      fmt::join(i.inputs, ","), fmt::join(i.targets, ","), i.label, i.group, i.value_scale, project_.seed));
}

Result<Dataset> Workspace::make_dataset() {
  const DataConfig& config = project_.data;
  const Path source = config.source.is_absolute() ? config.source : project_.folder / config.source;
  if (config.kind == "speech") {
    SpeakOptions options = config.speech;
    if (config.import.sample_rate_hz > 0) options.sample_rate_hz = config.import.sample_rate_hz;
    options.seed = project_.seed;
    THIMBLE_TRY(speak_keywords(source, options, progress_));
  }
  if (config.kind == "sine") THIMBLE_TRY(write_sine_table(source, config.rows, config.noise, project_.seed));
  THIMBLE_LET(Dataset dataset, import_dataset(source, config.import, progress_));
  return split_dataset(std::move(dataset), {.validation = config.validation,
                                            .test = config.test,
                                            .validation_groups = config.validation_groups,
                                            .test_groups = config.test_groups,
                                            .seed = project_.seed});
}

Result<const Dataset*> Workspace::dataset() {
  if (dataset_) return dataset_.get();
  const Path file = project_.out("dataset.json");
  // Recordings of the user's own may change at any time, so only what was made here is taken from the list on disk.
  const bool made_here = project_.data.kind == "speech";
  if (made_here && is_current(file, data_key())) {
    if (auto kept = load_dataset(file)) {
      dataset_ = std::make_unique<Dataset>(std::move(*kept));
      progress_.note(describe(*dataset_));
      return dataset_.get();
    }
  }
  THIMBLE_LET(Dataset dataset, make_dataset());
  THIMBLE_TRY(save_dataset(dataset, file));
  THIMBLE_TRY(mark_current(file, data_key()));
  dataset_ = std::make_unique<Dataset>(std::move(dataset));
  progress_.note(describe(*dataset_));
  return dataset_.get();
}

Result<const Features*> Workspace::features() {
  if (features_) return features_.get();
  THIMBLE_LET(const Dataset* dataset, this->dataset());
  SignalConfig config = project_.signal;
  config.sample_rate_hz = dataset->sample_rate_hz;
  config.channels = dataset->channels;
  config.value_scale = dataset->value_scale;
  THIMBLE_LET(const Signal signal, make_signal(config));
  THIMBLE_LET(Features features, compute_features(*dataset, signal, {.speeds = project_.speeds}, progress_));
  features_ = std::make_unique<Features>(std::move(features));
  return features_.get();
}

std::string Workspace::training_key(const Features& features) const {
  const TrainOptions& t = project_.train;
  const AugmentOptions& a = t.augment;
  std::string settings;
  for (const auto& [name, value] : project_.model.settings.all()) settings += name + "=" + to_string(value) + " ";
  return content_hash(fmt::format("{} {} {} | {} {} {} {} {} {} {} {} {} {} {} {} | {} {} {} {} {} {} {}",
                                  features.hash, project_.model.name, settings, t.epochs, t.batch, t.optimizer,
                                  t.learning_rate, t.final_learning_rate, t.warmup_epochs, t.momentum, t.weight_decay,
                                  t.label_smoothing, t.patience, t.keep_best, t.seed, a.shift_frames, a.shift_bands,
                                  a.time_mask_frames, a.band_mask, a.gain, a.mixup, a.noise));
}

Result<const TrainedModel*> Workspace::trained() {
  if (trained_) return trained_.get();
  THIMBLE_LET(const Features* features, this->features());
  const Path file = project_.out("model.thimble");
  if (!is_current(file, training_key(*features)))
    return fail(
        ErrorCode::not_found,
        std::filesystem::exists(file) ? "the trained model is of other data or settings" : "no trained model yet",
        file.string(), "train it: thimble train");
  THIMBLE_LET(TrainedModel model, load_model(file));
  trained_ = std::make_unique<TrainedModel>(std::move(model));
  return trained_.get();
}

Result<const TrainedModel*> Workspace::train(bool fresh) {
  THIMBLE_LET(const Features* features, this->features());
  const Path file = project_.out("model.thimble");
  const std::string key = training_key(*features);
  if (!fresh && is_current(file, key)) {
    progress_.note("the model is already trained for these settings (thimble train --fresh trains anew)");
    return trained();
  }
  ArchitectureOptions architecture = project_.model;
  architecture.input = features->signal.input_shape();
  architecture.classification = features->task == Task::classification;
  architecture.outputs =
      architecture.classification ? static_cast<int>(features->classes.size()) : features->target_count;
  THIMBLE_LET(Graph graph, make_architecture(architecture));
  TrainOptions options = project_.train;
  options.checkpoint = project_.out("checkpoint-" + key + ".bin");
  options.resume = !fresh;
  THIMBLE_LET(TrainedModel model, train_model(std::move(graph), *features, options, progress_));
  THIMBLE_TRY(save_model(model, file));
  THIMBLE_TRY(mark_current(file, key));
  std::error_code ignored;
  std::filesystem::remove(options.checkpoint, ignored);
  trained_ = std::make_unique<TrainedModel>(std::move(model));
  return trained_.get();
}

Result<const QuantizedModel*> Workspace::quantized() {
  if (quantized_) return quantized_.get();
  THIMBLE_LET(const TrainedModel* model, trained());
  THIMBLE_LET(const Features* features, this->features());
  THIMBLE_LET(QuantizedModel quantized, quantize_model(*model, *features, project_.quantize, progress_));
  quantized.graph.name = project_.name;
  quantized_ = std::make_unique<QuantizedModel>(std::move(quantized));
  return quantized_.get();
}

Result<const Plan*> Workspace::plan() {
  if (plan_) return plan_.get();
  THIMBLE_LET(const QuantizedModel* model, quantized());
  THIMBLE_LET(const Graph graph, prepare_for_device(model->graph));
  // For the core of the project's board; other cores and this computer get the same bytes from the same kernels.
  THIMBLE_LET(const Board board, load_board(project_.deploy.board));
  THIMBLE_LET(Plan plan, make_plan(graph, {.isa = board.isa, .signal_fingerprint = model->signal_fingerprint}));
  plan.model = project_.name;
  plan_ = std::make_unique<Plan>(std::move(plan));
  return plan_.get();
}

}  // namespace thimble
