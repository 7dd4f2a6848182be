#include "cli/verbs.h"

namespace thimble {

CLI::App* add_verb(Shell& shell, const std::string& name, const std::string& what, const std::string& example,
                   bool of_project, std::function<Result<Shown>(Progress&)> run, CLI::App* parent) {
  CLI::App* verb = (parent ? parent : shell.app)->add_subcommand(name, what);
  verb->footer("Example:\n  " + example);
  verb->add_flag("--json", shell.json, "one JSON object on standard output");
  if (of_project) verb->add_option("--project", shell.project, "the project's folder (default: this one)");
  verb->callback([&shell, run = std::move(run)] { shell.chosen = run; });
  return verb;
}

void add_deploy_options(CLI::App* verb, DeployOptions& deploy) {
  std::map<std::string, Optimize> names;
  for (size_t i = 0; i < std::size(kOptimizeNames); ++i) names.emplace(kOptimizeNames[i], static_cast<Optimize>(i));
  verb->add_option("--optimize", deploy.optimize, "on a board: balanced, speed, flash or ram; the bytes are the same")
      ->transform(CLI::CheckedTransformer(std::move(names)))
      ->option_text("balanced|speed|flash|ram");
  verb->add_flag_callback(
      "--bundle", [&deploy] { deploy.form = ModelForm::bundle; }, "on a board: the model as a bundle, not compiled in");
  verb->add_flag("--streaming", deploy.streaming,
                 "on a board: compute only what the new rows (frames in time) of each window change");
  verb->add_option("--flash", deploy.flash_budget_bytes, "on a board: bytes of flash that may be spent for speed")
      ->check(CLI::PositiveNumber);
  verb->add_option("--ram", deploy.ram_budget_bytes,
                   "on a board: bytes of RAM that the model may take (arena and state), at the price of more calls")
      ->check(CLI::PositiveNumber);
}

void add_nhwc(CLI::App& verb, bool& nhwc) {
  verb.add_flag("--nhwc", nhwc, ".onnx: images enter as [N, H, W, C], as a camera gives them, not as [N, C, H, W]");
}

Result<Workspace> open_project(const Shell& shell, Progress& progress) {
  THIMBLE_LET(Project project, load_project(shell.project));
  return Workspace(std::move(project), progress);
}

}  // namespace thimble
