// Cases of batch_matmul: a [..., rows, depth], b [..., depth, cols].
#include "ops/op_case.h"

namespace thimble::test {

namespace {

// Element (batch, row, col) of a shape whose batches may be broadcast over those of `output`.
size_t offset(const Shape& shape, const Shape& output, int64_t batch, int64_t row, int64_t col) {
  int64_t at = 0, step = shape[shape.size() - 1] * shape[shape.size() - 2];
  for (size_t i = 3; i <= output.size(); ++i) {
    const int64_t extent = output[output.size() - i], index = batch % extent;
    batch /= extent;
    if (i > shape.size()) continue;
    if (shape[shape.size() - i] > 1) at += index * step;
    step *= shape[shape.size() - i];
  }
  return static_cast<size_t>(at + row * shape[shape.size() - 1] + col);
}

OpCase make(std::string name, CaseInput a, CaseInput b, const Shape& y, bool adj_x = false, bool adj_y = false) {
  OpCase test{std::move(name), {a, b}};
  test.attrs.set("adj_x", int64_t{adj_x}).set("adj_y", int64_t{adj_y});
  test.reference = [=](const Values& inputs) {
    const int64_t rows = y[y.size() - 2], cols = y[y.size() - 1], depth = a.shape[a.shape.size() - (adj_x ? 2 : 1)];
    Values result(1);
    for (int64_t i = 0; i < element_count(y); ++i) {
      const int64_t batch = i / cols / rows, row = i / cols % rows, col = i % cols;
      double sum = 0;
      for (int64_t k = 0; k < depth; ++k)
        sum += static_cast<double>(inputs[0][offset(a.shape, y, batch, adj_x ? k : row, adj_x ? row : k)]) *
               static_cast<double>(inputs[1][offset(b.shape, y, batch, adj_y ? col : k, adj_y ? k : col)]);
      result[0].push_back(static_cast<float>(sum));
    }
    return result;
  };
  return test;
}

}  // namespace

THIMBLE_OP_CASES(batch_matmul) {
  return {
      make("one_matrix", flows({5, 7}), flows({7, 3}), {5, 3}),
      make("batches", flows({4, 3, 6}), flows({4, 6, 5}), {4, 3, 5}),
      make("constant_b", flows({2, 3, 6}), constant({6, 5}, 0, 2), {2, 3, 5}),
      make("constant_a", constant({3, 6}), flows({2, 6, 5}), {2, 3, 5}),
      make("a_transposed", flows({2, 6, 3}), flows({2, 6, 5}), {2, 3, 5}, true),
      make("b_transposed", flows({2, 3, 6}), flows({2, 5, 6}), {2, 3, 5}, false, true),
      make("both_transposed", flows({6, 3}), flows({5, 6}), {3, 5}, true, true),
      make("broadcast_batches", flows({2, 1, 3, 4, 6}), flows({5, 1, 6, 2}), {2, 5, 3, 4, 2}),
      make("one_batch_of_b", flows({3, 2, 4}), flows({1, 4, 2}), {3, 2, 2}),
  };
}

}  // namespace thimble::test
