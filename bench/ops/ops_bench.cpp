// Time of float32 training, forward and backward, of each layer of a DS-CNN (49 x 10 features, 64 channels) at batch
// 100.
#include <benchmark/benchmark.h>

#include "core/rng.h"
#include "ops/ops.h"

namespace {

using namespace thimble;

constexpr int64_t kBatch = 100;

struct Layer {
  std::string name;
  const OpSpec* op;
  std::vector<Shape> inputs;  // the first flows
  Attrs attrs;
};

std::vector<Layer> ds_cnn_layers() {
  const Attrs same = Attrs().set("padding", "same");
  Attrs first = same;
  first.set("stride_h", 2).set("stride_w", 2);
  const Shape features{kBatch, 49, 10, 1}, image{kBatch, 25, 5, 64}, channels{64};
  return {
      {"first_convolution", &ops::conv2d(), {features, {64, 10, 4, 1}}, first},
      {"depthwise_convolution", &ops::depthwise_conv2d(), {image, {1, 3, 3, 64}}, same},
      {"pointwise_convolution", &ops::conv2d(), {image, {64, 1, 1, 64}}, same},
      {"convolution_3x3", &ops::conv2d(), {image, {64, 3, 3, 64}}, same},
      {"batch_norm", &ops::batch_norm(), {image, channels, channels, channels, channels}, {}},
      {"relu", &ops::relu(), {image}, {}},
      {"mean", &ops::mean(), {image}, Attrs().set("axes", std::vector<int64_t>{1, 2})},
      {"fully_connected", &ops::fully_connected(), {{kBatch, 64}, {12, 64}, {12}}, {}},
  };
}

struct Memory {
  std::vector<std::vector<float>> data;
  std::vector<FloatView> views;
  void add(const Shape& shape) {
    Rng rng{data.size()};
    std::vector<float>& values = data.emplace_back(static_cast<size_t>(element_count(shape)));
    for (float& value : values) value = static_cast<float>(rng.uniform());
    views.push_back({values.data(), shape});
  }
};

void run(benchmark::State& state, const Layer& layer, bool backward) {
  Memory inputs, outputs, grad_inputs, grad_outputs;
  std::vector<ValueType> types;
  for (const Shape& shape : layer.inputs)
    inputs.add(shape), grad_inputs.add(shape), types.push_back({DType::f32, shape});
  const std::vector<const Tensor*> constants(types.size(), nullptr);
  const std::vector<ValueType> output_types = (*layer.op->infer)({layer.attrs, types, constants}).value();
  for (const ValueType& type : output_types) outputs.add(type.shape), grad_outputs.add(type.shape);
  std::vector<float> saved;
  const auto forward = [&] { (*layer.op->forward)({layer.attrs, inputs.views, outputs.views, true, 1, saved}); };
  forward();
  for (auto _ : state) {
    if (backward)
      (*layer.op->backward)({layer.attrs, inputs.views, outputs.views, grad_outputs.views, grad_inputs.views, saved});
    else
      forward();
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const Layer& layer : ds_cnn_layers())
    for (const bool backward : {false, true})
      benchmark::RegisterBenchmark((layer.name + (backward ? "/backward" : "/forward")).c_str(), run, layer, backward)
          ->Unit(benchmark::kMillisecond)
          ->MeasureProcessCPUTime()
          ->UseRealTime();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
