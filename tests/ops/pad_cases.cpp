// Cases of pad: x of one to four axes; attribute paddings.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(pad) {
  const auto by = [](std::vector<int64_t> paddings) { return Attrs().set("paddings", std::move(paddings)); };
  return {
      {"image_border", {flows({2, 3, 4, 2})}, by({0, 0, 1, 1, 2, 1, 0, 0})},
      {"uneven", {flows({1, 5, 3, 3}, 1, 4)}, by({0, 0, 0, 1, 0, 1, 0, 0})},
      {"channels", {flows({2, 2, 2, 3})}, by({0, 0, 0, 0, 0, 0, 1, 4})},
      {"two_axes", {flows({3, 7})}, by({0, 0, 2, 3})},
      {"nothing", {flows({2, 5})}, by({0, 0, 0, 0})},
  };
}

}  // namespace thimble::test
