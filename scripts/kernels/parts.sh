# Functions for what builds a guest's image; to be sourced.

# tree IMAGE: the directories that a guest expects.
tree() { mkdir -p "$1"/{proc,sys,dev,run,tmp,root,etc,bin,sbin,usr/bin,usr/sbin,lib/modules,lib64}; }

# tools IMAGE TOOL…: programs of this machine, under the paths that they have here.
tools() {
    local image=$1 tool path
    shift
    for tool in "$@"; do
        path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$tool") || return 1
        mkdir -p "$image$(dirname "$path")"
        cp -L "$path" "$image$path"
        libraries "$image" "$image$path"
    done
}

# libraries IMAGE FILE…: the shared libraries that the files need, under their paths.
# Section names such as uprobe/libc.so.6:getppid are looked for where Debian keeps them.
libraries() {
    local image=$1 file
    shift
    for file in $(ldd "$@" 2>/dev/null | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
        grep -v ':$' | sort -u); do
        mkdir -p "$image$(dirname "$file")"
        cp -Lu "$file" "$image$file"
    done
    cp -Lu /lib64/ld-linux* "$image/lib64" 2>/dev/null || true
}

# pack DIRECTORY: what is in it, as an archive that a kernel unpacks, on standard output.
pack() { (cd "$1" && find . -print0 | cpio --null --create --format=newc --quiet); }

# guest SECONDS ARGUMENT…: boots until the guest switches itself off; status 124 after so long.
# KVM is there on some build machines and hangs, so it is emulated.
guest() {
    local seconds=$1
    shift
    timeout --kill-after=10 "$seconds" qemu-system-x86_64 \
        -accel tcg,thread=multi -cpu max -M q35 -net none -display none -no-reboot -monitor none \
        "$@" </dev/null
}

# The emulated timer is late on a busy machine, which a kernel that checks it takes for broken.
guest_words="console=ttyS0 quiet panic=-1 mitigations=off no_timer_check"

# boot LINE FILTER SECONDS: the test bundle, by image.sh, in a guest with Debian's kernel. Its
# console goes to LINE.log below .build/kernels, what came of the tests to LINE.xml.
boot() {
    local here=.build/kernels kernel=$1 begin=$SECONDS status image=.build/kernels/$1/image
    rm -rf "$image" && mkdir -p "$image/lib" && cp -r "$here/$kernel/modules" "$image/lib/modules"
    pack "$image" >"$here/$kernel.cpio"
    cat "$here/base.cpio" >>"$here/$kernel.cpio"
    rm -f "$here/$kernel.xml"
    guest "$3" -smp 2 -m 3072 -serial "file:$here/$kernel.log" -serial "file:$here/$kernel.xml" \
        -kernel "$here/$kernel/vmlinuz" -initrd "$here/$kernel.cpio" \
        -append "$guest_words lsm=lockdown,yama,bpf apiary.filter=$2"
    status=$?
    rm -f "$here/$kernel.cpio"
    echo "kernels: $kernel: $((SECONDS - begin)) s," \
        "$(grep -a '^guest: ' "$here/$kernel.log" | tail -1 | tr -d '\r')" >&2
    return $status
}
