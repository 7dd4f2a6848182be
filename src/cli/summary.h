// The one screen at the end of `all` and `demo`.
#pragma once
#include <string>

#include "project/steps.h"

namespace thimble {

std::string summary_screen(const AllResult& result);
std::string run_screen(const BoardRun& run);

}  // namespace thimble
