#include "firmware/toolchain.h"

#include <algorithm>

#include "core/process.h"
#include "core/threads.h"

namespace thimble {

namespace {

constexpr const char* kCompileFlags[] = {"-std=c++17",
                                         "-O2",
                                         "-ffreestanding",
                                         "-fno-exceptions",
                                         "-fno-rtti",
                                         "-fno-threadsafe-statics",
                                         "-fno-unwind-tables",
                                         "-fno-asynchronous-unwind-tables",
                                         "-ffunction-sections",
                                         "-fdata-sections",
                                         "-ffp-contract=off",
                                         "-Wall",
                                         "-Wextra"};

// One hash over every header a source might include: coarse, but it can never miss a change.
Result<std::string> hash_headers(const Build& build) {
  std::vector<Path> headers;
  for (const std::string& below : build.headers) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(build.folder / below, error))
      if (entry.is_regular_file() && (entry.path().extension() == ".h" || entry.path().extension() == ".def"))
        headers.push_back(entry.path());
  }
  std::ranges::sort(headers);
  std::string all;
  for (const Path& header : headers) {
    THIMBLE_LET(const std::string text, read_text(header));
    all += header.string() + '\n' + text;
  }
  return content_hash(all);
}

std::string object_name(const std::string& source) {
  std::string name = source;
  std::ranges::replace(name, '/', '_');
  return "obj/" + name + ".o";
}

struct Step {
  Command command;
  std::string output;  // relative to the folder
  std::string stamp;   // hash of everything it depends on
};

bool is_current(const Path& folder, const Step& step) {
  const auto present = read_text(folder / (step.output + ".stamp"));
  return present && *present == step.stamp && std::filesystem::exists(folder / step.output);
}

Outcome compile(const Path& folder, const Step& step) {
  THIMBLE_LET(const CommandResult result, run_command(step.command));
  if (result.exit_status != 0)
    return fail(ErrorCode::tool_failed, "the compiler refused:\n" + result.errors, to_string(step.command));
  return write_text(folder / (step.output + ".stamp"), step.stamp);
}

Result<std::vector<Step>> compile_steps(const Build& build, const Board& board) {
  THIMBLE_LET(const std::string headers, hash_headers(build));
  std::vector<Step> steps;
  for (const std::string& source : build.sources) {
    THIMBLE_LET(const std::string text, read_text(build.folder / source));
    Step step{.command = {.words = {board.toolchain + "g++"}, .folder = build.folder},
              .output = object_name(source),
              .stamp = {}};
    std::vector<std::string>& words = step.command.words;
    words.insert(words.end(), board.flags.begin(), board.flags.end());
    words.insert(words.end(), std::begin(kCompileFlags), std::end(kCompileFlags));
    words.insert(words.end(), {"-I.", "-Igenerated", "-c", source, "-o", step.output});
    step.stamp = content_hash(headers + to_string(step.command) + text);
    steps.push_back(std::move(step));
  }
  return steps;
}

Result<Step> link_step(const Build& build, const Board& board, const std::vector<Step>& objects) {
  Step step{
      .command = {.words = {board.toolchain + "g++"}, .folder = build.folder}, .output = build.output, .stamp = {}};
  std::vector<std::string>& words = step.command.words;
  words.insert(words.end(), board.flags.begin(), board.flags.end());
  words.insert(words.end(),
               {"-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-Wl,--fatal-warnings", "-T", build.script});
  THIMBLE_LET(std::string inputs, read_text(build.folder / build.script));
  for (const Step& object : objects) {
    words.push_back(object.output);
    inputs += object.stamp;
  }
  words.insert(words.end(), {"-lgcc", "-o", build.output});
  step.stamp = content_hash(inputs + to_string(step.command));
  return step;
}

}  // namespace

Result<BuildLog> compile_and_link(const Build& build, const Board& board) {
  THIMBLE_TRY(make_folder(build.folder / "obj"));
  THIMBLE_LET(const std::vector<Step> steps, compile_steps(build, board));
  std::vector<size_t> stale;
  for (size_t i = 0; i < steps.size(); ++i)
    if (!is_current(build.folder, steps[i])) stale.push_back(i);
  std::vector<Outcome> outcomes(stale.size());
  parallel_for(static_cast<int64_t>(stale.size()), [&](int64_t i) {
    outcomes[static_cast<size_t>(i)] = compile(build.folder, steps[stale[static_cast<size_t>(i)]]);
  });
  for (Outcome& outcome : outcomes) THIMBLE_TRY(outcome);

  BuildLog log{.compiled = static_cast<int>(stale.size())};
  THIMBLE_LET(const Step link, link_step(build, board, steps));
  if (is_current(build.folder, link)) return log;
  THIMBLE_LET(const CommandResult result, run_command(link.command));
  log.linked = true;
  log.link_status = result.exit_status;
  log.link_errors = result.errors;
  if (result.exit_status == 0) THIMBLE_TRY(write_text(build.folder / (link.output + ".stamp"), link.stamp));
  return log;
}

}  // namespace thimble
