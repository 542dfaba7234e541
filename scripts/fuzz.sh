#!/usr/bin/env bash
# Fuzzes what reads bytes that strangers send: scripts/fuzz.sh [NAME…], without root.
# Each fuzz/NAME.swift is a libFuzzer target; its line `// rooms: A B` names the rooms of Sources that
# are compiled into it, in the order of their dependencies; `// files: …` names single files of rooms
# that need C libraries. Seeds are in fuzz/corpus/NAME.
# Inputs that were new stay in .build/fuzz/found/NAME; one that crashes is kept as
# .build/fuzz/crash-… and makes the run fail: put it into the corpus together with the repair.
#   FUZZ_SECONDS  seconds for all targets together, 60      FUZZ_JOBS  processes a target, 1
#   FUZZ_SEED     the same number makes the same inputs again, 0: others each time
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
out=$PWD/.build/fuzz
modules=$out/modules
flags=(-O -wmo -swift-version 6 -package-name apiary -parse-as-library -strict-memory-safety
    -enable-upcoming-feature InternalImportsByDefault -enable-upcoming-feature ExistentialAny
    -sanitize=fuzzer -I "$modules" -I Sources/CLinux -I Sources/CLibbpf -module-cache-path "$out/cache")
mkdir -p "$modules"

# room NAME: compiles Sources/NAME into an object, unless that is newer than its sources, this
# script and the rooms compiled before.
declare -A made=()
rebuilt=
room() {
    local object=$modules/$1.o
    if [ -n "${made[$1]-}" ]; then return; fi
    made[$1]=1
    if [ -z "$rebuilt" ] && [ -e "$object" ] && [ "$object" -nt "$0" ] &&
        [ -z "$(find "Sources/$1" -newer "$object" -print -quit)" ]; then
        return
    fi
    rebuilt=1
    echo "fuzz: compiling $1" >&2
    swiftc "${flags[@]}" -module-name "$1" -emit-module -emit-module-path "$modules/$1.swiftmodule" \
        -emit-object -o "$object" $(find "Sources/$1" -name '*.swift')
}

names=("$@")
if [ $# -eq 0 ]; then
    for target in fuzz/*.swift; do names+=("$(basename "$target" .swift)"); done
fi
for name in "${names[@]}"; do
    target=fuzz/$name.swift
    [ -e "$target" ] || { echo "fuzz: there is no $target" >&2; exit 2; }
    objects=()
    for room in $(sed -n 's|^// rooms: ||p' "$target"); do
        room "$room"
        objects+=("$modules/$room.o")
    done
    read -ra files <<<"$(sed -n 's|^// files: ||p' "$target")"
    if [ -n "$rebuilt" ] || [ ! "$out/fuzz-$name" -nt "$target" ] ||
        [ -n "$(find "${files[@]}" fuzz/support -newer "$out/fuzz-$name" -print -quit)" ] ||
        [ ! "$out/fuzz-$name" -nt fuzz/support/Broken.swift ]; then
        echo "fuzz: compiling $target" >&2
        swiftc "${flags[@]}" -module-name "fuzz_$name" -o "$out/fuzz-$name" "$target" \
            fuzz/support/*.swift "${files[@]}" "${objects[@]}" -lbpf
    fi
done

# libFuzzer keeps the input of a crash, which it does not see where Swift's backtracer takes the signal.
export SWIFT_BACKTRACE=enable=no
status=0
for name in "${names[@]}"; do
    mkdir -p "$out/found/$name"
    echo "fuzz: $name for $((seconds / ${#names[@]} + 1)) seconds" >&2
    # Of the many lines only those that say how far it came, and what went wrong.
    "$out/fuzz-$name" -max_total_time=$((seconds / ${#names[@]} + 1)) -timeout=20 -rss_limit_mb=2048 \
        -max_len=8192 -print_final_stats=1 -seed="${FUZZ_SEED:-0}" -artifact_prefix="$out/" \
        ${FUZZ_JOBS:+-fork="$FUZZ_JOBS"} "$out/found/$name" "fuzz/corpus/$name" \
        >"$out/$name.log" 2>&1 || { status=1; grep -vE '^$|NEW|REDUCE|INFO' "$out/$name.log" | head -60 >&2; }
    grep -E '^stat::number_of_executed_units|INITED|DONE|Done ' "$out/$name.log" || true
done
exit $status
