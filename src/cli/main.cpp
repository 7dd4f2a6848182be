// thimble: machine learning that fits in a thimble. Exit status: 0 done, 1 the task failed, 2 the call's words are
// wrong.
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/verbs.h"
#include "core/text.h"

namespace {

void on_interrupt(int) {
  if (thimble::stop_requested.exchange(true)) _exit(130);  // the second Ctrl-C does not wait
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Both are errors of a write.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

// A reader that has seen enough (| head) is no error.
thimble::Outcome print(const std::string& text) {
  if ((std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fputc('\n', stdout) != EOF &&
       std::fflush(stdout) == 0) ||
      errno == EPIPE)
    return {};
  return thimble::fail(thimble::ErrorCode::io, std::strerror(errno), "standard output");
}

int report_error(const thimble::Error& error, bool json) {
  (void)std::fputs(fmt::format("thimble: {}\n", thimble::to_string(error)).c_str(), stderr);
  if (json)
    (void)print(
        nlohmann::json{{"error", {{"message", error.message}, {"where", error.where}, {"hint", error.hint}}}}.dump());
  return error.code == thimble::ErrorCode::usage ? 2 : 1;
}

// What is wrong with the call's words, and the nearest right one.
thimble::Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* verb = &app;
  std::string help = "thimble";
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().back();
    help += " " + verb->get_name();
  }
  thimble::Error usage{thimble::ErrorCode::usage, error.what(), "", fmt::format("see {} --help", help)};
  const std::vector<std::string> unknown = app.remaining(true);
  if (unknown.empty()) return usage;
  const std::string& word = unknown.front();
  std::vector<std::string> names;
  if (word.starts_with('-'))
    for (const CLI::Option* option : verb->get_options()) names.push_back(option->get_name());
  else
    for (const CLI::App* known : verb->get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(known->get_name());
  usage.message = fmt::format("{} does not know \"{}\"", help, word);
  if (const std::string nearest = thimble::nearest_name(word, names); !nearest.empty())
    usage.hint = fmt::format("did you mean \"{}\"?", nearest);
  return usage;
}

int run(thimble::Shell& shell) {
  const thimble::Result<thimble::Shown> shown = [&] {
    thimble::TerminalProgress progress;
    return shell.chosen(progress);
  }();
  if (!shown) return report_error(shown.error(), shell.json);
  const std::string text = shell.json ? shown->json.dump(2) : shown->text;
  if (!text.empty())
    if (const thimble::Outcome printed = print(text); !printed) return report_error(printed.error(), false);
  return shown->failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  catch_signals();
  CLI::App app{
      "thimble: machine learning that fits in a thimble.\nFrom recordings to a decision on a microcontroller, in one "
      "program."};
  app.set_version_flag("--version", "thimble " THIMBLE_VERSION);
  app.footer("Example:\n  thimble demo");
  app.require_subcommand(1);
  thimble::Shell shell;
  shell.app = &app;
  thimble::add_project_verbs(shell);
  thimble::add_model_verbs(shell);
  thimble::add_house_verbs(shell);
  const bool json = std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
  try {
    app.parse(argc, argv);
    return run(shell);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : report_error(usage_error(app, error), json);
  } catch (const std::exception& error) {
    return report_error({thimble::ErrorCode::internal, error.what(), "", "this is a bug in thimble"}, json);
  }
}
