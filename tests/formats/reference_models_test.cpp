// Models made by others give, through the plan and the device's own loop and kernels, the bytes that TensorFlow Lite
// Micro's reference kernels give: int8 exactly, float32 within 1e-5 of the largest value. Written out and read again
// they still do. A model that is refused stands in docs/models.md with the reason.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "formats/model_runs.h"
#include "formats/shared_models.h"

using namespace thimble;
using namespace thimble::test;

namespace {

std::vector<std::string> reference_models() {
  std::vector<std::string> names;
  std::ifstream file(shared_models() / "expected.json");
  if (!file) return names;
  const nlohmann::json known = nlohmann::json::parse(file);
  for (auto entry = known.begin(); entry != known.end(); ++entry)
    if (entry.key().ends_with(".tflite")) names.push_back(entry.key());
  return names;
}

// The rows "| `model` | reason |" of docs/models.md.
std::map<std::string, std::string> documented_refusals() {
  std::map<std::string, std::string> reasons;
  std::ifstream file(Path(THIMBLE_SOURCE_DIR) / "docs/models.md");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const size_t name_end = line.find('`', 3), reason = line.find("| ", name_end) + 2;
    reasons[line.substr(3, name_end - 3)] = line.substr(reason, line.rfind(" |") - reason);
  }
  return reasons;
}

class ReferenceModel : public testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ReferenceModel);

std::string test_name(std::string model) {
  for (char& c : model)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return model;
}

}  // namespace

TEST(ReferenceModels, ArePresent) {
  if (reference_models().empty()) GTEST_SKIP() << "no expected.json in " << shared_models();
}

TEST_P(ReferenceModel, GivesTheReferenceBytesOrIsRefusedAsDocumented) {
  const Path path = shared_models() / GetParam();
  const Bytes model = read_bytes(path).value();
  const auto documented = documented_refusals();
  const auto reason = documented.find(GetParam());
  const auto graph = read_tflite(model);
  const Result<Plan> plan = graph ? make_plan(*graph, {}) : tl::unexpected(graph.error());
  if (!plan) {
    ASSERT_NE(reason, documented.end()) << "refused, and not in docs/models.md: " << to_string(plan.error());
    EXPECT_NE(to_string(plan.error()).find(reason->second), std::string::npos)
        << "docs/models.md: " << reason->second << "\nfound: " << to_string(plan.error());
    return;
  }
  EXPECT_EQ(reason, documented.end()) << "it runs, but docs/models.md says that it is refused";
  const std::string stem = Path(path).replace_extension("").string();
  const auto inputs = read_bytes(stem + ".in.bin"), expected = read_bytes(stem + ".out.bin");
  if (!inputs || !expected || expected->empty()) GTEST_SKIP() << "the reference has no outputs";
  expect_same(*graph, *inputs, *expected);
  expect_rewrites(model, *graph, *inputs);
}

INSTANTIATE_TEST_SUITE_P(Tflite, ReferenceModel, testing::ValuesIn(reference_models()),
                         [](const auto& info) { return test_name(info.param); });
