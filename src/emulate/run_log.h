// What a run on a board gave, and how that is read from the bytes the firmware wrote (device/runtime/stream_format.h).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "emulate/pin_trace.h"

namespace thimble {

struct TensorRun {
  std::vector<uint8_t> outputs;  // of all output tensors, one after the other
  int64_t instructions = 0;
};

struct InferenceRun {
  int64_t time_ms = 0;  // in the recording
  int64_t dsp_instructions = 0;
  int64_t model_instructions = 0;
  int winner = -1;  // class decided
  int score = 0;    // its averaged score * 256
  uint32_t actuators = 0;
  int pwm_per_mille = 0;
  std::vector<uint8_t> outputs;
};

struct RecordingRun {
  std::vector<int16_t> features;  // of all frames, one after the other
  std::vector<InferenceRun> inferences;
};

struct RunLog {
  std::vector<TensorRun> tensors;
  std::vector<RecordingRun> recordings;
  int64_t stack_used_bytes = 0;    // 0 on the host
  int64_t clamped_features = 0;    // that did not fit the model's input
  int64_t instructions = 0;        // of the whole run; 0 on the host
  std::string init_status = "ok";  // what the board's start-up answered
  std::string console;             // what people read on the board's UART
  std::vector<PinEvent> pins;      // as the emulator saw them
  double seconds = 0;              // of real time
};

// Appends the log of the items that come after.
void append(RunLog& log, RunLog&& later);

// Bytes of features, outputs and decisions in which two runs of the same items differ; a missing item differs in all
// its bytes.
int64_t differing_bytes(const RunLog& a, const RunLog& b);

// The input of one run: samples.bin.
std::vector<uint8_t> encode_tensors(std::span<const uint8_t> inputs, int64_t item_bytes, bool sequence);
std::vector<uint8_t> encode_recordings(std::span<const std::vector<int16_t>> recordings, int channels);

// Reads the firmware's records. ticks_per_second = 0: the records carry no time. Errors: bad_data (records that break
// the format, or end without a summary), tool_failed (the firmware stopped with a status: its cause and remedy).
Result<RunLog> decode_results(std::span<const uint8_t> bytes, int64_t ticks_per_second);

// One instruction is one nanosecond of the emulator's virtual time.
int64_t instructions_of(uint64_t ticks, int64_t ticks_per_second);

}  // namespace thimble
