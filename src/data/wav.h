// WAV files: PCM sound in and out. Not a codec: compressed and floating-point files are refused with the command that
// converts them. Format: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991),
// chapter 3.
#pragma once
#include <string_view>

#include "data/dataset.h"

namespace thimble {

// What the header of a WAV file promises.
struct WavInfo {
  int sample_rate_hz = 0;
  int channels = 0;
  int64_t frames = 0;  // moments in time, each of all channels

  double duration_s() const { return sample_rate_hz > 0 ? static_cast<double>(frames) / sample_rate_hz : 0; }
};

// Reads the header only. Errors: not_found; bad_data for what is not a WAV, has no sound, or is shorter than its header
// promises; unsupported for content other than PCM. All name the file and what to do.
Result<WavInfo> read_wav_info(const Path& path);

// The whole sound as 16 bits; 8, 24 and 32 bits are converted. Errors as above.
Result<Recording> read_wav(const Path& path);

// The same from memory, for sound that comes through a pipe: sizes in the header that were never filled in are taken as
// "to the end". name stands for the file in errors.
Result<Recording> parse_streamed_wav(std::string_view bytes, std::string_view name);

// Checks a recording's rate and channels against what is wanted. Errors: bad_data with the command that converts the
// file.
Outcome check_format(const Path& path, int rate_hz, int channels, int wanted_rate_hz, int wanted_channels);

// 16-bit PCM, written atomically. Errors: io.
Outcome write_wav(const Path& path, const Recording& recording);

}  // namespace thimble
