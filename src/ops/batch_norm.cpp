// Batch normalisation (Ioffe and Szegedy 2015) over the last axis: inputs x [..., C], gamma, beta, running_mean,
// running_var, each [C]. Attributes epsilon (0.001) and momentum (0.9: how much of the running statistics stays at each
// step). Training uses and tracks the statistics of the batch; inference uses the running ones and is folded into a
// neighbouring op.
//
// Training speed hangs on this file, so its loops run over lanes: whole rows of C, or several rows at once when C is
// small.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/loops.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr OptOut kFolded{"folded into the op before it"};
constexpr int64_t kElementsPerBlock = 4096;  // stays in the first cache while it is summed
constexpr int64_t kStrip = 32;

double epsilon_of(const Attrs& attrs) { return attrs.real("epsilon", 1e-3); }

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const Shape& shape = args.inputs[0].shape;
  if (shape.empty()) return fail(ErrorCode::bad_data, "batch_norm needs at least one axis");
  const Shape channels{shape.back()};
  for (size_t i = 1; i < args.inputs.size(); ++i)
    if (args.inputs[i].shape != channels)
      return fail(ErrorCode::bad_data,
                  fmt::format("input {} of batch_norm must be {} for x {}, found {}", i, to_string(channels),
                              to_string(shape), to_string(args.inputs[i].shape)));
  return same_as_input(args);
}

// The array as rows of `lanes` elements; lane i belongs to channel i % channels. Chunks are whole blocks, blocks whole
// rows.
struct Layout {
  int64_t elements, channels, lanes, block, chunk;
  explicit Layout(const FloatView& x) : elements(x.size()), channels(x.shape.back()) {
    lanes = std::lcm(channels, kStrip);
    if (lanes > kElementsPerBlock) lanes = channels;
    block = lanes * std::max<int64_t>(1, kElementsPerBlock / lanes);
    chunk = block * std::max<int64_t>(1, kElementsPerChunk / block);
  }
  int64_t rows() const { return elements / channels; }
  int64_t chunks() const { return chunk_count(elements, chunk); }
  template <class T>
  std::vector<float> tile(const std::vector<T>& per_channel) const {
    std::vector<float> tiled;
    while (tiled.size() < static_cast<size_t>(lanes)) tiled.insert(tiled.end(), per_channel.begin(), per_channel.end());
    return tiled;
  }
  // body(begin, end) of every block of a chunk, in order.
  template <class Body>
  void for_blocks(int64_t chunk_index, Body&& body) const {
    const int64_t end = std::min(elements, (chunk_index + 1) * chunk);
    for (int64_t begin = chunk_index * chunk; begin < end; begin += block) body(begin, std::min(end, begin + block));
  }
};

// The loops: `count` elements in rows of `lanes`, the last row perhaps short.

// Two sums per lane; add(element, lane, first, second). A strip of lanes at a time keeps its sums in registers.
template <class Add>
__attribute__((always_inline)) inline void sum_lanes(int64_t count, int64_t lanes, float* first, float* second,
                                                     Add add) {
  for (int64_t strip = 0; strip < lanes; strip += kStrip) {
    const int64_t width = std::min(kStrip, lanes - strip);
    float firsts[kStrip] = {}, seconds[kStrip] = {};
    int64_t row = strip;
    if (width == kStrip)
      for (; row + kStrip <= count; row += lanes)
        for (int64_t i = 0; i < kStrip; ++i) add(row + i, strip + i, firsts[i], seconds[i]);
    for (; row < count; row += lanes)
      for (int64_t i = 0; i < std::min(width, count - row); ++i) add(row + i, strip + i, firsts[i], seconds[i]);
    for (int64_t i = 0; i < width; ++i) {
      first[strip + i] += firsts[i];
      second[strip + i] += seconds[i];
    }
  }
}

THIMBLE_VECTORIZED void add_up_deviations(const float* x, const float* centre, int64_t count, int64_t lanes,
                                          float* sums, float* squares) {
  sum_lanes(count, lanes, sums, squares, [=](int64_t at, int64_t lane, float& sum, float& square) {
    const float deviation = x[at] - centre[lane];
    sum += deviation;
    square += deviation * deviation;
  });
}

THIMBLE_VECTORIZED void add_up_gradients(const float* x, const float* dy, const float* mean, int64_t count,
                                         int64_t lanes, float* sums, float* moments) {
  sum_lanes(count, lanes, sums, moments, [=](int64_t at, int64_t lane, float& sum, float& moment) {
    sum += dy[at];
    moment += dy[at] * (x[at] - mean[lane]);
  });
}

