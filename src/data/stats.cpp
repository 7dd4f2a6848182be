#include "data/stats.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/parallel.h"

namespace thimble {

namespace {

constexpr int kQuietPeak = 33;           // of 32768: -60 dB
constexpr double kClippedShare = 0.001;  // of samples at full scale
constexpr double kImbalance = 4;         // most to least frequent class
constexpr double kUnevenLengths = 4;     // longest to shortest recording
constexpr std::array kSplits = {Split::train, Split::validation, Split::test};

struct Level {
  int peak = 0;
  double energy = 0;  // sum of squares
  int64_t samples = 0;
  double clipped = 0;  // share of samples at full scale
  std::string content;
};

Level measure(const Recording& recording) {
  Level level;
  int64_t at_full_scale = 0;
  for (int16_t sample : recording.samples) {
    const int size = std::abs(static_cast<int>(sample));
    level.peak = std::max(level.peak, size);
    level.energy += static_cast<double>(size) * size;
    if (size >= 32767) ++at_full_scale;
  }
  level.samples = static_cast<int64_t>(recording.samples.size());
  if (level.samples > 0) level.clipped = static_cast<double>(at_full_scale) / static_cast<double>(level.samples);
  level.content = content_hash(std::span(reinterpret_cast<const uint8_t*>(recording.samples.data()),
                                         recording.samples.size() * sizeof(int16_t)));
  return level;
}

// Collects the samples that share a fault into one sentence.
class Fault {
 public:
  void add(const std::string& path) {
    if (count_++ == 0) first_ = path;
  }
  void report(std::string_view what, std::vector<std::string>& warnings) const {
    if (count_ == 1) warnings.push_back(fmt::format("1 sample {}: {}", what, first_));
    if (count_ > 1) warnings.push_back(fmt::format("{} samples {}, for example {}", count_, what, first_));
  }

