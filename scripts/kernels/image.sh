#!/usr/bin/env bash
# Writes .build/kernels/base.cpio: the built daemon, loader and test bundle, their shared libraries,
# the tests' objects and the tools that the tests call, under the paths that they have here.
# It is the same for every kernel; what a kernel needs beside it is `modules` of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

. scripts/kernels/parts.sh
built=${1:-.build/debug}
bundle=$(ls "$built"/*PackageTests.xctest)
image=.build/kernels/image
rm -rf "$image"
tree "$image"
mkdir -p "$image/apiary/.build/debug" "$image/apiary/.build/bpf" "$image/apiary/openapi"

cp scripts/kernels/init "$image/init"
cp "$(command -v busybox)" "$image/bin/busybox"
cp "$bundle" "$image/apiary/.build/debug/tests"
cp "$built/apiary" "$built/apiary-loader" "$image/apiary/.build/debug"
# Debugging information is most of a bundle, and the guest's memory holds it all.
strip --strip-debug "$image"/apiary/.build/debug/*
cp -r .build/bpf/. "$image/apiary/.build/bpf"
cp openapi/apiary.* "$image/apiary/openapi"
cp /etc/passwd /etc/group "$image/etc"

# busybox has most, but its env runs its own ip.
tools "$image" bash curl perl ip tc bpftool umount env prlimit setpriv
libraries "$image" "$image"/apiary/.build/debug/*
pack "$image" >.build/kernels/base.cpio.new
mv .build/kernels/base.cpio.new .build/kernels/base.cpio
rm -rf "$image"
du -h .build/kernels/base.cpio >&2
