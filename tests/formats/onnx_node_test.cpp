// ONNX's own node tests: every model of one operator that is read must give the outputs that come with it; the others
// are refused with a reason, which is printed.
#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "formats/onnx/importer.h"
#include "formats/shared_models.h"
#include "plan/session.h"

using namespace thimble;

namespace {

constexpr double kTolerance = 1e-5;  // of the largest value

Path node_tests() { return shared_models() / "../conformance/onnx_node_1_12/node"; }

::onnx::TensorProto read_proto(const Path& path) {
  ::onnx::TensorProto proto;
  const auto bytes = read_bytes(path);
  EXPECT_TRUE(bytes && proto.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) << path;
  return proto;
}

struct Case {
  std::vector<uint8_t> model;
  std::vector<std::pair<std::string, Tensor>> inputs;
  std::vector<Tensor> outputs;
};

std::vector<Result<Tensor>> read_all(const Path& folder, const std::string& kind) {
  std::vector<Result<Tensor>> tensors;
  for (int i = 0;; ++i) {
    const Path path = folder / "test_data_set_0" / fmt::format("{}_{}.pb", kind, i);
    if (!std::filesystem::exists(path)) return tensors;
    tensors.push_back(onnx_import::read_tensor(read_proto(path)));
  }
}

Result<Case> read_case(const Path& folder) {
  Case result;
  THIMBLE_LET(result.model, read_bytes(folder / "model.onnx"));
  ::onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromArray(result.model.data(), static_cast<int>(result.model.size())));
  const auto inputs = read_all(folder, "input"), outputs = read_all(folder, "output");
  for (size_t i = 0; i < inputs.size(); ++i) {
    THIMBLE_LET(Tensor tensor, inputs[i]);
    result.inputs.emplace_back(model.graph().input(static_cast<int>(i)).name(), std::move(tensor));
  }
  for (const auto& output : outputs) {
    THIMBLE_LET(Tensor tensor, output);
    result.outputs.push_back(std::move(tensor));
  }
  return result;
}

// fixed: how many of the last inputs are constants.
Result<std::vector<std::vector<uint8_t>>> run(const Case& test, size_t fixed) {
  OnnxOptions options;
  const size_t flowing = test.inputs.size() - fixed;
  for (size_t i = flowing; i < test.inputs.size(); ++i) options.fixed_inputs.insert(test.inputs[i]);
  THIMBLE_LET(const Graph graph, read_onnx(test.model, options));
  THIMBLE_LET(const Plan plan, make_plan(graph, {}));
  THIMBLE_LET(Session session, Session::make(plan));
  for (size_t i = 0; i < flowing; ++i) {
    const auto bytes = session.input(i);
    if (bytes.size() != test.inputs[i].second.bytes.size())
      return fail(ErrorCode::bad_data, fmt::format("input {} has {} bytes", i, bytes.size()));
    std::memcpy(bytes.data(), test.inputs[i].second.bytes.data(), bytes.size());
  }
  session.invoke();
  std::vector<std::vector<uint8_t>> outputs;
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    outputs.emplace_back(session.output(i).begin(), session.output(i).end());
  return outputs;
}

void compare(const std::vector<uint8_t>& found, const Tensor& expected) {
  ASSERT_EQ(found.size(), expected.bytes.size());
  if (expected.dtype != DType::f32) {
    EXPECT_EQ(std::memcmp(found.data(), expected.bytes.data(), found.size()), 0);
    return;
  }
  const auto wanted = expected.as<float>();
  std::vector<float> got(wanted.size());
  std::memcpy(got.data(), found.data(), found.size());
  double largest = 1e-30, error = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, static_cast<double>(std::abs(wanted[i])));
    error = std::max(error, static_cast<double>(std::abs(got[i] - wanted[i])));
    if (std::isnan(got[i]) != std::isnan(wanted[i])) error = INFINITY;
  }
  EXPECT_LE(error, kTolerance * largest);
}

}  // namespace

TEST(OnnxNode, EveryTestPassesOrIsRefused) {
  if (!std::filesystem::is_directory(node_tests())) GTEST_SKIP() << "no node tests in " << node_tests();
  std::vector<Path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(node_tests())) folders.push_back(entry.path());
  std::ranges::sort(folders);
  int ran = 0, refused = 0;
  for (const Path& folder : folders) {
    SCOPED_TRACE(folder.filename().string());
    const auto test = read_case(folder);
    Result<std::vector<std::vector<uint8_t>>> outputs =
        fail(ErrorCode::unsupported, test ? "" : "test data: " + test.error().message);
    // First as it is; then with more and more of the last inputs (shapes, axes, weights) known in advance.
    for (size_t fixed = 0; test && !outputs && fixed <= test->inputs.size(); ++fixed) {
      auto now = run(*test, fixed);
      if (now || fixed < std::max<size_t>(test->inputs.size(), 1)) outputs = std::move(now);
    }
    if (!outputs) {
      ++refused;
      std::cout << "refused " << folder.filename().string() << ": " << outputs.error().message << "\n";
      continue;
    }
    ++ran;
    if (outputs->size() > test->outputs.size()) outputs->resize(test->outputs.size());
    ASSERT_EQ(outputs->size(), test->outputs.size());
    for (size_t i = 0; i < outputs->size(); ++i) compare((*outputs)[i], test->outputs[i]);
  }
  std::cout << ran << " ran, " << refused << " refused, of " << folders.size() << "\n";
}
