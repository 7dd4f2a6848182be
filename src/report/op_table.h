// The table "operator x type x stage", made from the registry: what `thimble ops` prints and docs/ops.md holds.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/op_spec.h"

namespace thimble {

struct OpRow {
  const OpSpec* op = nullptr;
  bool trains = false;
  bool quantizes = false;               // float32 models with it can be quantised to int8
  std::vector<std::string_view> types;  // that run on a device
  std::string_view tflite;              // "-" where there is none
  std::string notes;                    // why a stage is missing

  bool runs(DType dtype) const;
};

// One row per operator, in the order of ops.def.
std::vector<OpRow> op_table();

std::string text_of(const std::vector<OpRow>& rows);
nlohmann::json json_of(const std::vector<OpRow>& rows);

// docs/ops.md, which a test compares with this.
std::string markdown_of(const std::vector<OpRow>& rows);

}  // namespace thimble
