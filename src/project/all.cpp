#include <chrono>
#include <cmath>

#include "project/steps.h"

namespace thimble {

Result<AllResult> run_all(Workspace& workspace, const Board& board, bool full) {
  const auto start = std::chrono::steady_clock::now();
  AllResult result;
  THIMBLE_TRY(workspace.train(false));
  THIMBLE_LET(result.conversion, convert(workspace));
  THIMBLE_TRY(compile_library(workspace));
  THIMBLE_LET(result.run, run_on_board(workspace, board, full));
  const BoardRun& run = result.run;
  THIMBLE_LET(result.report, write_report(workspace, result.conversion.float_test, result.conversion.int8_test, &run));
  if (!run.same_as_host())
    return fail(ErrorCode::internal,
                fmt::format("{} of {} bytes differ between host and {}{}", run.differing_bytes, run.compared_bytes,
                            board.id, run.pins_as_decided ? "" : ", and its pins did not follow the decisions"),
                result.report.string(), "this is a bug in thimble");
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

nlohmann::json to_json(const AllResult& result) {
  const BoardRun& run = result.run;
  const Conversion& conversion = result.conversion;
  nlohmann::json json = {
      {"accuracy",
       {{"float", quality(run.float_host)},
        {"int8_host", quality(run.int8_host)},
        {"int8_device", quality(run.int8_device)}}},
      {"accuracy_full", {{"float", quality(conversion.float_test)}, {"int8_host", quality(conversion.int8_test)}}},
      {"clips_on_device", run.rows.size()},
      {"differing_bytes", run.differing_bytes},
      {"instructions", {{"dsp", std::llround(run.dsp_instructions)}, {"model", std::llround(run.model_instructions)}}},
      {"flash_bytes", run.image ? run.image->sizes.flash : 0},
      {"ram_bytes", run.image ? run.image->sizes.ram : 0},
      {"stack_bytes", run.log.stack_used_bytes},
      {"seconds", result.seconds},
      {"board", run.board.id},
      {"report", result.report.string()}};
  if (run.int8_device.classification) json["decisions_right"] = run.decisions_right;
  if (run.int8_device.regression)
    json["error"] = {{"float", to_json(run.float_host)},
                     {"int8_host", to_json(run.int8_host)},
                     {"int8_device", to_json(run.int8_device)}};
  return json;
}

}  // namespace thimble
