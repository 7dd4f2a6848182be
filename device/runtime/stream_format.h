// What flows through port_read and port_write: samples to the firmware, records back. The only description of it; host
// and device include this file. Little-endian, packed back to back without padding.
//
//   to the device:    StreamHeader | items, each: tensors, sequence = the input bytes; recordings = RecordingHeader +
//   interleaved
//                     int16 samples
//   from the device:  StreamHeader | (RecordHeader + payload)... | RecordHeader + SummaryRecord
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

constexpr uint32_t kStreamMagic = 0x4D525453;  // "STRM"
constexpr uint32_t kStreamVersion = 1;

// tensors: each item begins with the model's first state; sequence: state goes on from one to the next.
enum class StreamKind : uint32_t { tensors = 1, recordings = 2, sequence = 3 };

struct StreamHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t kind;        // StreamKind
  uint32_t items;       // how many there are
  uint32_t item_bytes;  // to: of all inputs, or of a moment; from: of all outputs
};

struct RecordingHeader {
  uint32_t moments;  // samples per channel
};

enum class RecordKind : uint32_t { outputs = 1, features = 2, inference = 3, recording_end = 4, summary = 5 };

struct RecordHeader {
  uint32_t kind;   // RecordKind
  uint32_t bytes;  // that follow
};

// outputs: one inference on tensors. Followed by the bytes of all outputs.
struct OutputsRecord {
  uint64_t model_ticks;
};

// features: one frame's int16 features, nothing else.

// inference: one inference in a stream. Followed by the model's output.
struct InferenceRecord {
  int64_t time_ms;     // in the recording
  uint64_t dsp_ticks;  // features since the inference before
  uint64_t model_ticks;
  int32_t winner;      // class decided, or -1
  int32_t score;       // its averaged score * 256
  uint32_t actuators;  // bits that are on
  int32_t pwm_per_mille;
};

// recording_end: closes a recording.
struct RecordingRecord {
  uint32_t inferences;
  uint32_t frames;
};

// summary: the last record.
struct SummaryRecord {
  uint32_t status;       // device Status of the run
  uint32_t init_status;  // what port_init answered
  uint32_t items;        // processed
  uint32_t stack_used_bytes;
  uint64_t ticks;  // since start
  // Streams only, over all recordings.
  uint64_t clamped_features;  // that did not fit the model's input
  uint32_t inferences, undecided;
  int32_t score_min, score_max, score_mean;  // of winners
  uint32_t reserved;
};

}  // namespace device
}  // namespace thimble
