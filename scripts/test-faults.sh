#!/usr/bin/env bash
# Runs every fault test in its long form, one after the other, and prints one line a fault: what was
# done, how often, what held. Needs root and built tests (`make test-faults`). The whole log stays in
# .build/faults.log.
set -uo pipefail
cd "$(dirname "$0")/.."

log=.build/faults.log
start=$SECONDS
APIARY_FAULTS=all scripts/test.sh --skip-build --no-parallel \
    --filter 'RegistryTests|DaemonTests\.Fault' "$@" >"$log" 2>&1
status=$?

awk -F ' [|] ' '
    /^fault: / {
        sub(/^fault: /, "", $1)
        # The same point of several operations, or its second time, is one line.
        printf "%-62s %5s  %s\n", $1, $2, $3
        faults += $2
        lines++
    }
    /^skipped: / { print }
    END { printf "%d faults in %d kinds\n", faults, lines }' "$log"
grep -E '^✘ Test .* recorded an issue' "$log" | cut -c1-400
tail -1 "$log"
echo "it took $((SECONDS - start)) s; $log has the rest"
exit "$status"
