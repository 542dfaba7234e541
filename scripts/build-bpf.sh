#!/bin/bash
# Compiles bpf/*.bpf.c into .build/bpf/*.bpf.o and the tests' objects,
# Tests/*/Objects/*.bpf.c, into .build/bpf/tests/*.bpf.o: only what changed. The tests' other C files
# become programs of this machine, .build/bpf/tests/*, for probes to look at, each position-independent
# and once more, *.fixed, not.
#
# -mcpu=v2: Linux 5.10 refuses what clang's default makes ("BPF_STX uses reserved fields").
# The clang that comes with Swift has the BPF target; a distribution's may lack it.
set -euo pipefail
cd "$(dirname "$0")/.."

swift=$(command -v swift) || { echo "build-bpf: swift is not on PATH" >&2; exit 1; }
clang=$(dirname "$(readlink -f "$swift")")/clang
[ -x "$clang" ] || { echo "build-bpf: there is no clang beside $swift" >&2; exit 1; }

machine=$(uname -m)
case $machine in
    x86_64) target=x86 ;;
    aarch64) target=arm64 ;;
    riscv64) target=riscv ;;
    s390x) target=s390 ;;
    ppc64le) target=powerpc ;;
    *) echo "build-bpf: __TARGET_ARCH_… of $machine is not known here" >&2; exit 1 ;;
esac
flags=(-O2 -g -target bpf -mcpu=v2 "-D__TARGET_ARCH_$target" "-I/usr/include/$machine-linux-gnu"
    -Ibpf -Wall -Werror)

# compile SOURCE DIRECTORY: the object is older than the source, the header or this script?
compile() {
    local object
    object=$2/$(basename "$1" .c).o
    if [ "$object" -nt "$1" ] && [ "$object" -nt bpf/apiary.bpf.h ] && [ "$object" -nt "$0" ]; then
        return
    fi
    echo "build-bpf: $1" >&2
    "$clang" "${flags[@]}" -c "$1" -o "$object.new"
    mv "$object.new" "$object"
}

shopt -s nullglob
mkdir -p .build/bpf/tests
for source in bpf/*.bpf.c; do compile "$source" .build/bpf; done
for source in Tests/*/Objects/*.c; do
    case $source in *.bpf.c) compile "$source" .build/bpf/tests; continue ;; esac
    program=.build/bpf/tests/$(basename "$source" .c)
    if [ "$program" -nt "$source" ] && [ -e "$program.fixed" ]; then continue; fi
    echo "build-bpf: $source" >&2
    "$clang" -O2 -Wall -Werror "$source" -o "$program.new"
    # Where it lies in memory is known from the file of this one.
    "$clang" -O2 -Wall -Werror -no-pie "$source" -o "$program.fixed"
    mv "$program.new" "$program"
done
