#include "signal/signal.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "device/base/crc32.h"
#include "device/base/params.h"
#include "graph/kernel_table.h"
#include "signal/blocks.h"

namespace thimble {

namespace {

using signals::Setting;
using signals::SignalBlock;

// The value in the setting's own type and range. A whole number is a real number too.
Result<AttrValue> check_setting(const Setting& setting, const AttrValue& value) {
  const std::string where = fmt::format("signal.{}", setting.name);
  const bool real = std::holds_alternative<double>(setting.initial);
  AttrValue result = value;
  if (real && std::holds_alternative<int64_t>(value)) result = static_cast<double>(std::get<int64_t>(value));
  if (result.index() != setting.initial.index())
    return fail(ErrorCode::usage,
                fmt::format("found {}, expected {}", to_string(value), real ? "a number" : "a whole number"), where);
  const double number = real ? std::get<double>(result) : static_cast<double>(std::get<int64_t>(result));
  if (!(number >= setting.low && number <= setting.high))
    return fail(ErrorCode::usage,
                fmt::format("found {}, expected {} to {}", to_string(value), setting.low, setting.high), where);
  return result;
}

// The block's settings: what the configuration says, else the defaults.
Result<Attrs> complete_settings(const SignalBlock& block, const Attrs& given) {
  Attrs settings = default_settings(block.name);
  std::vector<std::string> names;
  for (const Setting& setting : block.settings) names.emplace_back(setting.name);
  for (const auto& [name, value] : given.all()) {
    const auto setting = std::find_if(block.settings.begin(), block.settings.end(),
                                      [&](const Setting& candidate) { return candidate.name == name; });
    if (setting == block.settings.end())
      return fail(ErrorCode::usage, fmt::format("block {} has no setting \"{}\"", block.name, name),
                  fmt::format("signal.{}", name), name_hint(name, names));
    THIMBLE_LET(AttrValue checked, check_setting(*setting, value));
    settings.set(name, std::move(checked));
  }
  return settings;
}

Outcome check_config(const SignalConfig& config) {
  const auto check = [](std::string_view name, double value, double low, double high) -> Outcome {
    if (value >= low && value <= high) return {};
    return fail(ErrorCode::usage, fmt::format("found {}, expected {} to {}", value, low, high),
                fmt::format("signal.{}", name));
  };
  THIMBLE_TRY(check("sample_rate_hz", config.sample_rate_hz, 0, 1e6));
  THIMBLE_TRY(check("channels", config.channels, 1, 4096));
  if (config.sample_rate_hz > 0) THIMBLE_TRY(check("window_ms", config.window_ms, 1e-3, 600e3));
  return check("value_scale", config.value_scale, 0, 1e30);
}

template <class T>
uint32_t add_to_crc(uint32_t crc, std::span<const T> values) {
  return device::crc32(values.data(), static_cast<uint32_t>(values.size_bytes()), crc);
}

uint32_t fingerprint_of(const Signal& signal) {
  const std::string& kernel = signal.call.kernel;
  uint32_t crc = add_to_crc(0, std::span<const char>(kernel));
  crc = add_to_crc(crc, std::span<const int32_t>(signal.call.params));
  for (const Operand& operand : signal.call.operands)
    if (const auto* table = std::get_if<Tensor>(&operand))
      crc = add_to_crc(crc, std::span<const std::byte>(table->bytes));
  const int32_t numbers[] = {signal.config.sample_rate_hz,
                             signal.config.channels,
                             signal.frame_samples,
                             signal.hop_samples,
                             signal.frames,
                             signal.features,
                             device::bits_of(static_cast<float>(signal.feature_scale))};
  crc = add_to_crc(crc, std::span<const int32_t>(numbers));
  return crc != 0 ? crc : 1;
}

// The kernel with its constants and scratch memory in place; frames differ in two pointers only.
class FrameRunner {
 public:
  explicit FrameRunner(const Signal& signal)
      : invoke_(find_kernel(signal.call.kernel)->entry.invoke), params_(signal.call.params.data()) {
    for (size_t i = 0; i < signal.call.operands.size(); ++i) {
      const Operand& operand = signal.call.operands[i];
      if (const auto* value = std::get_if<ValueId>(&operand)) {
        (*value == 0 ? samples_at_ : features_at_) = i;
        pointers_.push_back(nullptr);
      } else if (const auto* table = std::get_if<Tensor>(&operand)) {
        pointers_.push_back(const_cast<std::byte*>(table->bytes.data()));
      } else {
        scratch_.resize(static_cast<size_t>(std::get<ScratchBytes>(operand).bytes) / sizeof(int64_t) + 1);
        pointers_.push_back(scratch_.data());
      }
    }
  }
  FrameRunner(const FrameRunner&) = delete;
  FrameRunner& operator=(const FrameRunner&) = delete;

