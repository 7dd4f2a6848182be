// Einsum of one or two operands: a transpose, or a batch matrix product between transposes.
#include <algorithm>

#include "formats/onnx/handlers.h"

namespace thimble::onnx_import {

namespace {

struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

Result<Equation> read_equation(Call& call) {
  std::string text = call.word("equation");
  std::erase(text, ' ');
  if (text.find('.') != std::string::npos)
    return refuse(fmt::format("an ellipsis in {}", clean_name(text)), "name every axis by a letter");
  Equation equation;
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  for (size_t at = 0; at <= left.size();) {
    const size_t comma = std::min(left.find(',', at), left.size());
    equation.operands.push_back(left.substr(at, comma - at));
    at = comma + 1;
  }
  if (arrow != std::string::npos) {
    equation.result = text.substr(arrow + 2);
  } else {
    for (char letter : left)
      if (letter != ',' && std::ranges::count(left, letter) == 1) equation.result += letter;
    std::ranges::sort(equation.result);
  }
  return equation;
}

bool has(const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; }

bool distinct(const std::string& letters) {
  return std::ranges::all_of(letters, [&](char letter) { return std::ranges::count(letters, letter) == 1; });
}

Order places(const std::string& wanted, const std::string& letters) {
  Order order;
  for (char letter : wanted) order.push_back(static_cast<int>(letters.find(letter)));
  return order;
}

Result<Items> einsum(Call& call) {
  THIMBLE_LET(const Equation equation, read_equation(call));
  const size_t count = equation.operands.size();
  if (count != call.inputs.size() || count > 2)
    return refuse(fmt::format("{} operands in {}", count, clean_name(call.word("equation"))),
                  "use products of two operands");
  std::map<char, int64_t> extents;
  for (size_t i = 0; i < count; ++i) {
    THIMBLE_LET(const Item* x, call.input(i));
    const std::string& letters = equation.operands[i];
    if (letters.size() != x->rank() || !distinct(letters) || !distinct(equation.result))
      return refuse(fmt::format("{} for {}", clean_name(call.word("equation")), to_string(x->shape)),
                    "name every axis once");
    for (size_t k = 0; k < letters.size(); ++k)
      if (extents.emplace(letters[k], x->shape[k]).first->second != x->shape[k])
        return damaged(fmt::format("{} with different extents of one letter", clean_name(call.word("equation"))));
  }
  const std::string a = equation.operands[0], b = count == 2 ? equation.operands[1] : "";
  std::string batch, rows, columns, summed;
  for (char letter : a) {
    const bool kept = has(equation.result, letter);
    (has(b, letter) ? (kept ? batch : summed) : kept ? rows : columns) += letter;
  }
  if (!columns.empty()) return refuse("an axis of one operand that is summed", "sum it with ReduceSum before");
  for (char letter : b)
    if (!has(a, letter)) columns += letter;
  if (batch.size() + rows.size() + columns.size() != equation.result.size() ||
      std::ranges::any_of(columns, [&](char letter) { return !has(equation.result, letter); }))
    return refuse(fmt::format("the equation {}", clean_name(call.word("equation"))), "use products of two operands");
  const auto product = [&](const std::string& letters) {
    int64_t elements = 1;
    for (char letter : letters) elements *= extents[letter];
    return elements;
  };
  if (count == 1) return only(transposed(call.in, *call.inputs[0], places(equation.result, a)));
  THIMBLE_LET(Item left, transposed(call.in, *call.inputs[0], places(batch + rows + summed, a)));
  THIMBLE_LET(Item right, transposed(call.in, *call.inputs[1], places(batch + summed + columns, b)));
  THIMBLE_LET(left, call.in.reshaped(left, {product(batch), product(rows), product(summed)}));
  THIMBLE_LET(right, call.in.reshaped(right, {product(batch), product(summed), product(columns)}));
  THIMBLE_LET(Item y, batch_matmul(call, left, right));
  Shape shape;
  for (char letter : batch + rows + columns) shape.push_back(extents[letter]);
  THIMBLE_LET(y, call.in.reshaped(y, shape));
  return only(transposed(call.in, y, places(equation.result, batch + rows + columns)));
}

}  // namespace

void add_einsum(HandlerTable& table) { table["Einsum"] = einsum; }

}  // namespace thimble::onnx_import
