#include "ops/unary.h"

#include <algorithm>
#include <cmath>

#include "device/kernels/unary_f32.h"
#include "device/kernels/unary_s16.h"
#include "ops/lowering.h"

namespace thimble::ops {

Result<std::vector<KernelCall>> lower_unary(const LowerArgs& args, const std::map<DType, UnaryLowering>& forms) {
  THIMBLE_LET(const DType dtype, kernel_dtype(args));
  const Value& input = args.graph[args.node.inputs[0]];
  const Value& output = args.graph[args.node.outputs[0]];
  if (dtype == DType::i8 || dtype == DType::i16)
    for (const Value* value : {&input, &output})
      if (value->quantization.scale.size() != 1)
        return cannot_lower(args.node, fmt::format("{} {} has {} scales, expected one", name_of(dtype), value->name,
                                                   value->quantization.scale.size()));
  return forms.at(dtype)({args, input, output, static_cast<int32_t>(element_count(output.type.shape))});
}

DTypes types_of(const std::map<DType, UnaryLowering>& forms) {
  DTypes types = forms.begin()->first;
  for (const auto& [dtype, form] : forms) types.add(dtype);
  return types;
}

OpSpec imported_unary(std::string_view name, std::string_view doc, TfliteMapping tflite, Stage<QuantizeRule> quantize,
                      std::map<DType, UnaryLowering> forms) {
  return {
      .name = name,
      .doc = doc,
      .traits = {.in_place = true, .rows = row_by_row, .channels = separate_channels},
      .dtypes = types_of(forms),
      .infer = same_as_input,
      .forward = kImportedOnly,
      .backward = kImportedOnly,
      .quantize = std::move(quantize),
      .tflite = std::move(tflite),
      .lower = [forms = std::move(forms)](const LowerArgs& args) { return lower_unary(args, forms); },
      .macs = OptOut{"it multiplies nothing"},
  };
}

std::vector<KernelCall> real_table_s8(const UnaryNode& node, const RealFunction& function) {
  const float steps_per_unit = 1 / scale_of(node.output);
  const auto zero = static_cast<float>(zero_point_of(node.output));
  return lookup_call(node.args, lookup_table([&](int32_t x) {
                       const float real = scale_of(node.input) * static_cast<float>(x - zero_point_of(node.input));
                       const float code = std::round(function(real) * steps_per_unit) + zero;
                       return static_cast<int32_t>(std::min(std::max(code, -128.0f), 127.0f));
                     }));
}

std::vector<KernelCall> real_table_s16(const UnaryNode& node, const RealFunction& function) {
  const TableScale input{scale_of(node.input), zero_point_of(node.input)},
      output{scale_of(node.output), zero_point_of(node.output)};
  return unary_call(node, "table_lookup_s16", device::LookupS16Params{node.size}, {table_s16(input, output, function)});
}

UnaryLowering plain_call(std::string kernel) {
  return [kernel = std::move(kernel)](const UnaryNode& node) {
    return unary_call(node, kernel, device::UnaryParams{node.size});
  };
}

}  // namespace thimble::ops
