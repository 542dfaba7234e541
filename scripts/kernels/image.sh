#!/usr/bin/env bash
# Writes .build/kernels/base.cpio: the built daemon, loader and test bundle, their shared libraries,
# the tests' objects and the tools that the tests call, under the paths that they have here.
# It is the same for every kernel; what a kernel needs beside it is `modules` of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

built=${1:-.build/debug}
bundle=$(ls "$built"/*PackageTests.xctest)
image=.build/kernels/image
rm -rf "$image"
mkdir -p "$image"/{proc,sys,dev,run,tmp,root,etc,bin,sbin,usr/bin,usr/sbin,lib/modules} \
    "$image/apiary/.build/debug" "$image/apiary/.build/bpf" "$image/apiary/openapi"

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
tools=(bash curl perl ip tc bpftool umount env)
files=("$image"/apiary/.build/debug/*)
for tool in "${tools[@]}"; do
    path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$tool")
    mkdir -p "$image$(dirname "$path")"
    cp -L "$path" "$image$path"
    files+=("$path")
done
# Debian's names for one directory; the image keeps both.
for file in $(ldd "${files[@]}" 2>/dev/null | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
    grep -v ':$' | sort -u); do
    mkdir -p "$image$(dirname "$file")"
    cp -Lu "$file" "$image$file"
done
mkdir -p "$image/lib64"
cp -Lu /lib64/ld-linux* "$image/lib64" 2>/dev/null || true
# Section names such as uprobe/libc.so.6:getppid are looked for where Debian keeps them.
(cd "$image" && find . -print0 | cpio --null --create --format=newc --quiet) \
    >.build/kernels/base.cpio.new
mv .build/kernels/base.cpio.new .build/kernels/base.cpio
rm -rf "$image"
du -h .build/kernels/base.cpio >&2
