#include "data/import.h"

#include <fmt/ranges.h>

#include <set>

#include "core/rng.h"
#include "data/csv.h"
#include "data/dataset_file.h"
#include "data/sounds.h"
#include "data/split.h"
#include "data/stats.h"

using namespace thimble;

namespace {

Result<Dataset> import_folder(const Path& folder, ImportOptions options = {}) {
  return import_dataset(folder, options, silent_progress());
}

// Expects an error and gives it as a person sees it.
std::string refusal(const Result<Dataset>& dataset) {
  EXPECT_FALSE(dataset) << "expected an error";
  return dataset ? "" : to_string(dataset.error());
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    EXPECT_NE(text.find(word), std::string::npos) << "no \"" << word << "\" in: " << text;
}

Result<Dataset> import_text(const TemporaryFolder& folder, std::string_view table, ImportOptions options) {
  EXPECT_TRUE(write_text(folder / "table.csv", table));
  options.kind = SourceKind::csv;
  return import_dataset(folder / "table.csv", options, silent_progress());
}

}  // namespace

TEST(ImportFolder, ReadsClassesGroupsAndDurationsInFixedOrder) {
  const TemporaryFolder folder;
  make_speech_folder(folder.path(), {"yes", "no"}, {"anna", "bert"}, 2);
  make_speech_folder(folder.path(), {"_background_noise_"}, {"x"}, 1);
  const auto dataset = import_folder(folder.path());
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->classes, (std::vector<std::string>{"no", "yes"}));
  ASSERT_EQ(dataset->samples.size(), 8u);
  EXPECT_EQ(dataset->sample_rate_hz, 16000);
  EXPECT_EQ(dataset->samples[0].path, "no/anna_nohash_0.wav");
  EXPECT_EQ(dataset->samples[0].group, "anna");
  EXPECT_EQ(dataset->samples[7].path, "yes/bert_nohash_1.wav");
  EXPECT_EQ(dataset->samples[7].label, 1);
  EXPECT_DOUBLE_EQ(dataset->samples[7].duration_s, 0.1);
  EXPECT_EQ(load_recording(*dataset, dataset->samples[7])->samples.size(), 1600u);
}

TEST(ImportFolder, RefusesWhatCannotBeLearnt) {
  const TemporaryFolder folder;
  expect_words(refusal(import_folder(folder / "nowhere")), {"nowhere", "no such file"});
  expect_words(refusal(import_folder(folder.path())), {"one folder of WAV recordings for each class", "found nothing"});

  make_speech_folder(folder.path(), {"yes"}, {"anna"}, 2);
  expect_words(refusal(import_folder(folder.path())), {"at least 2 classes", "only \"yes\""});

  std::filesystem::create_directories(folder / "no");
  expect_words(refusal(import_folder(folder.path())), {"class \"no\"", "found nothing", (folder / "no").string()});

  ASSERT_TRUE(write_text(folder / "no/a.mp3", "x"));
  expect_words(refusal(import_folder(folder.path())), {"class \"no\"", "found a.mp3", "sox a.mp3"});

  make_speech_folder(folder.path(), {"no"}, {"anna"}, 1);
  expect_words(refusal(import_folder(folder.path())), {"class \"no\" has only one recording"});
}

TEST(ImportFolder, NamesTheFileThatIsWrong) {
  const TemporaryFolder folder;
  make_speech_folder(folder.path(), {"yes", "no"}, {"anna", "bert"}, 2);
  ASSERT_TRUE(write_wav(folder / "yes/slow_nohash_0.wav", make_tone(440, 0.1, 8000)));
  expect_words(refusal(import_folder(folder.path())),
               {"slow_nohash_0.wav", "expected a sample rate of 16000 Hz, found 8000 Hz", "-r 16000"});

  ASSERT_TRUE(write_wav(folder / "yes/slow_nohash_0.wav", make_tone(440, 0.1, 16000, 2)));
  expect_words(refusal(import_folder(folder.path())), {"slow_nohash_0.wav", "expected 1 channel, found 2", "-c 1"});

  expect_words(refusal(import_folder(folder.path(), {.sample_rate_hz = 44100})),
               {"expected a sample rate of 44100 Hz"});

  auto bytes = *read_bytes(folder / "yes/anna_nohash_0.wav");
  bytes.resize(bytes.size() - 10);
  ASSERT_TRUE(write_bytes(folder / "yes/anna_nohash_1.wav", bytes));
  expect_words(refusal(import_folder(folder.path())), {"anna_nohash_1.wav", "cut short"});
}

