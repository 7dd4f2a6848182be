#!/usr/bin/env bash
# Includes only point down: every room stands on a floor, and a file may include its own room and rooms on lower floors.
# Siblings on one floor may not see each other, but for the pairs named in `also`. See docs/architecture.md.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rnoE '^#include "[^"]+"' --include='*.h' --include='*.cpp' src device | awk '
BEGIN {
  split("device/base:0 device/kernels:1 device/dsp:1 device/runtime:2 device/stats:2 device/port:2 device/app:2.5 " \
        "src/core:3 src/data:4 src/graph:4 src/ops:5 src/signal:5 src/train:6 src/quantize:6 src/plan:6 src/formats:6 " \
        "src/firmware:7 src/emulate:7 src/report:7 src/project:8 src/cli:9", rows, " ")
  for (i in rows) { split(rows[i], pair, ":"); floor[pair[1]] = pair[2] + 0 }
  also["src/quantize src/train"] = also["src/emulate src/firmware"] = 1
  also["device/runtime device/stats"] = 1
}
function room(path,   parts) { split(path, parts, "/"); return parts[1] "/" parts[2] }
{
  split($0, field, ":")
  file = field[1]; include = $0; sub(/.*#include "/, "", include); sub(/".*/, "", include)
  from = room(file)
  if (!(from in floor)) { print file ": the room " from " is not on any floor"; bad = 1; next }
  to = include ~ /^device\// ? room(include) : room("src/" include)
  if (!(to in floor)) next   # generated headers
  if (from ~ /^device/ && to ~ /^src/) { print file ": device code may not see the host: " include; bad = 1 }
  if (to == from || floor[to] < floor[from] || (from " " to) in also) next
  print file ": " from " (floor " floor[from] ") includes " include " (floor " floor[to] ")"; bad = 1
}
END { if (bad) exit 1; print "floors: " NR " includes, all point down" }'
