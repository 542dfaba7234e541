#!/usr/bin/env bash
# Reboots, for real: a guest with a disk image, by QEMU's software emulation, on Debian's kernel.
# The daemon registers and is stopped; comes back in the next boot and has the plug pulled; comes
# back again. Prints one line a fact: what was there again, in how many boots. Status 1 where
# something was not. Needs root and the built daemon (`make test-faults`).
#   scripts/test-reboot.sh [LINE]   Debian's kernel: 5.10, 6.1, 6.12 (by default)
#   REBOOT_SECONDS                  after so long a boot is ended, 300
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

line=${1:-6.12}
here=.build/kernels
if [ "$(uname -m)" != x86_64 ]; then
    echo "skipped: a real reboot: the guest is x86-64, and this machine is $(uname -m)"
    exit 0
fi
scripts/setup.sh kernels || exit 1
scripts/kernels/fetch.sh "$line"
case $? in
    0) ;;
    3) echo "skipped: a real reboot: the archive does not give kernel $line"; exit 0 ;;
    *) exit 1 ;;
esac
. scripts/kernels/parts.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/apiary-reboot.XXXXXX")
trap 'rm -rf "$work"' EXIT
image=$work/image
tree "$image"
mkdir "$image/apiary"
cp scripts/reboot/init "$image/init"
cp "$(command -v busybox)" "$image/bin/busybox"
cp .build/debug/apiary .build/debug/apiary-loader "$image/apiary" || exit 1
strip --strip-debug "$image"/apiary/apiary*
objects="tests/values tests/globals tests/counter tests/events tests/kinds"
for object in $objects; do cp ".build/bpf/$object.bpf.o" "$image/apiary" || exit 1; done
cp "$here/$line"/modules/* "$image/lib/modules"
tools "$image" curl jq ip perl || exit 1
libraries "$image" "$image"/apiary/apiary "$image"/apiary/apiary-loader
pack "$image" >"$work/image.cpio"
truncate -s 64M "$work/disk"
mkfs.ext4 -q "$work/disk"

begin=$SECONDS
for boot in 1 2 3; do
    guest "${REBOOT_SECONDS:-300}" -smp 2 -m 1536 -serial "file:$work/log" \
        -kernel "$here/$line/vmlinuz" -initrd "$work/image.cpio" \
        -drive "file=$work/disk,format=raw,if=none,id=disk,cache=writeback" \
        -device nvme,drive=disk,serial=1 -append "$guest_words lsm=lockdown,yama,bpf"
    tr -d '\r' <"$work/log" >"$work/log.$boot"
done
cat "$work"/log.? >"$here/reboot.log"

# Each fact with the boots in which it held: the second came after a stop, the third after a plug
# was pulled.
awk '
    /^reboot: boot [0-9]: (ok|FAILED): / {
        boot = substr($3, 1, 1)
        fact = $0
        sub(/^reboot: boot [0-9]: (ok|FAILED): /, "", fact)
        found = ""
        if ($4 == "FAILED:") { split(fact, parts, " [|] "); fact = parts[1]; found = parts[2] }
        if (!(fact in boots)) order[++facts] = fact
        boots[fact] = boots[fact] (boots[fact] == "" ? "" : ", ") boot (found == "" ? "" : \
            " FAILED: " found)
        if ($4 == "FAILED:") failed++
        else if (boot > 1) held[fact]++ # what is so in the first boot is nothing yet
    }
    /^reboot: boot 3: done/ { isDone = 1 }
    END {
        for (i = 1; i <= facts; i++) {
            fact = order[i]
            if (boots[fact] ~ /FAILED/)
                printf "FAILED: a real reboot: %s: boots %s\n", fact, boots[fact]
            else if (held[fact] > 0)
                printf "fault: a real reboot: %s | %d | held in boots %s\n", fact, held[fact], \
                    boots[fact]
        }
        if (!isDone) print "FAILED: a real reboot: the third boot did not come to its end"
        exit failed > 0 || !isDone
    }' "$here/reboot.log"
status=$?
echo "three boots of $line took $((SECONDS - begin)) s; $here/reboot.log has the consoles"
if [ $status -ne 0 ]; then tail -25 "$here/reboot.log"; fi
exit $status
