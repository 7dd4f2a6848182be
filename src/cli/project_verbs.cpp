// The verbs that work from a project folder.
#include <cmath>

#include "cli/summary.h"
#include "cli/verbs.h"
#include "project/model_conversion.h"
#include "project/steps.h"

namespace thimble {

namespace {

// Flags of the verbs of one call; CLI11 fills them.
struct Flags {
  std::string template_name = "keyword", folder, board, model, output, labels;
  std::vector<std::string> calibration;
  QuantizeOptions quantize;
  DeployOptions deploy;
  bool nhwc = false, header = false, fresh = false, resume = false, full = false;
};

Result<Board> board_of(const Workspace& workspace, const Flags& flags) {
  return load_board(flags.board.empty() ? workspace.project().deploy.board : flags.board);
}

std::string percent(double part) { return fmt::format("{:.2f} %", part * 100); }

std::string describe(const Evaluation& e) {
  if (e.regression)
    return fmt::format("MAE {:.4f}  MSE {:.5f}  R2 {:.4f}", e.regression->mae, e.regression->mse, e.regression->r2);
  const ClassificationMetrics& m = *e.classification;
  return fmt::format("accuracy {}  loss {:.3f}  macro F1 {:.3f}  macro AUC {:.4f}", percent(m.accuracy), m.loss,
                     m.macro_f1, m.macro_auc);
}

std::string class_table(const ClassificationMetrics& m) {
  std::string text =
      fmt::format("\n{:<14}{:>8}{:>11}{:>8}{:>8}{:>8}", "class", "samples", "precision", "recall", "F1", "AUC");
  for (const ClassMetrics& c : m.classes)
    text += fmt::format("\n{:<14}{:>8}{:>11.3f}{:>8.3f}{:>8.3f}{:>8.3f}", c.name, c.support, c.precision, c.recall,
                        c.f1, c.auc);
  return text;
}

Result<Shown> show_new(const Flags& flags) {
  THIMBLE_TRY(new_project(flags.template_name, flags.folder));
  return Shown{{{"project", flags.folder}, {"template", flags.template_name}},
               fmt::format("{} is a {} project; next: thimble all --project {}", flags.folder, flags.template_name,
                           flags.folder)};
}

Result<Shown> show_train(const Shell& shell, const Flags& flags, Progress& progress) {
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const TrainedModel* model, workspace.train(flags.fresh));
  nlohmann::json epochs = nlohmann::json::array();
  for (const EpochLog& e : model->log)
    epochs.push_back({{"epoch", e.epoch},
                      {"train_loss", e.train_loss},
                      {"train_accuracy", e.train_accuracy},
                      {"validation_loss", e.validation_loss},
                      {"validation_accuracy", e.validation_accuracy},
                      {"samples_per_s", e.samples_per_s}});
  const EpochLog& last = model->log.back();
  const bool watched = last.validation_loss > 0;  // not when nothing is in the validation split
  const auto accuracy = [&](double part) {
    return model->task == Task::classification ? fmt::format(", accuracy {}", percent(part)) : "";
  };
  return Shown{{{"model", workspace.project().out("model.thimble").string()},
                {"hash", model->hash},
                {"parameters", count_parameters(model->graph)},
                {"macs", count_macs(model->graph)},
                {"epochs", epochs}},
               fmt::format("{} parameters, {} MACs, {} epochs; {} loss {:.4f}{}", count_parameters(model->graph),
                           count_macs(model->graph), model->log.size(), watched ? "validation" : "training",
                           watched ? last.validation_loss : last.train_loss,
                           accuracy(watched ? last.validation_accuracy : last.train_accuracy))};
}

Result<Shown> show_eval(const Shell& shell, Progress& progress) {
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Features* features, workspace.features());
  const std::vector<size_t> test = rows_of(*features, Split::test);
  THIMBLE_LET(const Evaluation float_test, evaluate_float(workspace, test));
  THIMBLE_LET(const Evaluation int8_test, evaluate_int8(workspace, test));
  THIMBLE_LET(const Path report, write_report(workspace, float_test, int8_test, nullptr));
  Shown shown{{{"float", to_json(float_test)}, {"int8", to_json(int8_test)}, {"report", report.string()}},
              "float  " + describe(float_test) + "\nint8   " + describe(int8_test)};
  if (int8_test.classification) shown.text += class_table(*int8_test.classification);
  shown.text += fmt::format("\nreport {}", report.string());
  return shown;
}