 private:
  int64_t count_ = 0;
  std::string first_;
};

void count_samples(const Dataset& dataset, DatasetStats& stats) {
  std::array<std::set<std::string>, 3> groups;
  std::set<std::string> all_groups;
  for (const std::string& name : dataset.classes) stats.classes.push_back({.name = name});
  stats.shortest_s = dataset.samples.empty() ? 0 : dataset.samples[0].duration_s;
  for (const Sample& sample : dataset.samples) {
    const size_t split = static_cast<size_t>(sample.split);
    for (DatasetStats::Part* part : {&stats.parts[split], &stats.total}) {
      ++part->samples;
      part->seconds += sample.duration_s;
    }
    if (!sample.group.empty()) {
      groups[split].insert(sample.group);
      all_groups.insert(sample.group);
    }
    stats.shortest_s = std::min(stats.shortest_s, sample.duration_s);
    stats.longest_s = std::max(stats.longest_s, sample.duration_s);
    if (sample.label < 0) continue;
    DatasetStats::Class& its_class = stats.classes[static_cast<size_t>(sample.label)];
    ++its_class.samples[split];
    its_class.seconds += sample.duration_s;
  }
  for (size_t split = 0; split < groups.size(); ++split)
    stats.parts[split].groups = static_cast<int64_t>(groups[split].size());
  stats.total.groups = static_cast<int64_t>(all_groups.size());
}

void summarise_columns(const Dataset& dataset, DatasetStats& stats) {
  for (size_t column = 0; column < dataset.columns.size(); ++column) {
    DatasetStats::Column summary{dataset.columns[column], INFINITY, -INFINITY, 0};
    for (const Sample& sample : dataset.samples) {
      const size_t inputs = sample.values.size();
      const double value = column < inputs ? sample.values[column] : sample.targets[column - inputs];
      summary.lowest = std::min(summary.lowest, value);
      summary.highest = std::max(summary.highest, value);
      summary.mean += value / static_cast<double>(dataset.samples.size());
    }
    stats.columns.push_back(summary);
  }
}

void warn_about_counts(const Dataset& dataset, DatasetStats& stats) {
  const auto total = [](const DatasetStats::Class& one) { return one.samples[0] + one.samples[1] + one.samples[2]; };
  if (!stats.classes.empty()) {
    const auto [least, most] = std::ranges::minmax_element(stats.classes, {}, total);
    if (static_cast<double>(total(*most)) > kImbalance * static_cast<double>(total(*least)))
      stats.warnings.push_back(
          fmt::format("classes are uneven: {} has {} samples, {} has {}; the rare one will be missed more often",
                      most->name, total(*most), least->name, total(*least)));
  }
  const bool divided = stats.parts[0].samples < stats.total.samples;
  for (Split split : kSplits) {
    for (const DatasetStats::Class& one : stats.classes)
      if (divided && stats.parts[static_cast<size_t>(split)].samples > 0 &&
          one.samples[static_cast<size_t>(split)] == 0)
        stats.warnings.push_back(fmt::format("class {} has no samples in the {} part", one.name, name_of(split)));
  }
  if (dataset.sample_rate_hz > 0 && stats.longest_s > kUnevenLengths * stats.shortest_s)
    stats.warnings.push_back(
        fmt::format("lengths differ much: from {:.2f} s to {:.2f} s", stats.shortest_s, stats.longest_s));
}

void warn_about_sound(const Dataset& dataset, const std::vector<Level>& levels, std::vector<std::string>& warnings) {
  Fault quiet, clipped, repeated, leaked;
  std::map<std::string_view, size_t> first_with;
  for (size_t i = 0; i < levels.size(); ++i) {
    const Sample& sample = dataset.samples[i];
    if (levels[i].peak < kQuietPeak) quiet.add(sample.path);
    if (levels[i].clipped > kClippedShare) clipped.add(sample.path);
    const auto [first, is_new] = first_with.try_emplace(levels[i].content, i);
    if (is_new) continue;
    const bool same_part = dataset.samples[first->second].split == sample.split;
    (same_part ? repeated : leaked).add(sample.path);
  }
  quiet.report("never rise above -60 dB of full scale", warnings);
  clipped.report("are clipped", warnings);
  repeated.report("hold the same sound as another", warnings);
  leaked.report("hold the same sound as one in another part, so results will look better than they are", warnings);
}

Outcome measure_sound(const Dataset& dataset, DatasetStats& stats, Progress& progress) {
  std::vector<Level> levels(dataset.samples.size());
  THIMBLE_TRY(
      for_each_parallel(static_cast<int64_t>(levels.size()), "listening", progress, [&](int64_t index) -> Outcome {
        THIMBLE_LET(const Recording recording, load_recording(dataset, dataset.samples[static_cast<size_t>(index)]));
        levels[static_cast<size_t>(index)] = measure(recording);
        return {};
      }));
  std::vector<double> energy(stats.classes.size(), 0), count(stats.classes.size(), 0);
  for (size_t i = 0; i < levels.size(); ++i) {
    const int label = dataset.samples[i].label;
    if (label < 0) continue;
    energy[static_cast<size_t>(label)] += levels[i].energy;
    count[static_cast<size_t>(label)] += static_cast<double>(levels[i].samples);
  }
  constexpr double kLowestDb = -100;
  for (size_t c = 0; c < energy.size(); ++c)
    stats.classes[c].level_db =
        std::max(kLowestDb, 10 * std::log10(energy[c] / std::max(1.0, count[c]) / (32768.0 * 32768.0)));
  warn_about_sound(dataset, levels, stats.warnings);
  progress.end(fmt::format("{} recordings, {:.0f} s of sound", levels.size(), stats.total.seconds));
  return {};
}

nlohmann::ordered_json to_json(const DatasetStats::Part& part) {
  return {{"samples", part.samples}, {"groups", part.groups}, {"seconds", part.seconds}};
}

}  // namespace

Result<DatasetStats> compute_stats(const Dataset& dataset, Progress& progress) {
  DatasetStats stats;
  stats.sample_rate_hz = dataset.sample_rate_hz;
  count_samples(dataset, stats);
  summarise_columns(dataset, stats);
  warn_about_counts(dataset, stats);
  if (dataset.sample_rate_hz > 0) THIMBLE_TRY(measure_sound(dataset, stats, progress));
  return stats;
}

nlohmann::ordered_json to_json(const DatasetStats& stats) {
  nlohmann::ordered_json json = {{"total", to_json(stats.total)}};
  for (Split split : kSplits)
    json["splits"][std::string(name_of(split))] = to_json(stats.parts[static_cast<size_t>(split)]);
  if (stats.sample_rate_hz > 0) {
    json["sample_rate_hz"] = stats.sample_rate_hz;
    json["shortest_s"] = stats.shortest_s;
    json["longest_s"] = stats.longest_s;
  }
  for (const DatasetStats::Class& one : stats.classes) {
    nlohmann::ordered_json& entry = json["classes"][one.name];
    for (Split split : kSplits) entry[std::string(name_of(split))] = one.samples[static_cast<size_t>(split)];
    if (stats.sample_rate_hz == 0) continue;
    entry["seconds"] = one.seconds;
    entry["level_db"] = one.level_db;
  }
  for (const DatasetStats::Column& column : stats.columns)
    json["columns"][column.name] = {{"lowest", column.lowest}, {"highest", column.highest}, {"mean", column.mean}};
  json["warnings"] = stats.warnings;
  return json;
}

}  // namespace thimble