TEST(ImportPattern, ReadsMeaningFromNames) {
  const TemporaryFolder folder;
  for (const char* name : {"7_theo_0", "7_anna_12", "3_theo_1", "3_anna_0"})
    ASSERT_TRUE(write_wav(folder / (std::string(name) + ".wav"), make_tone(300)));
  const ImportOptions by_speaker{.kind = SourceKind::pattern};
  auto dataset = import_folder(folder.path(), by_speaker);
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->classes, (std::vector<std::string>{"3", "7"}));
  EXPECT_EQ(dataset->samples[2].path, "7_anna_12.wav");
  EXPECT_EQ(dataset->samples[2].group, "anna");

  const ImportOptions by_take{.kind = SourceKind::pattern, .pattern = "{label}_{speaker}_{group}.wav"};
  dataset = import_folder(folder.path(), by_take);
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->samples[2].group, "12");

  ASSERT_TRUE(write_wav(folder / "odd.wav", make_tone(300)));
  expect_words(refusal(import_folder(folder.path(), by_speaker)), {"odd.wav", "does not fit the pattern"});
}

TEST(ImportPattern, RefusesAPatternThatCannotWork) {
  const TemporaryFolder folder;
  for (const char* pattern : {"", "{group}.wav", "{label", "{label}{group}.wav"})
    EXPECT_EQ(import_folder(folder.path(), {.kind = SourceKind::pattern, .pattern = pattern}).error().code,
              ErrorCode::usage)
        << pattern;
}

TEST(ImportCsv, ReadsAMessyTable) {
  const TemporaryFolder folder;
  const auto dataset = import_text(folder,
                                   "\xEF\xBB\xBFid,\"Torque [Nm]\",Speed (rpm), state \r\n"
                                   "\"L,1\", 1.5 ,+2000,ok\r\n\r\n"
                                   "\"say \"\"hi\"\"\",-2.5e0,1000,\"worn\"\r\n"
                                   "L3,0,0,ok\r\nL4,1,5,worn",
                                   {.inputs = {"Torque", "Speed (rpm)"}, .label = "state"});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->classes, (std::vector<std::string>{"ok", "worn"}));
  EXPECT_EQ(dataset->columns, (std::vector<std::string>{"Torque [Nm]", "Speed (rpm)"}));
  ASSERT_EQ(dataset->samples.size(), 4u);
  EXPECT_EQ(dataset->samples[1].path, "table.csv:4");
  EXPECT_EQ(dataset->samples[1].values, (std::vector<float>{-2.5f, 1000}));
  EXPECT_EQ(dataset->value_scale, 1.0 / 16);  // 2000 / 32767, rounded up to a power of two
  EXPECT_EQ(load_recording(*dataset, dataset->samples[1])->samples, (std::vector<int16_t>{-40, 16000}));
}

TEST(ImportCsv, ReadsARegressionAndTakesTheOtherColumnsAsInputs) {
  const TemporaryFolder folder;
  const auto dataset = import_text(folder, "x;day;y\n0.5;mon;0.25\n1;tue;0.5\n", {.targets = {"y"}, .group = "day"});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->task, Task::regression);
  EXPECT_EQ(dataset->columns, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(dataset->samples[1].group, "tue");
  EXPECT_EQ(dataset->samples[1].targets, (std::vector<float>{0.5f}));
}

