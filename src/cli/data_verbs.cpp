// data: make, import, split and look at recordings.
#include <map>
#include <set>

#include "cli/verbs.h"
#include "data/dataset_file.h"
#include "data/import.h"
#include "data/speak.h"
#include "data/stats.h"

namespace thimble {

namespace {

struct Flags {
  std::string folder, source, kind = "folder", output;
  ImportOptions import;
  SpeakOptions speak;
};

std::string class_table(const DatasetStats& stats) {
  std::string text = fmt::format("{:<14}{:>8}{:>12}{:>8}{:>10}", "class", "train", "validation", "test", "minutes");
  for (const auto& c : stats.classes)
    text += fmt::format("\n{:<14}{:>8}{:>12}{:>8}{:>10.1f}", c.name, c.samples[0], c.samples[1], c.samples[2],
                        c.seconds / 60);
  for (const auto& column : stats.columns)
    text +=
        fmt::format("\n{:<14} {:.4g} to {:.4g}, mean {:.4g}", column.name, column.lowest, column.highest, column.mean);
  text += fmt::format("\n{:<14}{:>8}{:>12}{:>8}{:>10.1f}", "all", stats.parts[0].samples, stats.parts[1].samples,
                      stats.parts[2].samples, stats.total.seconds / 60);
  text += fmt::format("\n{:<14}{:>8}{:>12}{:>8}", "groups", stats.parts[0].groups, stats.parts[1].groups,
                      stats.parts[2].groups);
  for (const std::string& warning : stats.warnings) text += "\nwarning: " + warning;
  return text;
}

Result<Shown> show_stats(const Dataset& dataset, Progress& progress) {
  THIMBLE_LET(const DatasetStats stats, compute_stats(dataset, progress));
  return Shown{to_json(stats), class_table(stats)};
}

Result<Shown> show_project_stats(const Shell& shell, Progress& progress) {
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Dataset* dataset, workspace.dataset());
  return show_stats(*dataset, progress);
}

// Who is in which part.
Result<Shown> show_split(const Shell& shell, Progress& progress) {
  THIMBLE_LET(Workspace workspace, open_project(shell, progress));
  THIMBLE_LET(const Dataset* dataset, workspace.dataset());
  std::map<Split, std::set<std::string>> groups;
  std::map<Split, int64_t> samples;
  for (const Sample& sample : dataset->samples) {
    if (!sample.group.empty()) groups[sample.split].insert(sample.group);
    ++samples[sample.split];
  }
  Shown shown;
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    shown.json[std::string(name_of(split))] = {{"samples", samples[split]}, {"groups", groups[split]}};
    shown.text += fmt::format("{}{}: {} samples of {} groups\n  {}", shown.text.empty() ? "" : "\n", name_of(split),
                              samples[split], groups[split].size(), fmt::join(groups[split], " "));
  }
  return shown;
}

Result<Shown> show_import(Flags& flags, Progress& progress) {
  THIMBLE_LET(flags.import.kind, parse_source_kind(flags.kind));
  THIMBLE_LET(const Dataset dataset, import_dataset(flags.source, flags.import, progress));
  if (!flags.output.empty()) THIMBLE_TRY(save_dataset(dataset, flags.output));
  return show_stats(dataset, progress);
}

Result<Shown> show_speak(const Flags& flags, Progress& progress) {
  THIMBLE_LET(const SpokenSet set, speak_keywords(flags.folder, flags.speak, progress));
  return Shown{{{"folder", flags.folder}, {"clips", set.clips}, {"made", set.made}, {"voices", set.voices}},
               fmt::format("{}: {} clips of {} voices, {} of them new", flags.folder, set.clips, set.voices, set.made)};
}

}  // namespace

void add_data_verbs(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  const auto stats = [&shell](Progress& progress) { return show_project_stats(shell, progress); };
  CLI::App* data =
      add_verb(shell, "data", "the project's recordings: made or imported, split without leakage, described",
               "thimble data --project my-words", true, nullptr);
  data->callback([&shell, data, stats] {
    if (data->get_subcommands().empty()) shell.chosen = stats;
  });
  add_verb(shell, "stats", "classes, counts, durations, and what looks wrong", "thimble data stats --project my-words",
           true, stats, data);
  add_verb(
      shell, "split", "who is in the training, validation and test part", "thimble data split --project my-words", true,
      [&shell](Progress& progress) { return show_split(shell, progress); }, data);

  CLI::App* verb = add_verb(
      shell, "import", "look at recordings or a table outside of any project",
      "thimble data import recordings --output dataset.json", false,
      [flags](Progress& progress) { return show_import(*flags, progress); }, data);
  verb->add_option("source", flags->source, "a folder of class folders, of named files, or a .csv")->required();
  verb->add_option("--kind", flags->kind, "folder, pattern or csv");
  verb->add_option("--pattern", flags->import.pattern, "for pattern: {label}_{group}_{take}.wav");
  verb->add_option("--sample-rate", flags->import.sample_rate_hz, "expected, in Hz");
  verb->add_option("--label", flags->import.label, "for csv: the column of the class");
  verb->add_option("--targets", flags->import.targets, "for csv: the columns to predict");
  verb->add_option("--output", flags->output, "write the list as JSON");

  verb = add_verb(
      shell, "speak", "speak a keyword set with espeak-ng: one folder per word, many voices",
      "thimble data speak words --words yes no --clips 100", false,
      [flags](Progress& progress) { return show_speak(*flags, progress); }, data);
  verb->add_option("folder", flags->folder, "where the class folders go")->required();
  verb->add_option("--words", flags->speak.words, "the keywords");
  verb->add_option("--clips", flags->speak.clips_per_class, "clips of each class");
  verb->add_option("--voices", flags->speak.voices, "how many voices");
  verb->add_option("--seed", flags->speak.seed, "same seed, same bytes");
}

}  // namespace thimble
