// What a core's own kernels must cope with and no case of an operator brings: windows that a graph pass made.
#include <gtest/gtest.h>

#include "ops/op_harness.h"
#include "ops/ops.h"

namespace thimble::test {

TEST(Forms, PointwiseConvolutionWithPaddingHasPixelsWithoutTaps) {
  Attrs attrs;
  attrs.set("padding", std::string("explicit"));
  attrs.set("pad_top", int64_t{1})
      .set("pad_bottom", int64_t{0})
      .set("pad_left", int64_t{2})
      .set("pad_right", int64_t{1});
  const Subject subject{&ops::conv2d(),
                        {"padded", {flows({1, 3, 4, 5}), constant({6, 1, 1, 5}), constant({6})}, attrs}};
  const Values inputs = draw_inputs(subject.test, 1);
  const Graph graph = int8_graph(subject, inputs);
  const auto bytes = input_bytes(graph, inputs);
  const auto portable = run_kernels(graph, bytes);
  ASSERT_TRUE(portable) << to_string(portable.error());
  for (const KernelForm& form : special_forms()) {
    const auto own = run_kernels(graph, bytes, false, form);
    ASSERT_TRUE(own) << to_string(own.error());
    EXPECT_EQ(*own, *portable) << form.isa << (form.wide_weights ? ", wide weights" : "");
  }
}

}  // namespace thimble::test
