#include "quantize/imported.h"

#include <algorithm>

#include "graph/op_spec.h"
#include "quantize/calibrate.h"

namespace thimble {

namespace {

Outcome check_is_real(const Graph& graph) {
  for (const Value& value : graph.values)
    if (!value.quantization.empty())
      return fail(ErrorCode::unsupported,
                  fmt::format("{} is quantised already ({})", value.name, name_of(value.type.dtype)), graph.name,
                  "give the float32 model that it was made from");
  return {};
}

// Shows every float32 value that flows, sample by sample.
SampleRun run_of(Interpreter& interpreter, const Samples& samples, int64_t count, Progress& progress) {
  return [&interpreter, &samples, count, &progress](std::string_view title, const ValueVisitor& visit) -> Outcome {
    const Graph& graph = interpreter.graph();
    interpreter.reset();
    progress.begin(title, count);
    for (int64_t s = 0; s < count; ++s) {
      THIMBLE_TRY(check_stop());
      THIMBLE_TRY(set_inputs(interpreter, samples, s));
      THIMBLE_TRY(interpreter.run());
      const auto show = [&](ValueId id) -> Outcome {
        if (graph[id].type.dtype != DType::f32 || graph[id].constant) return {};
        return visit(id, real_values(graph[id], std::as_const(interpreter).value(id)));
      };
      for (ValueId id : graph.inputs) THIMBLE_TRY(show(id));
      for (const Node& node : graph.nodes)
        for (ValueId id : node.outputs) THIMBLE_TRY(show(id));
      progress.update(s + 1, "");
    }
    progress.end(fmt::format("{} samples", count));
    return {};
  };
}

}  // namespace

Result<QuantizedGraph> quantize_graph(const Graph& graph, const Samples& samples, const QuantizeOptions& options,
                                      Progress& progress) {
  THIMBLE_TRY(check_options(options));
  THIMBLE_TRY(check_is_real(graph));
  QuantizedGraph result;
  THIMBLE_LET(result.float_graph, fold_for_inference(graph));
  THIMBLE_LET(Interpreter interpreter, Interpreter::make(result.float_graph));
  const int64_t count = std::min<int64_t>(samples.count, options.calibration_samples);
  THIMBLE_LET(const std::vector<Observation> observations,
              observe(result.float_graph, run_of(interpreter, samples, count, progress)));
  THIMBLE_LET(result.graph, make_int8_graph(result.float_graph, ranges_of(result.float_graph, observations, options)));
  for (const Node& node : result.graph.nodes)
    if (!node.op->quantize && node.op->name != "quantize" && node.op->name != "dequantize")
      result.float_layers.push_back(node.name);
  return result;
}

}  // namespace thimble
