// The verbs. Each is parsed here, calls one function of a lower floor and shows what came back: text for people, or
// with --json one object on standard output.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/terminal.h"
#include "core/result.h"
#include "project/model_tools.h"
#include "project/workspace.h"

namespace thimble {

struct Shown {
  nlohmann::json json;  // for --json
  std::string text;     // else; a trailing newline is added
  bool failed = false;  // shown, but the exit status is 1
};

// What every verb shares.
struct Shell {
  CLI::App* app = nullptr;
  bool json = false;
  std::string project = ".";
  std::function<Result<Shown>(Progress&)> chosen;  // set by the verb that was called
};

// Adds a verb with --json and, when of_project, --project. parent: the verb it belongs to; null = the program.
CLI::App* add_verb(Shell& shell, const std::string& name, const std::string& what, const std::string& example,
                   bool of_project, std::function<Result<Shown>(Progress&)> run, CLI::App* parent = nullptr);

// --optimize and the budgets.
void add_deploy_options(CLI::App* verb, DeployOptions& deploy);

// --nhwc, for verbs that take a model file.
void add_nhwc(CLI::App& verb, bool& nhwc);

Result<Workspace> open_project(const Shell& shell, Progress& progress);

void add_data_verbs(Shell& shell);     // data, data speak, import, split, stats
void add_project_verbs(Shell& shell);  // new, train, eval, convert, compile, build, all, demo
void add_model_verbs(Shell& shell);    // inspect, run, bench
void add_house_verbs(Shell& shell);    // boards, ops, doctor

}  // namespace thimble