  void run(const int16_t* samples, int16_t* features) {
    pointers_[samples_at_] = const_cast<int16_t*>(samples);
    pointers_[features_at_] = features;
    invoke_(params_, pointers_.data());
  }

 private:
  device::InvokeFn invoke_;
  const int32_t* params_;
  std::vector<void*> pointers_;
  std::vector<int64_t> scratch_;  // one scratch operand at most
  size_t samples_at_ = 0, features_at_ = 0;
};

}  // namespace

Result<Signal> make_signal(const SignalConfig& config) {
  const SignalBlock* block = signals::find(config.block);
  if (!block)
    return fail(ErrorCode::usage, fmt::format("there is no signal block \"{}\"", config.block), "signal.block",
                name_hint(config.block, signal_blocks()));
  THIMBLE_TRY(check_config(config));
  Signal signal{.config = config};
  THIMBLE_LET(signal.config.settings, complete_settings(*block, config.settings));
  THIMBLE_TRY(block->build(signal));
  signal.call.layer = block->name;
  signal.fingerprint = fingerprint_of(signal);
  return signal;
}

std::vector<std::string> signal_blocks() {
  std::vector<std::string> names;
  for (const SignalBlock* block : signals::all()) names.emplace_back(block->name);
  return names;
}

Attrs default_settings(std::string_view block) {
  Attrs settings;
  if (const SignalBlock* found = signals::find(block))
    for (const Setting& setting : found->settings) settings.set(setting.name, setting.initial);
  return settings;
}

void compute_frame(const Signal& signal, std::span<const int16_t> samples, std::span<int16_t> features) {
  FrameRunner(signal).run(samples.data(), features.data());
}

std::vector<int16_t> compute_features(const Signal& signal, std::span<const int16_t> samples) {
  const size_t channels = static_cast<size_t>(signal.config.channels);
  const size_t wanted = static_cast<size_t>(signal.window_samples()) * channels;
  // A stream's frames end frame_samples + k * hop_samples moments after its start; what came since the last one is not
  // heard yet.
  const auto moments = static_cast<int64_t>(samples.size() / channels);
  int64_t unheard = (moments - signal.frame_samples) % signal.hop_samples;
  if (unheard < 0) unheard += signal.hop_samples;
  samples = samples.first(static_cast<size_t>(std::max<int64_t>(0, moments - unheard)) * channels);
  std::vector<int16_t> padded;
  if (samples.size() < wanted) {
    padded.assign(wanted - samples.size(), 0);
    padded.insert(padded.end(), samples.begin(), samples.end());
    samples = padded;
  }
  const int16_t* window = samples.data() + samples.size() - wanted;
  std::vector<int16_t> features(static_cast<size_t>(signal.frames) * static_cast<size_t>(signal.features));
  FrameRunner runner(signal);
  for (int frame = 0; frame < signal.frames; ++frame)
    runner.run(window + static_cast<size_t>(frame) * static_cast<size_t>(signal.hop_samples) * channels,
               features.data() + static_cast<size_t>(frame) * static_cast<size_t>(signal.features));
  return features;
}

}  // namespace thimble
