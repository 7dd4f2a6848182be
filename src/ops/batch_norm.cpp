// Batch normalisation (Ioffe and Szegedy 2015) over the last axis: inputs x [..., C], gamma, beta, running_mean,
// running_var, each [C]. Attributes epsilon (0.001) and momentum (0.9: how much of the running statistics stays at each
// step). Training uses and tracks the statistics of the batch; inference uses the running ones and is folded into a
// neighbouring op.
//
// Training speed hangs on this file, so its loops run over lanes: whole rows of C, or several rows at once when C is
// small.
#include <algorithm>
#include <cmath>

#include "ops/loops.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr OptOut kFolded{"folded into the op before it"};
constexpr int64_t kElementsPerBlock = 4096;  // stays in the first cache between two visits

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
    constexpr int64_t kLeastLanes = 64;
    lanes = channels * std::max<int64_t>(1, kLeastLanes / channels);
    block = lanes * std::max<int64_t>(1, kElementsPerBlock / lanes);
    chunk = block * std::max<int64_t>(1, kElementsPerChunk / block);
  }
  int64_t rows() const { return elements / channels; }
  int64_t chunks() const { return chunk_count(elements, chunk); }
  template <class T>
  std::vector<float> tile(const std::vector<T>& per_channel) const {
    std::vector<float> tiled(static_cast<size_t>(lanes));
    for (size_t i = 0; i < tiled.size(); ++i) tiled[i] = static_cast<float>(per_channel[i % per_channel.size()]);
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

THIMBLE_VECTORIZED void add_up(const float* x, int64_t count, int64_t lanes, float* sums) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) sums[i] += x[row + i];
  }
}

THIMBLE_VECTORIZED void add_up_squares(const float* x, const float* mean, int64_t count, int64_t lanes, float* sums) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) sums[i] += (x[row + i] - mean[i]) * (x[row + i] - mean[i]);
  }
}

THIMBLE_VECTORIZED void scale_and_add(const float* x, const float* scale, const float* offset, int64_t count,
                                      int64_t lanes, float* y) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) y[row + i] = x[row + i] * scale[i] + offset[i];
  }
}

THIMBLE_VECTORIZED void add_up_gradients(const float* x, const float* dy, const float* mean, int64_t count,
                                         int64_t lanes, float* sums, float* moments) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) {
      sums[i] += dy[row + i];
      moments[i] += dy[row + i] * (x[row + i] - mean[i]);
    }
  }
}

// dx += a * dy + b * x + c.
THIMBLE_VECTORIZED void add_input_gradient(const float* x, const float* dy, const float* a, const float* b,
                                           const float* c, int64_t count, int64_t lanes, float* dx) {
  for (int64_t row = 0; row < count; row += lanes) {
    const int64_t width = std::min(lanes, count - row);
    for (int64_t i = 0; i < width; ++i) dx[row + i] += a[i] * dy[row + i] + b[i] * x[row + i] + c[i];
  }
}

// Adds lanes to their channels and clears them.
void fold_lanes(std::vector<float>& lanes, double* channels, int64_t channel_count) {
  for (size_t i = 0; i < lanes.size(); ++i)
    channels[i % static_cast<size_t>(channel_count)] += static_cast<double>(lanes[i]);
  std::ranges::fill(lanes, 0.0f);
}

// Mean and sum of squared deviations per channel over a number of rows.
struct Moments {
  int64_t rows = 0;
  std::vector<double> mean, squares;
};

// Chan, Golub, LeVeque 1979.
void merge(Moments& total, const Moments& part) {
  const double rows = static_cast<double>(total.rows + part.rows);
  const double share = static_cast<double>(part.rows) / rows, weight = static_cast<double>(total.rows) * share;
  for (size_t c = 0; c < total.mean.size(); ++c) {
    const double step = part.mean[c] - total.mean[c];
    total.mean[c] += step * share;
    total.squares[c] += part.squares[c] + step * step * weight;
  }
  total.rows += part.rows;
}

