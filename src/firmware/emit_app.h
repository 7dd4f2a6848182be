// app_model.h: what the applications of device/app know of the model and its stream, under names that are the same for
// every model.
#pragma once
#include "firmware/emit_model.h"
#include "firmware/stream_spec.h"

namespace thimble {

std::string app_model_text(const EmittedModel& model, const Plan& plan, const std::optional<StreamSpec>& stream);

}  // namespace thimble
