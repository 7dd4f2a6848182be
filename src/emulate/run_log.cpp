#include "emulate/run_log.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "device/base/status.h"
#include "device/runtime/stream_format.h"

namespace thimble {

namespace {

using device::RecordKind;

struct StatusText {
  uint32_t number;
  const char *name, *cause, *remedy;
};
constexpr StatusText kStatusTexts[] = {
#define THIMBLE_STATUS(name, number, cause, remedy) {number, #name, cause, remedy},
#include "device/base/status.def"
#undef THIMBLE_STATUS
};

StatusText text_of(uint32_t status) {
  for (const StatusText& text : kStatusTexts)
    if (text.number == status) return text;
  return {status, "unknown", "a status that thimble does not know", "build the firmware again"};
}

void put_bytes(std::vector<uint8_t>& bytes, std::span<const uint8_t> more) {
  const size_t before = bytes.size();
  bytes.resize(before + more.size());
  if (!more.empty()) std::memcpy(bytes.data() + before, more.data(), more.size());
}

template <class Record>
void put(std::vector<uint8_t>& bytes, const Record& record) {
  put_bytes(bytes, {reinterpret_cast<const uint8_t*>(&record), sizeof(Record)});
}

template <class Record>
bool take(std::span<const uint8_t>& bytes, Record& record) {
  if (bytes.size() < sizeof(Record)) return false;
  std::memcpy(&record, bytes.data(), sizeof(Record));
  bytes = bytes.subspan(sizeof(Record));
  return true;
}

device::StreamHeader stream_header(device::StreamKind kind, uint64_t items, uint64_t item_bytes) {
  return {device::kStreamMagic, device::kStreamVersion, static_cast<uint32_t>(kind), static_cast<uint32_t>(items),
          static_cast<uint32_t>(item_bytes)};
}

// Takes record after record into a log.
class Decoder {
 public:
  explicit Decoder(int64_t ticks_per_second) : ticks_per_second_(ticks_per_second) {}

  bool record(RecordKind kind, std::span<const uint8_t> payload) {
    switch (kind) {
      case RecordKind::outputs:
        return outputs(payload);
      case RecordKind::features:
        return features(payload);
      case RecordKind::inference:
        return inference(payload);
      case RecordKind::recording_end:
        return recording_end(payload);
      case RecordKind::summary:
        return take(payload, summary) && payload.empty() && (ended = true);
    }
    return false;
  }

  RunLog log;
  device::SummaryRecord summary = {};
  bool ended = false;

 private:
  int64_t instructions(uint64_t ticks) const { return instructions_of(ticks, ticks_per_second_); }

  bool outputs(std::span<const uint8_t> payload) {
    device::OutputsRecord record;
    if (!take(payload, record)) return false;
    log.tensors.push_back({{payload.begin(), payload.end()}, instructions(record.model_ticks)});
    return true;
  }
  bool features(std::span<const uint8_t> payload) {
    const size_t before = open_.features.size();
    open_.features.resize(before + payload.size() / sizeof(int16_t));
    if (!payload.empty()) std::memcpy(open_.features.data() + before, payload.data(), payload.size());
    return payload.size() % sizeof(int16_t) == 0;
  }
  bool inference(std::span<const uint8_t> payload) {
    device::InferenceRecord r;
    if (!take(payload, r)) return false;
    open_.inferences.push_back({r.time_ms,
                                instructions(r.dsp_ticks),
                                instructions(r.model_ticks),
                                r.winner,
                                r.score,
                                r.actuators,
                                r.pwm_per_mille,
                                {payload.begin(), payload.end()}});
    return true;
  }
  bool recording_end(std::span<const uint8_t> payload) {
    device::RecordingRecord record;
    if (!take(payload, record) || record.inferences != open_.inferences.size()) return false;
    log.recordings.push_back(std::move(open_));
    open_ = {};
    return true;
  }

