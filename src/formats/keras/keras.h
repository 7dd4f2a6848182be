// Keras models to a Graph: `.h5` (Keras 2, and the legacy form of Keras 3) and `.keras` (the zip archive of Keras 2.12
// and later). docs/keras.md lists layers and limits.
#pragma once
#include <cstdint>
#include <span>

#include "graph/graph.h"

namespace thimble {

// The bytes may be hostile. The graph is float32, has batch 1, dropout removed, normalisation folded into its
// neighbours and activations fused where they can be, and has passed verify(). Nodes are named after their layers.
// Errors: bad_data (no model, or one that contradicts itself), unsupported (layers and settings that thimble does not
// run, naming the layer and what to do).
Result<Graph> read_keras(std::span<const uint8_t> bytes);

// Whether the bytes are an HDF5 file or a zip archive: what Keras writes.
bool looks_like_keras(std::span<const uint8_t> bytes);

}  // namespace thimble
