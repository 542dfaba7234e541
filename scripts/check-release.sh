#!/usr/bin/env bash
# Fault points, which end the daemon for tests (Sources/Linux/Fault.swift), are in debug builds and
# in no other: scripts/check-release.sh [DIRECTORY] looks for them in built binaries, by default
# .build/release. Status 1 where one has them, or where a debug build, which must have them, is
# found without.
set -uo pipefail
cd "$(dirname "$0")/.."
directory=${1:-.build/release}
word=APIARY_FAULT # what the environment names the point by

looked=0
for binary in "$directory"/apiary "$directory"/apiary-loader; do
    if [ ! -e "$binary" ]; then
        echo "check-release: $binary is not built" >&2
        exit 1
    fi
    if grep -qa "$word" "$binary"; then
        echo "check-release: $binary has fault points: it is no release build" >&2
        exit 1
    fi
    looked=$((looked + 1))
done
# So that the word is still the right one.
if [ -e .build/debug/apiary ] && ! grep -qa "$word" .build/debug/apiary; then
    echo "check-release: the debug build has no $word either: look for another word" >&2
    exit 1
fi
if [ -n "${FAULTS-}" ]; then
    echo "fault: fault points in a release build | $looked | none in apiary and apiary-loader"
fi
