#include "formats/tflite/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace thimble::tflite {

namespace {

using flatbuffers::ElementaryType;
using flatbuffers::Offset;

struct Field {
  size_t index;
  ElementaryType type;
  flatbuffers::voffset_t slot() const {
    return flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(index));
  }
};

enum class Kind { integer, real, integers };

Kind kind_of(flatbuffers::TypeCode code) {
  if (code.is_repeating) return Kind::integers;
  return code.base_type == flatbuffers::ET_FLOAT || code.base_type == flatbuffers::ET_DOUBLE ? Kind::real
                                                                                             : Kind::integer;
}

Field find_field(const OptionsType& type, std::string_view name, Kind kind) {
  for (size_t i = 0; type.fields && i < type.fields->num_elems; ++i) {
    if (name != type.fields->names[i]) continue;
    const flatbuffers::TypeCode code = type.fields->type_codes[i];
    if (kind_of(code) != kind) throw std::logic_error(fmt::format("option field {} is of another kind", name));
    return {i, static_cast<ElementaryType>(code.base_type)};
  }
  throw std::logic_error(fmt::format("{} has no field {}", EnumNameBuiltinOptions(type.number), name));
}

// Calls action with a zero of the C++ type that stores the element type.
template <class Action>
auto with_type(ElementaryType type, const Action& action) {
  switch (type) {
    case flatbuffers::ET_UTYPE:
    case flatbuffers::ET_BOOL:
    case flatbuffers::ET_UCHAR:
      return action(uint8_t{});
    case flatbuffers::ET_CHAR:
      return action(int8_t{});
    case flatbuffers::ET_SHORT:
      return action(int16_t{});
    case flatbuffers::ET_USHORT:
      return action(uint16_t{});
    case flatbuffers::ET_INT:
      return action(int32_t{});
    case flatbuffers::ET_UINT:
      return action(uint32_t{});
    case flatbuffers::ET_LONG:
      return action(int64_t{});
    case flatbuffers::ET_ULONG:
      return action(uint64_t{});
    case flatbuffers::ET_FLOAT:
      return action(float{});
    case flatbuffers::ET_DOUBLE:
      return action(double{});
    default:
      throw std::logic_error("option field is neither a number nor a list of numbers");
  }
}

template <class Number>
Number read_number(const flatbuffers::Table* table, Field field, Number fallback) {
  const uint8_t* address = table ? table->GetAddressOf(field.slot()) : nullptr;
  if (!address) return fallback;
  return with_type(field.type,
                   [&](auto zero) { return static_cast<Number>(flatbuffers::ReadScalar<decltype(zero)>(address)); });
}

}  // namespace

OptionsType find_options(std::string_view name) {
  if (name.empty()) return {};
  const flatbuffers::TypeTable* all = BuiltinOptionsTypeTable();
  for (size_t i = 0; i < all->num_elems; ++i)
    if (name == all->names[i])
      return {static_cast<BuiltinOptions>(all->values[i]), all->type_refs[all->type_codes[i].sequence_ref]()};
  throw std::logic_error(fmt::format("the .tflite schema has no options table {}", name));
}

int64_t OptionsReader::integer(std::string_view field, int64_t fallback) const {
  return read_number(table_, find_field(type_, field, Kind::integer), fallback);
}

double OptionsReader::real(std::string_view field, double fallback) const {
  return read_number(table_, find_field(type_, field, Kind::real), fallback);
}

std::vector<int64_t> OptionsReader::integers(std::string_view name) const {
  const Field field = find_field(type_, name, Kind::integers);
  std::vector<int64_t> values;
  if (!table_) return values;
  with_type(field.type, [&](auto zero) {
    using Element = decltype(zero);
    if (const auto* stored = table_->GetPointer<const flatbuffers::Vector<Element>*>(field.slot()))
      for (size_t i = 0; i < std::min<size_t>(stored->size(), kMaxListed); ++i)
        values.push_back(static_cast<int64_t>(element(*stored, i)));
  });
  return values;
}

void OptionsWriter::integer(std::string_view field, int64_t value) {
  values_[find_field(type_, field, Kind::integer).index] = value;
}

void OptionsWriter::real(std::string_view field, double value) {
  values_[find_field(type_, field, Kind::real).index] = value;
}

void OptionsWriter::integers(std::string_view field, const std::vector<int64_t>& values) {
  values_[find_field(type_, field, Kind::integers).index] = values;
}

Offset<void> OptionsWriter::finish(flatbuffers::FlatBufferBuilder& builder) const {
  if (!type_.fields) return 0;
  const auto element_type = [&](size_t index) {
    return static_cast<ElementaryType>(type_.fields->type_codes[index].base_type);
  };
  std::map<size_t, Offset<void>> lists;  // a table's vectors must be finished before it starts
  for (const auto& [index, value] : values_)
    if (const auto* list = std::get_if<std::vector<int64_t>>(&value))
      with_type(element_type(index), [&, index = index](auto zero) {
        const std::vector<decltype(zero)> stored(list->begin(), list->end());
        lists[index] = builder.CreateVector(stored).Union();
      });
  const auto start = builder.StartTable();
  for (const auto& [index, value] : values_) {
    const Field field{index, element_type(index)};
    if (lists.contains(index)) {
      builder.AddOffset(field.slot(), lists[index]);
      continue;
    }
    with_type(field.type, [&, &value = value](auto zero) {
      using Element = decltype(zero);
      const auto* integer = std::get_if<int64_t>(&value);
      builder.AddElement(field.slot(),
                         integer ? static_cast<Element>(*integer) : static_cast<Element>(std::get<double>(value)));
    });
  }
  return builder.EndTable(start);
}

}  // namespace thimble::tflite
