// The two applications behind port_read and port_write, for any model and any way to read and write: the firmware of a
// board and the host's own run are both this code, so what they record can be compared byte for byte.
//
// Io has: int32_t read(void*, int32_t bytes); void write(const void*, int32_t bytes); uint64_t ticks(); void
// pins(uint32_t); void pwm(int32_t per_mille); void console(const char*, int32_t length).
#pragma once
#include "device/base/status.h"
#include "device/runtime/console_text.h"
#include "device/runtime/pipeline.h"
#include "device/runtime/stream_format.h"
#include "device/stats/run_stats.h"

namespace thimble {
namespace device {

template <class Payload, class Io>
void write_record(Io& io, RecordKind kind, const Payload& payload, int32_t bytes_behind = 0) {
  const RecordHeader header = {static_cast<uint32_t>(kind),
                               static_cast<uint32_t>(sizeof(Payload)) + static_cast<uint32_t>(bytes_behind)};
  io.write(&header, sizeof(header));
  io.write(&payload, sizeof(payload));
}

// Reads the stream's header and answers it with one of our own.
template <class Io>
Status open_stream(Io& io, StreamKind kind, int32_t item_bytes, int32_t output_bytes, StreamHeader& header) {
  if (io.read(&header, sizeof(header)) != static_cast<int32_t>(sizeof(header))) return Status::input_ended;
  if (header.magic != kStreamMagic) return Status::bad_magic;
  if (header.version != kStreamVersion) return Status::bad_version;
  const bool known = header.kind == static_cast<uint32_t>(kind) ||
                     (kind == StreamKind::tensors && header.kind == static_cast<uint32_t>(StreamKind::sequence));
  if (!known || header.item_bytes != static_cast<uint32_t>(item_bytes)) return Status::bad_layout;
  StreamHeader answer = header;
  answer.item_bytes = static_cast<uint32_t>(output_bytes);
  io.write(&answer, sizeof(answer));
  return Status::ok;
}

// A tensor in the arena.
struct ArenaPort {
  uint32_t offset;
  int32_t bytes;
};
struct ArenaPorts {
  const ArenaPort* ports;
  int32_t count;

  int32_t bytes() const {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; ++i) sum += ports[i].bytes;
    return sum;
  }
};

// Input tensors in; output tensors and the time of each inference out.
// Model has void reset() and void invoke().
template <class Io, class Model>
Status run_tensors(Io& io, Model& model, uint8_t* arena, const ArenaPorts& inputs, const ArenaPorts& outputs,
                   SummaryRecord& summary) {
  StreamHeader header;
  const Status opened = open_stream(io, StreamKind::tensors, inputs.bytes(), outputs.bytes(), header);
  if (opened != Status::ok) return opened;
  const bool sequence = header.kind == static_cast<uint32_t>(StreamKind::sequence);
  for (; summary.items < header.items; ++summary.items) {
    if (!sequence || summary.items == 0) model.reset();
    for (int32_t i = 0; i < inputs.count; ++i)
      if (io.read(arena + inputs.ports[i].offset, inputs.ports[i].bytes) != inputs.ports[i].bytes)
        return Status::input_short;
    const uint64_t begin = io.ticks();
    model.invoke();
    const OutputsRecord record = {io.ticks() - begin};
    write_record(io, RecordKind::outputs, record, outputs.bytes());
    for (int32_t i = 0; i < outputs.count; ++i) io.write(arena + outputs.ports[i].offset, outputs.ports[i].bytes);
  }
  return Status::ok;
}

// What a stream does with its model's outputs.
struct ActuationConfig {
  const DecisionConfig* decision;  // null: no classes, the first output drives the PWM
  const char* const* class_names;  // [classes]
  int32_t outputs;                 // int8 numbers of the model's output
  int32_t pwm_low, pwm_high;       // without classes: outputs that stand for 0 and 1000 per mille
};

// Takes what the pipeline tells, acts on it and records it.
template <class Io>
class RecordingSink : public PipelineSink {
 public:
  RecordingSink(Io& io, const PipelineConfig& pipeline, const ActuationConfig& actuation)
      : io_(io), pipeline_(pipeline), actuation_(actuation) {
    stats_.reset();
  }

  void begin_recording() {
    recording_ = RecordingRecord{0, 0};
    dsp_ticks_ = 0;
    last_winner_ = -1;
    begin_ = io_.ticks();  // parts this change of the pins from that of the last decision, in a trace of both
    io_.pins(0);
  }
  void end_recording() { write_record(io_, RecordKind::recording_end, recording_); }

