#include "formats/keras/hdf5.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "formats/keras/bytes.h"

namespace thimble::keras {

namespace {

constexpr uint64_t kUndefined = ~uint64_t{0};
constexpr uint64_t kSpareBudget = uint64_t{64} << 20;
constexpr uint64_t kMaxElements = uint64_t{1} << 28;
constexpr size_t kMaxRank = 8;
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxMessages = 1 << 16;
constexpr size_t kMaxHeaderBlocks = 4096;
constexpr int kMaxDepth = 16;  // of a B-tree
constexpr size_t kMaxFilters = 16;
constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr std::string_view kSaveAgain = "save the model again with Keras (model.save)";

enum MessageType {
  kExtents = 1,
  kLinkInfo = 2,
  kDatatype = 3,
  kLink = 6,
  kExternalFiles = 7,
  kLayout = 8,
  kFilters = 11,
  kAttribute = 12,
  kContinuation = 16,
  kSymbolTable = 17,
  kAttributeInfo = 21
};
enum FilterNumber { kDeflate = 1, kShuffle = 2, kChecksum = 3 };

tl::unexpected<Error> damaged(std::string message) {
  return fail(ErrorCode::bad_data, "HDF5: " + std::move(message), {},
              "the file is damaged or was cut short: copy or export it again");
}

tl::unexpected<Error> unsupported(std::string message) {
  return fail(ErrorCode::unsupported, "HDF5: " + std::move(message), {}, std::string(kSaveAgain));
}

}  // namespace

// ---- file, blocks, headers

Result<Hdf5> Hdf5::open(std::span<const uint8_t> bytes) {
  Hdf5 file;
  file.bytes_ = bytes;
  file.budget_ = kSpareBudget + 4 * bytes.size();
  Cursor at(bytes);
  if (at.text(8) != kSignature) return damaged("the file's signature is missing");
  const auto version = at.number(1);
  if (version > 3) return unsupported(fmt::format("superblock version {}, at most 3 is known", version));
  if (version < 2) at.skip(4);
  const auto offset_bytes = at.number(1), length_bytes = at.number(1);
  if (offset_bytes != 8 || length_bytes != 8)
    return unsupported(fmt::format("addresses of {} and lengths of {} bytes, expected 8", offset_bytes, length_bytes));
  at.skip(version == 0 ? 9 : version == 1 ? 13 : 1);
  if (at.number(8) != 0) return unsupported("a file that starts with a block of another format");
  at.skip(8);
  const uint64_t end = at.number(8);
  if (version < 2) at.skip(16);
  file.root_ = at.number(8);
  if (!at.ok()) return damaged(fmt::format("a file of {} bytes ends within its superblock", bytes.size()));
  if (end > bytes.size())
    return damaged(fmt::format("the file has {} bytes, but says that it has {}", bytes.size(), end));
  return file;
}

Outcome Hdf5::charge(uint64_t bytes) {
  if (bytes > budget_) return damaged("its parts overlap or repeat far beyond the file's size");
  budget_ -= bytes;
  return {};
}

Result<std::span<const uint8_t>> Hdf5::block(uint64_t at, uint64_t size) {
  if (at > bytes_.size() || size > bytes_.size() - at)
    return damaged(fmt::format("{} bytes at {} lie outside the file of {} bytes", size, at, bytes_.size()));
  return bytes_.subspan(at, size);
}

Outcome Hdf5::read_messages_v1(std::span<const uint8_t> bytes, Messages& out,
                               std::vector<std::span<const uint8_t>>& more) {
  THIMBLE_TRY(charge(bytes.size()));
  Cursor at(bytes);
  while (at.left() >= 8) {
    const auto type = static_cast<int>(at.number(2));
    const auto size = at.number(2), flags = at.number(1);
    at.skip(3);
    const auto data = at.bytes(size);
    if (!at.ok()) return damaged("a message ends outside its object header");
    if (type == kContinuation) {
      Cursor to(data);
      const uint64_t address = to.number(8), length = to.number(8);
      THIMBLE_LET(const auto next, block(address, length));
      more.push_back(next);
    } else if (type != 0) {
      if (flags & 2 && (type == kDatatype || type == kExtents || type == kFilters || type == kAttribute))
        return unsupported("a message shared between objects");
      out.push_back({type, data});
    }
  }
  return {};
}

Outcome Hdf5::read_messages_v2(std::span<const uint8_t> bytes, bool with_order, Messages& out,
                               std::vector<std::span<const uint8_t>>& more) {
  THIMBLE_TRY(charge(bytes.size()));
  Cursor at(bytes);
  const size_t head = with_order ? 6 : 4;
  while (at.left() >= head) {
    const auto type = static_cast<int>(at.number(1));
    const auto size = at.number(2), flags = at.number(1);
    if (with_order) at.skip(2);
    const auto data = at.bytes(size);
    if (!at.ok()) return damaged("a message ends outside its object header");
    if (type == kContinuation) {
      Cursor to(data);
      const uint64_t address = to.number(8), length = to.number(8);
      THIMBLE_LET(const auto next, block(address, length));
      if (next.size() < 8 || Cursor(next).text(4) != "OCHK") return damaged("a header's continuation has no mark");
      more.push_back(next.subspan(4, next.size() - 8));
    } else if (type != 0) {
      if (flags & 2 && (type == kDatatype || type == kExtents || type == kFilters || type == kAttribute))
        return unsupported("a message shared between objects");
      out.push_back({type, data});
    }
  }
  return {};
}

Result<Hdf5::Messages*> Hdf5::messages(Object object) {
  if (const auto known = headers_.find(object); known != headers_.end()) return &known->second;
  THIMBLE_LET(const auto rest, block(object, object < bytes_.size() ? bytes_.size() - object : 0));
  Cursor at(rest);
  Messages found;
  std::vector<std::span<const uint8_t>> blocks;
  const bool newer = rest.size() >= 4 && Cursor(rest).text(4) == "OHDR";
  bool with_order = false;
  if (newer) {
    at.skip(4);
    if (const auto version = at.number(1); version != 2)
      return unsupported(fmt::format("object header version {}", version));
    const auto flags = at.number(1);
    if (flags & 0x20) at.skip(16);
    if (flags & 0x10) at.skip(4);
    with_order = flags & 4;
    blocks.push_back(at.bytes(at.number(size_t{1} << (flags & 3))));
  } else {
    if (const auto version = at.number(1); version != 1)
      return damaged(fmt::format("object header version {} at {}, expected 1", version, object));
    at.skip(7);
    const auto size = at.number(4);
    at.skip(4);
    blocks.push_back(at.bytes(size));
  }
  if (!at.ok()) return damaged(fmt::format("the object header at {} lies outside the file", object));
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (blocks.size() > kMaxHeaderBlocks || found.size() > kMaxMessages)
      return damaged(fmt::format("the object header at {} has no end", object));
    const auto bytes = blocks[i];
    THIMBLE_TRY(newer ? read_messages_v2(bytes, with_order, found, blocks) : read_messages_v1(bytes, found, blocks));
  }
  return &headers_.emplace(object, std::move(found)).first->second;
}

