#include "project/model_bench.h"

#include "core/rng.h"
#include "report/table.h"

namespace thimble {

Result<ModelBench> bench_model(const ModelFile& model, const Board& board, const DeployOptions& deploy,
                               Progress& progress) {
  if (board.is_host())
    return fail(ErrorCode::unsupported, "the host has no instruction counter", board.id,
                "name an emulated board: thimble boards");
  THIMBLE_LET(const LoadedModel loaded, load_for_device(model, plan_options(board, deploy), deploy.streaming));
  const Plan& plan = loaded.plan;
  FirmwareSpec spec{.app = App::bench, .plan = plan, .form = deploy.form};
  THIMBLE_LET(const FirmwareImage image,
              build_firmware(spec, board, firmware_cache(loaded.hash, board, deploy, spec.app)));
  spec.app = App::tensor;
  THIMBLE_LET(const auto runner, make_runner(spec, board, firmware_cache(loaded.hash, board, deploy, spec.app)));
  std::vector<uint8_t> input;
  Rng rng{1};
  for (const PlanPort& port : plan.inputs)
    for (int64_t i = 0; i < port.bytes; ++i)
      // Small positive floats or any int8: every value is a number.
      input.push_back(port.type.dtype == DType::f32 ? (i % 4 == 3 ? 0x3f : 0) : static_cast<uint8_t>(rng.next()));
  THIMBLE_LET(const RunLog log, runner->run_tensors(input, progress));
  THIMBLE_LET(std::optional<CycleEstimate> cycles,
              estimate_cycles(board, image.elf, c_identifier(plan.model) + "_invoke"));
  std::vector<BenchedCall> calls;
  for (const PlannedCall& planned : plan.calls)
    calls.push_back(
        {planned.call.layer, planned.call.kernel, planned.macs, planned.weight_bytes, planned.call.instructions});
  return ModelBench{.model = model.path.string(),
                    .board = board.id,
                    .optimize = deploy.optimize,
                    .macs = plan.macs,
                    .instructions = static_cast<int64_t>(mean_instructions(log)),
                    .sizes = image.sizes,
                    .arena_bound_bytes = plan.lower_bound_bytes,
                    .gap_bytes = plan.arena_bytes - plan.lower_bound_bytes,
                    .arena_is_smallest = plan.arena_is_smallest,
                    .stack_bytes = log.stack_used_bytes,
                    .calls = std::move(calls),
                    .bands = plan.bands,
                    .cycles = std::move(cycles),
                    .elf = image.elf};
}

nlohmann::json to_json(const ModelBench& b) {
  const FirmwareSizes& s = b.sizes;
  auto layers = nlohmann::json::array();
  for (const BenchedCall& call : b.calls)
    layers.push_back({{"layer", call.layer},
                      {"kernel", call.kernel},
                      {"macs", call.macs},
                      {"constant_bytes", call.constant_bytes},
                      {"estimated_instructions", call.estimated_instructions}});
  nlohmann::json cycles;  // null where the core has no model
  if (b.cycles) cycles = {{"estimate", b.cycles->cycles}, {"instructions", b.cycles->instructions_by_class}};
  auto bands = nlohmann::json::array();
  for (const PlannedBands& group : b.bands)
    bands.push_back({{"first_layer", group.first},
                     {"last_layer", group.last},
                     {"rows", group.rows},
                     {"calls", group.last_call - group.first_call + 1},
                     {"buffer_bytes", group.buffer_bytes}});
  return {{"model", b.model},
          {"board", b.board},
          {"optimize", name_of(b.optimize)},
          {"layers", std::move(layers)},
          {"bands", std::move(bands)},
          {"macs", b.macs},
          {"instructions", b.instructions},
          {"cycles_modelled", std::move(cycles)},
          {"ram_bytes",
           {{"arena", s.arena},
            {"arena_lower_bound", b.arena_bound_bytes},
            {"arena_gap", b.gap_bytes},
            {"arena_is_smallest", b.arena_is_smallest},
            {"state", s.state},
            {"stack", b.stack_bytes},
            {"total", s.arena + s.state + b.stack_bytes}}},
          {"flash_bytes", {{"code", s.code}, {"weights", s.weights}, {"tables", s.tables}, {"total", s.flash}}},
          {"elf", b.elf.string()}};
}

std::string to_text(const ModelBench& b) {
  std::vector<TableRow> rows = {{"layer", "kernel", "MACs", "constants, bytes", "instructions, estimated"}};
  for (const BenchedCall& call : b.calls)
    rows.push_back({call.layer, call.kernel, grouped(call.macs), grouped(call.constant_bytes),
                    call.estimated_instructions > 0 ? grouped(call.estimated_instructions) : "-"});
  std::string bands;
  for (const PlannedBands& group : b.bands)
    bands += fmt::format("  in bands      {} to {}: {} rows at a time, {} bytes of rows between them, {} calls\n",
                         group.first, group.last, group.rows, grouped(group.buffer_bytes),
                         group.last_call - group.first_call + 1);
  const FirmwareSizes& s = b.sizes;
  const double per_mac = b.macs > 0 ? static_cast<double>(b.instructions) / static_cast<double>(b.macs) : 0;
  return table_text(rows, {2, 3, 4}) +
         fmt::format("{} on {}, optimize {}\n  MACs          {}\n  instructions  {}  ({:.2f} per MAC)\n", b.model,
                     b.board, name_of(b.optimize), grouped(b.macs), grouped(b.instructions), per_mac) +
         (b.cycles
              ? fmt::format("  cycles        {}  (modelled: memory without wait states)\n", grouped(b.cycles->cycles))
              : "") +
         fmt::format("  RAM           {} bytes: arena {} ({}), state {}, stack {}\n",
                     grouped(s.arena + s.state + b.stack_bytes), grouped(s.arena),
                     b.arena_is_smallest ? "proved smallest" : "at least " + grouped(b.arena_bound_bytes), s.state,
                     grouped(b.stack_bytes)) +
         bands +
         fmt::format("  flash         {} bytes: code {}, weights {}, tables {}\n  measured      {}", grouped(s.flash),
                     grouped(s.code), grouped(s.weights), grouped(s.tables), b.elf.string());
}

}  // namespace thimble
