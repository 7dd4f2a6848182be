// The recurrent kernels on the unit-test vectors of CMSIS-NN, which TFLite Micro computed.
#include <gtest/gtest.h>

#include "device/kernels/lstm.h"
#include "device/kernels/svdf.h"
#include "ops/cmsis_nn_data.h"
#include "ops/sigmoid_table.h"

namespace thimble::test {
namespace {

#define SKIP_WITHOUT_VECTORS(name)                          \
  if (!std::filesystem::exists(cmsis_nn_folder() / (name))) \
  GTEST_SKIP() << (cmsis_nn_folder() / (name)).string() << " is absent"

template <class State, class Kernel>
void run_svdf(const std::string& name, const Kernel& kernel) {
  const CmsisCase data = load_cmsis_nn(name).value();
  const int32_t batch = data.integer("INPUT_BATCHES"), inputs = data.integer("INPUT_SIZE"),
                filters = data.integer("FEATURE_BATCHES");
  const device::SvdfS8Params params{batch,
                                    inputs,
                                    filters,
                                    data.integer("RANK"),
                                    data.integer("TIME_BATCHES"),
                                    -data.integer("INPUT_OFFSET"),
                                    0,
                                    data.integer("MULTIPLIER_IN"),
                                    data.integer("SHIFT_1"),
                                    data.integer("OUTPUT_OFFSET"),
                                    data.integer("MULTIPLIER_OUT"),
                                    data.integer("SHIFT_2")};
  const auto sequence = data.numbers<int8_t>({"input_sequence"}), features = data.numbers<int8_t>({"weights_feature"}),
             expected = data.numbers<int8_t>({"output_ref"});
  const auto times = data.numbers<State>({"weights_time"});
  auto state = data.numbers<State>({"state"});
  const auto bias = data.numbers<int32_t>({"biases"});
  std::vector<int8_t> output(expected.size());
  const auto step = static_cast<size_t>(batch * inputs);
  for (size_t at = 0; at + step <= sequence.size(); at += step)
    kernel(params, sequence.data() + at, features.data(), times.data(), bias.data(), state.data(), output.data());
  EXPECT_EQ(output, expected);
}

class CmsisSvdf : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Recurrent, CmsisSvdf, testing::Values("svdf", "svdf_2", "svdf_int8"));

TEST_P(CmsisSvdf, GivesTheReferenceBytes) {
  SKIP_WITHOUT_VECTORS(GetParam());
  if (load_cmsis_nn(GetParam()).value().array({"state"})->type == "int8_t")
    run_svdf<int8_t>(GetParam(), device::svdf_state8_s8);
  else
    run_svdf<int16_t>(GetParam(), device::svdf_s8);
}

class CmsisLstm : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Recurrent, CmsisLstm,
                         testing::Values("lstm_1", "lstm_2", "lstm_one_time_step",
                                         "lstm_stateful_batch_major_multibatch"));

constexpr const char* kGates[] = {"input_gate", "forget_gate", "cell_gate", "output_gate"};
constexpr const char* kGateSettings[] = {"INPUT_GATE", "FORGET_GATE", "CELL_GATE", "OUTPUT_GATE"};

struct LstmConstants {
  std::vector<int8_t> weights, recurrent;
  std::vector<int32_t> bias, recurrent_bias, scales;
};

// The zero points are folded into the biases, as the lowering does.
LstmConstants constants_of(const CmsisCase& data, int32_t units, int32_t input_zero, int32_t hidden_zero) {
  LstmConstants all;
  for (int gate = 0; gate < 4; ++gate) {
    const std::string name = kGates[gate], setting = kGateSettings[gate];
    const auto append = [&](const std::vector<int8_t>& numbers, int32_t zero, std::vector<int8_t>& to,
                            std::vector<int32_t>& bias, std::vector<int32_t> given) {
      const size_t columns = numbers.size() / static_cast<size_t>(units);
      for (size_t i = 0; i < numbers.size(); ++i) given[i / columns] -= zero * numbers[i];
      to.insert(to.end(), numbers.begin(), numbers.end());
      bias.insert(bias.end(), given.begin(), given.end());
    };
    append(data.numbers<int8_t>({name + "_input_weights"}), input_zero, all.weights, all.bias,
           data.numbers<int32_t>({name + "_bias"}));
    append(data.numbers<int8_t>({name + "_hidden_weights"}), hidden_zero, all.recurrent, all.recurrent_bias,
           std::vector<int32_t>(static_cast<size_t>(units), 0));
    for (const char* from : {"_INPUT", "_HIDDEN"})
      for (const char* what : {"_MULTIPLIER", "_SHIFT"})
        all.scales.push_back(data.integer(CmsisNames{setting + from + what}));
  }
  return all;
}

TEST_P(CmsisLstm, GivesTheReferenceBytes) {
  SKIP_WITHOUT_VECTORS(GetParam());
  const CmsisCase data = load_cmsis_nn(GetParam()).value();
  const int32_t batch = data.integer("BATCH_SIZE"), units = data.integer("HIDDEN_SIZE");
  const auto cell_steps = ops::sigmoid_steps_of_power(data.integer("CELL_SCALE_POWER"));
  const int32_t input_zero = -data.integer("INPUT_ZERO_POINT"), hidden_zero = data.integer("OUTPUT_ZERO_POINT");
  const device::LstmS8Params params{batch,
                                    data.integer("TIME_STEPS"),
                                    data.integer("INPUT_SIZE"),
                                    units,
                                    data.settings.at("TIME_MAJOR") == "true",
                                    data.integer("CELL_CLIP"),
                                    cell_steps.multiplier,
                                    cell_steps.right_shift,
                                    data.integer("FORGET_TO_CELL_MULTIPLIER"),
                                    data.integer("FORGET_TO_CELL_SHIFT"),
                                    data.integer("INPUT_TO_CELL_MULTIPLIER"),
                                    data.integer("INPUT_TO_CELL_SHIFT"),
                                    data.integer("OUTPUT_MULTIPLIER"),
                                    data.integer("OUTPUT_SHIFT"),
                                    hidden_zero};
  const LstmConstants all = constants_of(data, units, input_zero, hidden_zero);
  const Tensor table = ops::sigmoid_table();
  const auto input = data.numbers<int8_t>({"input_tensor"}), expected = data.numbers<int8_t>({"output"});
  std::vector<int8_t> hidden(static_cast<size_t>(batch * units), static_cast<int8_t>(hidden_zero)),
      output(expected.size());
  std::vector<int16_t> cell(hidden.size(), 0);
  device::lstm_s8(params, input.data(), all.weights.data(), all.recurrent.data(), all.bias.data(),
                  all.recurrent_bias.data(), all.scales.data(), table.as<int16_t>().data(), hidden.data(), cell.data(),
                  output.data());
  EXPECT_EQ(output, expected);
}

}  // namespace
}  // namespace thimble::test
