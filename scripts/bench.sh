#!/usr/bin/env bash
# Measures Apiary against its peers in one run: scripts/bench.sh [NAME…], as root.
# Names: events highest steady latency readers producer allocations pace entry load dump batch
# follow idle crowd; without one all of them, about twenty minutes.
# Prints medians of alternating runs, each run on stderr. Everything is private (directories,
# bpffs, daemon, mount namespace) and goes away at the end; only loopback and Unix sockets are used.
#   BENCH_BINARY   the daemon to measure, .build/release/apiary; without it the peers run alone
#   BENCH_REPEATS  runs of each, 3          BENCH_SECONDS  length of a run, 3
#   BENCH_STEADY_SECONDS  60                BENCH_IDLE_SECONDS  20
#   BENCH_FOLLOW_SECONDS  10                BENCH_CROWD_SECONDS  10
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

if [ "$(id -u)" -ne 0 ]; then
    echo "bench: root is needed, to load BPF programs" >&2
    exit 1
fi
scripts/setup.sh bench

# In its own mount namespace, so that no mount outlives the run, however it ends.
if [ -z "${BENCH_INSIDE-}" ]; then
    BENCH_INSIDE=1 exec unshare --mount --propagation private "$0" "$@"
fi

tools=$PWD/.build/bench
make --silent -C bench OUT="$tools"

binary=${BENCH_BINARY:-.build/release/apiary}
repeats=${BENCH_REPEATS:-3}
seconds=${BENCH_SECONDS:-3}
steady_seconds=${BENCH_STEADY_SECONDS:-60}
idle_seconds=${BENCH_IDLE_SECONDS:-20}
follow_seconds=${BENCH_FOLLOW_SECONDS:-10}
crowd_seconds=${BENCH_CROWD_SECONDS:-10}

for part in bench/measure/*.sh; do
    # shellcheck source=/dev/null
    . "$part"
done

all=(events highest steady latency readers producer allocations pace entry load dump batch follow idle crowd)
chosen=("$@")
[ $# -gt 0 ] || chosen=("${all[@]}")
for name in "${chosen[@]}"; do
    if [[ " ${all[*]} " != *" $name "* ]]; then
        echo "bench: no measurement is called $name: ${all[*]}" >&2
        exit 2
    fi
done

prepare
machine
if [ -x "$binary" ]; then
    say "ours: $binary, $("$binary" version 2>/dev/null | head -1 || true)"
else
    say "$binary is not built: the peers run alone"
fi
status=0
for name in "${chosen[@]}"; do
    say "$name"
    # One that breaks off leaves the others and their rows alone.
    set +e
    ( set -e; trap end_all EXIT; "measure_$name" )
    [ $? -eq 0 ] || { say "$name broke off"; status=1; }
    set -e
done
print_table
exit $status