  int64_t ticks_per_second_;
  RecordingRun open_;
};

Result<RunLog> finished(Decoder& decoder) {
  const device::SummaryRecord& summary = decoder.summary;
  if (summary.status != 0) {
    const StatusText text = text_of(summary.status);
    return fail(ErrorCode::tool_failed,
                fmt::format("the firmware stopped after {} items: {}", summary.items, text.cause), text.name,
                text.remedy);
  }
  if (summary.items != decoder.log.tensors.size() + decoder.log.recordings.size())
    return fail(ErrorCode::bad_data, fmt::format("the firmware announced {} items and recorded {}", summary.items,
                                                 decoder.log.tensors.size() + decoder.log.recordings.size()));
  decoder.log.stack_used_bytes = summary.stack_used_bytes;
  decoder.log.clamped_features = static_cast<int64_t>(summary.clamped_features);
  decoder.log.init_status = text_of(summary.init_status).name;
  return std::move(decoder.log);
}

template <class T>
int64_t differing(std::span<const T> a, std::span<const T> b) {
  const auto left = std::as_bytes(a), right = std::as_bytes(b);
  const size_t both = std::min(left.size(), right.size());
  auto count = static_cast<int64_t>(std::max(left.size(), right.size()) - both);
  for (size_t i = 0; i < both; ++i) count += left[i] != right[i];
  return count;
}

int64_t differing_run(const TensorRun& a, const TensorRun& b) { return differing<uint8_t>(a.outputs, b.outputs); }

int64_t differing_run(const InferenceRun& a, const InferenceRun& b) {
  const auto decision = [](const InferenceRun& run) {
    return std::array<int64_t, 5>{run.time_ms, run.winner, run.score, run.actuators, run.pwm_per_mille};
  };
  return differing<uint8_t>(a.outputs, b.outputs) + differing<int64_t>(decision(a), decision(b));
}

int64_t differing_run(const RecordingRun& a, const RecordingRun& b);

template <class Run>
int64_t differing_runs(const std::vector<Run>& a, const std::vector<Run>& b) {
  int64_t count = 0;
  const Run none = {};
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i)
    count += differing_run(i < a.size() ? a[i] : none, i < b.size() ? b[i] : none);
  return count;
}

int64_t differing_run(const RecordingRun& a, const RecordingRun& b) {
  return differing<int16_t>(a.features, b.features) + differing_runs(a.inferences, b.inferences);
}

}  // namespace

int64_t instructions_of(uint64_t ticks, int64_t ticks_per_second) {
  if (ticks_per_second <= 0) return 0;
  const auto rate = static_cast<uint64_t>(ticks_per_second);
  constexpr uint64_t kPerSecond = 1000000000;
  // Whole seconds apart, so that long runs do not overflow.
  return static_cast<int64_t>(ticks / rate * kPerSecond + (ticks % rate * kPerSecond + rate / 2) / rate);
}

void append(RunLog& log, RunLog&& later) {
  const double offset = static_cast<double>(log.instructions) * 1e-9;
  for (const PinEvent& event : later.pins) log.pins.push_back({event.seconds + offset, event.actuators});
  std::ranges::move(later.tensors, std::back_inserter(log.tensors));
  std::ranges::move(later.recordings, std::back_inserter(log.recordings));
  log.stack_used_bytes = std::max(log.stack_used_bytes, later.stack_used_bytes);
  log.clamped_features += later.clamped_features;
  log.instructions += later.instructions;
  log.init_status = later.init_status;
  log.console += later.console;
}

int64_t differing_bytes(const RunLog& a, const RunLog& b) {
  return differing_runs(a.tensors, b.tensors) + differing_runs(a.recordings, b.recordings);
}

std::vector<uint8_t> encode_tensors(std::span<const uint8_t> inputs, int64_t item_bytes, bool sequence) {
  std::vector<uint8_t> bytes;
  const auto size = static_cast<uint64_t>(item_bytes);
  const auto kind = sequence ? device::StreamKind::sequence : device::StreamKind::tensors;
  put(bytes, stream_header(kind, size ? inputs.size() / size : 0, size));
  put_bytes(bytes, inputs);
  return bytes;
}

std::vector<uint8_t> encode_recordings(std::span<const std::vector<int16_t>> recordings, int channels) {
  std::vector<uint8_t> bytes;
  put(bytes, stream_header(device::StreamKind::recordings, recordings.size(),
                           static_cast<uint64_t>(channels) * sizeof(int16_t)));
  for (const std::vector<int16_t>& samples : recordings) {
    const auto moments = static_cast<uint32_t>(samples.size() / static_cast<size_t>(channels));
    put(bytes, device::RecordingHeader{moments});
    const auto* from = reinterpret_cast<const uint8_t*>(samples.data());
    put_bytes(bytes, {from, size_t{moments} * static_cast<size_t>(channels) * sizeof(int16_t)});
  }
  return bytes;
}

Result<RunLog> decode_results(std::span<const uint8_t> bytes, int64_t ticks_per_second) {
  const auto broken = [&](std::string message) {
    return fail(ErrorCode::bad_data, "the firmware's records " + message, "",
                "see the console log of the run for what it said");
  };
  device::StreamHeader header;
  // Firmware that refuses its model or its input writes the summary and nothing else.
  const bool opened = bytes.size() >= sizeof(header) && std::memcmp(bytes.data(), &device::kStreamMagic, 4) == 0;
  if (opened) take(bytes, header);
  Decoder decoder(ticks_per_second);
  while (!bytes.empty() && !decoder.ended) {
    device::RecordHeader record;
    if (!take(bytes, record) || record.bytes > bytes.size()) return broken("end inside a record");
    if (!decoder.record(static_cast<RecordKind>(record.kind), bytes.first(record.bytes)))
      return broken(fmt::format("hold one of kind {} with {} bytes that breaks the format", record.kind, record.bytes));
    bytes = bytes.subspan(record.bytes);
  }
  if (!decoder.ended) return broken("end without a summary");
  decoder.log.instructions = instructions_of(decoder.summary.ticks, ticks_per_second);
  return finished(decoder);
}

}  // namespace thimble
