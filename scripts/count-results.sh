#!/usr/bin/env bash
# Says in one line how many tests passed, failed and were skipped:
# scripts/count-results.sh FAILED SKIPPED FILE…, where the files are xUnit reports, and FAILED and
# SKIPPED count what is in none of them.
set -uo pipefail
failed=$1
skipped=$2
shift 2
awk -v failed="$failed" -v skipped="$skipped" '
    BEGIN { cases = failed + skipped }
    /<testcase / {
        cases++
        is_failed = 0
    }
    /<failure/ && !is_failed {
        failed++
        is_failed = 1
    }
    /<skipped/ { skipped++ }
    END { printf "%d passed, %d failed, %d skipped\n", cases - failed - skipped, failed, skipped
          exit failed > 0 }' "$@" </dev/null
