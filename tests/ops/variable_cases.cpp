// Cases of read_variable and assign_variable.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(read_variable) {
  return {{"vector", {state({1, 7})}}, {"image", {state({1, 3, 5, 2})}}, {"not_state", {flows({1, 4})}}};
}

THIMBLE_OP_CASES(assign_variable) {
  return {{"flows", {state({1, 7}), flows({1, 7})}}, {"constant", {state({2, 3}), constant({2, 3})}}};
}

}  // namespace thimble::test
