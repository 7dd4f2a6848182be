#include "formats/model_file.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "formats/keras/keras.h"
#include "formats/onnx/onnx.h"
#include "formats/tflite/tflite.h"

namespace thimble {

namespace {

constexpr uint64_t kMaxSideBytes = uint64_t{512} << 20;

// What a reader may need besides the bytes.
struct Reading {
  bool nhwc = false;
  std::function<Result<std::vector<uint8_t>>(const std::string&)> side_file;  // as in OnnxOptions
};

struct ModelFormat {
  std::string_view name;
  std::vector<std::string_view> extensions;
  bool (*recognises)(std::string_view bytes);  // by marks that no other format has
  Result<Graph> (*read)(std::span<const uint8_t> bytes, const Reading& reading);
};

const std::vector<ModelFormat>& formats() {
  static const std::vector<ModelFormat> all = {
      {"tflite",
       {".tflite", ".lite"},
       [](std::string_view bytes) { return bytes.size() >= 8 && bytes.substr(4, 4) == "TFL3"; },
       [](std::span<const uint8_t> bytes, const Reading&) { return read_tflite(bytes); }},
      {"keras",
       {".keras", ".h5", ".hdf5"},
       [](std::string_view bytes) {
         return looks_like_keras({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
       },
       [](std::span<const uint8_t> bytes, const Reading&) { return read_keras(bytes); }},
      // A protocol buffer has no mark; its first field is the small number ir_version.
      {"onnx",
       {".onnx"},
       [](std::string_view bytes) { return bytes.size() >= 8 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 32; },
       [](std::span<const uint8_t> bytes, const Reading& reading) {
         return read_onnx(bytes, {.nhwc_inputs = reading.nhwc, .side_file = reading.side_file});
       }},
  };
  return all;
}

const ModelFormat& format_of(std::string_view bytes, const Path& name) {
  const auto known = std::ranges::find_if(formats(), [&](const ModelFormat& f) { return f.recognises(bytes); });
  if (known != formats().end()) return *known;
  const std::string extension = name.extension().string();
  const auto named = std::ranges::find_if(formats(), [&](const ModelFormat& f) {
    return std::ranges::find(f.extensions, extension) != f.extensions.end();
  });
  return named != formats().end() ? *named : formats().front();
}

Result<ImportedModel> read_model(std::span<const uint8_t> bytes, const Path& name, const Reading& reading) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs"))
    return fail(ErrorCode::bad_data, "found a Git LFS pointer, expected the model itself", {},
                "run `git lfs pull` in the repository that this file comes from");
  const ModelFormat& format = format_of(text, name);
  THIMBLE_LET(Graph graph, format.read(bytes, reading));
  return ImportedModel{std::move(graph), std::string(format.name), content_hash(bytes)};
}

}  // namespace

Result<ImportedModel> read_model(std::span<const uint8_t> bytes, const Path& name) {
  return read_model(bytes, name, Reading{});
}

Result<ImportedModel> read_model_file(const ModelFile& file) {
  const Path& path = file.path;
  THIMBLE_LET(const std::vector<uint8_t> bytes, read_bytes(path));
  std::string also = file.nhwc ? "nhwc" : "";
  const auto beside = [&](const std::string& name) -> Result<std::vector<uint8_t>> {
    const Path side = path.parent_path() / name;
    std::error_code ignored;
    if (std::filesystem::is_symlink(side, ignored))
      return fail(ErrorCode::unsupported, "its data lies behind a symbolic link, which may lead anywhere",
                  side.string(), "put the file itself beside the model");
    THIMBLE_LET(std::vector<uint8_t> content, read_bytes(side, kMaxSideBytes));
    also += content_hash(content);
    return content;
  };
  auto model = read_model(bytes, path, {.nhwc = file.nhwc, .side_file = beside});
  if (model) {
    if (!also.empty()) model->hash = content_hash(model->hash + also);
    return model;
  }
  Error error = std::move(model).error();
  error.where = error.where.empty() ? path.string() : path.string() + ": " + error.where;
  return tl::unexpected<Error>(std::move(error));
}

std::vector<std::string> model_file_extensions() {
  std::vector<std::string> extensions;
  for (const ModelFormat& format : formats())
    extensions.insert(extensions.end(), format.extensions.begin(), format.extensions.end());
  return extensions;
}

}  // namespace thimble
