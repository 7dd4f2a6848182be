// Cases of svdf. The formula: activations of time steps gone by, and the one of now, times the time weights.
#include "ops/op_case.h"

namespace thimble::test {

namespace {

Values reference(const Values& in, size_t batch, size_t inputs, size_t filters, size_t rank, size_t memory) {
  std::vector<float> output(batch * filters / rank);
  for (size_t b = 0; b < batch; ++b)
    for (size_t f = 0; f < filters; ++f) {
      const size_t unit = f / rank;
      double sum = f % rank == 0 ? in[3][unit] : output[b * filters / rank + unit];
      double now = 0;
      for (size_t i = 0; i < inputs; ++i) now += static_cast<double>(in[1][f * inputs + i]) * in[0][b * inputs + i];
      for (size_t m = 0; m < memory; ++m)
        sum += in[2][f * memory + m] * (m + 1 < memory ? in[4][(b * filters + f) * memory + m + 1] : now);
      output[b * filters / rank + unit] = static_cast<float>(sum);
    }
  return {output};
}

}  // namespace

THIMBLE_OP_CASES(svdf) {
  return {{"rank1",
           {flows({1, 5}), constant({4, 5}), constant({4, 3}), constant({4}), state({1, 12})},
           Attrs().set("rank", int64_t{1}),
           false,
           1,
           [](const Values& in) { return reference(in, 1, 5, 4, 1, 3); }},
          {"rank2_batch2",
           {flows({2, 3}), constant({6, 3}), constant({6, 4}), constant({3}), state({2, 24})},
           Attrs().set("rank", int64_t{2}),
           false,
           1,
           [](const Values& in) { return reference(in, 2, 3, 6, 2, 4); }},
          {"memory_of_one",
           {flows({1, 3}), constant({2, 3}), constant({2, 1}), constant({2}), state({1, 2})},
           Attrs().set("rank", int64_t{1}).set("activation", "none"),
           false,
           1,
           [](const Values& in) { return reference(in, 1, 3, 2, 1, 1); }}};
}

}  // namespace thimble::test
