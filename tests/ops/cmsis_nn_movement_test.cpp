// The vectors of CMSIS-NN for padding, transposition and concatenation: int8, and the float ones (also those of half
// precision, as float32: moving changes no number).
#include <gtest/gtest.h>

#include "graph/builder.h"
#include "ops/cmsis_nn_data.h"
#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

namespace {

constexpr const char* kAxes[] = {"N", "H", "W", "C"};

// The numbers of a setting that is a list, which may go over several lines: "#define NAME { 1, 2, }".
std::vector<int64_t> listed(const CmsisCase& data, const std::string& setting) {
  const auto text = read_text(cmsis_nn_folder() / data.name / "config_data.h");
  std::vector<int64_t> numbers;
  const size_t name = text ? text->find("_" + setting + " ") : std::string::npos;
  if (name == std::string::npos) return numbers;
  const size_t close = text->find('}', name);
  for (size_t at = text->find('{', name); at < close; ++at)
    if (std::isdigit(static_cast<unsigned char>((*text)[at])))
      numbers.push_back(std::strtoll(text->c_str() + at, nullptr, 10)), at = text->find_first_not_of("0123456789", at);
  return numbers;
}

Shape extents(const CmsisCase& data, const std::string& prefix, int count = 4) {
  Shape shape;
  for (int axis = 0; axis < count; ++axis) shape.push_back(data.integer(CmsisNames{prefix + kAxes[axis]}, 1));
  return shape;
}

template <class T>
std::vector<T> run(const OpSpec& op, const std::vector<std::pair<Shape, std::vector<T>>>& inputs, Attrs attrs) {
  GraphBuilder builder("one");
  const Quantization q = std::is_same_v<T, float> ? Quantization{} : Quantization{{1}, {0}};
  std::vector<ValueId> ids;
  std::vector<std::vector<std::byte>> data;
  for (const auto& [shape, values] : inputs) {
    ids.push_back(builder.input("x", {dtype_of<T>(), shape}, q));
    const auto bytes = std::as_bytes(std::span(values));
    data.emplace_back(bytes.begin(), bytes.end());
  }
  const auto outputs = builder.node(op, "node", ids, std::move(attrs));
  if (!outputs) {
    ADD_FAILURE() << to_string(outputs.error());
    return {};
  }
  builder.graph()[outputs->at(0)].quantization = q;
  builder.output(outputs->at(0));
  const auto result = run_kernels(builder.finish().value(), data).value();
  std::vector<T> values(result[0].size() / sizeof(T));
  std::memcpy(values.data(), result[0].data(), result[0].size());
  return values;
}

const CmsisNames kInput = {"input_tensor"}, kOutput = {"output", "output_ref"};

// "- 2.5", as some are written.
float spaced_number(const CmsisCase& data, const char* setting) {
  std::string text = data.settings.at(setting);
  std::erase(text, ' ');
  return std::strtof(text.c_str(), nullptr);
}

template <class T>
void check_pad(const CmsisCase& data) {
  std::vector<int64_t> paddings;
  for (const char* axis : kAxes) {
    const std::string before = std::string("PRE_PAD_") + axis, after = std::string("POST_PAD_") + axis;
    paddings.insert(paddings.end(), {data.integer(before.c_str()), data.integer(after.c_str())});
  }
  EXPECT_EQ(run<T>(ops::padv2(),
                   {{extents(data, "INPUT_"), data.numbers<T>(kInput)},
                    {{}, {static_cast<T>(spaced_number(data, "PAD_VALUE"))}}},
                   Attrs().set("paddings", paddings)),
            data.numbers<T>(kOutput));
}

template <class T>
void check_transpose(const CmsisCase& data) {
  std::vector<int64_t> perm = listed(data, "PERM"), input = listed(data, "IN_DIM");
  if (perm.empty()) {
    const int count = data.integer("NUM_DIMS");
    input = extents(data, "INPUT_", count);
    for (int axis = 0; axis < count; ++axis) perm.push_back(data.integer(("PERM_" + std::to_string(axis)).c_str()));
  }
  input.resize(perm.size());
  EXPECT_EQ(run<T>(ops::transpose(), {{input, data.numbers<T>(kInput)}}, Attrs().set("perm", perm)),
            data.numbers<T>(kOutput));
}

template <class T>
void check_concatenation(const CmsisCase& data) {
  Shape left = extents(data, "INPUT_"), right = left;
  left[3] = data.integer("LHS_C");
  right[3] = data.integer("RHS_C");
  EXPECT_EQ(
      run<T>(ops::concatenation(), {{left, data.numbers<T>({"lhs_input"})}, {right, data.numbers<T>({"rhs_input"})}},
             Attrs().set("axis", int64_t{3})),
      data.numbers<T>(kOutput));
}

}  // namespace

TEST(CmsisNn, Movement) {
  int found = 0;
  for (const std::string& name : cmsis_nn_names()) {
    const bool pads = name.starts_with("pad_"), joins = name.starts_with("concat_");
    const bool turns = name.starts_with("transpose_") && !name.starts_with("transpose_conv");
    if (!pads && !joins && !turns) continue;
    SCOPED_TRACE(name);
    const auto data = load_cmsis_nn(name);
    ASSERT_TRUE(data) << to_string(data.error());
    ASSERT_TRUE(data->array(kOutput));
    const bool int8 = data->array(kOutput)->type == "int8_t";
    if (pads) int8 ? check_pad<int8_t>(*data) : check_pad<float>(*data);
    if (turns) int8 ? check_transpose<int8_t>(*data) : check_transpose<float>(*data);
    if (joins) int8 ? check_concatenation<int8_t>(*data) : check_concatenation<float>(*data);
    ++found;
  }
  if (found == 0) GTEST_SKIP() << cmsis_nn_folder().string() << " is absent";
  std::printf("%d cases\n", found);
}

}  // namespace thimble::test
