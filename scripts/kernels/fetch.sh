#!/usr/bin/env bash
# Brings Debian's kernel of a line below .build/kernels/LINE: `vmlinuz` and `modules`.
#   scripts/kernels/fetch.sh 5.10|6.1|6.12
# From the archive, by apt with lists of its own: the machine's own sources and packages stay as
# they are. What is there already is taken; without the archive it is enough.
# Exit status 3: the archive does not give it, and the reason is on stderr.
set -euo pipefail
cd "$(dirname "$0")/../.."

line=$1
case $line in
    5.10) suite=bullseye ;;
    6.1) suite=bookworm ;;
    6.12) suite=bookworm-backports ;;
    *) echo "kernels: there is no recipe for $line: 5.10, 6.1, 6.12" >&2; exit 2 ;;
esac
there=$PWD/.build/kernels/$line
if [ -e "$there/vmlinuz" ] && [ -d "$there/modules" ]; then exit 0; fi

refuse() {
    echo "kernels: no kernel $line: $*" >&2
    exit 3
}

apt=$PWD/.build/kernels/apt-$suite
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
signed=
key=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -e "$key" ]; then signed="[signed-by=$key] "; fi
echo "deb ${signed}http://deb.debian.org/debian $suite main" >"$apt/sources.list"
options=(-qq -o APT::Sandbox::User=root -o Acquire::Retries=3
    -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Acquire::Languages=none)

apt-get "${options[@]}" update >&2 || refuse "apt-get update of $suite ended with $?"
package=$(apt-cache "${options[@]}" search --names-only \
    "^linux-image-${line//./\\.}[.0-9+a-z-]*-cloud-amd64-unsigned\$" |
    awk '{ print $1 }' | sort -V | tail -1)
[ -n "$package" ] || refuse "$suite has no linux-image-$line…-cloud-amd64-unsigned"
rm -rf "$there.new"
mkdir -p "$there.new"
(cd "$there.new" && apt-get "${options[@]}" download "$package" >&2) ||
    refuse "apt-get download $package ended with $?"
dpkg -x "$there.new"/*.deb "$there.new/tree"
cp "$there.new"/tree/boot/vmlinuz-* "$there.new/vmlinuz"
modules=$there.new/tree/lib/modules
if [ ! -d "$modules" ]; then modules=$there.new/tree/usr/lib/modules; fi
mkdir "$there.new/modules"
# What the probes' tests need and Debian builds as modules, with what those depend on.
for name in veth sch_ingress cls_bpf nf_defrag_ipv4 nf_defrag_ipv6 ipv6; do
    find "$modules" -name "$name.ko*" -exec cp {} "$there.new/modules" \;
done
for file in "$there.new"/modules/*.xz; do
    if [ -e "$file" ]; then xz -d "$file"; fi
done
rm -rf "$there.new/tree" "$there.new"/*.deb "$there"
mv "$there.new" "$there"
echo "kernels: $line is $package" >&2
