#!/usr/bin/env bash
# Runs every fault test in its long form, one after the other, and prints one line a fault: what was
# done, how often, what held. Needs root and built tests (`make test-faults`). Arguments go to
# `swift test`. The whole log stays in .build/faults.log.
#   APIARY_OLD  a directory with apiary and apiary-loader of an earlier release, to upgrade from
set -uo pipefail
cd "$(dirname "$0")/.."

log=.build/faults.log
start=$SECONDS
failed=0

# Of what a part prints, the lines that say something.
show() {
    awk -F ' [|] ' '
        /^fault: / {
            sub(/^fault: /, "", $1)
            printf "%-66s %5s  %s\n", $1, $2, $3
            fflush()
        }
        /^(skipped|FAILED): / { print }'
}

APIARY_FAULTS=all scripts/test.sh --skip-build --no-parallel \
    --filter 'RegistryTests|DaemonTests\.Fault|DaemonTests\.ApplyDurability' "$@" 2>&1 |
    tee "$log" | show
if [ "${PIPESTATUS[0]}" -ne 0 ]; then
    failed=1
    grep -E '^✘ Test .* recorded an issue' "$log" | cut -c1-400
fi
tail -1 "$log"

# part TITLE COMMAND…: another way to try, with lines of the same kind.
part() {
    local what=$1
    shift
    "$@" 2>&1 | tee -a "$log" | show
    if [ "${PIPESTATUS[0]}" -ne 0 ]; then
        failed=1
        echo "FAILED: $what: see $log"
    fi
}

if [ -e .build/release/apiary ]; then
    part "the release build" env FAULTS=yes scripts/check-release.sh
else
    echo "skipped: fault points in a release build: make build has not been run"
fi
if [ -n "${APIARY_OLD-}" ]; then
    part "an upgrade" scripts/test-upgrade.sh "$APIARY_OLD"
else
    echo "skipped: an upgrade from an earlier release's binaries: APIARY_OLD names no directory"
fi
part "a real reboot" scripts/test-reboot.sh

# Where maps count as locked memory.
locked() {
    scripts/setup.sh kernels && scripts/kernels/fetch.sh 5.10 && scripts/kernels/image.sh || return
    . scripts/kernels/parts.sh
    boot 5.10 FaultMemoryTests/.*locked 600 || return
    tr -d '\r' <.build/kernels/5.10.log | sed 's/^fault: /&5.10: /'
    scripts/count-results.sh 0 0 .build/kernels/5.10.xml
}
if [ "$(uname -m)" = x86_64 ]; then part "locked memory in 5.10" locked; fi

awk -F ' [|] ' '/^fault: / { faults += $2; lines++ } END {
    printf "%d faults in %d lines\n", faults, lines }' "$log"
echo "it took $((SECONDS - start)) s; $log has the rest"
exit "$failed"
