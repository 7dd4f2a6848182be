#include "graph/passes/prepare_for_device.h"

#include "graph/passes/eliminate_channels.h"
#include "graph/passes/fold_padding.h"
#include "graph/passes/fuse_activation.h"
#include "graph/passes/skip_aliases.h"

namespace thimble {

Result<Graph> prepare_for_device(Graph graph) {
  // The passes ask for shapes that are right.
  THIMBLE_TRY(verify(graph));
  THIMBLE_LET(graph, fuse_activation(std::move(graph)));
  THIMBLE_LET(graph, fold_padding(std::move(graph)));
  THIMBLE_LET(graph, skip_aliases(std::move(graph)));
  return eliminate_channels(std::move(graph));
}

}  // namespace thimble
