// Cases of the operators that only move elements. Those without a training form are also checked against their formula.
#include <algorithm>

#include "ops/op_case.h"

namespace thimble::test {

namespace {

using Integers = std::vector<int64_t>;

CaseInput numbers(Shape shape, DType dtype) { return integers(std::move(shape), -100, 100, dtype); }
CaseInput picks(Shape shape, float most, DType dtype = DType::i32) {
  return integers(std::move(shape), 0, most, dtype);
}

}  // namespace

THIMBLE_OP_CASES(reshape) {
  return {
      {"flatten", {flows({2, 3, 4, 5})}, Attrs().set("shape", Integers{-1, 60})},
      {"to_image", {flows({3, 24})}, Attrs().set("shape", Integers{-1, 4, 3, 2})},
      {"fixed", {flows({1, 6})}, Attrs().set("shape", Integers{2, 3})},
      {"to_number", {flows({1, 1})}, Attrs().set("shape", Integers{})},
      {"six_axes", {integers({4, 15}, -9, 9)}, Attrs().set("shape", Integers{1, 2, 2, 3, 5, 1})},
  };
}

THIMBLE_OP_CASES(expand_dims) {
  return {
      {"front", {flows({2, 3})}, Attrs().set("axis", int64_t{0})},
      {"back", {conditions({2, 3})}, Attrs().set("axis", int64_t{-1})},
  };
}

THIMBLE_OP_CASES(squeeze) {
  return {
      {"all", {flows({1, 3, 1, 2})}, Attrs().set("axes", Integers{})},
      {"one", {integers({1, 3, 1, 2}, -9, 9)}, Attrs().set("axes", Integers{-2})},
  };
}

THIMBLE_OP_CASES(concatenation) {
  const auto along = [](int64_t axis) { return Attrs().set("axis", axis); };
  return {
      {"channels", {flows({2, 3, 4, 2}), flows({2, 3, 4, 3})}, along(3)},
      {"last_of_three", {flows({2, 5}), flows({2, 1}), flows({2, 4}, 0, 5)}, along(-1)},
      {"rows", {flows({2, 3, 4}), flows({2, 6, 4})}, along(1)},
      {"outermost", {flows({1, 7}), flows({3, 7})}, along(0)},
      {"with_constant", {flows({2, 3}), constant({2, 2})}, along(1)},
      {"one_input", {flows({2, 3})}, along(1)},
      {"conditions", {conditions({2, 3}), conditions({2, 2})}, along(1)},
      {"int64", {numbers({3, 2}, DType::i64), numbers({3, 5}, DType::i64)}, along(-1)},
      {"six_axes", {numbers({1, 2, 2, 3, 2, 2}, DType::i32), numbers({1, 2, 2, 1, 2, 2}, DType::i32)}, along(3)},
  };
}

THIMBLE_OP_CASES(pack) {
  const auto along = [](int64_t axis, int64_t count) { return Attrs().set("axis", axis).set("count", count); };
  return {
      {"front", {flows({2, 3}), flows({2, 3})}, along(0, 2)},
      {"middle", {flows({2, 3}), flows({2, 3}), flows({2, 3})}, along(1, 3)},
      {"back", {flows({2, 3}), flows({2, 3})}, along(-1, 2)},
      {"single_numbers", {numbers({}, DType::i32), numbers({}, DType::i32), numbers({}, DType::i32)}, along(0, 3)},
  };
}

THIMBLE_OP_CASES(unpack) {
  const auto along = [](int64_t axis, int64_t count) { return Attrs().set("axis", axis).set("count", count); };
  return {
      {"front", {flows({2, 3, 4})}, along(0, 2)},
      {"middle", {flows({2, 3, 4})}, along(-2, 3)},
      {"back", {flows({2, 5})}, along(1, 5)},
      {"to_numbers", {numbers({3}, DType::i32)}, along(0, 3)},
      {"int16", {numbers({2, 3, 2}, DType::i16)}, along(2, 2)},
  };
}

THIMBLE_OP_CASES(split) {
  const auto into = [](int64_t axis, int64_t count) { return Attrs().set("axis", axis).set("count", count); };
  return {
      {"channels", {flows({2, 2, 3, 6})}, into(3, 3)},
      {"rows", {flows({2, 6, 3})}, into(-2, 2)},
      {"outermost", {flows({4, 3})}, into(0, 2)},
      {"integers", {numbers({2, 6}, DType::i32)}, into(1, 2)},
  };
}

THIMBLE_OP_CASES(split_v) {
  const auto into = [](int64_t axis, Integers sizes) {
    return Attrs().set("axis", axis).set("sizes", std::move(sizes));
  };
  return {
      {"channels", {flows({2, 2, 3, 6})}, into(3, {1, 2, 3})},
      {"rest", {flows({2, 7, 3})}, into(1, {2, -1, 4})},
      {"integers", {numbers({2, 6}, DType::i32)}, into(-1, {5, 1})},
  };
}

THIMBLE_OP_CASES(slice) {
  const auto of = [](Integers begin, Integers size) {
    return Attrs().set("begin", std::move(begin)).set("size", std::move(size));
  };
  return {
      {"block", {flows({2, 5, 6, 3})}, of({0, 1, 2, 1}, {2, 3, 2, 2})},
      {"rest", {flows({3, 7})}, of({1, 2}, {-1, -1})},
      {"whole", {flows({3, 7})}, of({0, 0}, {3, 7})},
      {"five_axes", {numbers({2, 3, 2, 3, 4}, DType::i32)}, of({1, 0, 1, 1, 0}, {1, 3, 1, 2, 3})},
      {"conditions", {conditions({4, 5})}, of({1, 1}, {2, 3})},
      {"vector", {numbers({9}, DType::i64)}, of({4}, {3})},
  };
}

THIMBLE_OP_CASES(strided_slice) {
  struct Masks {
    int64_t begin = 0, end = 0, ellipsis = 0, new_axis = 0, shrink = 0, offset = 0;
  };
  const auto of = [](Integers begin, Integers end, Integers strides, Masks masks) {
    return Attrs()
        .set("begin", std::move(begin))
        .set("end", std::move(end))
        .set("strides", std::move(strides))
        .set("begin_mask", masks.begin)
        .set("end_mask", masks.end)
        .set("ellipsis_mask", masks.ellipsis)
        .set("new_axis_mask", masks.new_axis)
        .set("shrink_axis_mask", masks.shrink)
        .set("offset", masks.offset);
  };
  return {
      {"every_second", {flows({2, 7, 6, 2})}, of({0, 0, 1, 0}, {2, 7, 6, 2}, {1, 2, 2, 1}, {})},
      {"backwards", {flows({2, 7})}, of({0, -1}, {2, 0}, {1, -2}, {})},
      {"masked", {flows({3, 7})}, of({9, 2}, {0, -9}, {1, 3}, {.begin = 1, .end = 3})},
      {"masked_backwards", {flows({3, 7})}, of({0, 0}, {0, 0}, {-1, -3}, {.begin = 3, .end = 3})},
      {"beyond_the_end", {flows({3, 4})}, of({-90, 1}, {90, 90}, {1, 1}, {})},
      {"shrink", {flows({2, 3, 4})}, of({0, -1, 0}, {2, 0, 4}, {1, 1, 1}, {.shrink = 2})},
      {"shrink_to_number", {numbers({4}, DType::i32)}, of({2}, {3}, {1}, {.shrink = 1})},
      {"ellipsis", {flows({2, 3, 4, 5})}, of({0, 0, 1}, {1, 0, 3}, {1, 1, 1}, {.ellipsis = 2})},
      {"new_axis", {flows({2, 5})}, of({0, 0, 1}, {2, 0, 4}, {1, 1, 2}, {.new_axis = 2})},
      {"offset", {flows({2, 9})}, of({0, 3}, {2, 4}, {1, 1}, {.offset = 1})},
      {"fewer_indices", {conditions({3, 2, 2})}, of({1}, {3}, {1}, {})},
      {"five_axes",
       {numbers({2, 3, 2, 3, 4}, DType::i16)},
       of({0, 2, 0, 0, 3}, {2, 0, 2, 3, 0}, {1, -1, 1, 2, -1}, {})},
  };
}

THIMBLE_OP_CASES(reverse_v2) {
  const auto along = [](Integers axes) { return Attrs().set("axes", std::move(axes)); };
  return {
      {"rows", {flows({2, 5, 3})}, along({1})},
      {"two", {flows({2, 3, 4, 2})}, along({1, -2})},
      {"last", {numbers({3, 8}, DType::i64)}, along({1})},
      {"conditions", {conditions({3, 5})}, along({0})},
  };
}

THIMBLE_OP_CASES(transpose) {
  const auto by = [](Integers perm) { return Attrs().set("perm", std::move(perm)); };
  return {
      {"matrix", {flows({3, 7})}, by({1, 0})},
      {"to_channels_first", {flows({2, 4, 5, 3})}, by({0, 3, 1, 2})},
      {"nothing", {flows({2, 4, 5})}, by({0, 1, 2})},
      {"five_axes", {numbers({2, 3, 2, 4, 3}, DType::i16)}, by({4, 2, 0, 3, 1})},
      {"six_axes", {numbers({2, 3, 2, 2, 3, 2}, DType::i32)}, by({5, 3, 1, 4, 2, 0})},
      {"seven_axes", {numbers({2, 1, 2, 2, 3, 2, 2}, DType::i64)}, by({6, 4, 2, 0, 5, 3, 1})},
      {"conditions", {conditions({4, 6})}, by({1, 0})},
  };
}

THIMBLE_OP_CASES(tile) {
  const auto times = [](Integers multiples) { return Attrs().set("multiples", std::move(multiples)); };
  return {
      {"image", {flows({1, 2, 3, 2})}, times({1, 3, 2, 2})},
      {"rows", {flows({2, 3})}, times({4, 1})},
      {"once", {flows({2, 3})}, times({1, 1})},
      {"four_axes", {numbers({2, 3, 2, 2}, DType::i32)}, times({2, 2, 2, 2})},
      {"int64", {numbers({3}, DType::i64)}, times({5})},
  };
}

THIMBLE_OP_CASES(broadcast_to) {
  const auto to = [](Integers shape) { return Attrs().set("shape", std::move(shape)); };
  return {
      {"rows", {flows({1, 5})}, to({3, 5})},
      {"new_axes", {flows({2, 1})}, to({3, 2, 4})},
      {"number", {numbers({}, DType::i32)}, to({2, 3})},
      {"five_axes", {flows({1, 3, 1, 2, 1})}, to({2, 3, 4, 2, 3})},
      {"conditions", {conditions({3, 1})}, to({3, 4})},
  };
}

THIMBLE_OP_CASES(space_to_depth) {
  const auto by = [](int64_t block) { return Attrs().set("block_size", block); };
  return {
      {"two", {flows({2, 4, 6, 3})}, by(2)},
      {"three", {flows({1, 6, 3, 2})}, by(3)},
      {"integers", {numbers({1, 4, 4, 1}, DType::i32)}, by(4)},
  };
}

THIMBLE_OP_CASES(depth_to_space) {
  const auto by = [](int64_t block) { return Attrs().set("block_size", block); };
  return {
      {"two", {flows({2, 2, 3, 12})}, by(2)},
      {"three", {flows({1, 2, 1, 18})}, by(3)},
      {"integers", {numbers({1, 1, 2, 16}, DType::i32)}, by(4)},
  };
}

THIMBLE_OP_CASES(space_to_batch_nd) {
  const auto by = [](Integers block, Integers paddings) {
    return Attrs().set("block_shape", std::move(block)).set("paddings", std::move(paddings));
  };
  return {
      {"two", {flows({2, 4, 6, 3})}, by({2, 2}, {0, 0, 0, 0})},
      {"padded", {flows({1, 5, 3, 2}, 1, 3)}, by({2, 3}, {1, 2, 2, 1})},
      {"one_axis", {flows({2, 5, 3})}, by({4}, {2, 1})},
      {"mostly_padding", {flows({1, 1, 1, 2}, 1, 3)}, by({3, 2}, {4, 1, 3, 0})},
      {"integers", {numbers({1, 4, 2, 1, 2}, DType::i32)}, by({2, 2}, {0, 0, 1, 1})},
  };
}

THIMBLE_OP_CASES(batch_to_space_nd) {
  const auto by = [](Integers block, Integers crops) {
    return Attrs().set("block_shape", std::move(block)).set("crops", std::move(crops));
  };
  return {
      {"two", {flows({8, 2, 3, 3})}, by({2, 2}, {0, 0, 0, 0})},
      {"cropped", {flows({6, 4, 3, 2})}, by({2, 3}, {1, 2, 2, 1})},
      {"one_axis", {flows({8, 2, 3})}, by({4}, {2, 1})},
      {"integers", {numbers({4, 2, 2, 2}, DType::i32)}, by({2, 2}, {0, 1, 1, 0})},
  };
}

THIMBLE_OP_CASES(pad) {
  const auto by = [](Integers paddings) { return Attrs().set("paddings", std::move(paddings)); };
  return {
      {"image_border", {flows({2, 3, 4, 2})}, by({0, 0, 1, 1, 2, 1, 0, 0})},
      {"uneven", {flows({1, 5, 3, 3}, 1, 4)}, by({0, 0, 0, 1, 0, 1, 0, 0})},
      {"channels", {flows({2, 2, 2, 3})}, by({0, 0, 0, 0, 0, 0, 1, 4})},
      {"two_axes", {flows({3, 7})}, by({0, 0, 2, 3})},
      {"nothing", {flows({2, 5})}, by({0, 0, 0, 0})},
      {"five_axes", {flows({1, 2, 3, 2, 2}, 1, 2)}, by({0, 1, 1, 0, 0, 2, 1, 1, 0, 1})},
      {"integers", {numbers({2, 3}, DType::i32)}, by({1, 0, 0, 2})},
  };
}

THIMBLE_OP_CASES(padv2) {
  const auto by = [](Integers paddings) { return Attrs().set("paddings", std::move(paddings)); };
  const auto reference = [](const Values& inputs) {  // of {2, 3} with {1, 0, 2, 1}
    std::vector<float> output(18, inputs[1][0]);
    for (size_t row = 0; row < 2; ++row)
      for (size_t i = 0; i < 3; ++i) output[(row + 1) * 6 + 2 + i] = inputs[0][row * 3 + i];
    return Values{output};
  };
  return {
      {.name = "matrix",
       .inputs = {flows({2, 3}), constant({}, 0.5, 0.6f)},
       .attrs = by({1, 0, 2, 1}),
       .reference = reference},
      {.name = "computed_value",
       .inputs = {flows({2, 3}), flows({1})},
       .attrs = by({1, 0, 2, 1}),
       .reference = reference},
      {.name = "integers",
       .inputs = {numbers({2, 3}, DType::i32), numbers({}, DType::i32)},
       .attrs = by({1, 0, 2, 1}),
       .reference = reference},
  };
}

THIMBLE_OP_CASES(mirror_pad) {
  const auto by = [](Integers paddings, const char* mode) {
    return Attrs().set("paddings", std::move(paddings)).set("mode", mode);
  };
  return {
      {"reflect", {flows({2, 3, 4, 2})}, by({0, 0, 2, 1, 3, 2, 0, 0}, "reflect")},
      {"symmetric", {flows({1, 3, 4, 2})}, by({0, 0, 3, 1, 2, 4, 0, 0}, "symmetric")},
      {"one_side", {flows({2, 5})}, by({0, 0, 0, 3}, "reflect")},
      {"integers", {numbers({2, 3, 2}, DType::i32)}, by({1, 1, 2, 0, 1, 0}, "reflect")},
  };
}

THIMBLE_OP_CASES(gather) {
  const auto along = [](int64_t axis, int64_t batch_dims = 0) {
    return Attrs().set("axis", axis).set("batch_dims", batch_dims);
  };
  const auto rows = [](const Values& inputs) {  // of {5, 3}
    Values output(1);
    for (float index : inputs[1])
      for (size_t i = 0; i < 3; ++i) output[0].push_back(inputs[0][static_cast<size_t>(index) * 3 + i]);
    return output;
  };
  const auto columns = [](const Values& inputs) {  // of {2, 5}, batch by batch or for all
    Values output(1);
    const size_t count = inputs[1].size() / (inputs[1].size() == 8 ? 2 : 1);
    for (size_t row = 0; row < 2; ++row)
      for (size_t i = 0; i < count; ++i)
        output[0].push_back(inputs[0][row * 5 + static_cast<size_t>(inputs[1][(row * count + i) % inputs[1].size()])]);
    return output;
  };
  return {
      {.name = "rows", .inputs = {flows({5, 3}), picks({2, 2}, 4)}, .attrs = along(0), .reference = rows},
      {.name = "one_row", .inputs = {flows({5, 3}), picks({}, 4)}, .attrs = along(0), .reference = rows},
      {.name = "int64", .inputs = {flows({5, 3}), picks({4}, 4, DType::i64)}, .attrs = along(0), .reference = rows},
      {.name = "columns", .inputs = {flows({2, 5}), picks({3}, 4)}, .attrs = along(-1), .reference = columns},
      {.name = "batches", .inputs = {flows({2, 5}), picks({2, 4}, 4)}, .attrs = along(1, 1), .reference = columns},
      {.name = "constant_indices",
       .inputs = {numbers({5, 3}, DType::i32), integers({4}, 0, 4, DType::i32, true)},
       .attrs = along(0),
       .reference = rows},
  };
}

THIMBLE_OP_CASES(gather_nd) {
  const auto reference = [](const Values& inputs) {  // of {3, 4, 2} by two indices
    Values output(1);
    for (size_t i = 0; i < inputs[1].size(); i += 2)
      for (size_t k = 0; k < 2; ++k)
        output[0].push_back(inputs[0][static_cast<size_t>(inputs[1][i] * 4 + inputs[1][i + 1]) * 2 + k]);
    return output;
  };
  return {
      {.name = "pairs", .inputs = {flows({3, 4, 2}), picks({5, 2}, 2)}, .reference = reference},
      {.name = "int64",
       .inputs = {numbers({3, 4, 2}, DType::i16), picks({2, 2, 2}, 2, DType::i64)},
       .reference = reference},
  };
}

THIMBLE_OP_CASES(embedding_lookup) {
  const auto reference = [](const Values& inputs) {  // of {6, 4}
    Values output(1);
    for (float index : inputs[0])
      for (size_t i = 0; i < 4; ++i) output[0].push_back(inputs[1][static_cast<size_t>(index) * 4 + i]);
    return output;
  };
  return {
      {.name = "words", .inputs = {picks({5}, 5), constant({6, 4})}, .reference = reference},
      {.name = "integers", .inputs = {picks({3}, 5), numbers({6, 4}, DType::i32)}, .reference = reference},
  };
}

THIMBLE_OP_CASES(dynamic_update_slice) {
  const auto reference = [](const Values& inputs) {  // a {2, 3} in a {4, 5}
    Values output = {inputs[0]};
    const auto start = [&](size_t axis, float room) {
      return static_cast<size_t>(std::min(std::max(inputs[2][axis], 0.0f), room));
    };
    for (size_t row = 0; row < 2; ++row)
      for (size_t i = 0; i < 3; ++i) output[0][(start(0, 2) + row) * 5 + start(1, 2) + i] = inputs[1][row * 3 + i];
    return output;
  };
  return {
      {.name = "inside", .inputs = {flows({4, 5}), flows({2, 3}), integers({2}, 0, 2)}, .reference = reference},
      {.name = "moved_inside",
       .inputs = {flows({4, 5}), flows({2, 3}), integers({2}, -9, 9, DType::i64)},
       .reference = reference},
      {.name = "integers",
       .inputs = {numbers({4, 5}, DType::i32), numbers({2, 3}, DType::i32), integers({2}, 0, 3)},
       .reference = reference},
  };
}

THIMBLE_OP_CASES(fill) {
  const auto to = [](Integers shape) { return Attrs().set("shape", std::move(shape)); };
  return {
      {"image", {flows({})}, to({2, 3, 4})},
      {"number", {flows({1})}, to({})},
      {"conditions", {conditions({})}, to({5})},
      {"int64", {numbers({}, DType::i64)}, to({2, 2})},
  };
}

THIMBLE_OP_CASES(zeros_like) {
  const auto reference = [](const Values& inputs) { return Values{std::vector<float>(inputs[0].size(), 0)}; };
  return {
      {.name = "image", .inputs = {flows({2, 3, 4})}, .reference = reference},
      {.name = "integers", .inputs = {numbers({5}, DType::i32)}, .reference = reference},
  };
}

THIMBLE_OP_CASES(shape) {
  const auto reference = [](const Values&) { return Values{{2, 3, 4}}; };
  return {
      {.name = "int32", .inputs = {flows({2, 3, 4})}, .attrs = Attrs().set("type", "int32"), .reference = reference},
      {.name = "int64", .inputs = {flows({2, 3, 4})}, .attrs = Attrs().set("type", "int64"), .reference = reference},
  };
}

THIMBLE_OP_CASES(rank) {
  const auto reference = [](const Values&) { return Values{{3}}; };
  return {{.name = "image", .inputs = {flows({2, 3, 4})}, .reference = reference}};
}

THIMBLE_OP_CASES(broadcast_args) {
  const auto ones = [](int64_t count, DType dtype) { return integers({count}, 1, 1, dtype, true); };
  return {
      {.name = "longer_first",
       .inputs = {integers({3}, 2, 5, DType::i32, true), ones(2, DType::i32)},
       .reference = [](const Values& inputs) { return Values{inputs[0]}; }},
      {.name = "longer_second",
       .inputs = {ones(1, DType::i64), integers({2}, 2, 5, DType::i64, true)},
       .reference = [](const Values& inputs) { return Values{inputs[1]}; }},
  };
}

THIMBLE_OP_CASES(range) {
  const auto over = [](int64_t start, int64_t limit, int64_t delta) {
    return Attrs().set("start", start).set("limit", limit).set("delta", delta);
  };
  return {
      {.name = "up",
       .attrs = over(2, 9, 3),
       .reference =
           [](const Values&) {
             return Values{{2, 5, 8}};
           }},
      {.name = "down",
       .attrs = over(1, -3, -2),
       .reference =
           [](const Values&) {
             return Values{{1, -1}};
           }},
  };
}

}  // namespace thimble::test
