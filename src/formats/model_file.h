// A trained model in any file format that thimble reads, as a Graph. The kind is told by the content, then by the
// file's extension. A format is one line of the table in model_file.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/files.h"
#include "graph/graph.h"

namespace thimble {

// What to read, and how.
struct ModelFile {
  ModelFile(Path path, bool nhwc = false) : path(std::move(path)), nhwc(nhwc) {}  // a path alone will do
  Path path;
  bool nhwc = false;  // images enter channels last: OnnxOptions::nhwc_inputs; the other formats have no other order
};

struct ImportedModel {
  Graph graph;
  std::string format;  // "tflite", "onnx" ...
  std::string hash;    // content_hash of the file, of those that it names, and of how it was read
};

// The content alone, without files beside it. name: the file's name, for its extension. Errors: those of the format's
// reader.
Result<ImportedModel> read_model(std::span<const uint8_t> bytes, const Path& name);

// Errors: not_found, io, and those of read_model with the path in front.
Result<ImportedModel> read_model_file(const ModelFile& file);

// The extensions of all formats, with the dot: ".tflite", ".onnx" ...
std::vector<std::string> model_file_extensions();

}  // namespace thimble
