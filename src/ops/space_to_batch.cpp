// Blocks of pixels to channels or batches and back: space_to_depth and depth_to_space (attribute block_size, images
// [N, H, W, C]); space_to_batch_nd (block_shape, paddings) and batch_to_space_nd (block_shape, crops) over the axes
// after the first, paddings and crops being before and after of each of them in turn.
#include <algorithm>

#include "ops/lowering.h"
#include "ops/movement.h"
#include "ops/ops.h"
#include "ops/unary.h"

namespace thimble::ops {

namespace {

constexpr int64_t kMost = int64_t{1} << 20;  // of a block's edge, a padding

// ---- depth

// The copy between an image with blocks in space and one with them in its channels.
Copy block_copy(const Shape& space, const Shape& depth, int64_t block) {
  const std::vector<int64_t> from = strides_of(space), to = strides_of(depth);
  const int64_t channels = space[3];
  return {0,
          0,
          {space[0], depth[1], block, depth[2], block, channels},
          {from[0], from[1] * block, from[1], from[2] * block, from[2], 1},
          {to[0], to[1], block * channels, to[2], channels, 1}};
}

Result<int64_t> block_of(const InferArgs& args) {
  const int64_t block = args.attrs.integer("block_size");
  if (args.inputs[0].shape.size() != 4)
    return fail(ErrorCode::unsupported,
                fmt::format("takes images [N, H, W, C], found {}", to_string(args.inputs[0].shape)));
  if (block < 1 || block > 1024) return fail(ErrorCode::bad_data, fmt::format("block_size {}", block));
  return block;
}

tl::unexpected<Error> indivisible(const Shape& shape, const std::string& block) {
  return fail(ErrorCode::bad_data, fmt::format("{} cannot be divided into blocks of {}", to_string(shape), block));
}

Result<std::vector<ValueType>> infer_space_to_depth(const InferArgs& args) {
  THIMBLE_LET(const int64_t block, block_of(args));
  const Shape& s = args.inputs[0].shape;
  if (s[1] % block || s[2] % block) return indivisible(s, std::to_string(block));
  return std::vector<ValueType>{{args.inputs[0].dtype, {s[0], s[1] / block, s[2] / block, s[3] * block * block}}};
}

Result<std::vector<ValueType>> infer_depth_to_space(const InferArgs& args) {
  THIMBLE_LET(const int64_t block, block_of(args));
  const Shape& s = args.inputs[0].shape;
  if (s[3] % (block * block)) return indivisible(s, std::to_string(block));
  return std::vector<ValueType>{{args.inputs[0].dtype, {s[0], s[1] * block, s[2] * block, s[3] / (block * block)}}};
}

std::vector<Copy> space_to_depth_moves(const MoveArgs& args) {
  return {block_copy(args.inputs[0], args.outputs[0], args.attrs.integer("block_size"))};
}

std::vector<Copy> depth_to_space_moves(const MoveArgs& args) {
  return {block_copy(args.outputs[0], args.inputs[0], args.attrs.integer("block_size")).reversed()};
}

Outcome read_block(const AttrReader& reader, Attrs& attrs) {
  attrs.set("block_size", reader.integer("block_size"));
  return {};
}

void write_block(const Attrs& attrs, AttrWriter& writer) { writer.integer("block_size", attrs.integer("block_size")); }

// ---- batch

// The copies between a tensor in space (without its padding) and the same in batches: batch b of the latter holds the
// pixels whose place, counted from the start of the padding, leaves the remainders that b stands for. One copy for each
// remainder, because padding makes them of different sizes.
std::vector<Copy> batch_copies(const Shape& space, const Shape& batches, std::span<const int64_t> block,
                               std::span<const int64_t> margins) {
  const std::vector<int64_t> from = strides_of(space), to = strides_of(batches);
  std::vector<Copy> copies = {{.extents = {space[0]}, .from_strides = {from[0]}, .to_strides = {to[0]}}};
  int64_t remainders = 1;
  for (int64_t edge : block) remainders *= edge;
  int64_t weight = remainders * space[0] * to[0];  // between batches of neighbouring remainders
  for (size_t i = 0; i < block.size(); ++i) {
    const int64_t edge = block[i], before = margins[2 * i], extent = space[i + 1];
    weight /= edge;
    std::vector<Copy> more;
    for (int64_t remainder = 0; remainder < edge; ++remainder) {
      // Places before + x = remainder + edge * y with 0 <= x < extent.
      const int64_t first = std::max<int64_t>(0, (before - remainder + edge - 1) / edge);
      const int64_t x = remainder + edge * first - before;
      if (x >= extent) continue;
      const int64_t count = std::min((extent - 1 - x) / edge + 1, batches[i + 1] - first);
      if (count <= 0) continue;
      for (Copy copy : copies) {
        copy.extents.push_back(count);
        copy.from_strides.push_back(from[i + 1] * edge);
        copy.to_strides.push_back(to[i + 1]);
        copy.from += x * from[i + 1];
        copy.to += first * to[i + 1] + remainder * weight;
        more.push_back(std::move(copy));
      }
    }
    copies = std::move(more);
  }
  for (Copy& copy : copies)
    for (size_t axis = block.size() + 1; axis < space.size(); ++axis) {
      copy.extents.push_back(space[axis]);
      copy.from_strides.push_back(from[axis]);
      copy.to_strides.push_back(to[axis]);
    }
  return copies;
}

struct Blocks {
  std::vector<int64_t> block, margins;
  int64_t count = 1;  // product of block
};

Result<Blocks> blocks_of(const InferArgs& args, std::string_view margins) {
  constexpr int64_t kMostBlocks = 1024;  // each takes a copy
  Blocks blocks{args.attrs.integers("block_shape"), args.attrs.integers(margins)};
  const Shape& input = args.inputs[0].shape;
  bool valid = blocks.block.size() < input.size() && blocks.margins.size() == 2 * blocks.block.size();
  for (int64_t edge : blocks.block) {
    valid = valid && edge >= 1 && edge <= kMostBlocks / blocks.count;
    if (valid) blocks.count *= edge;
  }
  for (int64_t margin : blocks.margins) valid = valid && margin >= 0 && margin <= kMost;
  if (!valid)
    return fail(ErrorCode::bad_data, fmt::format("block_shape {} with {} {} does not fit {}", to_string(blocks.block),
                                                 margins, to_string(blocks.margins), to_string(input)));
  return blocks;
}

Result<std::vector<ValueType>> infer_space_to_batch(const InferArgs& args) {
  THIMBLE_LET(const Blocks blocks, blocks_of(args, "paddings"));
  Shape shape = args.inputs[0].shape;
  for (size_t i = 0; i < blocks.block.size(); ++i) {
    const int64_t padded = shape[i + 1] + blocks.margins[2 * i] + blocks.margins[2 * i + 1];
    if (padded % blocks.block[i]) return indivisible(args.inputs[0].shape, to_string(blocks.block));
    shape[i + 1] = padded / blocks.block[i];
  }
  shape[0] *= blocks.count;
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

Result<std::vector<ValueType>> infer_batch_to_space(const InferArgs& args) {
  THIMBLE_LET(const Blocks blocks, blocks_of(args, "crops"));
  Shape shape = args.inputs[0].shape;
  if (shape[0] % blocks.count) return indivisible(shape, to_string(blocks.block));
  shape[0] /= blocks.count;
  for (size_t i = 0; i < blocks.block.size(); ++i) {
    shape[i + 1] = shape[i + 1] * blocks.block[i] - blocks.margins[2 * i] - blocks.margins[2 * i + 1];
    if (shape[i + 1] < 1)
      return fail(ErrorCode::bad_data, fmt::format("crops {} leave nothing", to_string(blocks.margins)));
  }
  return std::vector<ValueType>{{args.inputs[0].dtype, std::move(shape)}};
}

template <int kind>
std::vector<Copy> space_to_batch_moves(const MoveArgs& args) {
  const std::vector<int64_t> paddings = args.attrs.integers("paddings");
  std::vector<Copy> copies =
      batch_copies(args.inputs[0], args.outputs[0], args.attrs.integers("block_shape"), paddings);
  if (std::ranges::any_of(paddings, [](int64_t padding) { return padding != 0; }))
    copies.insert(copies.begin(), zeros(args.outputs[0], kind));
  return copies;
}

// TFLite Micro pads int8 with the number 0, not with the zero point that TFLite writes.
Result<std::vector<KernelCall>> lower_space_to_batch(const LowerArgs& args) {
  const bool int8 = is_int8(args.graph[args.node.outputs[0]]);
  return lower_moves(int8 ? space_to_batch_moves<Copy::kZeroBytes> : space_to_batch_moves<Copy::kZeros>)(args);
}

std::vector<Copy> batch_to_space_moves(const MoveArgs& args) {
  std::vector<Copy> copies =
      batch_copies(args.outputs[0], args.inputs[0], args.attrs.integers("block_shape"), args.attrs.integers("crops"));
  for (Copy& copy : copies) copy = copy.reversed();
  return copies;
}

}  // namespace

const OpSpec& space_to_depth() {
  static const OpSpec spec{
      .name = "space_to_depth",
      .doc = "Blocks of pixels become channels.",
      .dtypes = kAllDTypes,
      .infer = infer_space_to_depth,
      .forward = forward_moves(space_to_depth_moves),
      .backward = backward_moves(space_to_depth_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "SPACE_TO_DEPTH",
                              .options = "SpaceToDepthOptions",
                              .version = 2,
                              .read = read_block,
                              .write = write_block},
      .lower = lower_moves(space_to_depth_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& depth_to_space() {
  static const OpSpec spec{
      .name = "depth_to_space",
      .doc = "Channels become blocks of pixels.",
      .dtypes = kAllDTypes,
      .infer = infer_depth_to_space,
      .forward = forward_moves(depth_to_space_moves),
      .backward = backward_moves(depth_to_space_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "DEPTH_TO_SPACE",
                              .options = "DepthToSpaceOptions",
                              .version = 2,
                              .read = read_block,
                              .write = write_block},
      .lower = lower_moves(depth_to_space_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& space_to_batch_nd() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "block_shape"}, {2, "paddings", 2}};
  static const OpSpec spec{
      .name = "space_to_batch_nd",
      .doc = "Each pixel of a block goes to a batch of its own.",
      .dtypes = kAllDTypes,
      .infer = infer_space_to_batch,
      .forward = forward_moves(space_to_batch_moves<Copy::kZeros>),
      .backward = backward_moves(space_to_batch_moves<Copy::kZeros>),
      .quantize = OptOut{"its int8 padding is the number 0, which stands for something else than real zero"},
      .tflite = TfliteMapping{.builtin = "SPACE_TO_BATCH_ND",
                              .options = "SpaceToBatchNDOptions",
                              .version = 2,
                              .version_i16 = 4,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_space_to_batch,
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

const OpSpec& batch_to_space_nd() {
  static constexpr TfliteConstantInput kConstantInputs[] = {{1, "block_shape"}, {2, "crops", 2}};
  static const OpSpec spec{
      .name = "batch_to_space_nd",
      .doc = "Batches become the pixels of blocks.",
      .dtypes = kAllDTypes,
      .infer = infer_batch_to_space,
      .forward = forward_moves(batch_to_space_moves),
      .backward = backward_moves(batch_to_space_moves),
      .quantize = QuantizeRule{.output = OutputScale::same_as_input},
      .tflite = TfliteMapping{.builtin = "BATCH_TO_SPACE_ND",
                              .options = "BatchToSpaceNDOptions",
                              .version = 2,
                              .version_i16 = 4,
                              .read = reads_nothing,
                              .write = writes_nothing,
                              .constant_inputs = kConstantInputs},
      .lower = lower_moves(batch_to_space_moves),
      .macs = OptOut{"it computes nothing"},
  };
  return spec;
}

}  // namespace thimble::ops
