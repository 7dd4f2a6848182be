// The options table of one operator as named attributes, for every operator alike: fields are found by name through the
// reflection tables that flatc generates. A name that the schema lacks is a mistake in src/ops and throws
// std::logic_error.
#pragma once
#include <map>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/tflite/schema.h"
#include "graph/attrs.h"

namespace thimble::tflite {

struct OptionsType {
  BuiltinOptions number = BuiltinOptions_NONE;
  const flatbuffers::TypeTable* fields = nullptr;  // null for NONE
};

// By table name ("Conv2DOptions"); an empty name is NONE.
OptionsType find_options(std::string_view name);

class OptionsReader : public AttrReader {
 public:
  // table: null when the operator stores no options; every field then has its fallback.
  OptionsReader(OptionsType type, const void* table)
      : type_(type), table_(static_cast<const flatbuffers::Table*>(table)) {}
  // A field that is not stored gives the fallback: the schema's default, which only the operator knows.
  int64_t integer(std::string_view field, int64_t fallback) const override;
  double real(std::string_view field, double fallback) const override;
  std::vector<int64_t> integers(std::string_view field) const override;  // at most the first kMaxListed

 private:
  OptionsType type_;
  const flatbuffers::Table* table_;
};

class OptionsWriter : public AttrWriter {
 public:
  explicit OptionsWriter(OptionsType type) : type_(type) {}
  void integer(std::string_view field, int64_t value) override;
  void real(std::string_view field, double value) override;
  void integers(std::string_view field, const std::vector<int64_t>& values) override;
  flatbuffers::Offset<void> finish(flatbuffers::FlatBufferBuilder& builder) const;

 private:
  OptionsType type_;
  std::map<size_t, std::variant<int64_t, double, std::vector<int64_t>>> values_;  // by field index
};

}  // namespace thimble::tflite
