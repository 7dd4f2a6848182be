#include "data/split.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>

#include "core/rng.h"
#include "core/text.h"
#include "data/dataset_file.h"

namespace thimble {

namespace {

constexpr std::array kParts = {Split::train, Split::validation, Split::test};
constexpr size_t kPartCount = kParts.size();

// What stays together.
struct Group {
  std::string name;
  std::vector<size_t> samples;
  std::vector<double> counts;  // [class]; one class in all for regression
  std::optional<size_t> part;
};

std::vector<Group> collect_groups(const Dataset& dataset) {
  const size_t class_count = std::max<size_t>(1, dataset.classes.size());
  std::vector<Group> groups;
  std::map<std::string, size_t> index_of;
  for (size_t i = 0; i < dataset.samples.size(); ++i) {
    const Sample& sample = dataset.samples[i];
    size_t index = groups.size();
    if (!sample.group.empty()) index = index_of.try_emplace(sample.group, index).first->second;
    if (index == groups.size()) groups.push_back({sample.group, {}, std::vector<double>(class_count, 0), {}});
    groups[index].samples.push_back(i);
    groups[index].counts[static_cast<size_t>(std::max(0, sample.label))] += 1;
  }
  return groups;
}

// How far the parts are from their shares, class by class; a class weighs the same whether rare or common.
class Balance {
 public:
  Balance(const std::vector<Group>& groups, const std::array<double, kPartCount>& shares)
      : totals_(groups[0].counts.size()) {
    for (const Group& group : groups)
      for (size_t c = 0; c < totals_.size(); ++c) totals_[c] += group.counts[c];
    for (size_t part = 0; part < kPartCount; ++part) {
      for (double total : totals_) missing_[part].push_back(total * shares[part]);
      held_[part].resize(totals_.size());
    }
  }

  void add(const Group& group, size_t part, double sign = 1) {
    for (size_t c = 0; c < totals_.size(); ++c) {
      missing_[part][c] -= sign * group.counts[c];
      if (group.counts[c] > 0) held_[part][c] += sign > 0 ? 1 : -1;
    }
  }
  // Change of the sum of squared relative distances when the group joins the part; below 0 is better.
  double cost(const Group& group, size_t part) const {
    double cost = 0;
    for (size_t c = 0; c < totals_.size(); ++c) {
      if (group.counts[c] == 0) continue;
      const double share = group.counts[c] / totals_[c];
      cost += share * (share - 2 * missing_[part][c] / totals_[c]);
    }
    return cost;
  }
  // Groups with class c in a part.
  int held(size_t part, size_t c) const { return held_[part][c]; }
  size_t class_count() const { return totals_.size(); }

 private:
  std::vector<double> totals_;
  std::array<std::vector<double>, kPartCount> missing_;
  std::array<std::vector<int>, kPartCount> held_;
};

Outcome check_options(const SplitOptions& options) {
  const double held_out =
      (options.validation_groups.empty() ? options.validation : 0) + (options.test_groups.empty() ? options.test : 0);
  if (!(options.validation >= 0) || !(options.test >= 0) || !(held_out < 1))
    return fail(ErrorCode::usage,
                fmt::format("shares of {} for validation and {} for test leave nothing to train on", options.validation,
                            options.test),
                "split", "two numbers from 0 whose sum is below 1, such as 0.15 and 0.15");
  return {};
}

// Gives the groups named by the user to their part.
Outcome place_named(std::vector<Group>& groups, const std::vector<std::string>& names, size_t part) {
  for (const std::string& name : names) {
    const auto group = std::ranges::find(groups, name, &Group::name);
    if (name.empty() || group == groups.end()) {
      std::vector<std::string> known;
      for (const Group& one : groups)
        if (!one.name.empty()) known.push_back(one.name);
      return fail(ErrorCode::not_found, fmt::format("there is no group \"{}\"", name),
                  fmt::format("{}_groups", name_of(kParts[part])), name_hint(name, known));
    }
    if (group->part && *group->part != part)
      return fail(ErrorCode::usage, fmt::format("group \"{}\" is named for both validation and test", name), "split",
                  "take it out of one of the two lists");
    group->part = part;
  }
  return {};
}

// Indices of the groups that are still to be placed: largest first, equal ones in seeded order.
std::vector<size_t> placing_order(const std::vector<Group>& groups, uint64_t seed) {
  std::vector<size_t> order;
  for (size_t i = 0; i < groups.size(); ++i)
    if (!groups[i].part) order.push_back(i);
  Rng({seed}).shuffle(order);
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return groups[i].samples.size(); });
  return order;
}

