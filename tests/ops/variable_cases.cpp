// Cases of read_variable, assign_variable and slide_rows.
#include "ops/op_case.h"

namespace thimble::test {

THIMBLE_OP_CASES(read_variable) {
  return {{"vector", {state({1, 7})}}, {"image", {state({1, 3, 5, 2})}}, {"not_state", {flows({1, 4})}}};
}

THIMBLE_OP_CASES(assign_variable) {
  return {{"flows", {state({1, 7}), flows({1, 7})}}, {"constant", {state({2, 3}), constant({2, 3})}}};
}

THIMBLE_OP_CASES(slide_rows) {
  return {{"one_of_three", {state({1, 3, 5}), flows({1, 1, 5})}},
          {"all", {state({1, 2, 3}), flows({1, 2, 3})}},
          {"images", {state({1, 6, 2, 3}), flows({1, 2, 2, 3})}},
          {"constant", {state({1, 4, 3}), constant({1, 1, 3})}}};
}

}  // namespace thimble::test
