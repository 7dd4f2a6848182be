// Which layers are made in bands, to what end.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "plan/bands.h"
#include "plan/plan.h"

namespace thimble {

// The plan with these groups made in bands; they share no node and are in order.
using PlanWithBands = std::function<Result<Plan>(std::span<const BandSchedule>)>;

// The plan of least RAM, or the one of fewest calls that needs no more than `enough` bytes. plan: without bands.
Result<Plan> search_bands(const Graph& graph, Plan plan, int64_t enough, const PlanWithBands& make);

}  // namespace thimble
