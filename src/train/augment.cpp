#include "train/augment.h"

#include <algorithm>
#include <cmath>

#include "core/rng.h"

namespace thimble {

namespace {

// Whole number in [-limit, limit].
int64_t draw_offset(Rng& rng, int limit) {
  return static_cast<int64_t>(rng.below(2 * static_cast<uint64_t>(limit) + 1)) - limit;
}

// A run of `count` positions: [first, second).
std::pair<int64_t, int64_t> draw_run(Rng& rng, int longest, int64_t count) {
  const auto length = static_cast<int64_t>(rng.below(static_cast<uint64_t>(std::min<int64_t>(longest, count)) + 1));
  const auto begin = static_cast<int64_t>(rng.below(static_cast<uint64_t>(count - length) + 1));
  return {begin, begin + length};
}

// Beta(alpha, alpha) for alpha <= 1 and near it: Johnk 1964.
double draw_beta(Rng& rng, double alpha) {
  for (;;) {
    const double x = std::pow(rng.uniform(), 1 / alpha), y = std::pow(rng.uniform(), 1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

// A log-mel feature, log2(1 + energy / floor), of a sound with so many times the power: silence stays silence.
float amplified(int16_t feature, double feature_scale, float power) {
  if (feature <= 0) return feature;
  const auto scale = static_cast<float>(feature_scale);
  return std::log2(1 + (std::exp2(scale * feature) - 1) * power) / scale;
}

void draw_input(const Features& features, const AugmentOptions& augment, size_t index, Rng& rng,
                std::span<float> input) {
  const std::span<const int16_t> source = features.sample(index);
  const int64_t frames = std::max(1, features.signal.frames);
  const int64_t bands = features.feature_count() / frames;
  // What leaves on one side is replaced by the outermost frame, or band, of the other.
  const int64_t shift = draw_offset(rng, augment.shift_frames), band_shift = draw_offset(rng, augment.shift_bands);
  const auto power = static_cast<float>(std::exp2(rng.uniform(-augment.gain, augment.gain)));
  for (int64_t frame = 0; frame < frames; ++frame) {
    const int64_t from = std::clamp<int64_t>(frame - shift, 0, frames - 1);
    for (int64_t band = 0; band < bands; ++band) {
      const int64_t from_band = std::clamp<int64_t>(band - band_shift, 0, bands - 1);
      const int16_t feature = source[static_cast<size_t>(from * bands + from_band)];
      input[static_cast<size_t>(frame * bands + band)] =
          features.normalized(augment.gain > 0 ? amplified(feature, features.signal.feature_scale, power) : feature);
    }
  }
  if (augment.noise > 0)
    for (float& value : input) value += static_cast<float>(augment.noise * rng.normal());
  // Zero is the mean of normalised features.
  const auto [frame_begin, frame_end] = draw_run(rng, augment.time_mask_frames, frames);
  std::fill(input.begin() + frame_begin * bands, input.begin() + frame_end * bands, 0.0f);
  const auto [band_begin, band_end] = draw_run(rng, augment.band_mask, bands);
  for (int64_t frame = 0; frame < frames; ++frame)
    std::fill(input.begin() + frame * bands + band_begin, input.begin() + frame * bands + band_end, 0.0f);
}

void write_target(const Features& features, size_t index, std::span<float> target) {
  if (features.task == Task::regression) {
    std::copy_n(features.targets.begin() + static_cast<int64_t>(index * target.size()), target.size(), target.begin());
    return;
  }
  std::ranges::fill(target, 0.0f);
  target[static_cast<size_t>(features.labels[index])] = 1;
}

}  // namespace

void draw_example(const Features& features, const TrainOptions& options, std::span<const size_t> partners,
                  uint64_t epoch, size_t index, const Example& example) {
  Rng rng({options.seed, epoch, index});
  draw_input(features, options.augment, index, rng, example.input);
  write_target(features, index, example.target);
  if (options.augment.mixup > 0) {
    const size_t partner = partners[rng.below(partners.size())];
    const auto share = static_cast<float>(draw_beta(rng, options.augment.mixup));
    thread_local std::vector<float> input, target;
    input.resize(example.input.size());
    target.resize(example.target.size());
    draw_input(features, options.augment, partner, rng, input);
    write_target(features, partner, target);
    const auto mix = [share](float a, float b) { return share * a + (1 - share) * b; };
    std::ranges::transform(example.input, input, example.input.begin(), mix);
    std::ranges::transform(example.target, target, example.target.begin(), mix);
  }
  if (features.task == Task::classification && options.label_smoothing > 0) {
    const auto smoothing = static_cast<float>(options.label_smoothing);
    for (float& value : example.target)
      value = (1 - smoothing) * value + smoothing / static_cast<float>(example.target.size());
  }
}

}  // namespace thimble
