// The weights of a model's layers, from either of Keras's two layouts inside an HDF5 file.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "formats/keras/config.h"
#include "formats/keras/hdf5.h"

namespace thimble::keras {

// One variable of a layer.
struct Slot {
  std::string group;  // of the layer's part that owns it: "", "cell", "forward_layer/cell"
  int index = 0;      // among the variables of that part
  std::string name;   // "kernel"
  bool trainable = true;
};

// The variables that a layer of these settings has, in Keras's order; none for layers without weights.
std::vector<Slot> slots_of(const Layer& layer);

using Weights = std::map<const Layer*, std::vector<Tensor>>;  // by slot

// Legacy .h5: one group a layer under `group`, its weights listed in the attribute "weight_names".
Result<Weights> read_layer_groups(Hdf5& file, Hdf5::Object group, const Model& model);

// Keras 3: layers/<class>_<count>/vars/<index>.
Result<Weights> read_variable_groups(Hdf5& file, const Model& model);

}  // namespace thimble::keras
