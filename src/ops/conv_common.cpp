#include "ops/conv_common.h"

#include <algorithm>

#include "core/threads.h"
#include "ops/loops.h"

namespace thimble::ops {

namespace {

int64_t images_per_group(int64_t batch) { return (batch + kBatchGroups - 1) / kBatchGroups; }

}  // namespace

int64_t batch_groups(int64_t batch) {
  const int64_t images = images_per_group(batch);
  return (batch + images - 1) / images;
}

void for_each_group(int64_t batch, const std::function<void(int64_t, int64_t, int64_t)>& body) {
  const int64_t images = images_per_group(batch);
  parallel_for(batch_groups(batch),
               [&](int64_t group) { body(group, group * images, std::min(batch, (group + 1) * images)); });
}

void add_partials(const std::vector<float>& partials, int64_t size, float* sum) {
  const int64_t groups = static_cast<int64_t>(partials.size()) / size;
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t i = 0; i < size; ++i) sum[i] += partials[static_cast<size_t>(group * size + i)];
}

const float* gradient_before_activation(const BackwardArgs& args, std::vector<float>& storage) {
  const FloatView& grad = args.grad_outputs[0];
  const std::string activation = args.attrs.word("activation", "none");
  if (activation == "none") return grad.data;
  storage.assign(grad.data, grad.data + grad.size());
  mask_activation_gradient(activation, args.outputs[0], storage);
  return storage.data();
}

THIMBLE_VECTORIZED void add_bias(const float* bias, int64_t rows, int64_t channels, float* y) {
  for (int64_t row = 0; row < rows; ++row, y += channels)
    for (int64_t c = 0; c < channels; ++c) y[c] += bias[c];
}

THIMBLE_VECTORIZED void add_rows(const float* dy, int64_t rows, int64_t channels, float* sum) {
  for (int64_t row = 0; row < rows; ++row, dy += channels)
    for (int64_t c = 0; c < channels; ++c) sum[c] += dy[c];
}

std::optional<RowWindow> filter_rows(const Graph& graph, const Node& node) {
  const Shape& weights = graph[node.inputs[1]].type.shape;
  return window_rows(graph, node, weights[1], weights[2]);
}

Outcome read_convolution(const AttrReader& reader, Attrs& attrs) {
  THIMBLE_TRY(read_padding(reader, attrs));
  read_strides(reader, attrs);
  read_dilations(reader, attrs);
  return read_fused_activation(reader, attrs);
}

void write_convolution(const Attrs& attrs, AttrWriter& writer) {
  write_padding(attrs, writer);
  write_strides(attrs, writer);
  write_dilations(attrs, writer);
  write_fused_activation(attrs, writer);
}

}  // namespace thimble::ops