// ---- groups

Outcome Hdf5::read_symbols(uint64_t node, std::span<const uint8_t> names, int depth, Links& links) {
  if (depth > kMaxDepth) return damaged("a group's index is nested too deep");
  THIMBLE_LET(const auto head, block(node, 24));
  THIMBLE_TRY(charge(64));
  Cursor at(head);
  const std::string_view mark = at.text(4);
  if (mark == "TREE") {
    const auto type = at.number(1);
    at.skip(1);
    const auto count = at.number(2);
    if (type != 0) return damaged("a group's index is of another kind");
    THIMBLE_LET(const auto entries, block(node + 24, count * 16));
    Cursor entry(entries);
    for (uint64_t i = 0; i < count; ++i) {
      entry.skip(8);
      THIMBLE_TRY(read_symbols(entry.number(8), names, depth + 1, links));
    }
    return {};
  }
  if (mark != "SNOD") return damaged(fmt::format("a group's index has no node at {}", node));
  at.skip(2);
  const auto count = at.number(2);
  THIMBLE_LET(const auto entries, block(node + 8, count * 40));
  THIMBLE_TRY(charge(entries.size()));
  Cursor entry(entries);
  for (uint64_t i = 0; i < count; ++i) {
    const auto name_at = entry.number(8), address = entry.number(8), kind = entry.number(4);
    entry.skip(20);
    if (name_at >= names.size()) return damaged("a link's name lies outside its heap");
    const auto rest = names.subspan(name_at);
    const auto end =
        std::find(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(std::min(rest.size(), kMaxNameBytes)), 0);
    const std::string name(rest.begin(), end);
    THIMBLE_TRY(charge(name.size() + 64));
    if (kind == 2 || address == kUndefined) return unsupported(fmt::format("{} is a soft link", name));
    links[name] = address;
  }
  return {};
}

