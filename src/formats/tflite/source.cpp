#include "formats/tflite/source.h"

#include <flatbuffers/util.h>

#include <algorithm>

namespace thimble::tflite {

namespace {

constexpr size_t kMaxTables = 100000;
constexpr size_t kMaxNameBytes = 1024;

Result<const OperatorCode*> operator_code(const Source& source, size_t index) {
  const auto number = at(source.subgraph.operators(), index)->opcode_index();
  if (number >= length(source.model.operator_codes()))
    return damaged(fmt::format("uses operator code {} of {}", number, length(source.model.operator_codes())),
                   fmt::format("operator {}", index));
  return at(source.model.operator_codes(), number);
}

// Codes above 127 are stored in the newer field only, older files know only the older one.
std::string operator_name(const OperatorCode& code) {
  const auto number = std::max<int32_t>(code.builtin_code(), code.deprecated_builtin_code());
  if (number == BuiltinOperator_CUSTOM) return fmt::format("CUSTOM ({})", clean_text(code.custom_code()));
  const char* name = EnumNameBuiltinOperator(static_cast<BuiltinOperator>(number));
  return *name ? name : fmt::format("number {}", number);
}

}  // namespace

std::string clean_text(const flatbuffers::String* stored) {
  std::string text;
  const char* from = stored ? stored->c_str() : "";
  while (*from && text.size() < kMaxNameBytes) {
    const char* next = from;
    const int code = flatbuffers::FromUTF8(&next);
    if (code < 0x20 || code == 0x7F) {
      text += '?';
      ++from;
    } else {
      text.append(from, next);
      from = next;
    }
  }
  return text;
}

tl::unexpected<Error> damaged(std::string message, std::string where) {
  return fail(ErrorCode::bad_data, std::move(message), std::move(where),
              "the file is damaged or was written wrongly: copy or export it again");
}

Result<const Model*> open_model(const std::vector<uint8_t>& aligned) {
  const std::string_view text(reinterpret_cast<const char*>(aligned.data()), std::min<size_t>(aligned.size(), 64));
  if (text.starts_with("version https://git-lfs"))
    return fail(ErrorCode::bad_data, "found a Git LFS pointer, expected the model itself", {},
                "run `git lfs pull` in the repository that this file comes from");
  if (aligned.size() < 8 || !ModelBufferHasIdentifier(aligned.data()))
    return fail(ErrorCode::bad_data,
                fmt::format("not a .tflite model: {} bytes without the mark \"{}\" at byte 4", aligned.size(),
                            ModelIdentifier()),
                {}, "give a .tflite file as TensorFlow Lite or `thimble convert` writes it");
  if (aligned.size() > kMaxFileBytes)
    return fail(ErrorCode::unsupported,
                fmt::format("the model has {} bytes; at most {} are read", aligned.size(), kMaxFileBytes));
  flatbuffers::Verifier verifier(aligned.data(), aligned.size(), /*max_depth=*/16, kMaxTables);
  if (!VerifyModelBuffer(verifier))
    return damaged(fmt::format("a .tflite model whose {} bytes do not hold together", aligned.size()));
  const Model* model = GetModel(aligned.data());
  if (model->version() != kSchemaVersion)
    return fail(ErrorCode::unsupported,
                fmt::format("schema version {}, expected {}", model->version(), kSchemaVersion));
  return model;
}

Result<std::vector<ValueId>> read_ids(const Source& source, const flatbuffers::Vector<int32_t>* stored, bool optional,
                                      const std::string& where) {
  if (length(stored) > kMaxPorts)
    return damaged(fmt::format("names {} tensors, at most {} are possible", length(stored), kMaxPorts), where);
  std::vector<ValueId> ids;
  for (size_t i = 0; i < length(stored); ++i) {
    const int32_t id = at(stored, i);
    const bool known = id >= 0 && static_cast<size_t>(id) < length(source.subgraph.tensors());
    if (!known && !(optional && id == kNoValue))
      return damaged(fmt::format("names tensor {} of {}", id, length(source.subgraph.tensors())), where);
    ids.push_back(id);
  }
  return ids;
}

std::string describe_tensor(const Source& source, ValueId id) {
  return fmt::format("tensor {} ({})", id, clean_text(at(source.subgraph.tensors(), static_cast<size_t>(id))->name()));
}

Result<std::vector<StoredOperator>> read_operators(const Source& source) {
  std::vector<StoredOperator> operators;
  for (size_t i = 0; i < length(source.subgraph.operators()); ++i) {
    StoredOperator stored{.index = i, .table = at(source.subgraph.operators(), i)};
    THIMBLE_LET(const OperatorCode* code, operator_code(source, i));
    stored.builtin = operator_name(*code);
    const std::string where = fmt::format("operator {} ({})", i, stored.builtin);
    THIMBLE_LET(stored.inputs, read_ids(source, stored.table->inputs(), true, where));
    THIMBLE_LET(stored.outputs, read_ids(source, stored.table->outputs(), false, where));
    operators.push_back(std::move(stored));
  }
  return operators;
}

}  // namespace thimble::tflite
