// Dropout (Srivastava et al. 2014), inverted: in training each element is zeroed with probability rate and the rest
// grow by 1 / (1 - rate); otherwise the identity.
#include "core/rng.h"
#include "ops/loops.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr OptOut kRemoved{"removed before inference"};

Result<std::vector<ValueType>> infer(const InferArgs& args) {
  const double rate = args.attrs.real("rate", 0.5);
  if (!(rate >= 0 && rate < 1))
    return fail(ErrorCode::bad_data, fmt::format("dropout rate must be in [0, 1), found {}", rate));
  return same_as_input(args);
}

// saved: the factor of each element; empty for the identity.
void forward(const ForwardArgs& args) {
  const FloatView &x = args.inputs[0], &y = args.outputs[0];
  const double rate = args.attrs.real("rate", 0.5);
  args.saved.clear();
  if (!args.training || rate == 0) {
    std::copy_n(x.data, y.size(), y.data);
    return;
  }
  args.saved.resize(static_cast<size_t>(y.size()));
  float* factors = args.saved.data();
  const auto keep = static_cast<float>(1 / (1 - rate));
  parallel_ranges(y.size(), kElementsPerChunk, [&](int64_t begin, int64_t end) {
    Rng rng{args.seed, static_cast<uint64_t>(begin)};
    for (int64_t i = begin; i < end; ++i) {
      factors[i] = rng.uniform() < rate ? 0.0f : keep;
      y.data[i] = x.data[i] * factors[i];
    }
  });
}

void backward(const BackwardArgs& args) {
  const FloatView &dy = args.grad_outputs[0], &dx = args.grad_inputs[0];
  if (!dx.data) return;
  for (int64_t i = 0; i < dy.size(); ++i)
    dx.data[i] += args.saved.empty() ? dy.data[i] : dy.data[i] * args.saved[static_cast<size_t>(i)];
}

}  // namespace

const OpSpec& dropout() {
  static const OpSpec spec{
      .name = "dropout",
      .doc = "Zeroes a random share of elements in training; nothing at inference.",
      .traits = {.identity_at_inference = true},
      .dtypes = {DType::f32},
      .infer = infer,
      .forward = forward,
      .backward = backward,
      .quantize = kRemoved,
      .tflite = kRemoved,
      .lower = kRemoved,
      .macs = kRemoved,
  };
  return spec;
}

}  // namespace thimble::ops
