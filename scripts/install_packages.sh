#!/usr/bin/env bash
# Installs the packages of the named groups (see packages.txt) that are missing. Does nothing, and needs no network, when none is.
set -euo pipefail
here=$(dirname "$0")
missing=()
for group in "$@"; do
  while read -r _ package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
  done < <(grep "^$group " "$here/packages.txt")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing: ${missing[*]}" >&2
if ! command -v apt-get >/dev/null; then
  echo "this system has no apt-get; install the equivalents of: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "run as root or install sudo; needed: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq || echo "apt-get update failed; trying the known lists" >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
