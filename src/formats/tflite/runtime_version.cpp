#include "formats/tflite/runtime_version.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace thimble::tflite {

namespace {

struct Versions {
  std::string_view builtin;
  std::array<int, 10> first_runtime;  // by version, from 1
};

constexpr Versions kTable[] = {
    {"ABS", {11300, 20400, 20500, 20600}},
    {"ADD", {10500, 11400, 20400, 20600}},
    {"ADD_N", {11400}},
    {"ARG_MAX", {10900, 11400, 20900}},
    {"ARG_MIN", {10900, 11400, 20900}},
    {"ASSIGN_VARIABLE", {20600}},
    {"ATAN2", {21000}},
    {"AVERAGE_POOL_2D", {10500, 11400, 20300}},
    {"BATCH_MATMUL", {20300, 20300, 20400, 20500}},
    {"BATCH_TO_SPACE_ND", {10600, 11400, 20300}},
    {"BROADCAST_ARGS", {20600}},
    {"BROADCAST_TO", {0, 20500, 20500}},
    {"CALL_ONCE", {20500}},
    {"CAST", {10500, 20700, 20800, 20900}},
    {"CEIL", {11400}},
    {"CONCATENATION", {10500, 11400, 20300}},
    {"CONV_2D", {10500, 11400, 11400, 20300, 20400, 20900, 21100}},
    {"COS", {11400}},
    {"CUMSUM", {20400}},
    {"DEPTH_TO_SPACE", {20100, 20500}},
    {"DEPTHWISE_CONV_2D", {10500, 11200, 11400, 20200, 20300, 20300, 21100}},
    {"DEQUANTIZE", {11301, 11400, 11500, 20200, 20700}},
    {"DIV", {10600, 20300}},
    {"DYNAMIC_UPDATE_SLICE", {20900}},
    {"ELU", {11400}},
    {"EMBEDDING_LOOKUP", {11300, 11400, 11400}},
    {"EQUAL", {11400, 11400, 20300}},
    {"EXP", {10700}},
    {"EXPAND_DIMS", {11000}},
    {"FILL", {11300, 20300, 20500}},
    {"FLOOR", {10900}},
    {"FLOOR_DIV", {11400, 11400}},
    {"FLOOR_MOD", {11300}},
    {"FULLY_CONNECTED", {10500, 11000, 11400, 11400, 20000, 20100, 20300, 20300, 20300, 21100}},
    {"GATHER", {10600, 11400, 11500, 20400, 20500}},
    {"GATHER_ND", {11400, 20300, 20500}},
    {"GELU", {20900, 20900}},
    {"GREATER", {11400, 11400}},
    {"GREATER_EQUAL", {11400, 11400}},
    {"HARD_SWISH", {11500}},
    {"L2_NORMALIZATION", {10500, 11400}},
    {"L2_POOL_2D", {10500}},
    {"LEAKY_RELU", {11301, 20300}},
    {"LESS", {11400, 11400}},
    {"LESS_EQUAL", {11400, 11400}},
    {"LOG", {11400}},
    {"LOG_SOFTMAX", {11400, 11400}},
    {"LOGICAL_AND", {11100}},
    {"LOGICAL_NOT", {11100}},
    {"LOGICAL_OR", {11100}},
    {"LOGISTIC", {11400, 11400, 20300}},
    {"MAX_POOL_2D", {10500, 11400, 20300}},
    {"MAXIMUM", {11400, 11400, 20300, 20300}},
    {"MEAN", {10600, 11400, 20400}},
    {"MINIMUM", {11400, 11400, 20300, 20300}},
    {"MIRROR_PAD", {11301, 20300}},
    {"MUL", {10500, 11400, 11500, 20300, 20600}},
    {"NEG", {10900}},
    {"NOT_EQUAL", {11400, 11400, 20300}},
    {"ONE_HOT", {11100}},
    {"PACK", {11100, 11400, 20300}},
    {"PAD", {10500, 11400, 20400, 20600}},
    {"PADV2", {10900, 11400, 20400, 20600}},
    {"POW", {11000}},
    {"PRELU", {10800}},
    {"QUANTIZE", {11400, 11500, 20700}},
    {"RANGE", {11300}},
    {"READ_VARIABLE", {20600}},
    {"REDUCE_ALL", {20600}},
    {"REDUCE_ANY", {11100}},
    {"REDUCE_MAX", {11100, 11400, 20500}},
    {"REDUCE_MIN", {11100, 11400, 20500}},
    {"REDUCE_PROD", {11100, 20600}},
    {"RELU", {10500, 20100, 20500}},
    {"RELU6", {10500, 11400, 20500}},
    {"RELU_0_TO_1", {21000}},
    {"RELU_N1_TO_1", {10500}},
    {"RESHAPE", {10500}},
    {"RESIZE_BILINEAR", {10700, 11400, 20200, 20500}},
    {"RESIZE_NEAREST_NEIGHBOR", {11301, 11400, 20300, 20400}},
    {"REVERSE_V2", {11400, 20200, 20500}},
    {"ROUND", {11400}},
    {"RSQRT", {11000, 20500}},
    {"SELECT", {11400, 11400}},
    {"SELECT_V2", {20200}},
    {"SHAPE", {11000}},
    {"SIN", {10900}},
    {"SLICE", {11400, 11400, 11400, 20400, 20500}},
    {"SOFTMAX", {10500, 11400, 20300}},
    {"SPACE_TO_BATCH_ND", {10600, 11400, 20300}},
    {"SPACE_TO_DEPTH", {10500, 11400}},
    {"SPLIT", {10500, 11400, 11400, 20300}},
    {"SPLIT_V", {11301, 20300}},
    {"SQRT", {11000}},
    {"SQUARE", {11200}},
    {"SQUARED_DIFFERENCE", {11301, 20500}},
    {"SQUEEZE", {10600, 20500}},
    {"STRIDED_SLICE", {10600, 11400, 20100, 20200, 20500, 20600}},
    {"SUB", {10600, 11400, 20300, 20400, 20400}},
    {"SUM", {11000, 11500}},
    {"SVDF", {10500, 11400, 20200, 20300}},
    {"TANH", {11400, 11400, 20300}},
    {"TILE", {11001, 20200, 20800}},
    {"TOPK_V2", {10700, 11400}},
    {"TRANSPOSE", {10600, 11400, 11500, 20300, 20400}},
    {"TRANSPOSE_CONV", {10900, 20200, 20300, 21300}},
    {"UNIDIRECTIONAL_SEQUENCE_LSTM", {11301, 11400, 20300}},
    {"UNPACK", {11100, 11400, 20200, 20300}},
    {"VAR_HANDLE", {20600}},
    {"WHERE", {11400, 20800}},
    {"ZEROS_LIKE", {11200}},
};

}  // namespace

int runtime_for(std::string_view builtin, int version) {
  const auto* const found = std::ranges::find(kTable, builtin, &Versions::builtin);
  if (found == std::end(kTable) || version < 1 || version > static_cast<int>(found->first_runtime.size())) return 0;
  return found->first_runtime[static_cast<size_t>(version - 1)];
}

std::string runtime_text(int runtime) {
  return fmt::format("{}.{}.{}", runtime / 10000, runtime / 100 % 100, runtime % 100);
}

}  // namespace thimble::tflite
