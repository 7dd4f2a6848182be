#include <cstring>

#include "emulate/batches.h"
#include "emulate/runner.h"
#include "plan/session.h"

namespace thimble {

namespace {

constexpr size_t kLeastItems = 4;

// runtime/stream_app.h over memory. No clock, no pins: a host has none that mean anything.
struct MemoryIo {
  std::span<const uint8_t> in;
  std::vector<uint8_t> out;
  std::string text;

  int32_t read(void* buffer, int32_t bytes) {
    const size_t count = std::min(static_cast<size_t>(bytes), in.size());
    if (count > 0) std::memcpy(buffer, in.data(), count);
    in = in.subspan(count);
    return static_cast<int32_t>(count);
  }
  void write(const void* buffer, int32_t bytes) {
    const auto* from = static_cast<const uint8_t*>(buffer);
    out.insert(out.end(), from, from + bytes);
  }
  uint64_t ticks() { return 0; }
  void pins(uint32_t) {}
  void pwm(int32_t) {}
  void console(const char* line, int32_t length) { text.append(line, static_cast<size_t>(length)); }
};

// The model of device/runtime/pipeline.h on a session.
struct SessionModel {
  const Signal& signal;
  Session& session;

  void features(const int16_t* frame, int16_t* to) {
    const auto samples = static_cast<size_t>(signal.frame_samples * signal.config.channels);
    compute_frame(signal, {frame, samples}, {to, static_cast<size_t>(signal.features)});
  }
  int8_t* input() { return reinterpret_cast<int8_t*>(session.input().data()); }
  const int8_t* output() { return reinterpret_cast<const int8_t*>(session.output().data()); }
  void reset() { session.reset(); }
  void invoke() { session.invoke(); }
};

class HostRunner : public Runner {
 public:
  explicit HostRunner(const FirmwareSpec& spec) : spec_(spec) {}

  Result<RunLog> run_tensors(std::span<const uint8_t> inputs, Progress& progress, bool sequence) override {
    THIMBLE_LET(const int64_t item_bytes, bytes_per_item(spec_.plan, inputs.size()));
    const auto size = static_cast<size_t>(item_bytes);
    return run_batches(
        inputs.size() / size, sequence ? inputs.size() / size : kLeastItems, "running on this computer", progress,
        [&](const Batch& batch) { return tensors(inputs.subspan(batch.first * size, batch.count * size), sequence); });
  }

  Result<RunLog> run_recordings(std::span<const std::vector<int16_t>> recordings, Progress& progress) override {
    if (!spec_.stream) return fail(ErrorCode::internal, "recordings need a signal", spec_.plan.model);
    return run_batches(recordings.size(), kLeastItems, "running on this computer", progress,
                       [&](const Batch& batch) { return stream(recordings.subspan(batch.first, batch.count)); });
  }

 private:
  Result<RunLog> tensors(std::span<const uint8_t> inputs, bool sequence) const {
    THIMBLE_LET(Session session, Session::make(spec_.plan));
    RunLog log;
    while (!inputs.empty()) {
      THIMBLE_TRY(check_stop());
      if (!sequence) session.reset();
      for (size_t i = 0; i < spec_.plan.inputs.size(); ++i) {
        const std::span<uint8_t> to = session.input(i);
        std::memcpy(to.data(), inputs.data(), to.size());
        inputs = inputs.subspan(to.size());
      }
      session.invoke();
      TensorRun run;
      for (size_t i = 0; i < spec_.plan.outputs.size(); ++i) {
        const std::span<const uint8_t> from = session.output(i);
        run.outputs.insert(run.outputs.end(), from.begin(), from.end());
      }
      log.tensors.push_back(std::move(run));
    }
    return log;
  }

  Result<RunLog> stream(std::span<const std::vector<int16_t>> recordings) const {
    THIMBLE_LET(Session session, Session::make(spec_.plan));
    const StreamSpec& stream = *spec_.stream;
    const device::PipelineConfig& config = stream.pipeline;
    std::vector<const char*> names;
    for (const std::string& name : stream.classes) names.push_back(name.c_str());
    device::DecisionConfig decision = stream.decision.value_or(device::DecisionConfig{});
    decision.actuators = stream.actuators.data();
    const device::ActuationConfig actuation = {stream.decision ? &decision : nullptr, names.data(), stream.outputs,
                                               stream.pwm_low, stream.pwm_high};

    std::vector<int16_t> frame(static_cast<size_t>(config.frame_samples * config.channels)),
        features(static_cast<size_t>(config.features));
    std::vector<int8_t> window(static_cast<size_t>(config.frames * config.features));
    int16_t chunk[device::kChunkSamples];
    const std::vector<uint8_t> input = encode_recordings(recordings, config.channels);
    MemoryIo io{.in = input, .out = {}, .text = {}};
    SessionModel model{stream.signal, session};
    device::SummaryRecord summary = {};
    const device::Status status = device::run_recordings(
        io, model, config, actuation, {frame.data(), features.data(), window.data()}, chunk, summary);
    summary.status = static_cast<uint32_t>(status);
    device::write_record(io, device::RecordKind::summary, summary);
    THIMBLE_LET(RunLog log, decode_results(io.out, 0));
    log.console = std::move(io.text);
    return log;
  }

  FirmwareSpec spec_;
};

}  // namespace

Result<std::unique_ptr<Runner>> make_host_runner(const FirmwareSpec& spec) {
  THIMBLE_TRY(Session::make(spec.plan));
  return std::make_unique<HostRunner>(spec);
}

}  // namespace thimble
