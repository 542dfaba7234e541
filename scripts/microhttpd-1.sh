#!/usr/bin/env bash
# Runs the HTTP tests with libmicrohttpd 1.0 where the system has 0.9: scripts/microhttpd-1.sh. Takes the
# packages of Debian 13 into .build/microhttpd-1, through apt with directories of its own, installs
# nothing. The library's name is the same (libmicrohttpd.so.12), so the same executables run with either;
# MICROHTTPD_BUILD=1 also compiles the room against the headers of 1.0.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD/.build/microhttpd-1
skip() {
    echo "microhttpd-1: skipped: $*" >&2
    exit 0
}
if pkg-config --atleast-version=1.0 libmicrohttpd; then skip "the system's own is 1.0: make test tests it"; fi
library=$(find "$root/files" -name 'libmicrohttpd.so.12' 2>/dev/null | head -1 || true)
if [ -z "$library" ]; then
    [ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || skip "no keyring of Debian's archive"
    mkdir -p "$root"/apt/{lists/partial,archives/partial,etc/apt.conf.d,etc/preferences.d,etc/sources.list.d}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
        >"$root/apt/etc/sources.list"
    cat >"$root/apt/apt.conf" <<END
Dir::Etc "$root/apt/etc";
Dir::State::lists "$root/apt/lists";
Dir::Cache "$root/apt";
Dir::Cache::archives "$root/apt/archives";
APT::Sandbox::User "root";
END
    export APT_CONFIG=$root/apt/apt.conf
    apt-get -qq update >&2 || skip "Debian's archive cannot be reached"
    (cd "$root" && apt-get -qq download libmicrohttpd12t64 libmicrohttpd-dev) >&2
    for package in "$root"/*.deb; do dpkg -x "$package" "$root/files"; done
    library=$(find "$root/files" -name 'libmicrohttpd.so.12' | head -1)
fi
directory=$(dirname "$library")
if [ -n "${MICROHTTPD_BUILD-}" ]; then
    # The .pc file names /usr; the sysroot puts the package's own files before it.
    PKG_CONFIG_PATH=$directory/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root/files \
        swift build --scratch-path .build/microhttpd-1/build --target HTTP \
        -Xcc "-I$root/files/usr/include" -Xcc "-I$root/files/usr/include/$(uname -m)-linux-gnu"
fi
binary=$(find .build/debug/ -maxdepth 1 -name '*.xctest' | head -1)
[ -n "$binary" ] || { echo "microhttpd-1: swift build --build-tests first" >&2; exit 1; }
export LD_LIBRARY_PATH=$directory
grep -q "$directory/libmicrohttpd" <<<"$(ldd "$binary")" || { echo "microhttpd-1: $directory is not used" >&2; exit 1; }
echo "microhttpd-1: $(basename "$(readlink -f "$library")")" >&2
status=0
"$binary" --testing-library swift-testing --filter "${1:-HTTPTests}" >"$root/log" 2>&1 || status=$?
grep -E '✘|Test run with|recorded' "$root/log" || true
exit "$status"
