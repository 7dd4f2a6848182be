// Reads the part of the HDF5 file format that Keras writes: groups, attributes with texts, and datasets of numbers,
// from memory. Files are hostile until proven otherwise: every address is checked, links that leave the file are
// refused, and the work that a file can ask for is bounded by its size. Source: "HDF5 File Format Specification
// Version 3.0", The HDF Group. docs/decisions/006-own-hdf5-reader.md says why not the library.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/tensor.h"

namespace thimble::keras {

class Hdf5 {
 public:
  using Object = uint64_t;  // where a group's or dataset's header lies

  // `bytes` must outlive the reader. Errors: bad_data, unsupported (forms that Keras does not write).
  static Result<Hdf5> open(std::span<const uint8_t> bytes);

  Object root() const { return root_; }
  // The object at a path such as "layers/dense/vars/0", walking groups from `from`; nothing where a name is missing.
  Result<std::optional<Object>> find(Object from, std::string_view path);
  Result<std::vector<std::string>> names(Object group);
  // A text or a list of texts; nothing where there is no such attribute.
  Result<std::optional<std::vector<std::string>>> texts(Object object, std::string_view attribute);
  // A dataset of any real or integer type, as float32.
  Result<Tensor> floats(Object dataset);

 private:
  struct Message {
    int type = 0;
    std::span<const uint8_t> data;
  };
  using Messages = std::vector<Message>;
  using Links = std::map<std::string, Object, std::less<>>;

  struct ElementType {
    enum class Kind { real, integer, fixed_text, heap_text } kind = Kind::real;
    uint32_t size = 0;
    bool is_signed = false;
    int exponent_bits = 0;
  };
  struct Filter {
    int number = 0;
    uint32_t element = 0;  // of shuffle
  };
  struct Chunks;

  Result<std::span<const uint8_t>> block(uint64_t at, uint64_t size);
  Outcome charge(uint64_t bytes);
  Result<Messages*> messages(Object object);
  Outcome read_messages_v1(std::span<const uint8_t> bytes, Messages& out, std::vector<std::span<const uint8_t>>& more);
  Outcome read_messages_v2(std::span<const uint8_t> bytes, bool with_order, Messages& out,
                           std::vector<std::span<const uint8_t>>& more);
  Result<Links*> links(Object group);
  Outcome read_symbol_table(std::span<const uint8_t> message, Links& links);
  Outcome read_symbols(uint64_t node, std::span<const uint8_t> names, int depth, Links& links);
  Outcome read_link(std::span<const uint8_t> message, Links& links);
  Result<Shape> read_extents(std::span<const uint8_t> message);
  Result<ElementType> read_element_type(std::span<const uint8_t> message);
  Result<std::vector<Filter>> read_filters(std::span<const uint8_t> message);
  Result<std::string> heap_text(uint64_t address, uint32_t index, uint64_t length);
  Result<std::vector<uint8_t>> dataset_bytes(std::span<const uint8_t> layout, const std::vector<Filter>& filters,
                                             const Shape& shape, uint32_t element);
  Outcome read_chunks(uint64_t node, int depth, Chunks& chunks);
  Outcome place_chunk(std::span<const uint8_t> stored, uint32_t mask, const std::vector<uint64_t>& at, Chunks& chunks);

  std::span<const uint8_t> bytes_;
  Object root_ = 0;
  uint64_t budget_ = 0;  // bytes that may still be looked at
  std::map<Object, Messages> headers_;
  std::map<Object, Links> groups_;
};

}  // namespace thimble::keras