Moments chunk_moments(const float* x, const Layout& layout, int64_t chunk) {
  const auto channels = static_cast<size_t>(layout.channels);
  Moments total{0, std::vector<double>(channels), std::vector<double>(channels)};
  std::vector<float> sums(static_cast<size_t>(layout.lanes));
  layout.for_blocks(chunk, [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    Moments part{count / layout.channels, std::vector<double>(channels), std::vector<double>(channels)};
    add_up(x + begin, count, layout.lanes, sums.data());
    fold_lanes(sums, part.mean.data(), layout.channels);
    // Deviations are taken from the rounded mean that the loop sees, so the mean must be that very number.
    for (double& mean : part.mean)
      mean = static_cast<double>(static_cast<float>(mean / static_cast<double>(part.rows)));
    add_up_squares(x + begin, layout.tile(part.mean).data(), count, layout.lanes, sums.data());
    fold_lanes(sums, part.squares.data(), layout.channels);
    merge(total, part);
  });
  return total;
}

Moments batch_moments(const FloatView& x, const Layout& layout) {
  std::vector<Moments> parts(static_cast<size_t>(layout.chunks()));
  parallel_for(layout.chunks(),
               [&](int64_t chunk) { parts[static_cast<size_t>(chunk)] = chunk_moments(x.data, layout, chunk); });
  for (size_t i = 1; i < parts.size(); ++i) merge(parts[0], parts[i]);
  return std::move(parts[0]);
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
    Moments moments = batch_moments(x, layout);
    mean = std::move(moments.mean);
    for (size_t c = 0; c < channels; ++c) variance[c] = moments.squares[c] / static_cast<double>(layout.rows());
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

// Per channel: the sums of dy and of dy * (x - mean), in chunk order.
struct GradientSums {
  std::vector<double> sum, moment;
};

GradientSums gradient_sums(const FloatView& x, const FloatView& dy, const std::vector<float>& means,
                           const Layout& layout) {
  const auto channels = static_cast<size_t>(layout.channels);
  std::vector<GradientSums> parts(static_cast<size_t>(layout.chunks()));
  parallel_for(layout.chunks(), [&](int64_t chunk) {
    GradientSums& part = parts[static_cast<size_t>(chunk)];
    part = {std::vector<double>(channels), std::vector<double>(channels)};
    std::vector<float> sums(means.size()), moments(means.size());
    layout.for_blocks(chunk, [&](int64_t begin, int64_t end) {
      add_up_gradients(x.data + begin, dy.data + begin, means.data(), end - begin, layout.lanes, sums.data(),
                       moments.data());
      fold_lanes(sums, part.sum.data(), layout.channels);
      fold_lanes(moments, part.moment.data(), layout.channels);
    });
  });
  for (size_t i = 1; i < parts.size(); ++i)
    for (size_t c = 0; c < channels; ++c) {
      parts[0].sum[c] += parts[i].sum[c];
      parts[0].moment[c] += parts[i].moment[c];
    }
  return std::move(parts[0]);
}

void backward(const BackwardArgs& args) {
  const FloatView &x = args.inputs[0], &dy = args.grad_outputs[0], &dx = args.grad_inputs[0];
  const Layout layout(x);
  const auto channels = static_cast<size_t>(layout.channels);
  const std::vector<float> mean(args.saved.begin(), args.saved.begin() + layout.channels);
  const float* inverse = args.saved.data() + channels;
  const bool batch_statistics = args.saved.back() != 0;
  const GradientSums sums = gradient_sums(x, dy, layout.tile(mean), layout);
  for (size_t c = 0; c < channels; ++c) {
    if (float* dgamma = args.grad_inputs[1].data)
      dgamma[c] += static_cast<float>(sums.moment[c] * static_cast<double>(inverse[c]));
    if (float* dbeta = args.grad_inputs[2].data) dbeta[c] += static_cast<float>(sums.sum[c]);
  }
  if (!dx.data) return;
  // dx = gamma / deviation * (dy - mean(dy) - normalised x * mean(dy * normalised x)); the two means only where they
  // depend on x.
  std::vector<double> a(channels), b(channels), c0(channels);
  for (size_t c = 0; c < channels; ++c) {
    a[c] = static_cast<double>(args.inputs[1].data[c]) * static_cast<double>(inverse[c]);
    if (!batch_statistics) continue;
    const double per_row = a[c] / static_cast<double>(layout.rows());
    b[c] = -per_row * static_cast<double>(inverse[c]) * static_cast<double>(inverse[c]) * sums.moment[c];
    c0[c] = -per_row * sums.sum[c] - b[c] * static_cast<double>(mean[c]);
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