  void before_features() { begin_ = io_.ticks(); }
  void after_features(const int16_t* features, int32_t clamped) {
    dsp_ticks_ += io_.ticks() - begin_;
    ++recording_.frames;
    stats_.add_frame(pipeline_.features, clamped);
    const RecordHeader header = {static_cast<uint32_t>(RecordKind::features),
                                 static_cast<uint32_t>(pipeline_.features) * 2};
    io_.write(&header, sizeof(header));
    io_.write(features, pipeline_.features * 2);
  }
  void before_model(const int8_t*) { begin_ = io_.ticks(); }
  void after_model(const int8_t*) { model_ticks_ = io_.ticks() - begin_; }

  void on_inference(const int8_t* output, const Decision& decision, int64_t time_ms) {
    const int32_t duty = actuation_.decision ? 0 : duty_of(output[0]);
    ++recording_.inferences;
    stats_.add_inference(decision.winner, decision.score);
    act(output[0], decision, duty, time_ms);
    const InferenceRecord record = {time_ms,        dsp_ticks_,         model_ticks_, decision.winner,
                                    decision.score, decision.actuators, duty};
    write_record(io_, RecordKind::inference, record, actuation_.outputs);
    io_.write(output, actuation_.outputs);
    dsp_ticks_ = 0;
  }

  void fill(SummaryRecord& summary) const {
    summary.clamped_features = stats_.clamped_features;
    summary.inferences = stats_.inferences;
    summary.undecided = stats_.undecided;
    summary.score_min = stats_.scores.min;
    summary.score_max = stats_.scores.max;
    summary.score_mean = stats_.scores.mean();
  }

 private:
  int32_t duty_of(int32_t output) const {
    return clamp((output - actuation_.pwm_low) * 1000 / (actuation_.pwm_high - actuation_.pwm_low), 0, 1000);
  }

  void act(int8_t first_output, const Decision& decision, int32_t duty, int64_t time_ms) {
    ConsoleText text;
    text.add("at ").add(static_cast<int32_t>(time_ms)).add(" ms: ");
    if (!actuation_.decision) {
      io_.pwm(duty);
      text.add("output ").add(first_output).add(", pwm ").add(duty).add(" of 1000\n");
    } else {
      if (decision.winner == last_winner_) return;
      last_winner_ = decision.winner;
      io_.pins(decision.actuators);
      text.add(decision.winner < 0 ? "-" : actuation_.class_names[decision.winner]).add("\n");
    }
    io_.console(text.data(), text.length());
  }

  Io& io_;
  const PipelineConfig& pipeline_;
  const ActuationConfig& actuation_;
  RunStats<kMaxClasses> stats_;
  RecordingRecord recording_ = {0, 0};
  uint64_t begin_ = 0, dsp_ticks_ = 0, model_ticks_ = 0;
  int32_t last_winner_ = -1;
};

constexpr int32_t kChunkSamples = 1024;

// Recordings in; features, outputs and decisions out. Every recording starts from silence. Model: see pipeline.h.
template <class Io, class Model>
Status run_recordings(Io& io, Model& model, const PipelineConfig& config, const ActuationConfig& actuation,
                      const PipelineMemory& memory, int16_t (&chunk)[kChunkSamples], SummaryRecord& summary) {
  StreamHeader header;
  const int32_t moment_bytes = config.channels * 2;
  const Status opened = open_stream(io, StreamKind::recordings, moment_bytes, actuation.outputs, header);
  if (opened != Status::ok) return opened;
  Pipeline<Model> pipeline(config, actuation.decision, memory, model);
  RecordingSink<Io> sink(io, config, actuation);
  const int32_t chunk_moments = kChunkSamples / config.channels;
  for (; summary.items < header.items; ++summary.items) {
    RecordingHeader recording;
    if (io.read(&recording, sizeof(recording)) != static_cast<int32_t>(sizeof(recording))) return Status::input_ended;
    pipeline.reset();
    sink.begin_recording();
    for (uint32_t left = recording.moments; left > 0;) {
      const int32_t moments = left < static_cast<uint32_t>(chunk_moments) ? static_cast<int32_t>(left) : chunk_moments;
      if (io.read(chunk, moments * moment_bytes) != moments * moment_bytes) return Status::input_short;
      pipeline.push(chunk, moments, sink);
      left -= static_cast<uint32_t>(moments);
    }
    sink.end_recording();
  }
  sink.fill(summary);
  return Status::ok;
}

}  // namespace device
}  // namespace thimble
