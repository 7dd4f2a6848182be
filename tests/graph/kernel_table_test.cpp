// The host's table of device kernels: every kernel is found by its name and by its id, and a call that is not the
// kernel's is refused.
#include "graph/kernel_table.h"

#include <gtest/gtest.h>

#include <set>

#include "core/files.h"
#include "device/kernels/fully_connected.h"

namespace thimble {

TEST(KernelTable, FindsEveryKernelByNameAndById) {
  std::set<std::string_view> names;
  std::set<int> ids;
  for (const KernelInfo& kernel : all_kernels()) {
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name << " is listed twice";
    EXPECT_TRUE(ids.insert(kernel.entry.id).second) << "id " << kernel.entry.id << " is given twice";
    EXPECT_EQ(find_kernel(kernel.name), &kernel);
    EXPECT_EQ(find_kernel(kernel.entry.id), &kernel);
  }
  EXPECT_EQ(find_kernel("no_such_kernel"), nullptr);
  EXPECT_EQ(find_kernel(uint16_t{0}), nullptr);
}

TEST(KernelTable, HeadersHoldTheirKernels) {
  for (const KernelInfo& kernel : all_kernels()) {
    const auto text = read_text(Path(THIMBLE_SOURCE_DIR) / kernel.header);
    ASSERT_TRUE(text) << to_string(text.error());
    EXPECT_NE(text->find("void " + std::string(kernel.name) + "("), std::string::npos)
        << kernel.name << " is not in " << kernel.header;
  }
}

TEST(KernelTable, RunsACallAndRefusesOneThatIsNotTheKernels) {
  auto call = KernelCall::make("fully_connected_f32",
                               device::FullyConnectedF32Params{1, 2, 1, device::bits_of(-10), device::bits_of(10)});
  float input[] = {1, 2}, weights[] = {3, 4}, bias[] = {-5}, output[] = {0};
  void* const operands[] = {input, weights, bias, output};
  ASSERT_TRUE(run_kernel(call, operands));
  EXPECT_EQ(output[0], 6);
  EXPECT_FALSE(run_kernel(call, std::span(operands).first(3)));
  call.params.pop_back();
  EXPECT_FALSE(run_kernel(call, operands));
  call.kernel = "no_such_kernel";
  EXPECT_FALSE(run_kernel(call, operands));
}

}  // namespace thimble
