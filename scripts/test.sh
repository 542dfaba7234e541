#!/usr/bin/env bash
# Runs `swift test` with the arguments given, and says at the end in one line how many tests passed,
# failed and were skipped; each skip's reason stands where it happened. A run that breaks off counts
# as one failure.
set -uo pipefail
cd "$(dirname "$0")/.."

directory=$(mktemp -d "${TMPDIR:-/tmp}/apiary-results.XXXXXX")
trap 'rm -rf "$directory"' EXIT

swift test --disable-xctest --xunit-output "$directory/results.xml" "$@"
status=$?

# One file for each testing library: results-swift-testing.xml.
awk -v status="$status" '
    /<testcase / {
        cases++
        is_failed = 0
    }
    /<failure/ && !is_failed {
        failed++
        is_failed = 1
    }
    /<skipped/ { skipped++ }
    END {
        if (status != 0 && failed == 0) {
            failed++
            cases++
        }
        printf "%d passed, %d failed, %d skipped\n", cases - failed - skipped, failed, skipped
    }' $(find "$directory" -name '*.xml') </dev/null
if [ "$status" -ne 0 ]; then exit "$status"; fi