Outcome Hdf5::read_symbol_table(std::span<const uint8_t> message, Links& links) {
  Cursor at(message);
  const auto tree = at.number(8), heap = at.number(8);
  if (!at.ok()) return damaged("a group's symbol table is cut short");
  THIMBLE_LET(const auto head, block(heap, 32));
  Cursor heap_at(head);
  if (heap_at.text(4) != "HEAP") return damaged("a group's names have no heap");
  heap_at.skip(4);
  const auto size = heap_at.number(8);
  heap_at.skip(8);
  THIMBLE_LET(const auto names, block(heap_at.number(8), size));
  return read_symbols(tree, names, 0, links);
}

Outcome Hdf5::read_link(std::span<const uint8_t> message, Links& links) {
  Cursor at(message);
  at.skip(1);
  const auto flags = at.number(1);
  const auto kind = flags & 8 ? at.number(1) : 0;
  if (flags & 4) at.skip(8);
  if (flags & 16) at.skip(1);
  const auto length = at.number(size_t{1} << (flags & 3));
  const std::string name(at.text(std::min<uint64_t>(length, at.left() + 1)));
  const auto address = kind == 0 ? at.number(8) : 0;
  if (!at.ok()) return damaged("a link is cut short");
  if (kind != 0) return unsupported(fmt::format("{} is a link to another place or file", name));
  THIMBLE_TRY(charge(name.size() + 64));
  links[name] = address;
  return {};
}

Result<Hdf5::Links*> Hdf5::links(Object group) {
  if (const auto known = groups_.find(group); known != groups_.end()) return &known->second;
  THIMBLE_LET(const Messages* found, messages(group));
  Links links;
  for (const Message& message : *found) {
    if (message.type == kSymbolTable) THIMBLE_TRY(read_symbol_table(message.data, links));
    if (message.type == kLink) THIMBLE_TRY(read_link(message.data, links));
    if (message.type != kLinkInfo) continue;
    Cursor at(message.data);
    at.skip(1);
    if (at.number(1) & 1) at.skip(8);
    if (at.number(8) != kUndefined && at.ok())
      return unsupported("a group whose many links are stored in HDF5's newest form");
  }
  return &groups_.emplace(group, std::move(links)).first->second;
}

Result<std::optional<Hdf5::Object>> Hdf5::find(Object from, std::string_view path) {
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty()) continue;
    THIMBLE_LET(const Links* known, links(from));
    const auto link = known->find(name);
    if (link == known->end()) return std::nullopt;
    from = link->second;
  }
  return from;
}

Result<std::vector<std::string>> Hdf5::names(Object group) {
  THIMBLE_LET(const Links* known, links(group));
  std::vector<std::string> result;
  for (const auto& [name, object] : *known) result.push_back(name);
  return result;
}

// ---- types and extents

Result<Shape> Hdf5::read_extents(std::span<const uint8_t> message) {
  Cursor at(message);
  const auto version = at.number(1), rank = at.number(1);
  at.skip(1);
  const auto kind = at.number(1);
  if (version == 1) at.skip(4);
  if (version < 1 || version > 2) return unsupported(fmt::format("dataspace version {}", version));
  if (rank > kMaxRank) return unsupported(fmt::format("{} axes, at most {} are read", rank, kMaxRank));
  if (version == 2 && kind == 2) return Shape{0};
  Shape shape;
  uint64_t elements = 1;
  for (uint64_t i = 0; i < rank; ++i) {
    const auto extent = at.number(8);
    if (extent > kMaxElements || (extent > 0 && elements > kMaxElements / extent))
      return unsupported(fmt::format("more than {} numbers in one array", kMaxElements));
    elements *= extent;
    shape.push_back(static_cast<int64_t>(extent));
  }
  if (!at.ok()) return damaged("a dataspace is cut short");
  return shape;
}

