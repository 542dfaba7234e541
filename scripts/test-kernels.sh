#!/usr/bin/env bash
# Boots Debian's kernels in QEMU, by software emulation, and runs the probes' tests of the host in
# them, in 5.10 those of events too: scripts/test-kernels.sh [--write] [5.10] [6.1] [6.12]
# Without a kernel all three.
#
# Prints the table of attach kinds by kernel, and compares it with the one of docs/kernels.md: a
# difference, a failed test or a test that was skipped for another reason than the table's is a
# failure. --write puts what was found into docs/kernels.md instead.
# A kernel that the archive does not give now is left out with the reason, and fails nothing.
#   KERNEL_SECONDS  after so long a guest is ended, 900
#   KERNEL_TESTS    all: every suite of the kinds, not only the walk through them; for patient people
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

write=
if [ "${1-}" = --write ]; then write=yes; shift; fi
kernels=("$@")
[ $# -gt 0 ] || kernels=(5.10 6.1 6.12)
deadline=${KERNEL_SECONDS:-900}
here=.build/kernels
mkdir -p "$here"

say() { printf 'kernels: %s\n' "$*" >&2; }

if [ "$(uname -m)" != x86_64 ]; then
    say "the guests are x86-64, and this machine is $(uname -m)"
    echo "0 passed, 0 failed, ${#kernels[@]} skipped"
    exit 0
fi
scripts/setup.sh kernels || exit 1
skipped=0
present=()
for kernel in "${kernels[@]}"; do
    scripts/kernels/fetch.sh "$kernel"
    case $? in
        0) present+=("$kernel") ;;
        3) skipped=$((skipped + 1)) ;;
        *) exit 1 ;;
    esac
done
if [ ${#present[@]} -eq 0 ]; then
    echo "0 passed, 0 failed, $skipped skipped"
    exit 0
fi
scripts/kernels/image.sh || exit 1
. scripts/kernels/parts.sh

suites="KernelMatrixTests StructOpsTests SocketMapTests SocketTrafficTests UserStaticAddressTests"
# On the oldest kernel also what becomes of events: ring buffers, perf event arrays, the macros of
# apiary.bpf.h, cursors over a kill. What newer kernels do this machine's shows.
events="EventSourceTests EventSessionTests"
if [ "${KERNEL_TESTS-}" = all ]; then
    # The suites of Kinds, and those beside it that attach.
    suites=$(sed -n 's/.*struct \([A-Za-z]*Tests\).*/\1/p' Tests/DaemonTests/Kinds/*.swift | sort -u)
    suites="$suites ProbeKindTests BPFLinkTests"
fi

failed=0
for kernel in "${present[@]}"; do
    say "booting $kernel"
    chosen=$suites
    if [ "$kernel" = 5.10 ]; then chosen="$suites $events"; fi
    filter="($(echo $chosen | tr ' ' '|'))/"
    if ! boot "$kernel" "$filter" "$deadline"; then
        say "$kernel: the guest did not end by itself within $deadline s"
        failed=$((failed + 1))
    fi
    tr -d '\r' <"$here/$kernel.log" >"$here/$kernel.txt"
    grep -a -E 'recorded an issue|BUG:|Oops|Kernel panic|Fatal error' "$here/$kernel.txt" >&2
done

awk -v write="$write" -v kernels="${present[*]}" -f scripts/kernels/table.awk \
    docs/kernels.md $(for kernel in "${present[@]}"; do echo "$here/$kernel.txt"; done)
if [ $? -ne 0 ]; then failed=$((failed + 1)); fi
if [ -n "$write" ]; then mv docs/kernels.md.new docs/kernels.md; fi
scripts/count-results.sh "$failed" "$skipped" \
    $(for kernel in "${present[@]}"; do echo "$here/$kernel.xml"; done)