TEST(ImportCsv, ErrorsNameTheLineAndTheColumn) {
  const TemporaryFolder folder;
  const ImportOptions y{.targets = {"y"}};
  expect_words(refusal(import_text(folder, "x,y\n1,2\n,4\n", y)), {"table.csv:3", "\"x\" is empty"});
  expect_words(refusal(import_text(folder, "x,y\n1,2\nabc,4\n", y)), {"table.csv:3", "\"x\"", "abc"});
  expect_words(refusal(import_text(folder, "x,y\n1,NaN\n", y)), {"table.csv:2", "\"y\"", "NaN"});
  expect_words(refusal(import_text(folder, "x,y\n1,1e999\n", y)), {"table.csv:2"});
  expect_words(refusal(import_text(folder, "x,y\n1e300,1\n", y)), {"table.csv:2", "too large"});
  expect_words(refusal(import_text(folder, "x,y\n1,2,3\n", y)), {"table.csv:2", "expected 2 cells, found 3"});
  expect_words(refusal(import_text(folder, "x,y\n\"1,2\n3,4\n", y)), {"table.csv:2", "never closed"});
  expect_words(refusal(import_text(folder, "x,y\n\"1\"2,2\n", y)), {"table.csv:2", "closing quote"});
  expect_words(refusal(import_text(folder, "x,x\n1,2\n", y)), {"two columns are called \"x\""});
  expect_words(refusal(import_text(folder, "1,2\n3,4\n", y)), {"expected column names"});
  expect_words(refusal(import_text(folder, "x,y\n", y)), {"no rows"});
  expect_words(refusal(import_text(folder, "", y)), {"no rows"});
  expect_words(refusal(import_text(folder, "torque,y\n1,2\n", {.inputs = {"torqe"}, .targets = {"y"}})),
               {"no column \"torqe\"", "torque"});
  expect_words(refusal(import_text(folder, "x,y\n1,2\n", {})), {"targets", "label", "x, y"});
  expect_words(refusal(import_text(folder, "x,y\n1,a\n2,\n", {.label = "y"})), {"table.csv:3", "label is missing"});
  expect_words(refusal(import_text(folder, "x,y\n1,a\n2,b\n", {.label = "y"})), {"class \"a\" has only one row"});
  expect_words(refusal(import_text(folder, "x,y\n1,2\n400,2\n", {.targets = {"y"}, .value_scale = 0.01})),
               {"table.csv:3", "value_scale", "0.015625"});
}

TEST(ImportCsv, NonsenseNeverCrashes) {
  constexpr std::string_view kAlphabet = "\",;\t\n\r x1.e-";
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Rng rng({seed});
    std::string text = seed % 2 != 0 ? "x,y\n" : "";
    for (uint64_t i = rng.below(30); i > 0; --i) text += kAlphabet[rng.below(kAlphabet.size())];
    const auto table = parse_csv(text, "random.csv");
    if (table) {
      for (const CsvRow& row : table->rows) EXPECT_EQ(row.cells.size(), table->header.size()) << text;
    } else {
      EXPECT_FALSE(table.error().message.empty()) << text;
    }
  }
}

TEST(ImportCsv, KindsAreKnownByName) {
  EXPECT_EQ(*parse_source_kind("csv"), SourceKind::csv);
  expect_words(to_string(parse_source_kind("patern").error()), {"patern", "did you mean \"pattern\"?"});
}

TEST(DatasetFile, SaveThenLoadGivesTheSame) {
  const TemporaryFolder folder;
  make_speech_folder(folder / "recordings", {"yes", "no"}, {"anna", "bert", "carl"}, 2);
  auto dataset = import_folder(folder / "recordings");
  ASSERT_TRUE(dataset);
  dataset = split_dataset(*dataset, {.test_groups = {"carl"}});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  ASSERT_TRUE(save_dataset(*dataset, folder / "out/dataset.json"));
  const auto back = load_dataset(folder / "out/dataset.json");
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(back->hash, dataset->hash);
  EXPECT_EQ(back->classes, dataset->classes);
  EXPECT_EQ(indices_of(*back, Split::test), indices_of(*dataset, Split::test));
  EXPECT_EQ(back->samples[3].group, dataset->samples[3].group);
  EXPECT_TRUE(load_recording(*back, back->samples[3]));

  const auto moved = folder / "moved";
  std::filesystem::create_directories(moved);
  std::filesystem::rename(folder / "recordings", moved / "recordings");
  std::filesystem::rename(folder / "out", moved / "out");
  const auto after = load_dataset(moved / "out/dataset.json");
  ASSERT_TRUE(after);
  EXPECT_TRUE(load_recording(*after, after->samples[3])) << "root is kept relative";
}

TEST(DatasetFile, RowsComeBackExactly) {
  const TemporaryFolder folder;
  const auto dataset = import_text(folder, "x,y\n0.1,0.30000001\n-3.3e-7,7\n", {.targets = {"y"}});
  ASSERT_TRUE(dataset);
  ASSERT_TRUE(save_dataset(*dataset, folder / "dataset.json"));
  const auto back = load_dataset(folder / "dataset.json");
  ASSERT_TRUE(back) << to_string(back.error());
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back->samples[i].values, dataset->samples[i].values);
    EXPECT_EQ(back->samples[i].targets, dataset->samples[i].targets);
  }
  EXPECT_EQ(back->value_scale, dataset->value_scale);
}