Result<Hdf5::ElementType> Hdf5::read_element_type(std::span<const uint8_t> message) {
  Cursor at(message);
  const auto kind = at.number(1) & 15, bits = at.number(3), size = at.number(4);
  ElementType type{.size = static_cast<uint32_t>(size)};
  at.skip(5);
  const auto exponent_bits = kind == 1 ? at.number(1) : 0;
  if (message.size() < 8) return damaged("an element type is cut short");
  const bool big_endian = bits & 1;
  if (kind == 0 && (size == 1 || size == 2 || size == 4 || size == 8) && !big_endian) {
    type.kind = ElementType::Kind::integer;
    type.is_signed = bits & 8;
  } else if (kind == 1 && at.ok() && !big_endian &&
             ((size == 2 && (exponent_bits == 5 || exponent_bits == 8)) || (size == 4 && exponent_bits == 8) ||
              (size == 8 && exponent_bits == 11))) {
    type.exponent_bits = static_cast<int>(exponent_bits);
  } else if (kind == 3 && size > 0) {
    type.kind = ElementType::Kind::fixed_text;
  } else if (kind == 9 && (bits & 15) == 1 && size == 16) {
    type.kind = ElementType::Kind::heap_text;
  } else {
    return unsupported(fmt::format("elements of class {} with {} bytes", kind, size));
  }
  return type;
}

// ---- attributes

Result<std::string> Hdf5::heap_text(uint64_t address, uint32_t index, uint64_t length) {
  if (length == 0) return std::string();
  THIMBLE_LET(const auto head, block(address, 16));
  Cursor at(head);
  if (at.text(4) != "GCOL") return damaged(fmt::format("no heap of texts at {}", address));
  at.skip(4);
  THIMBLE_LET(const auto heap, block(address, at.number(8)));
  Cursor object(heap);
  object.skip(16);
  while (object.left() >= 16) {
    THIMBLE_TRY(charge(16));
    const auto number = object.number(2);
    object.skip(6);
    const auto size = object.number(8);
    if (number == 0) break;  // the heap's free space
    if (number != index) {
      object.skip(size > object.left() ? object.left() : std::min<uint64_t>((size + 7) / 8 * 8, object.left()));
      continue;
    }
    if (length > size || size > object.left()) return damaged("a text is longer than its place in the heap");
    THIMBLE_TRY(charge(length));
    return std::string(object.text(length));
  }
  return damaged(fmt::format("no text {} in the heap at {}", index, address));
}

