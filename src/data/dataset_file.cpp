#include "data/dataset_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace thimble {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kVersion = 1;
constexpr std::string_view kFormat = "thimble dataset";

// Everything but the root's place on this disk and the hash itself.
Json content_of(const Dataset& dataset) {
  Json json = {{"task", dataset.task == Task::classification ? "classification" : "regression"},
               {"sample_rate_hz", dataset.sample_rate_hz},
               {"channels", dataset.channels},
               {"value_scale", dataset.value_scale},
               {"classes", dataset.classes},
               {"columns", dataset.columns}};
  Json& samples = json["samples"] = Json::array();
  for (const Sample& sample : dataset.samples) {
    Json one = {{"path", sample.path}, {"split", name_of(sample.split)}};
    if (!sample.group.empty()) one["group"] = sample.group;
    if (sample.label >= 0) one["label"] = sample.label;
    if (sample.duration_s > 0) one["duration_s"] = sample.duration_s;
    if (!sample.values.empty()) one["values"] = sample.values;
    if (!sample.targets.empty()) one["targets"] = sample.targets;
    samples.push_back(std::move(one));
  }
  return json;
}

Result<Sample> parse_sample(const Json& json, const Dataset& dataset) {
  Sample sample;
  sample.path = json.at("path").get<std::string>();
  sample.group = json.value("group", "");
  sample.label = json.value("label", -1);
  sample.duration_s = json.value("duration_s", 0.0);
  sample.values = json.value("values", std::vector<float>{});
  sample.targets = json.value("targets", std::vector<float>{});
  const auto error = [&](std::string message) {
    return fail(ErrorCode::bad_data, std::move(message), fmt::format("sample {}", sample.path));
  };
  const std::string split = json.at("split").get<std::string>();
  bool split_known = false;
  for (Split candidate : {Split::train, Split::validation, Split::test}) {
    if (name_of(candidate) != split) continue;
    sample.split = candidate;
    split_known = true;
  }
  if (!split_known) return error(fmt::format("expected split train, validation or test, found \"{}\"", split));
  const Path path = sample.path;
  if (path.empty() || path.is_absolute() || std::ranges::find(path, "..") != path.end())
    return error("expected a path below the root folder");
  const bool labelled = dataset.task == Task::classification;
  if (labelled ? sample.label < 0 || sample.label >= static_cast<int>(dataset.classes.size()) : sample.label != -1)
    return error(fmt::format("label {} with {} classes", sample.label, dataset.classes.size()));
  if (labelled != sample.targets.empty()) return error(labelled ? "a class and targets" : "no targets");
  if (sample.values.size() + sample.targets.size() != dataset.columns.size())
    return error(fmt::format("expected {} numbers, found {}", dataset.columns.size(),
                             sample.values.size() + sample.targets.size()));
  if (sample.values.empty() != (dataset.value_scale == 0)) return error("value_scale belongs to rows and only to them");
  for (float number : sample.values)
    if (!std::isfinite(number)) return error("a number is too large");
  return sample;
}

Result<Dataset> parse_dataset(const Json& json) {
  if (json.value("format", "") != kFormat) return fail(ErrorCode::bad_data, "this is not a dataset file");
  if (json.at("version").get<int>() != kVersion)
    return fail(ErrorCode::unsupported,
                fmt::format("expected version {}, found {}", kVersion, json.at("version").get<int>()));
  Dataset dataset;
  dataset.root = json.at("root").get<std::string>();
  const std::string task = json.at("task").get<std::string>();
  if (task != "classification" && task != "regression")
    return fail(ErrorCode::bad_data, fmt::format("expected task classification or regression, found \"{}\"", task));
  dataset.task = task == "classification" ? Task::classification : Task::regression;
  dataset.sample_rate_hz = json.at("sample_rate_hz").get<int>();
  dataset.channels = json.at("channels").get<int>();
  dataset.value_scale = json.at("value_scale").get<double>();
  dataset.classes = json.at("classes").get<std::vector<std::string>>();
  dataset.columns = json.at("columns").get<std::vector<std::string>>();
  if (dataset.sample_rate_hz < 0 || dataset.channels < 1 || !(dataset.value_scale >= 0))
    return fail(ErrorCode::bad_data, "sample_rate_hz, channels or value_scale is out of range");
  for (const Json& one : json.at("samples")) {
    THIMBLE_LET(Sample sample, parse_sample(one, dataset));
    dataset.samples.push_back(std::move(sample));
  }
  return dataset;
}

}  // namespace

std::string hash_of(const Dataset& dataset) {
  return content_hash(content_of(dataset).dump(-1, ' ', false, Json::error_handler_t::replace));
}

Outcome save_dataset(const Dataset& dataset, const Path& path) {
  const Path folder = std::filesystem::absolute(path).parent_path().lexically_normal();
  const Path root = std::filesystem::absolute(dataset.root).lexically_normal().lexically_proximate(folder);
  Json json = {{"format", kFormat}, {"version", kVersion}, {"hash", hash_of(dataset)}, {"root", root.generic_string()}};
  json.update(content_of(dataset));
  try {
    return write_text(path, json.dump(1) + "\n");
  } catch (const Json::type_error&) {
    return fail(ErrorCode::bad_data, "a file, class or group name is not valid UTF-8", path.string(), "rename it");
  }
}

Result<Dataset> load_dataset(const Path& path) {
  THIMBLE_LET(const std::string text, read_text(path, 1ull << 31));
  const auto damaged = [&](std::string message) {
    return fail(ErrorCode::bad_data, std::move(message), path.string(), "import the data again: thimble data import");
  };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return damaged("this is not JSON, or cut short");
  try {
    Result<Dataset> dataset = parse_dataset(json);
    if (!dataset) return damaged(to_string(dataset.error()));
    dataset->root = (path.parent_path() / dataset->root).lexically_normal();
    dataset->hash = hash_of(*dataset);
    return dataset;
  } catch (const Json::exception& error) {
    return damaged(error.what());
  }
}

}  // namespace thimble
