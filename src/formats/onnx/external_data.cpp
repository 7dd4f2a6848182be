// Tensors whose bytes lie in another file ("external data"): exporters write so what is larger than a protocol buffer
// may be, and some do always.
#include <charconv>

#include "formats/onnx/importer.h"

namespace thimble::onnx_import {

namespace {

using ::onnx::TensorProto;

// Where a tensor's bytes lie.
struct Place {
  std::string file;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

Result<Place> place_of(const TensorProto& proto) {
  Place place;
  const auto number = [](const std::string& text) -> Result<uint64_t> {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      return damaged(fmt::format("external data at {}", clean_name(text)));
    return value;
  };
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") place.file = entry.value();
    if (entry.key() == "offset") {
      THIMBLE_LET(place.offset, number(entry.value()));
    }
    if (entry.key() == "length") {
      THIMBLE_LET(place.length, number(entry.value()));
    }
  }
  if (place.file.starts_with("./")) place.file.erase(0, 2);
  const bool plain = !place.file.empty() && place.file != "." && place.file != ".." &&
                     place.file.find_first_of(std::string_view("/\\:\0", 4)) == std::string::npos;
  if (!plain)
    return refuse(
        fmt::format("its data lies in \"{}\", expected a file in the model's own folder", clean_name(place.file)),
        "save the model as one file: onnx.save(onnx.load(path), path, save_as_external_data=False)");
  return place;
}

class SideFiles {
 public:
  explicit SideFiles(const OnnxOptions& options) : options_(options) {}

  Outcome take_in(::onnx::GraphProto& graph) {
    for (auto& tensor : *graph.mutable_initializer()) THIMBLE_TRY(take_in(tensor));
    for (auto& node : *graph.mutable_node())
      for (auto& attribute : *node.mutable_attribute()) {
        if (attribute.has_t()) THIMBLE_TRY(take_in(*attribute.mutable_t()));
        if (attribute.has_g()) THIMBLE_TRY(take_in(*attribute.mutable_g()));
      }
    return {};
  }

 private:
  Outcome take_in(TensorProto& proto) {
    if (proto.data_location() != TensorProto::EXTERNAL) return {};
    auto done = fill(proto);
    if (!done && done.error().where.empty()) done.error().where = "initializer " + clean_name(proto.name());
    return done;
  }

  Outcome fill(TensorProto& proto) {
    THIMBLE_LET(const Place place, place_of(proto));
    if (!options_.side_file)
      return refuse(fmt::format("its data lies in another file, {}", clean_name(place.file)),
                    "give the model as a file, with that file beside it");
    auto known = files_.find(place.file);
    if (known == files_.end()) {
      THIMBLE_LET(std::vector<uint8_t> content, options_.side_file(place.file));
      held_ += static_cast<int64_t>(content.size());
      if (held_ > kMaxConstantBytes)
        return refuse(fmt::format("the files beside the model have more than {} bytes", kMaxConstantBytes));
      known = files_.emplace(place.file, std::move(content)).first;
    }
    const std::vector<uint8_t>& content = known->second;
    if (place.offset > content.size() || place.length.value_or(0) > content.size() - place.offset)
      return damaged(fmt::format("bytes {} to {} of {}, which has {}", place.offset,
                                 place.offset + place.length.value_or(0), clean_name(place.file), content.size()));
    const uint64_t length = place.length.value_or(content.size() - place.offset);
    taken_ += static_cast<int64_t>(length);
    if (taken_ > kMaxConstantBytes)
      return refuse(fmt::format("the model's constants need more than {} bytes", kMaxConstantBytes));
    proto.set_raw_data(content.data() + place.offset, length);
    proto.clear_external_data();
    proto.clear_data_location();
    return {};
  }

  const OnnxOptions& options_;
  std::map<std::string, std::vector<uint8_t>> files_;
  int64_t held_ = 0, taken_ = 0;
};

}  // namespace

Outcome take_in_side_files(::onnx::GraphProto& graph, const OnnxOptions& options) {
  return SideFiles(options).take_in(graph);
}

}  // namespace thimble::onnx_import
