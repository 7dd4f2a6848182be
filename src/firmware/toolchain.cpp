#include "firmware/toolchain.h"

#include <algorithm>
#include <sstream>

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

std::string object_name(const std::string& source) {
  std::string name = source;
  std::ranges::replace(name, '/', '_');
  return "obj/" + name + ".o";
}

struct Step {
  Command command;
  std::string output;  // relative to the folder
};

// Hash of a command and of every file it read: for a compilation, those that the compiler listed (its .d file). Empty
// when one is missing.
std::string stamp_of(const Path& folder, const Step& step, const std::vector<std::string>& files) {
  std::string all = to_string(step.command);
  for (const std::string& file : files) {
    const auto bytes = read_bytes(folder / file);
    if (!bytes) return "";
    all += file + content_hash(*bytes);
  }
  return content_hash(all);
}

// The files in a make rule "a.o: a.cpp b.h \\ c.h".
std::vector<std::string> listed_files(const Path& rule) {
  std::vector<std::string> files;
  const auto text = read_text(rule);
  if (!text) return {};
  std::istringstream words(text->substr(std::min(text->find(':') + 1, text->size())));
  for (std::string word; words >> word;)
    if (word != "\\") files.push_back(word);
  return files;
}

Path stamp_file(const Path& folder, const Step& step) { return folder / (step.output + ".stamp"); }

std::string compile_stamp(const Path& folder, const Step& step) {
  const std::vector<std::string> files = listed_files(folder / (step.output + ".d"));
  return files.empty() ? "" : stamp_of(folder, step, files);
}

bool is_current(const Path& folder, const Step& step, const std::string& stamp) {
  const auto present = read_text(stamp_file(folder, step));
  return !stamp.empty() && present && *present == stamp && std::filesystem::exists(folder / step.output);
}

Outcome compile(const Path& folder, const Step& step) {
  THIMBLE_LET(const CommandResult result, run_command(step.command));
  if (result.exit_status != 0)
    return fail(ErrorCode::tool_failed, "the compiler refused:\n" + result.errors, to_string(step.command));
  return write_text(stamp_file(folder, step), compile_stamp(folder, step));
}

Step compile_step(const std::string& source, const Path& folder, const Board& board) {
  Step step{.command = {.words = {board.toolchain + "g++"}, .folder = folder}, .output = object_name(source)};
  std::vector<std::string>& words = step.command.words;
  words.insert(words.end(), board.flags.begin(), board.flags.end());
  words.insert(words.end(), std::begin(kCompileFlags), std::end(kCompileFlags));
  words.insert(words.end(), {"-I.", "-Igenerated", "-MMD", "-MF", step.output + ".d", "-c", source, "-o", step.output});
  return step;
}

Step link_step(const Build& build, const Board& board, const std::vector<Step>& objects) {
  Step step{.command = {.words = {board.toolchain + "g++"}, .folder = build.folder}, .output = build.output};
  std::vector<std::string>& words = step.command.words;
  words.insert(words.end(), board.flags.begin(), board.flags.end());
  words.insert(words.end(), {"-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-T", build.script});
  for (const Step& object : objects) words.push_back(object.output);
  words.insert(words.end(), {"-lgcc", "-o", build.output});
  return step;
}

}  // namespace

Result<BuildLog> compile_and_link(const Build& build, const Board& board) {
  THIMBLE_TRY(make_folder(build.folder / "obj"));
  std::vector<Step> steps;
  std::vector<size_t> stale;
  std::vector<std::string> link_inputs = {build.script};
  for (const std::string& source : build.sources) {
    steps.push_back(compile_step(source, build.folder, board));
    link_inputs.push_back(steps.back().output);
    if (!is_current(build.folder, steps.back(), compile_stamp(build.folder, steps.back())))
      stale.push_back(steps.size() - 1);
  }
  std::vector<Outcome> outcomes(stale.size());
  parallel_for(static_cast<int64_t>(stale.size()), [&](int64_t i) {
    outcomes[static_cast<size_t>(i)] = compile(build.folder, steps[stale[static_cast<size_t>(i)]]);
  });
  for (Outcome& outcome : outcomes) THIMBLE_TRY(outcome);

  BuildLog log{.compiled = static_cast<int>(stale.size())};
  const Step link = link_step(build, board, steps);
  const std::string stamp = stamp_of(build.folder, link, link_inputs);
  if (is_current(build.folder, link, stamp)) return log;
  THIMBLE_LET(const CommandResult result, run_command(link.command));
  log.linked = true;
  log.link_status = result.exit_status;
  log.link_errors = result.errors;
  if (result.exit_status == 0) THIMBLE_TRY(write_text(stamp_file(build.folder, link), stamp));
  return log;
}

}  // namespace thimble
