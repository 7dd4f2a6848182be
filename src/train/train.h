// Training: a float32 graph, an optimiser and a dataset's features become a TrainedModel. Seeded: the same seed gives
// the same model, whether or not it was interrupted and resumed.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/progress.h"
#include "graph/graph.h"
#include "train/features.h"

namespace thimble {

// Augmentation in the feature domain (SpecAugment, Park et al. 2019; shift and gain), drawn per sample and epoch.
struct AugmentOptions {
  int shift_frames = 0;      // at most, either way
  int shift_bands = 0;       // at most, either way: other voices' pitch and vocal tract
  int time_mask_frames = 0;  // longest run of frames replaced by the mean
  int band_mask = 0;         // widest run of features replaced by the mean
  double gain = 0;           // log_mel only: at most so many doublings of power, either way
  double mixup = 0;          // alpha of mixup (Zhang et al. 2018); 0 = off
  double noise = 0;          // standard deviation of Gaussian noise added, in units of the feature's own deviation
};

struct TrainOptions {
  int epochs = 20;
  int batch = 64;
  std::string optimizer = "adam";  // adam (decoupled weight decay), sgd (with momentum)
  double learning_rate = 0.002;    // top of the cosine schedule
  double final_learning_rate = 0;  // its end
  double warmup_epochs = 1;
  double momentum = 0.9;
  double weight_decay = 1e-4;
  double label_smoothing = 0;
  int patience = 0;       // epochs without a better validation loss before stopping; 0 = never
  bool keep_best = true;  // weights of the best validation epoch, else of the last
  AugmentOptions augment;
  uint64_t seed = 1;
  Path checkpoint;      // written after every epoch; empty = none
  bool resume = false;  // go on from checkpoint if it is there and fits
};

struct EpochLog {
  int epoch = 0;  // from 1
  double learning_rate = 0;
  double train_loss = 0, train_accuracy = 0;  // accuracy is 0 for regression
  double validation_loss = 0, validation_accuracy = 0;
  double seconds = 0, samples_per_s = 0;
};

struct TrainedModel {
  Graph graph;  // float32, batch 1, with batch_norm and dropout still in it; ends in softmax for classification
  Task task = Task::classification;
  std::vector<std::string> classes;
  SignalConfig signal;
  float feature_mean = 0, feature_std = 1;  // the graph's input is normalised: see Features
  std::vector<EpochLog> log;
  TrainOptions options;
  std::string hash;  // of weights, graph and features
};

// Trains on the training split, watching the validation split (or nothing, when that is empty). The graph's input is
// the normalised features. Errors: diverged (NaN loss: epoch, step and what to try), bad_data, cancelled (the last
// checkpoint stays), io.
Result<TrainedModel> train_model(Graph graph, const Features& features, const TrainOptions& options,
                                 Progress& progress);

// Model outputs [count, outputs] of a float graph for chosen samples. Batch is chosen inside; deterministic. The graph
// must be one that trains or came from one that did; features must be normalised as its were (Features::feature_mean,
// feature_std).
std::vector<float> predict(const Graph& graph, const Features& features, std::span<const size_t> indices);

// A trained model as one file, and back.
Outcome save_model(const TrainedModel& model, const Path& path);
Result<TrainedModel> load_model(const Path& path);

}  // namespace thimble