Result<std::optional<std::vector<std::string>>> Hdf5::texts(Object object, std::string_view attribute) {
  THIMBLE_LET(const Messages* found, messages(object));
  bool elsewhere = false;
  for (const Message& message : *found) {
    if (message.type == kAttributeInfo) {
      Cursor at(message.data);
      at.skip(1);
      if (at.number(1) & 1) at.skip(2);
      elsewhere = elsewhere || (at.number(8) != kUndefined && at.ok());
    }
    if (message.type != kAttribute) continue;
    THIMBLE_TRY(charge(message.data.size()));
    Cursor at(message.data);
    const auto version = at.number(1), flags = at.number(1);
    const auto name_size = at.number(2), type_size = at.number(2), extents_size = at.number(2);
    if (version == 3) at.skip(1);
    const auto padded = [&](uint64_t size) { return version == 1 ? (size + 7) / 8 * 8 : size; };
    Cursor name_at(at.bytes(padded(name_size)));
    std::string_view name = name_at.text(std::min<uint64_t>(name_size, name_at.left()));
    name = name.substr(0, name.find('\0'));
    const auto type_bytes = at.bytes(padded(type_size)), extent_bytes = at.bytes(padded(extents_size));
    if (!at.ok() || version < 1 || version > 3) return damaged("an attribute is cut short");
    if (name != attribute) continue;
    if (version > 1 && flags) return unsupported(fmt::format("attribute {} has a shared type", name));
    THIMBLE_LET(const Shape shape, read_extents(extent_bytes));
    const auto count = static_cast<uint64_t>(element_count(shape));
    std::vector<std::string> result;
    if (count == 0) return result;
    THIMBLE_LET(const ElementType type, read_element_type(type_bytes));
    const bool in_heap = type.kind == ElementType::Kind::heap_text;
    if (!in_heap && type.kind != ElementType::Kind::fixed_text)
      return unsupported(fmt::format("attribute {} holds numbers, expected text", name));
    if (count > at.left() / type.size) return damaged(fmt::format("attribute {} is cut short", name));
    for (uint64_t i = 0; i < count; ++i) {
      if (in_heap) {
        const auto length = at.number(4), address = at.number(8), index = at.number(4);
        THIMBLE_LET(std::string text, heap_text(address, static_cast<uint32_t>(index), length));
        result.push_back(std::move(text));
      } else {
        const std::string_view text = at.text(type.size);
        result.emplace_back(text.substr(0, text.find('\0')));
      }
    }
    return result;
  }
  if (elsewhere) return unsupported("an object whose many attributes are stored in HDF5's newest form");
  return std::nullopt;
}

// ---- datasets

Result<std::vector<Hdf5::Filter>> Hdf5::read_filters(std::span<const uint8_t> message) {
  Cursor at(message);
  const auto version = at.number(1), count = at.number(1);
  if (version == 1) at.skip(6);
  if (count > kMaxFilters) return damaged(fmt::format("{} filters, at most {} are read", count, kMaxFilters));
  std::vector<Filter> filters;
  for (uint64_t i = 0; i < count && at.ok(); ++i) {
    const auto number = at.number(2);
    const auto name_size = version == 1 || number >= 256 ? at.number(2) : 0;
    at.skip(2);
    const auto values = at.number(2);
    at.skip(version == 1 ? (name_size + 7) / 8 * 8 : name_size);
    Filter filter{static_cast<int>(number), values > 0 ? static_cast<uint32_t>(at.number(4)) : 0};
    if (values > 1) at.skip(4 * (values - 1));
    if (version == 1 && values % 2 == 1) at.skip(4);
    if (number != kDeflate && number != kShuffle && number != kChecksum)
      return unsupported(fmt::format("weights compressed by filter {}", number));
    filters.push_back(filter);
  }
  if (!at.ok()) return damaged("a list of filters is cut short");
  return filters;
}

struct Hdf5::Chunks {
  Shape shape, chunk;
  uint32_t element = 0;
  const std::vector<Filter>& filters;
  std::vector<uint8_t> data;
  uint64_t chunk_bytes() const { return static_cast<uint64_t>(element_count(chunk)) * element; }
};

namespace {

Result<std::vector<uint8_t>> inflate_chunk(const std::vector<uint8_t>& stored, uint64_t expected) {
  std::vector<uint8_t> result(expected);
  uLongf size = expected;
  if (uncompress(result.data(), &size, stored.data(), stored.size()) != Z_OK || size != expected)
    return damaged("compressed weights do not unpack to their size");
  return result;
}

// The first bytes of all elements, then the second bytes ...
std::vector<uint8_t> unshuffle(const std::vector<uint8_t>& stored, size_t element) {
  if (element < 2) return stored;
  std::vector<uint8_t> result(stored);
  const size_t count = stored.size() / element;
  for (size_t byte = 0; byte < element; ++byte)
    for (size_t i = 0; i < count; ++i) result[i * element + byte] = stored[byte * count + i];
  return result;
}

}  // namespace

