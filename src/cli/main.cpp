// thimble: machine learning that fits in a thimble. Exit status: 0 done, 1 the task failed, 2 the call's words are
// wrong.
#include <signal.h>

#include <cstdio>

#include "cli/verbs.h"

namespace {

void on_interrupt(int) {
  if (thimble::stop_requested.exchange(true)) _exit(130);  // the second Ctrl-C does not wait
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int report_error(const thimble::Error& error, bool json) {
  fmt::print(stderr, "thimble: {}\n", thimble::to_string(error));
  if (json)
    fmt::print(
        "{}\n",
        nlohmann::json{{"error", {{"message", error.message}, {"where", error.where}, {"hint", error.hint}}}}.dump());
  return error.code == thimble::ErrorCode::usage ? 2 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  catch_signals();
  CLI::App app{
      "thimble: machine learning that fits in a thimble.\nFrom recordings to a decision on a microcontroller, in one "
      "program."};
  app.set_version_flag("--version", "thimble " THIMBLE_VERSION);
  app.require_subcommand(1);
  thimble::Shell shell;
  shell.app = &app;
  thimble::add_project_verbs(shell);
  thimble::add_model_verbs(shell);
  thimble::add_house_verbs(shell);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  thimble::Result<thimble::Shown> shown = [&] {
    thimble::TerminalProgress progress;
    return shell.chosen(progress);
  }();
  if (!shown) return report_error(shown.error(), shell.json);
  if (shell.json)
    fmt::print("{}\n", shown->json.dump(2));
  else if (!shown->text.empty())
    fmt::print("{}\n", shown->text);
  return std::fflush(stdout) == 0 && !shown->failed ? 0 : 1;
}
