#include "data/import.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "core/text.h"
#include "data/csv.h"
#include "data/dataset_file.h"
#include "data/name_pattern.h"
#include "data/parallel.h"
#include "data/wav.h"

namespace thimble {

namespace {

constexpr std::pair<std::string_view, SourceKind> kKinds[] = {
    {"folder", SourceKind::folder}, {"pattern", SourceKind::pattern}, {"csv", SourceKind::csv}};
constexpr uint64_t kMostTableBytes = 1ull << 30;

struct Found {
  std::string path, label, group;
};

struct Listing {
  std::vector<std::string> folders, recordings;  // names, sorted
  std::string other;                             // some other file, if there is one
};

bool is_recording(const Path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return extension == ".wav" || extension == ".wave";
}

Result<Listing> list_folder(const Path& folder) {
  Listing listing;
  std::error_code code;
  for (std::filesystem::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.')) continue;
    if (entry->is_directory()) {
      listing.folders.push_back(name);
    } else if (is_recording(name)) {
      listing.recordings.push_back(name);
    } else if (listing.other.empty() || name < listing.other) {
      listing.other = name;
    }
  }
  if (code)
    return fail(code == std::errc::no_such_file_or_directory ? ErrorCode::not_found : ErrorCode::io,
                fmt::format("cannot list the folder: {}", code.message()), folder.string(),
                "check the spelling of the path");
  std::ranges::sort(listing.folders);
  std::ranges::sort(listing.recordings);
  return listing;
}

tl::unexpected<Error> no_recordings(const Path& folder, const Listing& listing, std::string_view expected) {
  std::string found = "nothing";
  std::string hint = "put recordings there, or remove the folder";
  if (!listing.folders.empty()) found = fmt::format("the folder {}", listing.folders[0]);
  if (!listing.other.empty()) {
    found = listing.other;
    hint = fmt::format("convert other formats first: sox {} -b 16 {}.wav", listing.other,
                       Path(listing.other).stem().string());
  }
  return fail(ErrorCode::not_found, fmt::format("expected {}, found {}", expected, found), folder.string(), hint);
}

// Speech Commands names a recording <speaker>_nohash_<n>.wav.
std::string group_of(const std::string& label, const std::string& file) {
  const size_t mark = file.find("_nohash_");
  return mark == std::string::npos ? label + "/" + Path(file).stem().string() : file.substr(0, mark);
}

Result<std::vector<Found>> find_in_class_folders(const Path& source) {
  THIMBLE_LET(const Listing top, list_folder(source));
  std::vector<Found> all;
  for (const std::string& label : top.folders) {
    if (label.starts_with('_')) continue;  // Speech Commands: _background_noise_
    THIMBLE_LET(const Listing listing, list_folder(source / label));
    if (listing.recordings.empty())
      return no_recordings(source / label, listing, fmt::format("WAV recordings of class \"{}\"", label));
    for (const std::string& file : listing.recordings)
      all.push_back({label + "/" + file, label, group_of(label, file)});
  }
  if (all.empty() && !top.recordings.empty())
    return fail(
        ErrorCode::not_found,
        fmt::format("expected one folder for each class, found {} recordings side by side", top.recordings.size()),
        source.string(), "make a folder for each class, or import with kind = \"pattern\" and a file-name pattern");
  if (all.empty()) return no_recordings(source, top, "one folder of WAV recordings for each class");
  return all;
}

// Paths of all recordings below `folder`, relative to `source`.
Outcome list_tree(const Path& source, const std::string& folder, std::vector<std::string>& paths) {
  THIMBLE_LET(const Listing listing, list_folder(source / folder));
  for (const std::string& file : listing.recordings) paths.push_back(folder + file);
  for (const std::string& inner : listing.folders) THIMBLE_TRY(list_tree(source, folder + inner + "/", paths));
  return {};
}

Result<std::vector<Found>> find_by_pattern(const Path& source, const std::string& text) {
  THIMBLE_LET(const NamePattern pattern, NamePattern::parse(text));
  std::vector<std::string> paths;
  THIMBLE_TRY(list_tree(source, "", paths));
  std::vector<Found> all;
  for (const std::string& path : paths) {
    const auto match = pattern.match(path);
    if (!match)
      return fail(ErrorCode::bad_data, fmt::format("the name does not fit the pattern \"{}\"", text),
                  (source / path).string(), "change the pattern, or move the file out of this folder");
    all.push_back({path, match->label, match->group.empty() ? path : match->group});
  }
  if (all.empty()) {
    THIMBLE_LET(const Listing listing, list_folder(source));
    return no_recordings(source, listing, "WAV recordings");
  }
  return all;
}

// Sorted class names, and each sample's index among them. Every class needs two samples, and there must be two classes.
Outcome name_classes(Dataset& dataset, const std::vector<std::string>& labels, const Path& source,
                     std::string_view what) {
  std::map<std::string, int> counts;
  for (const std::string& label : labels) ++counts[label];
  for (const auto& [label, count] : counts) {
    if (count < 2)
      return fail(ErrorCode::bad_data,
                  fmt::format("class \"{}\" has only one {}, expected at least 2: one to learn from, one to test on",
                              label, what),
                  source.string(), "add more of this class, or remove it");
    dataset.classes.push_back(label);
  }
  if (counts.size() < 2)
    return fail(ErrorCode::bad_data,
                fmt::format("expected at least 2 classes, found only \"{}\"", dataset.classes.at(0)), source.string(),
                "add a class of what else may occur, such as unknown or silence");
  for (size_t i = 0; i < labels.size(); ++i)
    dataset.samples[i].label =
        static_cast<int>(std::ranges::lower_bound(dataset.classes, labels[i]) - dataset.classes.begin());
  return {};
}

Result<Dataset> import_recordings(const Path& source, std::vector<Found> found, const ImportOptions& options,
                                  Progress& progress) {
  std::ranges::sort(found, {}, &Found::path);
  Dataset dataset{.root = source, .sample_rate_hz = options.sample_rate_hz, .channels = options.channels};
  if (dataset.sample_rate_hz == 0) {
    THIMBLE_LET(const WavInfo first, read_wav_info(source / found[0].path));
    dataset.sample_rate_hz = first.sample_rate_hz;
  }
  std::vector<std::string> labels;
  for (const Found& file : found) {
    dataset.samples.push_back({.path = file.path, .group = file.group});
    labels.push_back(file.label);
  }
  THIMBLE_TRY(name_classes(dataset, labels, source, "recording"));
  THIMBLE_TRY(for_each_parallel(
      static_cast<int64_t>(found.size()), "reading recordings", progress, [&](int64_t index) -> Outcome {
        Sample& sample = dataset.samples[static_cast<size_t>(index)];
        const Path path = source / sample.path;
        THIMBLE_LET(const WavInfo info, read_wav_info(path));
        sample.duration_s = info.duration_s();
        return check_format(path, info.sample_rate_hz, info.channels, dataset.sample_rate_hz, dataset.channels);
      }));
  dataset.hash = hash_of(dataset);
  progress.end(fmt::format("{} recordings of {} classes", dataset.samples.size(), dataset.classes.size()));
  return dataset;
}

struct Columns {
  std::vector<size_t> inputs, targets;
  std::optional<size_t> label, group;
};

Result<Columns> choose_columns(const CsvTable& table, const ImportOptions& options) {
  Columns columns;
  if (options.targets.empty() == options.label.empty())
    return fail(ErrorCode::usage,
                options.label.empty()
                    ? "expected targets (numbers to predict) or label (a class to predict), found neither"
                    : "expected either targets (numbers to predict) or label (a class), found both",
                table.name, fmt::format("the columns are: {}", fmt::join(table.header, ", ")));
  std::vector<bool> used(table.header.size(), false);
  const auto take = [&](const std::string& name) -> Result<size_t> {
    THIMBLE_LET(const size_t column, find_column(table, name));
    if (used[column])
      return fail(ErrorCode::usage, fmt::format("column \"{}\" is used twice", table.header[column]), table.name,
                  "a column is an input, a target, the label or the group");
    used[column] = true;
    return column;
  };
  for (const std::string& name : options.targets) {
    THIMBLE_LET(const size_t column, take(name));
    columns.targets.push_back(column);
  }
  if (!options.label.empty()) {
    THIMBLE_LET(columns.label, take(options.label));
  }
  if (!options.group.empty()) {
    THIMBLE_LET(columns.group, take(options.group));
  }
  for (const std::string& name : options.inputs) {
    THIMBLE_LET(const size_t column, take(name));
    columns.inputs.push_back(column);
  }
  for (size_t column = 0; options.inputs.empty() && column < used.size(); ++column)
    if (!used[column]) columns.inputs.push_back(column);
  if (columns.inputs.empty())
    return fail(ErrorCode::bad_data, "no column is left to be an input", table.name,
                "add the measured values to the table");
  return columns;
}

Outcome read_numbers(const CsvTable& table, const CsvRow& row, const std::vector<size_t>& columns,
                     std::vector<float>& into) {
  for (size_t column : columns) {
    THIMBLE_LET(const double number, number_in(table, row, column));
    into.push_back(static_cast<float>(number));
    if (!std::isfinite(into.back()))
      return fail(ErrorCode::bad_data,
                  fmt::format("{} in column \"{}\" is too large", row.cells[column], table.header[column]),
                  table.place(row), "correct the cell or remove the row");
  }
  return {};
}

// Rows reach the device as int16, so every input must fit.
Outcome choose_scale(Dataset& dataset, double wanted, const CsvTable& table) {
  constexpr double kLargest = 32767;
  double most = 0;
  size_t at = 0;
  for (size_t i = 0; i < dataset.samples.size(); ++i)
    for (float value : dataset.samples[i].values)
      if (std::abs(value) > most) {
        most = std::abs(value);
        at = i;
      }
  const double needed = most > 0 ? std::exp2(std::ceil(std::log2(most / kLargest))) : 1 / (kLargest + 1);
  dataset.value_scale = wanted != 0 ? wanted : needed;
  if (!(dataset.value_scale > 0) || !std::isfinite(dataset.value_scale))
    return fail(ErrorCode::usage, fmt::format("value_scale is {}, expected a number above 0", wanted), "value_scale");
  if (most > dataset.value_scale * kLargest)
    return fail(
        ErrorCode::bad_data,
        fmt::format("an input of size {} does not fit 16 bits with value_scale = {}", most, dataset.value_scale),
        table.place(table.rows[at]), fmt::format("set value_scale to {} or more", needed));
  return {};
}

Result<Dataset> import_table(const Path& source, const ImportOptions& options, Progress& progress) {
  THIMBLE_LET(const std::string text, read_text(source, kMostTableBytes));
  progress.begin("reading the table", 0);
  THIMBLE_LET(const CsvTable table, parse_csv(text, source.filename().string()));
  THIMBLE_LET(const Columns columns, choose_columns(table, options));
  Dataset dataset{.root = source.parent_path(), .task = columns.label ? Task::classification : Task::regression};
  for (size_t column : columns.inputs) dataset.columns.push_back(table.header[column]);
  for (size_t column : columns.targets) dataset.columns.push_back(table.header[column]);
  std::vector<std::string> labels;
  for (const CsvRow& row : table.rows) {
    Sample sample{.path = table.place(row)};
    THIMBLE_TRY(read_numbers(table, row, columns.inputs, sample.values));
    THIMBLE_TRY(read_numbers(table, row, columns.targets, sample.targets));
    if (columns.group) sample.group = row.cells[*columns.group];
    if (columns.label) labels.push_back(row.cells[*columns.label]);
    if (columns.label && labels.back().empty())
      return fail(ErrorCode::bad_data, "the label is missing", table.place(row), "fill it in or remove the row");
    dataset.samples.push_back(std::move(sample));
  }
  if (columns.label) THIMBLE_TRY(name_classes(dataset, labels, source, "row"));
  THIMBLE_TRY(choose_scale(dataset, options.value_scale, table));
  dataset.hash = hash_of(dataset);
  progress.end(fmt::format("{} rows of {} inputs", dataset.samples.size(), columns.inputs.size()));
  return dataset;
}

}  // namespace

Result<SourceKind> parse_source_kind(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
    names.emplace_back(known);
  }
  return fail(ErrorCode::usage, fmt::format("\"{}\" is no kind of data source", name), "kind", name_hint(name, names));
}

Result<Dataset> import_dataset(const Path& source, const ImportOptions& options, Progress& progress) {
  if (!std::filesystem::exists(source))
    return fail(ErrorCode::not_found, "there is no such file or folder", source.string(),
                "check the spelling of the path");
  if (options.kind == SourceKind::csv) return import_table(source, options, progress);
  if (!std::filesystem::is_directory(source))
    return fail(ErrorCode::bad_data, "expected a folder, found a file", source.string(),
                "for a table use kind = \"csv\"");
  THIMBLE_LET(std::vector<Found> found, options.kind == SourceKind::pattern ? find_by_pattern(source, options.pattern)
                                                                            : find_in_class_folders(source));
  return import_recordings(source, std::move(found), options, progress);
}

}  // namespace thimble
