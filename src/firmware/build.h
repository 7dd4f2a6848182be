// From a plan to a firmware image: generated model, application, port and linker script, compiled for a board.
#pragma once
#include "firmware/board.h"
#include "firmware/emit_model.h"
#include "firmware/image.h"
#include "firmware/stream_spec.h"

namespace thimble {

// device/app/<name>.cpp.
enum class App {
  tensor,  // input tensors in, output tensors out
  stream,  // recordings in, decisions out
  bench,   // one inference, no input and output: for its size
};
std::string_view name_of(App app);

struct FirmwareSpec {
  App app = App::tensor;
  Plan plan;
  ModelForm form = ModelForm::compiled;
  std::optional<StreamSpec> stream;  // for App::stream
  int64_t stack_bytes = 8192;
};

// Builds in `folder`, which may hold an earlier build: only what changed is compiled again.
// Errors: does_not_fit (by how much, and which layer), tool_missing, tool_failed, internal (forbidden symbols),
// unsupported (a board without code), io.
Result<FirmwareImage> build_firmware(const FirmwareSpec& spec, const Board& board, const Path& folder);

// board_config.h: the board's numbers for its port functions.
Result<std::string> board_config(const Board& board);

}  // namespace thimble
