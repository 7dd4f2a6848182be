// NumPy's .npy files as tensors: the form in which people hand over arrays of samples.
#pragma once
#include <cstdint>
#include <span>

#include "core/result.h"
#include "core/tensor.h"

namespace thimble {

// Versions 1 to 3, C order, little-endian; float64 becomes float32. The bytes may be hostile. Errors: bad_data (not an
// array, or damaged), unsupported (element types and orders that are not read, saying how to save the array instead).
// Source of the format: NumPy Enhancement Proposal 1.
Result<Tensor> read_npy(std::span<const uint8_t> bytes);

}  // namespace thimble
