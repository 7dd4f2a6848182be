#include "data/dataset.h"

#include <cmath>

#include "data/resample.h"
#include "data/wav.h"

namespace thimble {

std::string_view name_of(Split split) {
  constexpr std::string_view kNames[] = {"train", "validation", "test"};
  return kNames[static_cast<size_t>(split)];
}

Result<Recording> load_recording(const Dataset& dataset, const Sample& sample) {
  if (sample.values.empty()) {
    const Path path = dataset.root / sample.path;
    THIMBLE_LET(Recording recording, read_wav(path));
    THIMBLE_TRY(
        check_format(path, recording.sample_rate_hz, recording.channels, dataset.sample_rate_hz, dataset.channels));
    return recording;
  }
  if (!(dataset.value_scale > 0))
    return fail(ErrorCode::bad_data, fmt::format("value_scale is {}, expected a number above 0", dataset.value_scale),
                sample.path, "set value_scale: one int16 step as a real number");
  Recording row{0, static_cast<int>(sample.values.size()), {}};
  for (float value : sample.values) row.samples.push_back(to_int16(value / dataset.value_scale));
  return row;
}

std::vector<size_t> indices_of(const Dataset& dataset, Split split) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < dataset.samples.size(); ++i)
    if (dataset.samples[i].split == split) indices.push_back(i);
  return indices;
}

}  // namespace thimble
