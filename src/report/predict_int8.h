// What a quantised model answers, computed on the host with the device's own arithmetic from the int16 features on.
#pragma once
#include <span>
#include <vector>

#include "quantize/quantize.h"

namespace thimble {

// Model outputs [count, outputs] of chosen samples as real numbers, from the int8 outputs; same form as predict() of
// the float graph. On all cores. Errors: those of make_plan; bad_data when the features do not fit the model.
Result<std::vector<float>> predict_int8(const QuantizedModel& model, const Features& features,
                                        std::span<const size_t> indices);

}  // namespace thimble
