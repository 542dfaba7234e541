#!/usr/bin/env bash
# Installs what Apiary needs to be built, run and tested on Debian 12/13 or Ubuntu 24.04.
# Does nothing, quickly and without the network, when everything is there. Needs root only when it
# has something to install. Usage: scripts/setup.sh [bench|test|kernels|systemd]
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

# Each row: what must exist, and the Debian package that brings it.
required=(
    "command:curl curl"
    "command:jq jq"
    "command:ip iproute2"
    "command:pkg-config pkg-config"
    "pkg:libbpf>=1.3 libbpf-dev"
    "pkg:libelf libelf-dev"
    "pkg:libmicrohttpd libmicrohttpd-dev"
    "pkg:gnutls libgnutls28-dev"
    "pkg:sqlite3 libsqlite3-dev"
    "pkg:zlib zlib1g-dev"
    "file:/usr/include/linux/bpf.h linux-libc-dev"
    # What the tests look with: the registry from outside, symbols, system calls by number.
    "command:sqlite3 sqlite3"
    "command:nm binutils"
    "command:perl perl-base"
    "command:openssl openssl"
    "command:setpriv util-linux"
    "command:tc iproute2"
)
# bpftool is a test's and the benchmarks' peer; its name is the same on Debian, not on Ubuntu.
if [ -r /etc/os-release ] && grep -q '^ID=ubuntu' /etc/os-release; then
    required+=("command:bpftool linux-tools-common")
else
    required+=("command:bpftool bpftool")
fi
if [ "${1:-}" = test ]; then
    # The examples' playbook is run by the tests.
    required+=("command:ansible-playbook ansible-core")
    required+=("command:promtool prometheus" "command:slowhttptest slowhttptest"
        "command:python3 python3" "file:/usr/share/doc/python3-venv python3-venv")
fi
if [ "${1:-}" = bench ]; then
    required+=("command:bpftrace bpftrace" "command:wrk wrk" "command:gcc gcc"
        "command:slowhttptest slowhttptest")
fi

if [ "${1:-}" = kernels ]; then
    # What boots Debian's kernels: see scripts/test-kernels.sh, and test-reboot.sh for the disk.
    # QEMU 7.2 of Debian 12 emulates cmpxchg16b wrongly: newer kernels and Swift die of it.
    required+=("qemu:8 qemu-system-x86" "command:busybox busybox-static"
        "command:cpio cpio" "command:xz xz-utils" "command:mkfs.ext4 e2fsprogs")
fi

if [ "${1:-}" = systemd ]; then
    # A real systemd to try the units with: see scripts/test-systemd.sh.
    required+=("command:systemd-nspawn systemd-container" "command:debootstrap debootstrap"
        "command:nsenter util-linux")
fi

present() {
    case "$1" in
        command:*) PATH="$PATH:/usr/sbin:/sbin" command -v "${1#command:}" >/dev/null ;;
        qemu:*)
            local major
            major=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
            [ "${major:-0}" -ge "${1#qemu:}" ]
            ;;
        file:*) [ -e "${1#file:}" ] ;;
        pkg:*'>='*)
            local spec="${1#pkg:}"
            command -v pkg-config >/dev/null \
                && pkg-config --atleast-version="${spec#*>=}" "${spec%%>=*}" 2>/dev/null
            ;;
        pkg:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#pkg:}" 2>/dev/null ;;
    esac
}

missing=()
for row in "${required[@]}"; do
    present "${row% *}" || missing+=("${row##* }")
done

if ! command -v swift >/dev/null; then
    say "Swift 6.3 or later is needed and is not on PATH: see https://www.swift.org/install/linux"
    exit 1
fi
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}; this machine has no apt-get, install them by hand"
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "missing: ${missing[*]}; installing them needs root, and there is no sudo"
        exit 1
    fi
    as_root=(sudo)
fi

say "installing ${missing[*]}"
backports=()
if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
    # Debian 12 has libbpf 1.1; 1.4 and its bpftool are in backports. Backports rank below the
    # release unless asked for by name, so adding the source changes nothing else on the machine.
    if ! grep -rqs 'bookworm-backports' /etc/apt/sources.list /etc/apt/sources.list.d; then
        say "adding /etc/apt/sources.list.d/bookworm-backports.list, for libbpf >= 1.3"
        "${as_root[@]}" sh -c 'echo "deb http://deb.debian.org/debian bookworm-backports main" \
            > /etc/apt/sources.list.d/bookworm-backports.list'
    fi
    for package in "${missing[@]}"; do
        case "$package" in
            libbpf-dev | bpftool) backports+=("$package/bookworm-backports") ;;
            qemu-system-x86)
                for part in qemu-system-x86 qemu-system-common qemu-system-data seabios; do
                    backports+=("$part/bookworm-backports")
                done
                ;;
        esac
    done
    if [[ " ${backports[*]-} " == *libbpf-dev* ]]; then
        backports+=("libbpf1/bookworm-backports")
    fi
fi
packages=()
for package in "${missing[@]}"; do
    if [[ " ${backports[*]-} " == *" $package/"* ]]; then continue; fi
    packages+=("$package")
done
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq -o Dpkg::Use-Pty=0 update >&2
"${as_root[@]}" apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install \
    "${packages[@]}" ${backports[@]+"${backports[@]}"} >&2

for row in "${required[@]}"; do
    if ! present "${row% *}"; then
        say "after installing, ${row% *} is still missing (package ${row##* })"
        exit 1
    fi
done
say "done"