// A class missing from a part gets there by moving the group that costs least, from a part that has another with each
// of its classes.
void cover_classes(std::vector<Group>& groups, const std::vector<size_t>& movable,
                   const std::vector<size_t>& open_parts, Balance& balance) {
  for (size_t c = 0; c < balance.class_count(); ++c) {
    for (size_t part : open_parts) {
      if (balance.held(part, c) > 0) continue;
      Group* best = nullptr;
      double best_cost = 0;
      for (size_t i : movable) {
        Group& group = groups[i];
        if (group.counts[c] == 0) continue;
        bool spare = true;
        for (size_t other = 0; other < balance.class_count(); ++other)
          spare = spare && (group.counts[other] == 0 || balance.held(*group.part, other) > 1);
        const double cost = balance.cost(group, part);
        if (!spare || (best != nullptr && cost >= best_cost)) continue;
        best = &group;
        best_cost = cost;
      }
      if (best == nullptr) continue;
      balance.add(*best, *best->part, -1);
      balance.add(*best, part);
      best->part = part;
    }
  }
}

Outcome place_rest(std::vector<Group>& groups, const std::array<double, kPartCount>& shares, uint64_t seed) {
  const std::vector<size_t> order = placing_order(groups, seed);
  std::vector<size_t> open_parts;
  for (size_t part = 0; part < kPartCount; ++part)
    if (shares[part] > 0) open_parts.push_back(part);
  if (order.size() < open_parts.size())
    return fail(ErrorCode::bad_data,
                fmt::format("expected at least {} groups to fill {} parts, found {}", open_parts.size(),
                            open_parts.size(), order.size()),
                "split", "record more speakers (machines, days), or set the share of validation or test to 0");
  std::vector<Group> free_groups;
  for (size_t i : order) free_groups.push_back(groups[i]);
  Balance balance(free_groups, shares);
  for (size_t i : order) {
    const auto cost = [&](size_t part) { return balance.cost(groups[i], part); };
    const size_t part = *std::ranges::min_element(open_parts, {}, cost);
    groups[i].part = part;
    balance.add(groups[i], part);
  }
  cover_classes(groups, order, open_parts, balance);
  return {};
}

Outcome check_training(const Dataset& dataset) {
  std::vector<int> counts(std::max<size_t>(1, dataset.classes.size()), 0);
  for (const Sample& sample : dataset.samples)
    if (sample.split == Split::train) ++counts[static_cast<size_t>(std::max(0, sample.label))];
  for (size_t c = 0; c < counts.size(); ++c)
    if (counts[c] == 0)
      return fail(ErrorCode::bad_data,
                  dataset.classes.empty()
                      ? "nothing is left to train on"
                      : fmt::format("nothing of class \"{}\" is left to train on", dataset.classes[c]),
                  "split", "hold out fewer groups, or record this class from more speakers (machines, days)");
  return {};
}

}  // namespace

Result<Dataset> split_dataset(Dataset dataset, const SplitOptions& options) {
  THIMBLE_TRY(check_options(options));
  if (dataset.samples.empty()) return fail(ErrorCode::bad_data, "the dataset is empty", dataset.root.string());
  std::vector<Group> groups = collect_groups(dataset);
  THIMBLE_TRY(place_named(groups, options.validation_groups, 1));
  THIMBLE_TRY(place_named(groups, options.test_groups, 2));

  std::array<double, kPartCount> shares = {1, options.validation, options.test};
  if (!options.validation_groups.empty()) shares[1] = 0;
  if (!options.test_groups.empty()) shares[2] = 0;
  shares[0] -= shares[1] + shares[2];
  THIMBLE_TRY(place_rest(groups, shares, options.seed));

  for (const Group& group : groups)
    for (size_t sample : group.samples) dataset.samples[sample].split = kParts[*group.part];
  THIMBLE_TRY(check_training(dataset));
  dataset.hash = hash_of(dataset);
  return dataset;
}

}  // namespace thimble
