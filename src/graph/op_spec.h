// The contract of an operator's host half. src/ops fills one OpSpec per operator; everything else (training,
// quantisation, import, planning, tests, documentation) goes through it and never asks which operator it is.
#pragma once
#include <concepts>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"
#include "graph/kernel_call.h"

namespace thimble {

// A stage of an operator: a function, or the reason there is none. It has no default, so that a spec that forgets a
// stage does not compile.
struct OptOut {
  std::string_view reason;
};

template <class T>
class Stage {
 public:
  Stage(OptOut out) : reason_(out.reason) {}
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Stage> && !std::is_same_v<std::decay_t<F>, OptOut> &&
           std::is_constructible_v<T, F>) Stage(F&& value)
      : value_(std::in_place, std::forward<F>(value)) {}
  explicit operator bool() const { return value_.has_value(); }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return &*value_; }
  std::string_view reason() const { return reason_; }  // empty where there is a value

 private:
  std::optional<T> value_;
  std::string_view reason_;
};

inline constexpr DType kEveryDType[] = {DType::f32, DType::i8,  DType::i16,    DType::u8,
                                        DType::i32, DType::i64, DType::boolean};

// A set of types of numbers. It has no default, as a stage has none.
class DTypes {
 public:
  template <std::same_as<DType>... More>
  constexpr DTypes(DType first, More... more) : bits_((bit(first) | ... | bit(more))) {}
  constexpr bool contains(DType dtype) const { return (bits_ & bit(dtype)) != 0; }
  constexpr DTypes& add(DType dtype) {
    bits_ |= bit(dtype);
    return *this;
  }
  std::vector<std::string_view> names() const;

 private:
  static constexpr uint32_t bit(DType dtype) { return 1u << static_cast<uint32_t>(dtype); }
  uint32_t bits_;
};
inline constexpr DTypes kAllDTypes{DType::f32, DType::i8,  DType::i16,    DType::u8,
                                   DType::i32, DType::i64, DType::boolean};
inline constexpr DTypes kRealAndInteger{DType::f32, DType::i8, DType::i16};

// Shape and dtype rule. All extents of inputs are positive (the caller checks). Inputs that are absent have an empty
// dtype f32 and shape []; `constants[i]` is the constant behind input i or null. Errors: bad_data with found and
// expected shapes (the caller adds the layer).
struct InferArgs {
  const Attrs& attrs;
  std::span<const ValueType> inputs;
  std::span<const Tensor* const> constants;
};
using InferFn = std::function<Result<std::vector<ValueType>>(const InferArgs&)>;

// A float32 tensor seen by forward and backward. The first extent of values that flow is the batch.
struct FloatView {
  float* data = nullptr;  // null: absent input, or a gradient nobody wants
  Shape shape;
  int64_t size() const { return element_count(shape); }
};

struct ForwardArgs {
  const Attrs& attrs;
  std::span<const FloatView> inputs;   // running statistics (batch_norm) are updated in place while training
  std::span<const FloatView> outputs;  // overwritten
  bool training = false;
  uint64_t seed = 0;          // of this step and node: dropout masks
  std::vector<float>& saved;  // what forward keeps for backward
};
using ForwardFn = std::function<void(const ForwardArgs&)>;

struct BackwardArgs {
  const Attrs& attrs;
  std::span<const FloatView> inputs;
  std::span<const FloatView> outputs;
  std::span<const FloatView> grad_outputs;
  std::span<const FloatView> grad_inputs;  // ADD into these
  const std::vector<float>& saved;
};
using BackwardFn = std::function<void(const BackwardArgs&)>;

// How int8 quantisation treats the op.
enum class OutputScale {
  calibrated,     // from the observed range
  same_as_input,  // input 0's scale and zero point (pooling, reshape, pad)
  shared,         // one scale and zero point for every float input and output (concatenation, maximum, select)
  fixed,          // fixed_scale, fixed_zero_point (softmax: 1/256, -128)
};
struct QuantizeRule {
  OutputScale output = OutputScale::calibrated;
  float fixed_scale = 0;
  int32_t fixed_zero_point = 0;
  int weights = -1;      // input index of the weights (int8, symmetric), or -1
  int weights_axis = 0;  // output channel axis of the weights
  bool per_channel = false;
  int bias = -1;  // input index of the bias (int32, scale = input scale * weight scale), or -1
};

// An integer-list attribute that TFLite keeps in a constant int32 input (the axes of MEAN, the paddings of PAD): import
// takes it from there and drops the input, export puts it back.
struct TfliteConstantInput {
  int input = 1;
  std::string_view attr;
  // 0: a vector [n]; kNumber: one number [], an integer attribute; else a matrix [n / columns, columns].
  int columns = 0;
  bool may_flow = false;  // computed, it stays an input and the attribute is not set
  static constexpr int kNumber = -1;
};

