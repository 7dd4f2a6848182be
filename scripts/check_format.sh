#!/usr/bin/env bash
# The code's layout is clang-format's. --fix rewrites, otherwise differences fail.
set -euo pipefail
cd "$(dirname "$0")/.."
files=$(git ls-files -co --exclude-standard '*.h' '*.cpp')
if [ "${1:-}" = "--fix" ]; then
  clang-format -i $files
else
  clang-format --dry-run -Werror $files && echo "format: $(echo "$files" | wc -l) files"
fi