// y = scale * x + offset.
THIMBLE_VECTORIZED void scale_and_add(const float* __restrict x, const float* __restrict scale,
                                      const float* __restrict offset, int64_t count, int64_t lanes,
                                      float* __restrict y) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) y[row + i] = x[row + i] * scale[i] + offset[i];
  }
}

// dx += a * dy + b * x + c.
THIMBLE_VECTORIZED void add_input_gradient(const float* __restrict x, const float* __restrict dy,
                                           const float* __restrict a, const float* __restrict b,
                                           const float* __restrict c, int64_t count, int64_t lanes,
                                           float* __restrict dx) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) dx[row + i] += a[i] * dy[row + i] + b[i] * x[row + i] + c[i];
  }
}

// Two sums per channel.
struct ChannelSums {
  std::vector<double> first, second;
  explicit ChannelSums(size_t channels = 0) : first(channels), second(channels) {}
};

// Adds lanes to their channels and clears them.
void fold_lanes(std::vector<float>& lanes, std::vector<double>& channels) {
  for (size_t base = 0; base < lanes.size(); base += channels.size())
    for (size_t c = 0; c < channels.size(); ++c) channels[c] += static_cast<double>(lanes[base + c]);
  std::ranges::fill(lanes, 0.0f);
}

// add_block(begin, end, first, second) adds elements to lanes. Blocks are short enough for float sums; chunks are added
// in order.
template <class AddBlock>
ChannelSums sum_channels(const Layout& layout, AddBlock&& add_block) {
  const auto channels = static_cast<size_t>(layout.channels), lanes = static_cast<size_t>(layout.lanes);
  std::vector<ChannelSums> parts(static_cast<size_t>(layout.chunks()), ChannelSums(channels));
  parallel_for(layout.chunks(), [&](int64_t chunk) {
    ChannelSums& part = parts[static_cast<size_t>(chunk)];
    std::vector<float> first(lanes), second(lanes);
    layout.for_blocks(chunk, [&](int64_t begin, int64_t end) {
      add_block(begin, end, first.data(), second.data());
      fold_lanes(first, part.first);
      fold_lanes(second, part.second);
    });
  });
  ChannelSums total(channels);
  for (const ChannelSums& part : parts)
    for (size_t c = 0; c < channels; ++c) {
      total.first[c] += part.first[c];
      total.second[c] += part.second[c];
    }
  return total;
}

struct Statistics {
  std::vector<double> mean, variance;
};

// Sums are taken about a value near the mean, so that a large mean costs no digits of the variance.
Statistics batch_statistics(const FloatView& x, const Layout& layout) {
  const auto channels = static_cast<size_t>(layout.channels);
  const auto sample_rows = static_cast<size_t>(std::min<int64_t>(layout.rows(), 64));
  std::vector<double> centre(channels);
  for (size_t row = 0; row < sample_rows; ++row)
    for (size_t c = 0; c < channels; ++c)
      centre[c] += static_cast<double>(x.data[row * channels + c]) / static_cast<double>(sample_rows);
  const std::vector<float> centres = layout.tile(centre);
  const ChannelSums sums = sum_channels(layout, [&](int64_t begin, int64_t end, float* first, float* second) {
    add_up_deviations(x.data + begin, centres.data(), end - begin, layout.lanes, first, second);
  });
  Statistics statistics{std::vector<double>(channels), std::vector<double>(channels)};
  for (size_t c = 0; c < channels; ++c) {
    const double step = sums.first[c] / static_cast<double>(layout.rows());
    statistics.mean[c] = static_cast<double>(centres[c]) + step;
    statistics.variance[c] = std::max(0.0, sums.second[c] / static_cast<double>(layout.rows()) - step * step);
  }
  return statistics;
}