// TFLite: which builtin operator, which options table, and the two-way mapping of attributes.
struct TfliteMapping {
  std::string_view builtin;  // "CONV_2D"
  std::string_view options;  // "Conv2DOptions", or empty
  int version = 1;           // of the int8 form
  int version_f32 = 1;       // of the float32 form
  int version_i16 = 0;       // of the int16 form; 0: as int8
  int version_i4 = 0;        // of the int8 form with int4 weights; 0: as int8
  std::function<Outcome(const AttrReader&, Attrs&)> read;
  std::function<void(const Attrs&, AttrWriter&)> write;
  std::span<const TfliteConstantInput> constant_inputs = {};
  // Where TFLite's order differs: input_order[i] is the place of input i, not counting the constant inputs.
  std::span<const int> input_order = {};
  // Where the version depends on more than the type: instead of the three above.
  std::function<int(const Graph&, const Node&)> version_of = {};
};

// Writes the kernel calls of one node for the dtypes of its values, choosing a variant for the core. Errors:
// unsupported for a combination of dtypes that has no kernel, naming what was found and what there is.
struct LowerArgs {
  const Graph& graph;
  const Node& node;
  KernelForm form = {};  // a lowering without that form gives the next simpler one, at last the portable kernel
};
using LowerFn = std::function<Result<std::vector<KernelCall>>(const LowerArgs&)>;

// The node's kernel calls, by its op, which must have a lowering. Lowerings ask for scales where a kernel needs them,
// with vector::at: a tensor that has none is refused here, naming the node.
Result<std::vector<KernelCall>> lower_node(const LowerArgs& args);

using MacsFn = std::function<int64_t(const Graph&, const Node&)>;

// y = scale[c] * x + offset[c], c = the last axis.
struct PerChannelAffine {
  std::vector<float> scale;
  std::vector<float> offset;
};

// How the channels (the last axis) of a quantised op's output depend on those of the inputs that flow.
enum class ChannelFlow {
  unknown,   // in any way
  mixed,     // each sums over those of input 0, whose channels the last axis of the weights (QuantizeRule) repeats
  separate,  // each depends on the same channel of each input; with weights, their last axis counts the outputs, as
             // many in a row for one input channel
};
// Of a node whose shapes are right.
using ChannelsFn = std::function<ChannelFlow(const Graph&, const Node&)>;
inline ChannelFlow mixed_channels(const Graph&, const Node&) { return ChannelFlow::mixed; }
inline ChannelFlow separate_channels(const Graph&, const Node&) { return ChannelFlow::separate; }

// How an op's output rows (axis 1 of [1, rows, ...]) follow from those of its inputs: row r from the taps r * stride -
// padding, r * stride - padding + dilation, ... of each, those outside the input left out.
struct RowWindow {
  int64_t taps = 1, stride = 1, dilation = 1, padding = 0;
  bool inside = true;  // no row's taps lie outside the input
  int64_t span() const { return (taps - 1) * dilation + 1; }
};
// Attributes that a planner gives a node of which only some rows are to be made: how many, and the padding above the
// first of the input's rows that are there. The lowerings of ops with OpTraits::rows mind them.
inline constexpr std::string_view kBandRows = "band_rows", kBandPadding = "band_padding";
// Of a node whose shapes are right; none where it is not so.
using RowsFn = std::function<std::optional<RowWindow>(const Graph&, const Node&)>;
// Each row by itself, where the inputs that flow have the output's shape.
std::optional<RowWindow> row_by_row(const Graph& graph, const Node& node);

// What graph passes and the planner may know of an op without asking which it is.
struct OpTraits {
  int min_inputs = 1;
  int max_inputs = 1;
  bool in_place = false;          // output may take input 0's memory: same size, each element read before it is written
  bool alias = false;             // output is input 0's bytes under another shape: no kernel call at all
  bool fuses_activation = false;  // has attribute "activation": none, relu, relu6
  // Its outputs follow from its attributes and its inputs' shapes alone: no kernel call reads an input.
  bool reads_shapes_only = false;
  // Inputs that hold state (Value::initial) which the op's kernels change in place.
  std::span<const int> state_inputs = {};
  RowsFn rows = {};                    // empty: its output takes all rows
  std::string_view activation = "";    // it is that activation, and may be fused into the op before it
  bool identity_at_inference = false;  // dropout
  bool flattens = false;               // reads input 0's elements in their order, whatever their shape
  ChannelsFn channels = {};            // empty: unknown
  // Its output is its input with zeros around, as many as attribute paddings says: before and after of each axis.
  bool pads = false;
  // Attribute padding may be "explicit", with pad_top, pad_bottom, pad_left and pad_right for an input [N, H, W, C].
  bool takes_padding = false;
  // The op's inference form as an affine map, for folding into the op before it (batch_norm); empty for other ops.
  std::function<PerChannelAffine(const Graph&, const Node&)> as_affine = {};
};

// Why an operator that only imported models hold has no forward and backward: its float kernel is its forward form.
inline constexpr OptOut kImportedOnly{"it comes with imported models and is not trained"};

struct OpSpec {
  std::string_view name;  // "conv2d"
  std::string_view doc;   // one sentence
  OpTraits traits;
  // Of the data it computes with or moves, where there are kernels for it: the inputs' types where the output's
  // differs.
  DTypes dtypes;
  Stage<InferFn> infer;
  Stage<ForwardFn> forward;
  Stage<BackwardFn> backward;
  Stage<QuantizeRule> quantize;
  Stage<TfliteMapping> tflite;
  Stage<LowerFn> lower;
  Stage<MacsFn> macs;
};

}  // namespace thimble
