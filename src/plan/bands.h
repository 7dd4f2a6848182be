// Layers made in bands of rows, one band of all of them after the other: of what lies between them only the rows that
// are still to be read are kept. No row is computed twice.
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "plan/forms.h"
#include "plan/plan.h"

namespace thimble {

// Nodes [first, last] of a graph; the last one's output is made `rows` at a time.
struct BandGroup {
  size_t first = 0, last = 0;
  int64_t rows = 1;
};

// Rows of a value that lie in its memory, the first of them at its begin.
struct RowRange {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

// One call of a node for some rows of its output; or rows that move to the begin of their value's memory.
struct BandStep {
  size_t node = 0;  // which makes the value
  bool moves = false;
  RowRange output;                // rows made; or moved, where they end up
  RowRange input;                 // rows read, the same of each input that flows
  int64_t padding = 0;            // rows above them
  int64_t output_at = 0;          // row of the memory where `output` begins; moves: where it began
  std::vector<int64_t> input_at;  // by input: row of the memory where `input` begins
};

struct BandSchedule {
  BandGroup group;
  std::vector<BandStep> steps;
  std::map<ValueId, int64_t> buffer_bytes;  // of the values that never exist as a whole
  // The group's output may begin this many bytes before the input, or further below (Overlap::distance).
  struct Over {
    ValueId input = kNoValue;
    int64_t distance = 0;
  };
  std::optional<Over> over;
};

// Nothing where these nodes cannot be made in bands: an op that needs whole inputs, a value between them that others
// read, rows that do not begin at multiples of 4 bytes.
std::optional<BandSchedule> schedule_bands(const Graph& graph, const BandGroup& group);

// The kernel calls of the steps, in the form that each node has. Errors: those of the lowerings.
struct BandCalls {
  std::vector<KernelCall> calls;
  std::vector<size_t> node_of_call;
};
Result<BandCalls> lower_bands(const Graph& graph, const std::vector<LoweredNode>& nodes, const BandSchedule& schedule);

// make_plan with these forms, and with these groups made in bands; groups share no node and are in order.
Result<Plan> make_plan(const Graph& graph, const PlanOptions& options, const std::vector<LoweredNode>& nodes,
                       std::span<const BandSchedule> groups);

}  // namespace thimble
