#include "train/checkpoint.h"

#include "train/model_file.h"
#include "train/tensor_file.h"

namespace thimble {

namespace {

TrainState state_from_file(const TensorFile& file) {
  const auto& header = file.header;
  TrainState state{.epoch = header.at("epoch"),
                   .best_loss = header.at("best_loss"),
                   .best_epoch = header.at("best_epoch"),
                   .log = header.at("log").get<std::vector<EpochLog>>()};
  auto next = file.numbers.begin();
  const auto take = [&](const char* count, std::vector<float>& numbers) {
    const auto wanted = header.at(count).get<uint64_t>();
    if (wanted > static_cast<uint64_t>(file.numbers.end() - next)) throw std::out_of_range(count);
    numbers.assign(next, next + static_cast<ptrdiff_t>(wanted));
    next += static_cast<ptrdiff_t>(wanted);
  };
  take("weights", state.weights);
  take("best_weights", state.best_weights);
  take("optimizer", state.optimizer);
  return state;
}

}  // namespace

Outcome save_checkpoint(const TrainState& state, const std::string& fingerprint, const Path& path) {
  TensorFile file{.header = {{"fingerprint", fingerprint},
                             {"epoch", state.epoch},
                             {"best_loss", state.best_loss},
                             {"best_epoch", state.best_epoch},
                             {"log", state.log},
                             {"weights", state.weights.size()},
                             {"best_weights", state.best_weights.size()},
                             {"optimizer", state.optimizer.size()}}};
  for (const auto* part : {&state.weights, &state.best_weights, &state.optimizer})
    file.numbers.insert(file.numbers.end(), part->begin(), part->end());
  return write_tensor_file(path, "checkpoint", file);
}

Result<std::optional<TrainState>> load_checkpoint(const std::string& fingerprint, const Path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  auto file = read_tensor_file(path, "checkpoint");
  try {
    if (!file) return tl::unexpected<Error>(file.error());
    if (file->header.at("fingerprint") != fingerprint) return std::nullopt;
    return state_from_file(*file);
  } catch (const std::exception& exception) {
    return fail(ErrorCode::bad_data, fmt::format("is not a checkpoint that thimble wrote: {}", exception.what()),
                path.string());
  }
}

}  // namespace thimble
