#!/usr/bin/env bash
# Every header of the device half compiles alone, freestanding, for the host and for each core family.
set -euo pipefail
cd "$(dirname "$0")/.."
flags="-std=c++17 -ffreestanding -fno-exceptions -fno-rtti -Wall -Wextra -Werror -pedantic -fsyntax-only -I. -x c++ -"
declare -A compilers=(
  [host]="g++"
  [cortex-m0plus]="arm-none-eabi-g++ -mcpu=cortex-m0plus -mthumb"
  [cortex-m4]="arm-none-eabi-g++ -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"
  [cortex-m55]="arm-none-eabi-g++ -mcpu=cortex-m55 -mthumb -mfloat-abi=hard"
  [rv32imac]="riscv64-unknown-elf-g++ -march=rv32imac -mabi=ilp32"
)
failed=0 checked=0
for core in "${!compilers[@]}"; do
  if ! command -v ${compilers[$core]%% *} >/dev/null; then
    echo "freestanding: $core SKIPPED (${compilers[$core]%% *} is not installed)"
    continue
  fi
  for header in $(find device -name '*.h' | sort); do
    case "$core:$header" in
      *:device/port/cortex_m/* | *:device/port/stm32* | *:device/port/mps2*) [[ $core == cortex-m4 ]] || continue ;;
      host:device/port/semihosting.h) continue ;;
    esac
    checked=$((checked + 1))
    echo "#include \"$header\"" | ${compilers[$core]} $flags || { echo "freestanding: $header fails on $core"; failed=1; }
  done
done
# Nothing of the standard library but the freestanding C headers, and what compilers have of cores' instructions.
if grep -rnE '#include <' device --include='*.h' --include='*.cpp' | grep -vE '<(stdint|stddef|stdbool|limits|float|arm_acle|arm_mve)\.h>'; then
  echo "freestanding: device code may include only <stdint.h>, <stddef.h> and its like"
  failed=1
fi
echo "freestanding: $checked header compilations"
exit $failed
