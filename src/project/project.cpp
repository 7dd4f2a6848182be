#include "project/project.h"

#include <algorithm>
#include <cmath>

#include "core/resources.h"
#include "core/text.h"
#include "core/toml.h"

namespace thimble {

namespace {

struct Template {
  std::string name;
  std::string_view folder;  // below examples/
};
const Template kTemplates[] = {{"keyword", "examples/keyword/"}, {"sine", "examples/hello_sine/"}};

Outcome must(bool condition, const Project& project, std::string message) {
  if (condition) return {};
  return fail(ErrorCode::usage, std::move(message), (project.folder / "thimble.toml").string());
}

Outcome read_data(TomlTable table, Project& project) {
  DataConfig& data = project.data;
  std::string source = data.source.string();
  std::vector<double> split = {data.train, data.validation, data.test};
  table.read("kind", data.kind);
  table.read("source", source);
  table.read("sample_rate_hz", data.import.sample_rate_hz);
  table.read("channels", data.import.channels);
  table.read("pattern", data.import.pattern);
  table.read("inputs", data.import.inputs);
  table.read("targets", data.import.targets);
  table.read("label", data.import.label);
  table.read("group", data.import.group);
  table.read("value_scale", data.import.value_scale);
  table.read("split", split);
  table.read("validation_groups", data.validation_groups);
  table.read("test_groups", data.test_groups);
  table.read("words", data.speech.words);
  table.read("unknown_words", data.speech.unknown_words);
  table.read("silence", data.speech.silence);
  table.read("clips_per_class", data.speech.clips_per_class);
  table.read("voices", data.speech.voices);
  table.read("rows", data.rows);
  table.read("noise", data.noise);
  THIMBLE_TRY(table.finish());
  data.source = source;
  THIMBLE_TRY(must(split.size() == 3 && split[0] > 0 && split[1] >= 0 && split[2] > 0 &&
                       std::abs(split[0] + split[1] + split[2] - 1) < 1e-6,
                   project, "[data] split must be three fractions that add up to 1: train, validation, test"));
  data.train = split[0];
  data.validation = split[1];
  data.test = split[2];
  const std::string source_kind = data.kind == "speech" ? "folder" : data.kind == "sine" ? "csv" : data.kind;
  if (auto kind = parse_source_kind(source_kind)) {
    data.import.kind = *kind;
    return {};
  }
  return fail(ErrorCode::usage, fmt::format("[data] kind \"{}\" is unknown", data.kind),
              (project.folder / "thimble.toml").string(),
              name_hint(data.kind, {"folder", "pattern", "csv", "speech", "sine"}));
}

// Settings whose names belong to a signal block or an architecture: passed on, checked there.
Attrs read_settings(TomlTable& table, const std::vector<std::string>& already) {
  Attrs settings;
  for (const std::string& key : table.keys()) {
    if (std::ranges::find(already, key) != already.end()) continue;
    std::string word;
    int64_t integer = 0;
    double real = 0;
    bool flag = false;
    std::vector<int64_t> list;
    switch (table.kind(key)) {
      case TomlTable::Kind::word:
        table.read(key, word);
        settings.set(key, word);
        break;
      case TomlTable::Kind::integer:
        table.read(key, integer);
        settings.set(key, integer);
        break;
      case TomlTable::Kind::real:
        table.read(key, real);
        settings.set(key, real);
        break;
      case TomlTable::Kind::boolean:
        table.read(key, flag);
        settings.set(key, int64_t{flag});
        break;
      case TomlTable::Kind::list:
        table.read(key, list);
        settings.set(key, list);
        break;
      default:
        break;
    }
  }
  return settings;
}

Outcome read_signal(TomlTable table, Project& project) {
  SignalConfig& signal = project.signal;
  signal.sample_rate_hz = project.data.import.sample_rate_hz;
  signal.channels = project.data.import.channels;
  table.read("block", signal.block);
  table.read("window_ms", signal.window_ms);
  signal.settings = read_settings(table, {"block", "window_ms"});
  return table.finish();
}

Outcome read_model(TomlTable table, Project& project) {
  ArchitectureOptions& model = project.model;
  table.read("architecture", model.name);
  model.settings = read_settings(table, {"architecture"});
  THIMBLE_TRY(table.finish());
  if (model.name.ends_with(".toml") && Path(model.name).is_relative())
    model.name = (project.folder / model.name).string();
  return {};
}

Outcome read_train(TomlTable table, Project& project) {
  TrainOptions& train = project.train;
  table.read("epochs", train.epochs);
  table.read("batch", train.batch);
  table.read("optimizer", train.optimizer);
  table.read("learning_rate", train.learning_rate);
  table.read("final_learning_rate", train.final_learning_rate);
  table.read("warmup_epochs", train.warmup_epochs);
  table.read("momentum", train.momentum);
  table.read("weight_decay", train.weight_decay);
  table.read("label_smoothing", train.label_smoothing);
  table.read("patience", train.patience);
  table.read("keep_best", train.keep_best);
  table.read("speeds", project.speeds);
  TomlTable augment = table.table("augment");
  augment.read("shift_frames", train.augment.shift_frames);
  augment.read("shift_bands", train.augment.shift_bands);
  augment.read("time_mask_frames", train.augment.time_mask_frames);
  augment.read("band_mask", train.augment.band_mask);
  augment.read("gain", train.augment.gain);
  augment.read("mixup", train.augment.mixup);
  augment.read("noise", train.augment.noise);
  THIMBLE_TRY(augment.finish());
  THIMBLE_TRY(table.finish());
  THIMBLE_TRY(must(train.epochs > 0 && train.batch > 0, project, "[train] epochs and batch must be at least 1"));
  THIMBLE_TRY(must(train.learning_rate > 0, project, "[train] learning_rate must be above 0"));
  return must(train.optimizer == "adam" || train.optimizer == "sgd", project,
              fmt::format("[train] optimizer is \"{}\"; expected \"adam\" or \"sgd\"", train.optimizer));
}

Outcome read_quantize(TomlTable table, Project& project) {
  QuantizeOptions& quantize = project.quantize;
  table.read("calibration_samples", quantize.calibration_samples);
  table.read("method", quantize.method);
  table.read("percentile", quantize.percentile);
  table.read("margin", quantize.margin);
  THIMBLE_TRY(table.finish());
  THIMBLE_TRY(must(quantize.calibration_samples > 0, project, "[quantize] calibration_samples must be at least 1"));
  return must(
      quantize.method == "mse" || quantize.method == "minmax" || quantize.method == "percentile", project,
      fmt::format("[quantize] method is \"{}\"; expected \"mse\", \"minmax\" or \"percentile\"", quantize.method));
}

Outcome read_deploy(TomlTable table, Project& project) {
  DeployConfig& deploy = project.deploy;
  table.read("board", deploy.board);
  table.read("clips", deploy.clips);
  table.read("pwm_low", deploy.pwm_low);
  table.read("pwm_high", deploy.pwm_high);
  table.read("stride_ms", deploy.stride_ms);
  TomlTable decision = table.table("decision");
  decision.read("smooth", deploy.decision.smooth);
  decision.read("on_threshold", deploy.decision.on_threshold);
  decision.read("off_threshold", deploy.decision.off_threshold);
  decision.read("hold_ms", deploy.decision.hold_ms);
  decision.read("suppress_ms", deploy.decision.suppress_ms);
  decision.read("quiet", deploy.quiet);
  THIMBLE_TRY(decision.finish());
  THIMBLE_TRY(table.finish());
  return must(deploy.clips >= 0 && deploy.stride_ms >= 0, project, "[deploy] clips and stride_ms must not be negative");
}

// Settings whose names belong to a signal block or an architecture, asked before any work is done. Whether shapes fit
// is only known with the data.
Outcome check_settings(const Project& project) {
  const bool table = project.data.import.kind == SourceKind::csv;
  SignalConfig config = project.signal;
  if (table) config.value_scale = 1;
  if (!table && config.sample_rate_hz == 0) return {};  // that of the recordings
  THIMBLE_LET(const Signal signal, make_signal(config));
  ArchitectureOptions model = project.model;
  model.input = signal.input_shape();
  model.outputs = 1;
  const auto graph = make_architecture(model);
  if (!graph && graph.error().code != ErrorCode::bad_data) return tl::unexpected<Error>(graph.error());
  return {};
}

}  // namespace

Result<Project> load_project(const Path& folder) {
  const Path file = folder / "thimble.toml";
  auto text = read_text(file);
  if (!text) {
    if (text.error().code != ErrorCode::not_found) return tl::unexpected<Error>(text.error());
    return fail(ErrorCode::not_found, "no thimble.toml here", file.string(),
                "make a project: thimble new keyword DIR, or name its folder: --project DIR");
  }
  THIMBLE_LET(TomlTable root, TomlTable::parse(*text, file.string()));
  Project project;
  project.folder = folder;
  project.name = std::filesystem::absolute(folder).lexically_normal().filename().string();
  TomlTable head = root.table("project");
  head.read("name", project.name);
  head.read("seed", project.seed);
  THIMBLE_TRY(head.finish());
  THIMBLE_TRY(read_data(root.table("data"), project));
  THIMBLE_TRY(read_signal(root.table("signal"), project));
  THIMBLE_TRY(read_model(root.table("model"), project));
  THIMBLE_TRY(read_train(root.table("train"), project));
  THIMBLE_TRY(read_quantize(root.table("quantize"), project));
  THIMBLE_TRY(read_deploy(root.table("deploy"), project));
  THIMBLE_TRY(root.finish());
  THIMBLE_TRY(check_settings(project));
  project.model.seed = project.train.seed = project.quantize.seed = project.seed;
  return project;
}

std::vector<std::string> project_templates() {
  std::vector<std::string> names;
  for (const Template& known : kTemplates) names.push_back(known.name);
  return names;
}

Outcome new_project(const std::string& template_name, const Path& folder) {
  for (const Template& known : kTemplates) {
    if (known.name != template_name) continue;
    if (folder.empty()) return fail(ErrorCode::usage, "the folder has no name", "", "name a new folder");
    std::error_code code;
    if (std::filesystem::exists(folder) && !std::filesystem::is_empty(folder, code))
      return fail(ErrorCode::usage, "the folder is not empty", folder.string(),
                  "name a new folder, or remove this one");
    for (std::string_view path : list_resources(known.folder)) {
      THIMBLE_LET(const std::string_view content, resource(path));
      THIMBLE_TRY(write_text(folder / path.substr(known.folder.size()), content));
    }
    return {};
  }
  return fail(ErrorCode::usage, fmt::format("no template named \"{}\"", template_name), "",
              name_hint(template_name, project_templates()));
}

}  // namespace thimble
