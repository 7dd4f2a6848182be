// Cases of reshape: x of any shape; attribute shape.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(reshape) {
  using Integers = std::vector<int64_t>;
  return {
      {"flatten", {flows({2, 3, 4, 5})}, Attrs().set("shape", Integers{-1, 60})},
      {"to_image", {flows({3, 24})}, Attrs().set("shape", Integers{-1, 4, 3, 2})},
      {"fixed", {flows({1, 6})}, Attrs().set("shape", Integers{2, 3})},
  };
}

}  // namespace thimble::test
