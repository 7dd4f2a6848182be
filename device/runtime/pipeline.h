// From a stream of samples to decisions: samples -> frames -> features -> the model's int8 input window -> every stride
// an inference -> a decision. The same code runs on the host and on the device, and gives the same bytes however the
// stream is cut into pieces. The stream counts as preceded by silence, so that the window at any time holds what the
// host's compute_features() gives for everything heard so far.
#pragma once
#include "device/base/fixed_point.h"
#include "device/runtime/decision.h"

namespace thimble {
namespace device {

// A moment is one sample of every channel, interleaved.
struct PipelineConfig {
  int32_t sample_rate_hz;  // moments per second; 0 (tables) counts a moment as a millisecond
  int32_t channels;
  int32_t frame_samples;   // moments of a frame
  int32_t hop_samples;     // moments from frame to frame
  int32_t frames;          // of the model's input
  int32_t features;        // of a frame
  int32_t stride_samples;  // moments from inference to inference; takes effect at the ends of frames
  int32_t warmup_samples;  // moments before the first inference; what the window then lacks is silence
  int32_t input_multiplier, input_shift, input_zero_point;  // int16 feature -> int8 input
};

// Memory, supplied by the caller.
struct PipelineMemory {
  int16_t* frame;     // [frame_samples * channels]
  int16_t* features;  // [features]
  int8_t* window;     // [frames * features]
};

// What a sink may learn; a sink derives from this and hides what it needs. The before/after pairs enclose nothing but
// the work.
struct PipelineSink {
  void before_features() {}
  void after_features(const int16_t* features, int32_t clamped) { (void)features, (void)clamped; }
  void before_model(const int8_t* input) { (void)input; }  // the model may overwrite its input
  void after_model(const int8_t* output) { (void)output; }
  void on_inference(const int8_t* output, const Decision& decision, int64_t time_ms) {
    (void)output, (void)decision, (void)time_ms;
  }
};

// Model has (static or not): void features(const int16_t* frame, int16_t* features); int8_t* input(); const int8_t*
// output(); void reset(), which forgets its state; void invoke().
template <class Model>
class Pipeline {
 public:
  // decision: null for models that do not classify. The configurations must outlive the pipeline.
  Pipeline(const PipelineConfig& config, const DecisionConfig* decision, const PipelineMemory& memory, Model& model)
      : config_(config), decision_config_(decision), memory_(memory), model_(model) {
    reset();
  }

  // Silence from the beginning of time.
  void reset() {
    for (int32_t i = 0; i < config_.frame_samples * config_.channels; ++i) memory_.frame[i] = 0;
    model_.features(memory_.frame, memory_.features);
    oldest_ = 0;
    for (int32_t frame = 0; frame < config_.frames; ++frame) add_to_window();
    // Frames end at frame_samples + k * hop_samples for every k that is not before the start, negative ones too.
    filled_ = config_.frame_samples - 1 - (config_.frame_samples - 1) % config_.hop_samples;
    skip_ = 0;
    moments_ = 0;
    next_inference_ = config_.warmup_samples;
    device::reset(decision_);
    model_.reset();
  }

  // The next samples of the stream: [moments, channels].
  template <class Sink>
  void push(const int16_t* samples, int32_t moments, Sink& sink) {
    while (moments > 0) {
      const int32_t wanted = skip_ > 0 ? skip_ : config_.frame_samples - filled_;
      const int32_t taken = moments < wanted ? moments : wanted;
      if (skip_ > 0) {
        skip_ -= taken;
      } else {
        int16_t* to = memory_.frame + filled_ * config_.channels;
        for (int32_t i = 0; i < taken * config_.channels; ++i) to[i] = samples[i];
        filled_ += taken;
      }
      samples += taken * config_.channels;
      moments -= taken;
      moments_ += taken;
      if (filled_ == config_.frame_samples) finish_frame(sink);
    }
  }

  int64_t time_ms() const { return config_.sample_rate_hz > 0 ? moments_ * 1000 / config_.sample_rate_hz : moments_; }

 private:
  template <class Sink>
  void finish_frame(Sink& sink) {
    sink.before_features();
    model_.features(memory_.frame, memory_.features);
    const int32_t clamped = add_to_window();
    sink.after_features(memory_.features, clamped);

    const int32_t hop = config_.hop_samples, kept = hop < config_.frame_samples ? config_.frame_samples - hop : 0;
    const int16_t* from = memory_.frame + hop * config_.channels;
    for (int32_t i = 0; i < kept * config_.channels; ++i) memory_.frame[i] = from[i];
    filled_ = kept;
    skip_ = hop - (config_.frame_samples - kept);

    if (moments_ >= next_inference_) infer(sink);
  }

  // The newest features take the oldest ones' place. Returns how many did not fit int8.
  int32_t add_to_window() {
    int8_t* row = memory_.window + oldest_ * config_.features;
    int32_t clamped = 0;
    for (int32_t i = 0; i < config_.features; ++i) {
      const int32_t value =
          requantize(memory_.features[i], config_.input_multiplier, config_.input_shift) + config_.input_zero_point;
      row[i] = static_cast<int8_t>(clamp(value, -128, 127));
      clamped += row[i] != value;
    }
    oldest_ = oldest_ + 1 < config_.frames ? oldest_ + 1 : 0;
    return clamped;
  }

  template <class Sink>
  void infer(Sink& sink) {
    do next_inference_ += config_.stride_samples;
    while (next_inference_ <= moments_);
    int8_t* input = model_.input();
    const int32_t bytes = config_.frames * config_.features, first = oldest_ * config_.features;
    for (int32_t i = first; i < bytes; ++i) *input++ = memory_.window[i];
    for (int32_t i = 0; i < first; ++i) *input++ = memory_.window[i];

    sink.before_model(model_.input());
    model_.invoke();
    sink.after_model(model_.output());
    Decision decision = {-1, 0, 0};
    if (decision_config_) decision = decide(*decision_config_, decision_, model_.output(), time_ms());
    sink.on_inference(model_.output(), decision, time_ms());
  }

  const PipelineConfig& config_;
  const DecisionConfig* decision_config_;
  PipelineMemory memory_;
  Model& model_;
  int32_t filled_;          // moments in frame
  int32_t skip_;            // moments to drop, where frames do not touch
  int32_t oldest_;          // frame of the window to replace next
  int64_t moments_;         // since reset
  int64_t next_inference_;  // in moments
  DecisionState decision_;
};

}  // namespace device
}  // namespace thimble
