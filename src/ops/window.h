// Sliding windows over [N, H, W, C] (convolution, pooling): attributes stride_h, stride_w, dilation_h, dilation_w and
// padding ("same" or "valid", with TensorFlow Lite's arithmetic of output sizes and padding; or "explicit", with
// pad_top, pad_bottom, pad_left and pad_right, which no file has and graph/passes/fold_padding makes).
#pragma once
#include <cstdint>

#include "core/tensor.h"
#include "graph/op_spec.h"

namespace thimble::ops {

struct WindowAxis {
  int64_t input = 0, output = 0;
  int64_t taps = 0, stride = 1, dilation = 1;
  int64_t padding = 0;  // before the first element; what follows the last is implied
};

struct Window {
  WindowAxis h, w;
};

// taps_h, taps_w: extents of the window. Errors: bad_data for an input that is not [N, H, W, C], strides, dilations or
// taps outside [1, 2^20], an unknown padding, or a window that does not fit ("valid").
Result<Window> make_window(const Attrs& attrs, const Shape& input, int64_t taps_h, int64_t taps_w);

// The rows of a node with such a window of taps_h rows over its input 0.
std::optional<RowWindow> window_rows(const Graph& graph, const Node& node, int64_t taps_h, int64_t taps_w);

// TFLite's Padding: SAME 0, VALID 1.
Outcome read_padding(const AttrReader& reader, Attrs& attrs);
void write_padding(const Attrs& attrs, AttrWriter& writer);

// stride_w, stride_h of any options table.
void read_strides(const AttrReader& reader, Attrs& attrs);
void write_strides(const Attrs& attrs, AttrWriter& writer);

// dilation_w_factor, dilation_h_factor of the convolutions.
void read_dilations(const AttrReader& reader, Attrs& attrs);
void write_dilations(const Attrs& attrs, AttrWriter& writer);

}  // namespace thimble::ops
