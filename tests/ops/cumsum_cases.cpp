// Cases of cumsum: x, attributes axis, exclusive and reverse.
#include "ops/op_case.h"

namespace thimble::test {

namespace {

OpCase along(std::string name, CaseInput input, int64_t axis, size_t count, size_t inner, bool exclusive,
             bool reverse) {
  const Attrs attrs = Attrs().set("axis", axis).set("exclusive", int64_t{exclusive}).set("reverse", int64_t{reverse});
  OpCase test{std::move(name), {std::move(input)}, attrs};
  test.reference = [=](const Values& inputs) {
    const std::vector<float>& x = inputs[0];
    std::vector<float> y(x.size(), 0);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t at = i / inner % count;
      for (size_t k = 0; k < count; ++k)
        if (k == at ? !exclusive : (k < at) != reverse) y[i] += x[i + k * inner - at * inner];
    }
    return Values{y};
  };
  return test;
}

}  // namespace

THIMBLE_OP_CASES(cumsum) {
  return {
      along("last", flows({3, 7}), -1, 7, 1, false, false),
      along("first", flows({5, 4}), 0, 5, 4, false, false),
      along("exclusive", flows({2, 6, 3}), 1, 6, 3, true, false),
      along("reverse", flows({2, 6, 3}), 1, 6, 3, false, true),
      along("exclusive_reverse", flows({2, 6, 3}), -2, 6, 3, true, true),
      along("int32", integers({2, 9}, -100, 100), 1, 9, 1, false, false),
  };
}

}  // namespace thimble::test
