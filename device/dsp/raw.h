// Samples as they are: for tables and slow sensors.
#pragma once
#include "device/base/params.h"

namespace thimble {
namespace device {

THIMBLE_PARAMS(RawParams, count);

// samples, features [count].
inline void raw_s16(const RawParams& p, const int16_t* samples, int16_t* features) {
  for (int32_t i = 0; i < p.count; ++i) features[i] = samples[i];
}

}  // namespace device
}  // namespace thimble
