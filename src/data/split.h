// Dividing a dataset into training, validation and test parts without leakage: whoever or whatever was recorded is in
// one part only.
#pragma once
#include "data/dataset.h"

namespace thimble {

struct SplitOptions {
  double validation = 0.15;  // share of the samples whose group is not named below; training gets what the two leave
  double test = 0.15;
  std::vector<std::string> validation_groups;  // exactly these, instead of the share
  std::vector<std::string> test_groups;
  uint64_t seed = 1;
};

// Sets every sample's split. Groups go, largest first, to the part that lacks most of their classes (iterative
// stratification: Sechidis, Tsoumakas, Vlahavas 2011), so that sizes and classes follow the shares as far as whole
// groups allow. A sample without a group is one of its own. The same seed gives the same parts. Errors: usage (shares
// that leave nothing to train on, a group in two lists), not_found (a named group, with the nearest name), bad_data
// (fewer groups than parts; a class of which nothing is left to train on).
Result<Dataset> split_dataset(Dataset dataset, const SplitOptions& options);

}  // namespace thimble
