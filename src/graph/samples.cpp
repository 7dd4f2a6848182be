#include "graph/samples.h"

#include <cstring>

#include "core/rng.h"

namespace thimble {

namespace {

// A flat tensor's part.
Tensor slice(const Tensor& tensor, int64_t first, int64_t count) {
  Tensor part = Tensor::zeros(tensor.dtype, {count});
  const auto unit = static_cast<int64_t>(size_of(tensor.dtype));
  std::memcpy(part.bytes.data(), tensor.bytes.data() + first * unit, static_cast<size_t>(count * unit));
  return part;
}

std::vector<float> numbers_of(const Tensor& tensor) {
  return real_values({.type = {tensor.dtype, tensor.shape}}, tensor.bytes);
}

}  // namespace

Result<Samples> make_samples(const Graph& graph, std::vector<Tensor> arrays) {
  if (arrays.size() != graph.inputs.size())
    return fail(
        ErrorCode::bad_data,
        fmt::format("{} arrays of samples, expected one for each of the {} inputs", arrays.size(), graph.inputs.size()),
        graph.name);
  Samples samples;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const Value& input = graph[graph.inputs[i]];
    const int64_t elements = element_count(input.type.shape), found = arrays[i].size();
    const int64_t count = found / elements;
    if (count == 0 || found % elements != 0 || (i > 0 && count != samples.count))
      return fail(ErrorCode::bad_data,
                  fmt::format("samples {} do not divide into inputs {}{}", to_string(arrays[i].shape),
                              to_string(input.type.shape),
                              i > 0 ? fmt::format(", {} of them as for the first input", samples.count) : ""),
                  input.name, "give an array whose first axis counts samples");
    samples.count = count;
    arrays[i].shape = {count, elements};
    samples.inputs.push_back(std::move(arrays[i]));
  }
  return samples;
}

Result<Samples> samples_from_bytes(const Graph& graph, std::span<const uint8_t> bytes) {
  size_t sample_bytes = 0;
  for (ValueId id : graph.inputs)
    sample_bytes += static_cast<size_t>(element_count(graph[id].type.shape)) * size_of(graph[id].type.dtype);
  if (sample_bytes == 0 || bytes.empty() || bytes.size() % sample_bytes != 0)
    return fail(ErrorCode::bad_data,
                fmt::format("{} bytes do not divide into samples of {} bytes", bytes.size(), sample_bytes), graph.name);
  Samples samples{.count = static_cast<int64_t>(bytes.size() / sample_bytes)};
  size_t offset = 0;
  for (ValueId id : graph.inputs) {
    const int64_t elements = element_count(graph[id].type.shape);
    Tensor all = Tensor::zeros(graph[id].type.dtype, {samples.count, elements});
    const size_t part = all.bytes.size() / static_cast<size_t>(samples.count);
    for (size_t s = 0; s < static_cast<size_t>(samples.count); ++s)
      std::memcpy(all.bytes.data() + s * part, bytes.data() + s * sample_bytes + offset, part);
    offset += part;
    samples.inputs.push_back(std::move(all));
  }
  return samples;
}

Samples random_samples(const Graph& graph, int64_t count, uint64_t seed) {
  Samples samples{.count = count};
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& input = graph[graph.inputs[i]];
    Rng rng{seed, i};
    Tensor all = Tensor::zeros(input.type.dtype, {count, element_count(input.type.shape)});
    if (input.type.dtype == DType::f32) {
      for (float& value : all.as<float>()) value = static_cast<float>(rng.normal());
    } else if (input.type.dtype == DType::i8 || input.type.dtype == DType::u8 || input.type.dtype == DType::i16) {
      for (std::byte& value : all.bytes) value = static_cast<std::byte>(rng.next());
    } else {
      const size_t unit = size_of(input.type.dtype);
      for (size_t at = 0; at < all.bytes.size(); at += unit) all.bytes[at] = static_cast<std::byte>(rng.below(2));
    }
    samples.inputs.push_back(std::move(all));
  }
  return samples;
}

Outcome set_inputs(Interpreter& interpreter, const Samples& samples, int64_t index) {
  const Graph& graph = interpreter.graph();
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& input = graph[graph.inputs[i]];
    const int64_t elements = element_count(input.type.shape);
    const Tensor sample = slice(samples.inputs.at(i), index * elements, elements);
    const auto to = interpreter.value(graph.inputs[i]);
    if (sample.dtype == input.type.dtype) {
      std::memcpy(to.data(), sample.bytes.data(), to.size());
    } else {
      THIMBLE_LET(const std::vector<std::byte> codes, codes_of(input, numbers_of(sample)));
      std::memcpy(to.data(), codes.data(), to.size());
    }
  }
  return {};
}

}  // namespace thimble
