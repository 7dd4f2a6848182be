// Cases of dropout: x of any shape; attribute rate.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(dropout) {
  return {
      {.name = "training", .inputs = {flows({4, 25})}, .attrs = Attrs().set("rate", 0.3), .training = true},
      {.name = "inference", .inputs = {flows({2, 3, 4})}, .attrs = Attrs().set("rate", 0.5)},
  };
}

}  // namespace thimble::test