std::string describe(const ModelConversion& c) {
  std::string text;
  if (c.comparison) {
    const LayerComparison& last = c.comparison->layers.back();
    text = fmt::format("int8 against float32 on {} samples: {} at the output", c.comparison->samples,
                       std::isinf(last.sqnr_db) ? "equal" : fmt::format("{:.1f} dB", last.sqnr_db));
    for (const OutputComparison& output : c.comparison->outputs)
      text += fmt::format(", {} of {} decisions the same", output.same_largest, c.comparison->samples);
    if (c.float_accuracy)
      text +=
          fmt::format("\naccuracy: float32 {:.2f} %, int8 {:.2f} %", 100 * *c.float_accuracy, 100 * *c.int8_accuracy);
    if (!c.float_layers.empty())
      text += fmt::format("\nstay float32, having no int8 form: {}", fmt::join(c.float_layers, ", "));
    text += '\n';
  }
  return text + fmt::format("{} ({} bytes), arena {} bytes{}", c.tflite.string(), c.tflite_bytes, c.arena_bytes,
                            c.header.empty() ? "" : "\n" + c.header.string());
}

Result<Shown> show_model_convert(const Flags& flags, Progress& progress) {
  if (flags.output.empty())
    return fail(ErrorCode::usage, "converting a model file needs --output", flags.model,
                "example: thimble convert model.onnx --output model.tflite");
  ConvertOptions options{
      .output = flags.output, .header = flags.header, .labels = flags.labels, .quantize = flags.quantize};
  options.calibration.assign(flags.calibration.begin(), flags.calibration.end());
  THIMBLE_LET(const ModelConversion c, convert_model({flags.model, flags.nhwc}, options, progress));
  return Shown{to_json(c), describe(c)};
}

Result<Shown> show_convert(const Shell& shell, const Flags& flags, Progress& progress) {
  if (!flags.model.empty()) return show_model_convert(flags, progress);
  if (!flags.output.empty() || flags.header)
    return fail(ErrorCode::usage, "--output and --header belong to a model file, found none", "",
                "example: thimble convert model.onnx --output model.tflite");
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Conversion c, convert(workspace));
  return Shown{
      {{"tflite", c.tflite.string()},
       {"tflite_bytes", c.tflite_bytes},
       {"header", c.header.string()},
       {"bundle", c.bundle.string()},
       {"bundle_bytes", c.bundle_bytes},
       {"float", to_json(c.float_test)},
       {"int8", to_json(c.int8_test)},
       {"difference", quality(c.int8_test) - quality(c.float_test)}},
      fmt::format("float  {}\nint8   {}\ndifference {:+.2f} points\n{} ({} bytes)\n{}\n{} ({} bytes)",
                  describe(c.float_test), describe(c.int8_test), 100 * (quality(c.int8_test) - quality(c.float_test)),
                  c.tflite.string(), c.tflite_bytes, c.header.string(), c.bundle.string(), c.bundle_bytes)};
}

Result<Shown> show_compile(const Shell& shell, const Flags& flags, Progress& progress) {
  if (!flags.model.empty()) {
    const Path folder = flags.output.empty() ? Path(flags.model).replace_extension() : Path(flags.output);
    THIMBLE_LET(const EmittedModel emitted, compile_model({flags.model, flags.nhwc}, folder));
    return Shown{{{"library", folder.string()}, {"name", emitted.name}},
                 fmt::format("{}: {}.h, {}.cpp and the device half", folder.string(), emitted.name, emitted.name)};
  }
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Path folder, compile_library(workspace));
  THIMBLE_LET(const Plan* plan, workspace.plan());
  return Shown{{{"library", folder.string()},
                {"arena_bytes", plan->arena_bytes},
                {"lower_bound_bytes", plan->lower_bound_bytes},
                {"constant_bytes", plan->constants.size()}},
               fmt::format("{}: arena {} bytes (lower bound {}), constants {} bytes", folder.string(),
                           plan->arena_bytes, plan->lower_bound_bytes, plan->constants.size())};
}

nlohmann::json sizes_json(const FirmwareImage& image) {
  const FirmwareSizes& s = image.sizes;
  return {{"elf", image.elf.string()}, {"flash_bytes", s.flash}, {"ram_bytes", s.ram}, {"code", s.code},
          {"weights", s.weights},      {"tables", s.tables},     {"arena", s.arena},   {"state", s.state},
          {"stack_reserve", s.stack}};
}

Shown shown_image(const FirmwareImage& image) {
  const FirmwareSizes& s = image.sizes;
  return Shown{
      sizes_json(image),
      fmt::format(
          "{}\nflash {} bytes: code {}, weights {}, tables {}\nRAM   {} bytes: arena {}, state {}, stack reserve {}",
          image.elf.string(), s.flash, s.code, s.weights, s.tables, s.ram, s.arena, s.state, s.stack)};
}