Outcome Hdf5::place_chunk(std::span<const uint8_t> stored, uint32_t mask, const std::vector<uint64_t>& at,
                          Chunks& chunks) {
  THIMBLE_TRY(charge(stored.size() + chunks.chunk_bytes()));
  std::vector<uint8_t> bytes(stored.begin(), stored.end());
  for (size_t i = chunks.filters.size(); i-- > 0;) {
    if (mask >> i & 1) continue;
    const Filter& filter = chunks.filters[i];
    if (filter.number == kChecksum) {
      bytes.resize(bytes.size() - std::min<size_t>(4, bytes.size()));
    } else if (filter.number == kShuffle) {
      bytes = unshuffle(bytes, chunks.element);
    } else {
      const bool summed = i > 0 && chunks.filters[0].number == kChecksum;
      THIMBLE_LET(bytes, inflate_chunk(bytes, chunks.chunk_bytes() + (summed ? 4 : 0)));
    }
  }
  if (bytes.size() != chunks.chunk_bytes()) return damaged("a chunk of weights has another size than its dataset says");
  // Row by row along the last axis; what lies beyond the dataset's edge is dropped.
  const size_t rank = chunks.shape.size();
  const int64_t row = chunks.chunk[rank - 1], rows = element_count(chunks.chunk) / row;
  for (int64_t r = 0; r < rows; ++r) {
    int64_t rest = r, to = 0, stride = 1;
    bool inside = true;
    std::array<int64_t, kMaxRank> index{};
    for (size_t axis = rank - 1; axis-- > 0; rest /= chunks.chunk[axis]) index[axis] = rest % chunks.chunk[axis];
    for (size_t axis = rank; axis-- > 0;) {
      const int64_t position = static_cast<int64_t>(at[axis]) + index[axis];
      inside = inside && position < chunks.shape[axis];
      to += position * stride;
      stride *= chunks.shape[axis];
    }
    if (!inside) continue;
    const int64_t count = std::min(row, chunks.shape[rank - 1] - static_cast<int64_t>(at[rank - 1]));
    std::memcpy(&chunks.data[static_cast<size_t>(to) * chunks.element],
                &bytes[static_cast<size_t>(r * row) * chunks.element], static_cast<size_t>(count) * chunks.element);
  }
  return {};
}

Outcome Hdf5::read_chunks(uint64_t node, int depth, Chunks& chunks) {
  if (depth > kMaxDepth) return damaged("an index of weights is nested too deep");
  THIMBLE_LET(const auto head, block(node, 24));
  Cursor at(head);
  if (at.text(4) != "TREE" || at.number(1) != 1) return damaged(fmt::format("no index of weights at {}", node));
  const auto level = at.number(1), count = at.number(2);
  const size_t rank = chunks.shape.size();
  const uint64_t entry_bytes = 8 + 8 * (rank + 1) + 8;
  THIMBLE_LET(const auto entries, block(node + 24, count * entry_bytes));
  THIMBLE_TRY(charge(entries.size() + 64));
  Cursor entry(entries);
  for (uint64_t i = 0; i < count; ++i) {
    const auto size = entry.number(4), mask = entry.number(4);
    std::vector<uint64_t> position;
    for (size_t axis = 0; axis < rank; ++axis) position.push_back(entry.number(8));
    entry.skip(8);
    const auto address = entry.number(8);
    if (level > 0) {
      THIMBLE_TRY(read_chunks(address, depth + 1, chunks));
      continue;
    }
    for (size_t axis = 0; axis < rank; ++axis)
      if (position[axis] >= static_cast<uint64_t>(chunks.shape[axis]))
        return damaged("a chunk lies outside its dataset");
    THIMBLE_LET(const auto stored, block(address, size));
    THIMBLE_TRY(place_chunk(stored, static_cast<uint32_t>(mask), position, chunks));
  }
  return {};
}

