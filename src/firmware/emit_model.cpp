#include "firmware/emit_model.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <span>

#include "firmware/emit_array.h"
#include "graph/kernel_table.h"

namespace thimble {

namespace {

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// The source file in the order in which it is written.
struct Source {
  std::set<std::string> headers;
  std::map<std::pair<std::string, std::string>, std::string> params;  // by kernel and values
  std::string constants;
  std::string reset;
  std::string invoke;
  std::string features;
};

Result<const KernelInfo*> checked_kernel(const KernelCall& call, size_t operands) {
  const KernelInfo* kernel = find_kernel(call.kernel);
  if (!kernel) return fail(ErrorCode::internal, fmt::format("there is no kernel {}", call.kernel), call.layer);
  if (static_cast<int>(call.params.size()) != kernel->params || operands != kernel->entry.operands)
    return fail(ErrorCode::internal,
                fmt::format("{} takes {} parameters and {} operands, found {} and {}", call.kernel, kernel->params,
                            kernel->entry.operands, call.params.size(), operands),
                call.layer);
  return kernel;
}

// "input_h, input_w" and {49, 10} -> "/*input_h*/ 49, /*input_w*/ 10".
std::string named_params(const KernelCall& call) {
  std::string text;
  std::string_view names = call.param_names;
  for (size_t i = 0; i < call.params.size(); ++i) {
    const size_t comma = names.find(',');
    std::string_view name = names.substr(0, comma);
    names = comma == names.npos ? std::string_view() : names.substr(comma + 1);
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    // INT32_MIN has no literal of its own in C++.
    const std::string value = call.params[i] == INT32_MIN ? "INT32_MIN" : std::to_string(call.params[i]);
    text += fmt::format("{}/*{}*/ {}", i ? ", " : "", name, value);
  }
  return text;
}

// One kernel call; `arguments` are C++ expressions in operand order.
Outcome emit_call(const KernelCall& call, const std::string& params_name, std::span<const std::string> arguments,
                  Source& source, std::string& body) {
  THIMBLE_LET(const KernelInfo* kernel, checked_kernel(call, arguments.size()));
  source.headers.emplace(kernel->header);
  const std::string values = named_params(call);
  const auto [name, is_new] = source.params.try_emplace({call.kernel, values}, params_name);
  if (is_new)
    source.constants += fmt::format("constexpr ParamsOf<&{}> {} = {{{}}};\n", call.kernel, params_name, values);
  body += fmt::format("  {}({}", call.kernel, name->second);
  for (const std::string& argument : arguments) body += ", " + argument;
  body += fmt::format(");  // {}\n", call.layer);
  return {};
}

std::string arena_pointer(std::string_view base, DType dtype, uint64_t offset) {
  return fmt::format("reinterpret_cast<{}*>({} + {})", c_type(dtype), base, offset);
}

void emit_reset(const Plan& plan, Source& source) {
  source.reset = "  (void)arena;\n";
  if (plan.state_bytes == 0) return;
  std::string initial = "nullptr";
  if (plan.state_initial) {
    initial = fmt::format("{}_state", kTablesPrefix);
    const auto bytes = std::span(plan.constants).subspan(*plan.state_initial, static_cast<size_t>(plan.state_bytes));
    source.constants += "\n// state before the first inference\n" + array_text(initial, DType::u8, bytes);
  }
  source.headers.emplace("device/runtime/state.h");
  source.reset = fmt::format("  reset_state(arena, {}, {});\n", initial, plan.state_bytes);
}

// The compiled form: constants of each layer in front of the list of calls.
Outcome emit_calls(const Plan& plan, Source& source) {
  emit_reset(plan, source);
  std::map<std::pair<uint32_t, DType>, std::string> emitted;  // equal constants share an offset
  source.invoke = "  uint8_t* const a = static_cast<uint8_t*>(arena);\n";
  for (size_t index = 0; index < plan.calls.size(); ++index) {
    const PlannedCall& planned = plan.calls[index];
    source.constants += fmt::format("\n// {} ({})\n", planned.call.layer, planned.op);
    std::vector<std::string> arguments;
    for (size_t k = 0; k < planned.refs.size(); ++k) {
      const OperandRef& ref = planned.refs[k];
      if (!ref.constant) {
        arguments.push_back(arena_pointer("a", ref.dtype, ref.offset));
        continue;
      }
      std::string& name = emitted[{ref.offset, ref.dtype}];
      if (name.empty()) {
        name = fmt::format("{}_{}_{}", planned.macs > 0 ? kWeightsPrefix : kTablesPrefix, index, k);
        const auto bytes = std::span(plan.constants).subspan(ref.offset, static_cast<size_t>(ref.bytes));
        source.constants += array_text(name, ref.dtype, bytes);
      }
      arguments.push_back(name);
    }
    THIMBLE_TRY(emit_call(planned.call, fmt::format("params_{}", index), arguments, source, source.invoke));
  }
  return {};
}

void emit_bundle(const Plan& plan, Source& source) {
  std::set<uint16_t> ids;
  source.headers.emplace("device/runtime/bundle.h");
  source.constants += "\nconstexpr KernelEntry kernels[] = {\n";
  for (const PlannedCall& planned : plan.calls) {
    const KernelInfo* kernel = find_kernel(planned.call.kernel);
    if (!ids.insert(kernel->entry.id).second) continue;
    source.headers.emplace(kernel->header);
    source.constants += fmt::format("    kernel_entry<&{}>({}),\n", kernel->name, kernel->entry.id);
  }
  source.constants += fmt::format("}};\nconstexpr BundleHost host = {{kernels, {}, {}, {}u}};\n", ids.size(),
                                  plan.arena_bytes, plan.signal_fingerprint);
  source.constants += array_text(std::string(kWeightsPrefix) + "_bundle", DType::u8, write_bundle(plan));
  source.reset = fmt::format("  reset_bundle({}_bundle, static_cast<uint8_t*>(arena));\n", kWeightsPrefix);
  source.invoke = fmt::format("  run_bundle({}_bundle, static_cast<uint8_t*>(arena), host);\n", kWeightsPrefix);
}

// Bytes of scratch memory the signal's call wants, each piece 16-byte aligned.
int64_t features_scratch_bytes(const Signal& signal) {
  int64_t bytes = 0;
  for (const Operand& operand : signal.call.operands)
    if (const auto* scratch = std::get_if<ScratchBytes>(&operand)) bytes += (scratch->bytes + 15) / 16 * 16;
  return bytes;
}

Outcome emit_features(const Signal& signal, Source& source) {
  source.constants += fmt::format("\n// signal {}\n", signal.config.block);
  std::vector<std::string> arguments;
  int64_t scratch_bytes = 0;
  for (size_t k = 0; k < signal.call.operands.size(); ++k) {
    const Operand& operand = signal.call.operands[k];
    if (const auto* value = std::get_if<ValueId>(&operand)) {
      arguments.push_back(*value == 0 ? "frame" : "features");
    } else if (const auto* tensor = std::get_if<Tensor>(&operand)) {
      arguments.push_back(fmt::format("{}_signal_{}", kTablesPrefix, k));
      const std::span bytes(reinterpret_cast<const uint8_t*>(tensor->bytes.data()), tensor->bytes.size());
      source.constants += array_text(arguments.back(), tensor->dtype, bytes);
    } else {
      const auto& scratch = std::get<ScratchBytes>(operand);
      arguments.push_back(arena_pointer("s", scratch.dtype, static_cast<uint64_t>(scratch_bytes)));
      scratch_bytes += (scratch.bytes + 15) / 16 * 16;
    }
  }
  source.features = scratch_bytes > 0 ? "  uint8_t* const s = static_cast<uint8_t*>(scratch);\n" : "  (void)scratch;\n";
  return emit_call(signal.call, "params_signal", arguments, source, source.features);
}

std::string port_text(const std::string& prefix, std::string_view kind, const PlanPort& port, size_t index) {
  const std::string name = fmt::format("{}_{}{}", upper(prefix), kind, index ? std::to_string(index) : "");
  std::string text = fmt::format("\n// {} {}\n#define {}_OFFSET {}\n#define {}_BYTES {}\n", port.name,
                                 to_string(port.type.shape), name, port.arena_offset, name, port.bytes);
  if (!port.quantization.empty())
    text += fmt::format("#define {}_SCALE {:.9g}f\n#define {}_ZERO_POINT ({})\n", name,
                        static_cast<double>(port.quantization.scale[0]), name, port.quantization.zero_point[0]);
  const std::string function =
      fmt::format("{}_{}", prefix, c_identifier(fmt::format("{}{}", kind, index ? std::to_string(index) : "")));
  text += fmt::format("static inline {0}* {1}(void* arena) {{ return ({0}*)((uint8_t*)arena + {2}_OFFSET); }}\n",
                      c_type(port.type.dtype), function, name);
  return text;
}

std::string signal_text(const std::string& name, const Signal& signal) {
  const std::string prefix = upper(name) + "_FEATURES";
  std::string text = fmt::format("\n// {}: one frame of interleaved samples -> its features.\n", signal.config.block);
  const auto define = [&](std::string_view what, auto value) {
    text += fmt::format("#define {}_{} {}\n", prefix, what, value);
  };
  define("CHANNELS", signal.config.channels);
  define("SAMPLE_RATE_HZ", signal.config.sample_rate_hz);
  define("FRAME_SAMPLES", signal.frame_samples);
  define("HOP_SAMPLES", signal.hop_samples);
  define("FRAMES", signal.frames);
  define("PER_FRAME", signal.features);
  define("SCRATCH_BYTES", features_scratch_bytes(signal));
  define("SCALE", fmt::format("{:.9g}f", signal.feature_scale));
  define("FINGERPRINT", fmt::format("{:#010x}u", signal.fingerprint));
  text += "// scratch: SCRATCH_BYTES bytes, 16-byte aligned.\n";
  text += fmt::format("void {}_features(const int16_t* frame, int16_t* features, void* scratch);\n", name);
  return text;
}

std::string header_text(const std::string& name, const Plan& plan, const EmitOptions& options) {
  const std::string prefix = upper(name);
  std::string text =
      fmt::format("// Model \"{}\", written by thimble.\n#ifndef {}_H\n#define {}_H\n#include <stdint.h>\n\n",
                  plan.model, prefix, prefix);
  text += "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
  text +=
      "// The arena: all working memory of the model, 16-byte aligned. Inputs are written to it before, outputs read "
      "from it\n";
  text += "// after an inference, which overwrites the inputs.\n";
  text += fmt::format("#define {}_ARENA_BYTES {}\n", prefix, plan.arena_bytes);
  text +=
      "// The first bytes of the arena are state: they keep their contents from one inference to the next and belong "
      "to "
      "the model.\n";
  text += fmt::format("#define {}_STATE_BYTES {}\n", prefix, plan.state_bytes);
  for (size_t i = 0; i < plan.inputs.size(); ++i) text += port_text(name, "INPUT", plan.inputs[i], i);
  for (size_t i = 0; i < plan.outputs.size(); ++i) text += port_text(name, "OUTPUT", plan.outputs[i], i);
  text += "\n// 0, or a status of device/base/status.def: whether this firmware can run the model. Once, at start.\n";
  text += fmt::format("uint8_t {}_check(void);\n", name);
  text +=
      "// Gives the state its initial contents: once before the first inference, and to start anew. Does nothing for a "
      "model without\n// state.\n";
  text += fmt::format("void {0}_reset(void* arena);\n// One inference.\nvoid {0}_invoke(void* arena);\n", name);
  if (!options.classes.empty())
    text += fmt::format("\n#define {}_CLASSES {}\nextern const char* const {}_class_names[{}_CLASSES];\n", prefix,
                        options.classes.size(), name, prefix);
  if (options.signal) text += signal_text(name, *options.signal);
  return text + "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
}

std::string source_text(const std::string& name, const Source& source, const Plan& plan, const EmitOptions& options) {
  const bool compiled = options.form == ModelForm::compiled;
  std::string text = fmt::format("// Model \"{}\", written by thimble: {}.\n#include \"{}.h\"\n\n", plan.model,
                                 compiled ? "its kernel calls" : "a bundle and the loop that runs it", name);
  for (const std::string& header : source.headers) text += fmt::format("#include \"{}\"\n", header);
  if (!source.headers.contains("device/runtime/bundle.h")) text += "#include \"device/runtime/invoke.h\"\n";
  text += "\nnamespace {\n\nusing namespace thimble::device;\n" + source.constants +
          "\n}  // namespace\n\nextern \"C\" {\n\n";
  const std::string check =
      compiled
          ? "0"
          : fmt::format("static_cast<uint8_t>(check_bundle({0}_bundle, sizeof({0}_bundle), host))", kWeightsPrefix);
  text += fmt::format("uint8_t {}_check(void) {{ return {}; }}\n\n", name, check);
  text += fmt::format("void {}_reset(void* arena) {{\n{}}}\n\n", name, source.reset);
  text += fmt::format("void {}_invoke(void* arena) {{\n{}}}\n", name, source.invoke);
  if (options.signal)
    text += fmt::format("\nvoid {}_features(const int16_t* frame, int16_t* features, void* scratch) {{\n{}}}\n", name,
                        source.features);
  if (!options.classes.empty()) {
    text += fmt::format("\nextern const char* const {}_class_names[{}_CLASSES] = {{", name, upper(name));
    for (size_t i = 0; i < options.classes.size(); ++i) text += (i ? ", " : "") + c_string(options.classes[i]);
    text += "};\n";
  }
  return text + "\n}\n";
}

}  // namespace

std::string c_identifier(std::string_view text) {
  std::string name;
  for (const unsigned char c : text) name += std::isalnum(c) && c < 128 ? static_cast<char>(std::tolower(c)) : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "model_");
  return name;
}

std::string c_string(std::string_view text) {
  std::string literal = "\"";
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\' || c == '?') literal += '\\';
    // Octal escapes end after three digits, so what follows cannot be taken for a part of them.
    if (c < 32 || c == 127)
      literal += fmt::format("\\{:03o}", c);
    else
      literal += static_cast<char>(c);
  }
  return literal + '"';
}

Result<EmittedModel> emit_model(const Plan& plan, const EmitOptions& options) {
  for (const PlannedCall& planned : plan.calls) THIMBLE_TRY(checked_kernel(planned.call, planned.refs.size()));
  Source source;
  if (options.form == ModelForm::compiled)
    THIMBLE_TRY(emit_calls(plan, source));
  else
    emit_bundle(plan, source);
  if (options.signal) THIMBLE_TRY(emit_features(*options.signal, source));
  const std::string name = c_identifier(plan.model);
  const int64_t scratch_bytes = options.signal ? features_scratch_bytes(*options.signal) : 0;
  return EmittedModel{name, header_text(name, plan, options), source_text(name, source, plan, options), scratch_bytes};
}

}  // namespace thimble