Result<Shown> show_build(const Shell& shell, const Flags& flags, Progress& progress) {
  if (!flags.model.empty()) {
    if (flags.board.empty())
      return fail(ErrorCode::usage, "building a model file needs --board", flags.model,
                  "example: thimble build model.tflite --board mps2-an386");
    THIMBLE_LET(const Board board, load_board(flags.board));
    const Path folder = flags.output.empty() ? Path(Path(flags.model).replace_extension().string() + "-" + board.id)
                                             : Path(flags.output);
    THIMBLE_LET(const FirmwareImage image, build_model({flags.model, flags.nhwc}, board, flags.deploy, folder));
    return shown_image(image);
  }
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Board board, board_of(workspace, flags));
  THIMBLE_LET(const FirmwareImage image, build(workspace, board));
  return shown_image(image);
}

Result<Shown> show_all(const Shell& shell, const Flags& flags, Progress& progress) {
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Board board, board_of(workspace, flags));
  THIMBLE_LET(const AllResult result, run_all(workspace, board, flags.full));
  return Shown{to_json(result), summary_screen(result)};
}

Result<Shown> show_demo(const Flags& flags, Progress& progress) {
  const std::string folder = flags.folder.empty() ? "thimble-demo" : flags.folder;
  if (!std::filesystem::exists(Path(folder) / "thimble.toml")) THIMBLE_TRY(new_project("keyword", folder));
  Shell shell;
  shell.project = folder;
  return show_all(shell, flags, progress);
}

}  // namespace

void add_project_verbs(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  const auto add = [&](const char* name, const char* what, const char* example, auto show) {
    return add_verb(shell, name, what, example, true,
                    [&shell, flags, show](Progress& progress) { return show(shell, *flags, progress); });
  };
  const auto board_flag = [flags](CLI::App* verb) {
    verb->add_option("--board", flags->board, "another board than the project's (thimble boards lists them)");
  };

  CLI::App* verb = add_verb(shell, "new", "make a project folder that runs as it is", "thimble new keyword my-words",
                            false, [flags](Progress&) { return show_new(*flags); });
  verb->add_option("template", flags->template_name, fmt::format("one of: {}", fmt::join(project_templates(), ", ")))
      ->required();
  verb->add_option("folder", flags->folder, "a folder that does not exist yet")->required();

  add_data_verbs(shell);
  verb = add("train", "train the model; goes on where an interrupted training stopped",
             "thimble train --project my-words", show_train);
  verb->add_flag("--fresh", flags->fresh, "train from scratch, whatever is there");
  verb->add_flag("--resume", flags->resume, "go on from the checkpoint of an interrupted training (the default)")
      ->excludes("--fresh");
  add("eval", "measure the float and the int8 model on the test split", "thimble eval --project my-words --json",
      [](const Shell& s, const Flags&, Progress& p) { return show_eval(s, p); });
  verb =
      add("convert", "quantise to int8; write model.tflite, model_data.h and model.bundle; or a model file as .tflite",
          "thimble convert --project my-words", show_convert);
  verb->add_option("model", flags->model,
                   "a model file of any kind, written as .tflite; without it the project's model");
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--output", flags->output, "model file: where the .tflite goes");
  verb->add_flag("--header", flags->header, "model file: also as a C array, beside it");
  verb->add_option(
      "--calibrate", flags->calibration,
      "model file: quantise it to int8 by these samples: .npy, one per input, raw bytes, or a project's folder");
  verb->add_option("--labels", flags->labels, "model file: .npy with the class of each sample, to tell accuracies");
  verb->add_option("--method", flags->quantize.method, "model file: ranges by minmax, percentile or mse");
  verb->add_option("--samples", flags->quantize.calibration_samples, "model file: at most so many for calibration");
  verb = add("compile", "write the model as a C++17 library without heap", "thimble compile --project my-words",
             show_compile);
  verb->add_option("model", flags->model, "a model file of any kind; without it the project's model");
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--output", flags->output, "model file: the library's folder (default: the model's name)");
  verb = add("build", "build the firmware", "thimble build --project my-words --board netduinoplus2", show_build);
  verb->add_option("model", flags->model, "a model file of any kind: a firmware of tensors in and out");
  add_nhwc(*verb, flags->nhwc);
  verb->add_option("--output", flags->output, "model file: the firmware's folder (default: <model>-<board>)");
  add_deploy_options(verb, flags->deploy);
  board_flag(verb);
  verb = add("all", "every step, to the emulated board and the report", "thimble all --project my-words", show_all);
  board_flag(verb);
  verb->add_flag("--full", flags->full, "send the whole test split through the board");
  verb = add_verb(shell, "demo", "a new keyword project and all of it: from sound to decision", "thimble demo", false,
                  [flags](Progress& progress) { return show_demo(*flags, progress); });
  verb->add_option("folder", flags->folder, "where (default: thimble-demo)");
  board_flag(verb);
  verb->add_flag("--full", flags->full, "send the whole test split through the board");
}

}  // namespace thimble
