// The layers of a speech codec in int16 that TensorFlow Lite Micro's own tests hold, one model each with inputs and
// outputs: byte for byte what its reference gives.
#include <gtest/gtest.h>

#include <charconv>

#include "core/text.h"
#include "formats/shared_models.h"
#include "formats/tflite/tflite.h"
#include "plan/session.h"

using namespace thimble;

namespace {

Path folder() { return shared_models().parent_path() / "conformance" / "tflm_seanet"; }

std::vector<Path> all_models() {
  std::vector<Path> files;
  if (!std::filesystem::is_directory(folder())) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder()))
    if (entry.path().extension() == ".tflite") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// The whole numbers of a text.
std::vector<int64_t> numbers_in(std::span<const uint8_t> bytes) {
  std::vector<int64_t> numbers;
  const char* at = reinterpret_cast<const char*>(bytes.data());
  const char* const end = at + bytes.size();
  while (at < end) {
    int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error == std::errc()) {
      numbers.push_back(number);
      at = next;
    } else {
      ++at;
    }
  }
  return numbers;
}

std::vector<uint8_t> as_bytes(const std::vector<int64_t>& numbers, DType dtype) {
  std::vector<uint8_t> bytes;
  for (int64_t number : numbers)
    for (size_t i = 0; i < size_of(dtype); ++i) bytes.push_back(static_cast<uint8_t>(number >> (8 * i)));
  return bytes;
}

// stem_<what>_<type>.csv, whichever type it names.
std::vector<int64_t> read_numbers(const Path& model, const std::string& what) {
  const std::string start = model.stem().string() + "_" + what + "_";
  for (const auto& entry : std::filesystem::directory_iterator(model.parent_path()))
    if (entry.path().filename().string().starts_with(start) && entry.path().extension() == ".csv")
      if (const auto bytes = read_bytes(entry.path())) return numbers_in(*bytes);
  return {};
}

// Operators that are not supported yet make a model wait; wrong bytes fail.
void run_model(const Path& path, int& waiting) {
  SCOPED_TRACE(path.filename().string());
  const auto model = read_bytes(path);
  ASSERT_TRUE(model);
  const auto graph = read_tflite(*model);
  const auto plan = graph ? make_plan(*graph, {}) : Result<Plan>(tl::unexpected<Error>(graph.error()));
  if (!plan) {
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported) << to_string(plan.error());
    ++waiting;
    return;
  }
  auto session = Session::make(*plan);
  ASSERT_TRUE(session);
  for (size_t i = 0; i < plan->inputs.size(); ++i) {
    auto numbers = read_numbers(path, "input" + std::to_string(i));
    if (numbers.empty() && i == 0) numbers = read_numbers(path, "input");
    const auto bytes = as_bytes(numbers, plan->inputs[i].type.dtype);
    ASSERT_EQ(bytes.size(), session->input(i).size());
    std::ranges::copy(bytes, session->input(i).begin());
  }
  session->invoke();
  const auto expected = as_bytes(read_numbers(path, "golden"), plan->outputs[0].type.dtype);
  const auto found = session->output(0);
  ASSERT_EQ(found.size(), expected.size());
  size_t different = 0;
  for (size_t i = 0; i < found.size(); ++i) different += found[i] != expected[i];
  EXPECT_EQ(different, 0u) << "of " << found.size() << " bytes";
}

}  // namespace

TEST(Seanet, EveryLayerGivesTheReferenceBytes) {
  const std::vector<Path> models = all_models();
  if (models.empty()) GTEST_SKIP() << folder().string() << " is absent";
  int waiting = 0;
  for (const Path& model : models) run_model(model, waiting);
  std::printf("%zu models, %d wait for operators\n", models.size(), waiting);
}