TEST(DatasetFile, HashFollowsTheContent) {
  const TemporaryFolder folder;
  make_speech_folder(folder.path(), {"yes", "no"}, {"anna", "bert", "carl"}, 1);
  const auto dataset = import_folder(folder.path());
  Dataset other = *dataset;
  EXPECT_EQ(hash_of(other), dataset->hash);
  other.samples[0].split = Split::test;
  EXPECT_NE(hash_of(other), dataset->hash);
  other = *dataset;
  other.samples[1].duration_s += 0.1;
  EXPECT_NE(hash_of(other), dataset->hash);
}

TEST(DatasetFile, RefusesDamage) {
  const TemporaryFolder folder;
  make_speech_folder(folder.path(), {"yes", "no"}, {"anna", "bert"}, 1);
  ASSERT_TRUE(save_dataset(*import_folder(folder.path()), folder / "dataset.json"));
  const std::string good = *read_text(folder / "dataset.json");
  const auto with = [&](std::string_view old_text, std::string_view new_text) {
    std::string text = good;
    const size_t at = text.find(old_text);
    EXPECT_NE(at, std::string::npos) << old_text;
    text.replace(at, old_text.size(), new_text);
    EXPECT_TRUE(write_text(folder / "bad.json", text));
    return refusal(load_dataset(folder / "bad.json"));
  };
  expect_words(with("\"label\": 1", "\"label\": 2"), {"bad.json", "label 2 with 2 classes"});
  expect_words(with("\"label\": 1", "\"label\": \"x\""), {"bad.json"});
  expect_words(with("\"split\": \"train\"", "\"split\": \"tran\""), {"tran"});
  expect_words(with("no/anna", "../no/anna"), {"below the root"});
  expect_words(with("\"version\": 1", "\"version\": 99"), {"version 1, found 99"});
  expect_words(with("thimble dataset", "recipe"), {"not a dataset file"});
  expect_words(with("\"samples\"", "\"smaples\""), {"bad.json"});
  for (size_t size : {0ul, 1ul, good.size() / 2, good.size() - 3}) {
    ASSERT_TRUE(write_text(folder / "bad.json", good.substr(0, size)));
    expect_words(refusal(load_dataset(folder / "bad.json")), {"bad.json"});
  }
}

TEST(RealData, SpokenDigitsImportBySpeakerAndByTake) {
  const Path fsdd = shared_data() / "audio/fsdd/recordings";
  if (!std::filesystem::is_directory(fsdd)) GTEST_SKIP() << "real recordings are not here: " << fsdd;
  auto dataset = import_folder(fsdd, {.kind = SourceKind::pattern, .sample_rate_hz = 8000});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->samples.size(), 900u);
  EXPECT_EQ(dataset->classes.size(), 10u);
  dataset = split_dataset(*dataset, {.test_groups = {"theo", "yweweler"}});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(indices_of(*dataset, Split::test).size(), 300u);
  EXPECT_EQ(indices_of(*dataset, Split::validation).size(), 150u);
  const auto stats = compute_stats(*dataset, silent_progress());
  ASSERT_TRUE(stats) << to_string(stats.error());
  EXPECT_EQ(stats->total.groups, 6);
  EXPECT_EQ(stats->parts[2].groups, 2);

  dataset = import_folder(fsdd, {.kind = SourceKind::pattern, .pattern = "{label}_{speaker}_{group}.wav"});
  ASSERT_TRUE(dataset);
  dataset = split_dataset(*dataset, {.validation = 0, .test_groups = {"0", "1", "2", "3", "4"}});
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(indices_of(*dataset, Split::test).size(), 300u);
  EXPECT_EQ(indices_of(*dataset, Split::train).size(), 600u);
}

TEST(RealData, MachineFailuresImportWithTheirMessyHeader) {
  const Path table = shared_data() / "tabular/ai4i2020/ai4i2020.csv";
  if (!std::filesystem::exists(table)) GTEST_SKIP() << "real recordings are not here: " << table;
  ImportOptions options{.kind = SourceKind::csv,
                        .inputs = {"Air temperature", "Process temperature", "Rotational speed", "Torque", "Tool wear"},
                        .label = "Machine failure"};
  const auto dataset = import_dataset(table, options, silent_progress());
  ASSERT_TRUE(dataset) << to_string(dataset.error());
  EXPECT_EQ(dataset->samples.size(), 10000u);
  EXPECT_EQ(dataset->classes, (std::vector<std::string>{"0", "1"}));
  options.inputs = {"Type"};
  expect_words(refusal(import_dataset(table, options, silent_progress())), {"ai4i2020.csv:2", "\"Type\"", "\"M\""});
}
