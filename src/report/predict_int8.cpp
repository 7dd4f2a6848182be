#include "report/predict_int8.h"

#include <algorithm>

#include "core/threads.h"
#include "plan/session.h"

namespace thimble {

Result<std::vector<float>> predict_int8(const QuantizedModel& model, const Features& features,
                                        std::span<const size_t> indices) {
  THIMBLE_LET(const Plan plan, make_plan(model.graph, {.signal_fingerprint = model.signal_fingerprint}));
  if (plan.inputs.size() != 1 || plan.outputs.size() != 1 || plan.inputs[0].bytes != features.feature_count())
    return fail(ErrorCode::bad_data,
                fmt::format("the features are {}, which is not the model's input", to_string(features.sample_shape)),
                model.graph.name, "compute the features with the signal settings the model was trained with");
  const auto outputs = static_cast<size_t>(plan.outputs[0].bytes);
  const size_t chunks = std::min(indices.size(), static_cast<size_t>(thread_count()));
  std::vector<Session> sessions;
  for (size_t chunk = 0; chunk < chunks; ++chunk) {
    THIMBLE_LET(Session session, Session::make(plan));
    sessions.push_back(std::move(session));
  }
  std::vector<float> predictions(indices.size() * outputs);
  parallel_for(static_cast<int64_t>(chunks), [&](int64_t chunk) {
    Session& session = sessions[static_cast<size_t>(chunk)];
    for (size_t row = static_cast<size_t>(chunk); row < indices.size(); row += chunks) {
      const auto input = quantize_features(model.input, features.sample(indices[row]));
      std::ranges::copy(input, session.input().begin());
      session.reset();
      session.invoke();
      const auto bytes = session.output();
      const auto reals =
          dequantize({reinterpret_cast<const int8_t*>(bytes.data()), bytes.size()}, plan.outputs[0].quantization);
      std::ranges::copy(reals, predictions.begin() + static_cast<std::ptrdiff_t>(row * outputs));
    }
  });
  return predictions;
}

}  // namespace thimble
