// inspect, run, bench: verbs that take a model file. run without one works from a project.
#include "cli/summary.h"
#include "cli/verbs.h"
#include "project/model_bench.h"
#include "project/model_compare.h"

namespace thimble {

namespace {

struct Flags {
  std::string model, other, board, input, output, html;
  std::vector<std::string> data;
  CompareOptions compare;
  DeployOptions deploy;
  bool full = false, sequence = false, nhwc = false;
};

ModelFile file_of(const Flags& flags) { return {flags.model, flags.nhwc}; }

std::vector<Path> paths_of(const std::vector<std::string>& files) { return {files.begin(), files.end()}; }

Result<Shown> show_diff(const Flags& flags, Progress& progress) {
  if (flags.other.empty() == flags.board.empty())
    return fail(ErrorCode::usage, "diff takes a second model, or --board", flags.model,
                "example: thimble diff a.tflite b.tflite, or thimble diff a.tflite --board mps2-an386");
  Comparison comparison;
  if (flags.board.empty()) {
    THIMBLE_LET(comparison,
                diff_models(file_of(flags), {flags.other, flags.nhwc}, paths_of(flags.data), flags.compare, progress));
  } else {
    THIMBLE_LET(const Board board, load_board(flags.board));
    THIMBLE_LET(comparison, diff_on_board(file_of(flags), board, flags.deploy, paths_of(flags.data), progress));
  }
  return Shown{to_json(comparison), to_text(comparison), comparison.first.has_value()};
}

Result<Shown> show_inspect(const Flags& flags, Progress& progress) {
  THIMBLE_LET(const Inspection inspection, inspect_file(file_of(flags), paths_of(flags.data), progress));
  std::string text = to_text(inspection);
  if (!flags.html.empty()) {
    THIMBLE_TRY(write_text(flags.html, to_html(inspection)));
    text += "\nwritten: " + flags.html;
  }
  return Shown{to_json(inspection), std::move(text)};
}

Result<Shown> show_model_run(const Flags& flags, Progress& progress) {
  if (flags.input.empty() || flags.output.empty())
    return fail(ErrorCode::usage, "running a model file needs --input and --output", flags.model,
                "example: thimble run model.tflite --board host --input in.bin --output out.bin");
  THIMBLE_LET(const Board board, load_board(flags.board.empty() ? "host" : flags.board));
  THIMBLE_LET(const ModelRun run,
              run_model(file_of(flags), board, flags.deploy, flags.input, flags.output, flags.sequence, progress));
  return Shown{{{"model", flags.model},
                {"board", board.id},
                {"samples", run.samples},
                {"output_bytes", run.output_bytes},
                {"instructions", run.instructions}},
               fmt::format("{} samples on {}, {} bytes to {}{}", run.samples, board.id, run.output_bytes, flags.output,
                           run.instructions > 0 ? fmt::format(", {:.0f} instructions each", run.instructions) : "")};
}

Result<Shown> show_project_run(const Shell& shell, const Flags& flags, Progress& progress) {
  if (!flags.input.empty() || !flags.output.empty())
    return fail(ErrorCode::usage, "--input and --output belong to a model file, found none", "",
                "example: thimble run model.tflite --board host --input in.bin --output out.bin");
  THIMBLE_LET(Project project, load_project(shell.project));
  Workspace workspace(std::move(project), progress);
  THIMBLE_LET(const Board board, load_board(flags.board.empty() ? workspace.project().deploy.board : flags.board));
  THIMBLE_LET(const BoardRun run, run_on_board(workspace, board, flags.full));
  return Shown{to_json(run), run_screen(run), !run.same_as_host()};
}

Result<Shown> show_bench(const Flags& flags, Progress& progress) {
  THIMBLE_LET(const Board board, load_board(flags.board));
  THIMBLE_LET(const ModelBench b, bench_model(file_of(flags), board, flags.deploy, progress));
  return Shown{to_json(b), to_text(b)};
}

}  // namespace

void add_model_verbs(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = add_verb(shell, "inspect", "show a model's layers, shapes, costs and RAM over time",
                            "thimble inspect model.tflite --html model.html --data samples.npy", false,
                            [flags](Progress& progress) { return show_inspect(*flags, progress); });
  verb->add_option("model", flags->model, "a model file (.tflite, .onnx, .h5, .keras)")->required();
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--html", flags->html, "write a page with the graph, the memory plan and the boards");
  verb->add_option("--data", flags->data,
                   "samples, for the int8 error of each layer: .npy, one per input, or raw bytes");

  verb =
      add_verb(shell, "diff", "where two models, or this computer and a board, part: the first layer and by how much",
               "thimble diff float.tflite int8.tflite --data samples.npy", false,
               [flags](Progress& progress) { return show_diff(*flags, progress); });
  verb->add_option("model", flags->model, "a model file")->required();
  verb->add_option("other", flags->other, "another form of it");
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--board", flags->board, "instead of another model: an emulated board, compared with this computer");
  verb->add_option("--data", flags->data, "samples: .npy, one per input, or raw bytes; random ones without");
  add_deploy_options(verb, flags->deploy);
  verb->add_option("--tolerance", flags->compare.tolerance, "of float32 values, relative to the largest");
  verb->add_option("--min-sqnr", flags->compare.least_sqnr_db, "dB, between numbers of different kinds");

  verb = add_verb(shell, "run", "run the project's test recordings, or a model file's raw tensors, on a board",
                  "thimble run model.tflite --board netduinoplus2 --input in.bin --output out.bin", true,
                  [&shell, flags](Progress& progress) {
                    return flags->model.empty() ? show_project_run(shell, *flags, progress)
                                                : show_model_run(*flags, progress);
                  });
  verb->add_option("model", flags->model, "a model file (.tflite, .onnx, .h5, .keras); without it the project runs");
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--board", flags->board, "host, or an emulated board (thimble boards lists them)");
  verb->add_option("--input", flags->input, "raw bytes of the input tensors, any number of samples back to back");
  verb->add_flag("--sequence", flags->sequence, "model file: the samples follow each other in time: state goes on");
  verb->add_option("--output", flags->output, "where the raw bytes of the output tensors go");
  verb->add_flag("--full", flags->full, "project: the whole test split");
  add_deploy_options(verb, flags->deploy);

  verb = add_verb(shell, "bench", "measure a model on an emulated board: instructions, RAM, flash",
                  "thimble bench model.tflite --board mps2-an386 --json", false,
                  [flags](Progress& progress) { return show_bench(*flags, progress); });
  verb->add_option("model", flags->model, "a model file (.tflite, .onnx, .h5, .keras)")->required();
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--board", flags->board, "an emulated board (thimble boards lists them)")->required();
  add_deploy_options(verb, flags->deploy);
}

}  // namespace thimble
