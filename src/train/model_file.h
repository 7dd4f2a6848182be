// What model files and checkpoints have in common: graphs, options and logs as JSON.
#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "train/train.h"

namespace thimble {

nlohmann::json graph_to_json(const Graph& graph);  // without the constants' numbers

// How nlohmann::json converts our types, found by their names. Reading throws nlohmann::json::exception for members
// that are missing or of another type.
void to_json(nlohmann::json& json, const Attrs& attrs);
void from_json(const nlohmann::json& json, Attrs& attrs);
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SignalConfig, block, sample_rate_hz, channels, window_ms, value_scale, settings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AugmentOptions, shift_frames, shift_bands, time_mask_frames, band_mask, gain, mixup,
                                   noise)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainOptions, epochs, batch, optimizer, learning_rate, final_learning_rate,
                                   warmup_epochs, momentum, weight_decay, label_smoothing, patience, keep_best, augment,
                                   seed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EpochLog, epoch, learning_rate, train_loss, train_accuracy, validation_loss,
                                   validation_accuracy, seconds, samples_per_s)

// Numbers of all constants, in the order of values; and back. Errors: bad_data when the count differs.
std::vector<float> constants_of(const Graph& graph);
Outcome set_constants(Graph& graph, std::span<const float> numbers);

}  // namespace thimble