Result<std::vector<uint8_t>> Hdf5::dataset_bytes(std::span<const uint8_t> layout, const std::vector<Filter>& filters,
                                                 const Shape& shape, uint32_t element) {
  const uint64_t expected = static_cast<uint64_t>(element_count(shape)) * element;
  if (expected == 0) return std::vector<uint8_t>();
  Cursor at(layout);
  const auto version = at.number(1), kind = at.number(1);
  if (version != 3 && !(version == 4 && kind < 2))
    return unsupported(fmt::format("weights in layout version {}", version));
  if (kind == 2) {
    const auto axes = at.number(1), tree = at.number(8);
    if (axes != shape.size() + 1) return damaged("chunks have other axes than their dataset");
    Chunks chunks{.shape = shape, .element = element, .filters = filters};
    uint64_t chunk_elements = 1;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      const auto extent = at.number(4);
      if (extent == 0 || extent > kMaxElements / chunk_elements) return damaged("a chunk has an impossible size");
      chunk_elements *= extent;
      chunks.chunk.push_back(static_cast<int64_t>(extent));
    }
    if (!at.ok() || shape.empty()) return damaged("a dataset's layout is cut short");
    THIMBLE_TRY(charge(expected));
    chunks.data.resize(expected);
    if (tree != kUndefined) THIMBLE_TRY(read_chunks(tree, 0, chunks));
    return std::move(chunks.data);
  }
  if (kind > 1) return unsupported("weights that lie in other files");
  const auto address = kind == 1 ? at.number(8) : 0;
  const auto size = kind == 1 ? at.number(8) : at.number(2);
  if (kind == 1 && address == kUndefined) return damaged("a dataset was never written");
  if (!at.ok() || size != expected) return damaged(fmt::format("{} bytes of weights, expected {}", size, expected));
  THIMBLE_TRY(charge(expected));
  if (kind == 0) {
    const auto data = at.bytes(size);
    if (!at.ok()) return damaged("a dataset is cut short");
    return std::vector<uint8_t>(data.begin(), data.end());
  }
  THIMBLE_LET(const auto data, block(address, size));
  return std::vector<uint8_t>(data.begin(), data.end());
}

namespace {

float half_to_float(uint32_t half) {
  const uint32_t sign = half >> 15, exponent = half >> 10 & 31, fraction = half & 1023;
  const float magnitude =
      exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
      : exponent == 31 ? (fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity())
                       : std::ldexp(static_cast<float>(fraction | 1024), static_cast<int>(exponent) - 25);
  return sign ? -magnitude : magnitude;
}

}  // namespace

Result<Tensor> Hdf5::floats(Object dataset) {
  THIMBLE_LET(const Messages* found, messages(dataset));
  const auto message = [&](int type) {
    const auto at = std::ranges::find(*found, type, &Message::type);
    return at == found->end() ? std::span<const uint8_t>() : at->data;
  };
  if (message(kLayout).empty() || message(kDatatype).empty() || message(kExtents).empty())
    return damaged("found a group, expected a dataset of weights");
  if (!message(kExternalFiles).empty()) return unsupported("weights that lie in other files");
  THIMBLE_LET(const Shape shape, read_extents(message(kExtents)));
  THIMBLE_LET(const ElementType type, read_element_type(message(kDatatype)));
  const bool integer = type.kind == ElementType::Kind::integer;
  if (!integer && type.kind != ElementType::Kind::real) return unsupported("weights that are texts");
  std::vector<Filter> filters;
  if (!message(kFilters).empty()) {
    THIMBLE_LET(filters, read_filters(message(kFilters)));
  }
  THIMBLE_LET(const std::vector<uint8_t> bytes, dataset_bytes(message(kLayout), filters, shape, type.size));
  Tensor tensor = Tensor::zeros(DType::f32, shape);
  const auto numbers = tensor.as<float>();
  for (size_t i = 0; i < numbers.size(); ++i) {
    uint64_t bits = 0;
    for (size_t byte = type.size; byte-- > 0;) bits = bits << 8 | bytes[i * type.size + byte];
    if (integer) {
      const int unused = 64 - 8 * static_cast<int>(type.size);
      const auto value = static_cast<int64_t>(bits << unused) >> unused;
      numbers[i] = type.is_signed ? static_cast<float>(value) : static_cast<float>(bits);
    } else if (type.size == 8) {
      numbers[i] = static_cast<float>(std::bit_cast<double>(bits));
    } else if (type.size == 4) {
      numbers[i] = std::bit_cast<float>(static_cast<uint32_t>(bits));
    } else {
      numbers[i] = type.exponent_bits == 8 ? std::bit_cast<float>(static_cast<uint32_t>(bits) << 16)
                                           : half_to_float(static_cast<uint32_t>(bits));
    }
  }
  return tensor;
}

}  // namespace thimble::keras