// What forward saves: [mean | 1 / deviation | 1 when they are the batch's], so backward knows which form ran.
void forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  const float *gamma = args.inputs[1].data, *beta = args.inputs[2].data;
  float *running_mean = args.inputs[3].data, *running_var = args.inputs[4].data;
  const Layout layout(x);
  const auto channels = static_cast<size_t>(layout.channels);
  std::vector<double> mean(running_mean, running_mean + channels), variance(running_var, running_var + channels);
  if (args.training) {
    Statistics batch = batch_statistics(x, layout);
    mean = std::move(batch.mean);
    variance = std::move(batch.variance);
    const double stay = args.attrs.real("momentum", 0.9);
    for (size_t c = 0; c < channels; ++c) {
      running_mean[c] = static_cast<float>(stay * static_cast<double>(running_mean[c]) + (1 - stay) * mean[c]);
      running_var[c] = static_cast<float>(stay * static_cast<double>(running_var[c]) + (1 - stay) * variance[c]);
    }
  }
  std::vector<double> scale(channels), offset(channels);
  args.saved.assign(2 * channels + 1, args.training ? 1.0f : 0.0f);
  for (size_t c = 0; c < channels; ++c) {
    const double inverse = 1 / std::sqrt(variance[c] + epsilon_of(args.attrs));
    scale[c] = static_cast<double>(gamma[c]) * inverse;
    offset[c] = static_cast<double>(beta[c]) - mean[c] * scale[c];
    args.saved[c] = static_cast<float>(mean[c]);
    args.saved[channels + c] = static_cast<float>(inverse);
  }
  const std::vector<float> scales = layout.tile(scale), offsets = layout.tile(offset);
  parallel_ranges(layout.elements, layout.chunk, [&](int64_t begin, int64_t end) {
    scale_and_add(x.data + begin, scales.data(), offsets.data(), end - begin, layout.lanes, y.data + begin);
  });
}

void backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &dy = args.grad_outputs[0], &dx = args.grad_inputs[0];
  const Layout layout(x);
  const auto channels = static_cast<size_t>(layout.channels);
  const std::vector<float> mean(args.saved.begin(), args.saved.begin() + layout.channels);
  const float* inverse = args.saved.data() + channels;
  const bool of_the_batch = args.saved.back() != 0;
  const std::vector<float> means = layout.tile(mean);
  const ChannelSums sums = sum_channels(layout, [&](int64_t begin, int64_t end, float* first, float* second) {
    add_up_gradients(x.data + begin, dy.data + begin, means.data(), end - begin, layout.lanes, first, second);
  });
  for (size_t c = 0; c < channels; ++c) {
    if (float* dgamma = args.grad_inputs[1].data)
      dgamma[c] += static_cast<float>(sums.second[c] * static_cast<double>(inverse[c]));
    if (float* dbeta = args.grad_inputs[2].data) dbeta[c] += static_cast<float>(sums.first[c]);
  }
  if (!dx.data) return;
  // dx = gamma / deviation * (dy - mean(dy) - normalised x * mean(dy * normalised x)); the two means only where they
  // depend on x.
  std::vector<double> a(channels), b(channels), c0(channels);
  for (size_t c = 0; c < channels; ++c) {
    a[c] = static_cast<double>(args.inputs[1].data[c]) * static_cast<double>(inverse[c]);
    if (!of_the_batch) continue;
    const double per_row = a[c] / static_cast<double>(layout.rows());
    b[c] = -per_row * static_cast<double>(inverse[c]) * static_cast<double>(inverse[c]) * sums.second[c];
    c0[c] = -per_row * sums.first[c] - b[c] * static_cast<double>(mean[c]);
  }
  const std::vector<float> as = layout.tile(a), bs = layout.tile(b), cs = layout.tile(c0);
  parallel_ranges(layout.elements, layout.chunk, [&](int64_t begin, int64_t end) {
    add_input_gradient(x.data + begin, dy.data + begin, as.data(), bs.data(), cs.data(), end - begin, layout.lanes,
                       dx.data + begin);
  });
}

PerChannelAffine as_affine(const Graph& graph, const Node& node) {
  const auto input = [&](size_t index) { return graph[node.inputs[index]].constant->as<float>(); };
  const auto gamma = input(1), beta = input(2), mean = input(3), variance = input(4);
  PerChannelAffine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale =
        static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon_of(node.attrs));
    affine.scale.push_back(static_cast<float>(scale));
    affine.offset.push_back(static_cast<float>(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale));
  }
  return affine;
}

}  // namespace

const OpSpec& batch_norm() {
  static const OpSpec spec{
      .name = "batch_norm",
      .doc = "Normalises each channel by the batch's mean and deviation, then scales and shifts it.",
      .traits = {.min_inputs = 5, .max_inputs = 5, .as_affine = as_affine},
      .dtypes = {DType::f32},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = kFolded,
      .tflite = kFolded,
      .lower = kFolded,
      .macs = kFolded,
  };
  return spec;
}

}  // namespace thimble::ops
