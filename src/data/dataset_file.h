// A Dataset as a file, dataset.json: the list of recordings (or the rows themselves), not the sound.
#pragma once
#include "data/dataset.h"

namespace thimble {

// Names the content: two datasets with the same hash train the same model.
std::string hash_of(const Dataset& dataset);

// root is kept relative to the file's folder, so that both can be moved together. Errors: io.
Outcome save_dataset(const Dataset& dataset, const Path& path);

// The hash is computed anew, so that a list edited by hand is noticed by later steps. Errors: not_found, io, bad_data
// (naming the key).
Result<Dataset> load_dataset(const Path& path);

}  // namespace thimble
