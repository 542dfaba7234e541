#!/usr/bin/env bash
# Reboots, for real: a guest with a disk image, by QEMU's software emulation, on Debian's kernel.
# The daemon registers, is stopped, comes back in the next boot, has the plug pulled, and comes back
# again. Prints a line for each thing that held, and ends with 1 where something did not.
#   scripts/test-reboot.sh [VMLINUZ]   by default .build/kernels/6.12/vmlinuz (make test-kernels)
#   REBOOT_SECONDS                     after so long a boot is ended, 300
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

kernel=${1:-.build/kernels/6.12/vmlinuz}
if [ ! -e "$kernel" ] && [ -x scripts/kernels/fetch.sh ]; then scripts/kernels/fetch.sh 6.12; fi
for needed in qemu-system-x86_64 mkfs.ext4 cpio busybox jq curl; do
    if ! command -v "$needed" >/dev/null; then
        echo "skipped: a real reboot needs $needed"
        exit 0
    fi
done
if [ ! -e "$kernel" ] || [ "$(uname -m)" != x86_64 ]; then
    echo "skipped: a real reboot needs x86-64 and a kernel at $kernel"
    exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/apiary-reboot.XXXXXX")
trap 'rm -rf "$work"' EXIT
image=$work/image
mkdir -p "$image"/{proc,sys,dev,run,tmp,root,etc,bin,sbin,usr/bin,usr/sbin,apiary,lib64}
cp scripts/reboot/init "$image/init"
cp "$(command -v busybox)" "$image/bin/busybox"
cp .build/debug/apiary .build/debug/apiary-loader .build/bpf/tests/values.bpf.o \
    .build/bpf/tests/globals.bpf.o "$image/apiary"
strip --strip-debug "$image/apiary/apiary" "$image/apiary/apiary-loader"
files=("$image/apiary/apiary" "$image/apiary/apiary-loader")
for tool in curl jq ip; do
    path=$(command -v "$tool")
    mkdir -p "$image$(dirname "$path")"
    cp -L "$path" "$image$path"
    files+=("$path")
done
for file in $(ldd "${files[@]}" 2>/dev/null | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
    grep -v ':$' | sort -u); do
    mkdir -p "$image$(dirname "$file")"
    cp -Lu "$file" "$image$file"
done
cp -Lu /lib64/ld-linux* "$image/lib64" 2>/dev/null || true
(cd "$image" && find . -print0 | cpio --null --create --format=newc --quiet) >"$work/image.cpio"
rm -rf "$image"
truncate -s 64M "$work/disk"
mkfs.ext4 -q "$work/disk"

for boot in 1 2 3; do
    timeout --kill-after=10 "${REBOOT_SECONDS:-300}" qemu-system-x86_64 \
        -accel tcg,thread=multi -cpu max -M q35 -m 1536 -net none -display none -no-reboot \
        -monitor none -serial "file:$work/log" -kernel "$kernel" -initrd "$work/image.cpio" \
        -drive "file=$work/disk,format=raw,if=none,id=disk,cache=writeback" \
        -device nvme,drive=disk,serial=1 \
        -append "console=ttyS0 quiet panic=-1 mitigations=off" </dev/null
    tr -d '\r' <"$work/log" | grep -aE '^(reboot|wrong|unfinished|ok): ?' | tee -a "$work/all"
done
if grep -q 'boot 3: done' "$work/all" && ! grep -qE 'FAILED|^wrong' "$work/all"; then
    held=$(grep -c ' ok: ' "$work/all")
    echo "fault: a real reboot, then a pulled plug, in a guest | 2 | $held checks held"
    exit 0
fi
echo "fault: a real reboot in a guest | 2 | FAILED"
tail -20 "$work/log"
exit 1
