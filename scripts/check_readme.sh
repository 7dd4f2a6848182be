#!/usr/bin/env bash
# Runs what the READMEs tell people to type: every block marked ```sh, in order, in one new folder per README, with the
# given program first on PATH. Lines that begin with make are left out: they run all of this themselves.
# Usage: check_readme.sh path/to/thimble [README.md ...]
set -euo pipefail
program=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- README.md examples/*/README.md
PATH="$(dirname "$program"):$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"
failed=0
for readme in "$@"; do
  folder="$work/$(dirname "$readme")/run"
  mkdir -p "$folder"
  awk '/^```/ { inside = !inside && $0 == "```sh"; next } inside && !/^make( |$)/' "$readme" > "$folder/.commands"
  count=$(grep -cvE '^[[:space:]]*(#|$)' "$folder/.commands") || true
  if (cd "$folder" && bash -euxo pipefail .commands) > "$work/log" 2>&1; then
    echo "readme: $readme: $count commands"
  else
    echo "readme: $readme fails:"
    cat "$work/log"
    failed=1
  fi
done
exit $failed
