#!/usr/bin/env bash
# Prints the CPU-seconds that a release build spends on each crate, the costliest first, and their total.
#
#   scripts/build_cost.sh [--into FOLDER] [cargo build's options, such as --features wgpu]
#
# Builds into an empty temporary folder, which it removes, or into FOLDER, which it keeps: what FOLDER already contains costs nothing.
# "C compilers and build scripts" is what cargo spends outside rustc; linking counts as part of the crate that is linked.
set -euo pipefail

# Cargo calls this script again in place of `rustc`, because RUSTC_WRAPPER names it.
if [[ -n ${BUILD_COST_LOG:-} && ${1:-} == *rustc* ]]; then
    TIMEFORMAT="%U %S ${CARGO_PKG_NAME:-rustc}"
    exec 3>&2
    { time "$@" 2>&3; } 2>>"$BUILD_COST_LOG"
    exit
fi

script=$(realpath "$0")
cd "$(dirname "$script")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder=$scratch/target
if [[ ${1:-} == --into ]]; then
    folder=$2
    shift 2
fi

export BUILD_COST_LOG=$scratch/log RUSTC_WRAPPER=$script CARGO_TARGET_DIR=$folder
touch "$BUILD_COST_LOG"
TIMEFORMAT="%U %S %R"
exec 3>&2
{ time cargo build --release "$@" 2>&3; } 2>"$scratch/total"

awk -v total="$(cat "$scratch/total")" '
    { cost[$3] += $1 + $2; rustc += $1 + $2 }
    END {
        split(total, part)
        cost["(C compilers and build scripts)"] = part[1] + part[2] - rustc
        sort = "sort -rn"
        for (crate in cost) if (cost[crate] >= 1) printf "%8.1f  %s\n", cost[crate], crate | sort
        close(sort)
        printf "%8.1f  CPU-seconds in all, of which crates under one second are not listed; %d seconds by the clock\n", part[1] + part[2], part[3]
    }' "$BUILD_COST_LOG"
