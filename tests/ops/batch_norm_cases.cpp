// Cases of batch_norm: x [..., C], gamma, beta, running mean and variance [C].
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(batch_norm) {
  const auto inputs = [](Shape shape, float low = -1, float high = 1) -> std::vector<CaseInput> {
    const int64_t c = shape.back();
    return {flows(std::move(shape), low, high), constant({c}, 0.5f, 1.5f), constant({c}), statistics({c}, -0.5f, 0.5f),
            statistics({c}, 0.5f, 2)};
  };
  return {
      {.name = "image", .inputs = inputs({3, 4, 5, 6}), .training = true},
      {.name = "one_channel", .inputs = inputs({2, 7, 5, 1}, 2, 5), .training = true},
      {.name = "wider_than_lanes", .inputs = inputs({7, 65}), .training = true},
      {.name = "odd_channels", .inputs = inputs({5, 3, 3, 7}), .attrs = Attrs().set("epsilon", 0.1), .training = true},
      {.name = "running_statistics", .inputs = inputs({2, 3, 4})},
  };
}

}  // namespace thimble::test
