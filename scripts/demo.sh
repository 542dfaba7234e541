#!/usr/bin/env bash
# Starts a private daemon, uploads and attaches the bundled execsnoop, and streams its events until
# Ctrl-C, SIGTERM or for DEMO_SECONDS; then takes everything away again. Events go to stdout, all
# other words to stderr. BIN is where apiary and apiary-loader are, OBJECT is the ELF.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${BIN:-.build/release}
object=${OBJECT:-.build/bpf/execsnoop.bpf.o}
seconds=${DEMO_SECONDS:-}

say() { printf 'demo: %s\n' "$*" >&2; }
refuse() {
    say "$*"
    exit 1
}

case $seconds in *[!0-9]*) refuse "DEMO_SECONDS is a whole number, not '$seconds'" ;; esac
for file in "$bin/apiary" "$bin/apiary-loader" "$object"; do
    [ -e "$file" ] || refuse "$file is missing: run make build"
done
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || refuse "loading BPF needs root: run it as root"
    say "loading BPF needs root: going on with sudo"
    exec sudo BIN="$bin" OBJECT="$object" DEMO_SECONDS="$seconds" "$0"
fi

directory=$(mktemp -d /tmp/apiary-demo.XXXXXX)
socket=$directory/run/apiary.sock
bpffs=
upload=(-sS --fail-with-body --unix-socket "$socket" -T "$object"
    "http://localhost/v1/programs/execsnoop?attach=auto")
follow=(-sSN --unix-socket "$socket"
    "http://localhost/v1/events?program=execsnoop&since=oldest&records=events")
delete=(-sS --fail-with-body --unix-socket "$socket" -X DELETE
    "http://localhost/v1/programs/execsnoop")
daemon=
stream=
timer=
loaded=
tracefs=

# Shows the curl command as a reader can repeat it.
show() {
    local word line=curl
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./:=-]*) line="$line '$word'" ;; *) line="$line $word" ;; esac
    done
    printf '%s\n' "$line" >&2
}

is_running() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# Up to `$2` seconds for process `$1` to end, then SIGKILL.
await_end() {
    local left=$(($2 * 10))
    while is_running "$1" && [ "$left" -gt 0 ]; do
        sleep 0.1
        left=$((left - 1))
    done
    if is_running "$1"; then
        say "process $1 did not end in $2 s: killing it"
        kill -KILL "$1" 2>/dev/null || true
    fi
    wait "$1" 2>/dev/null || true
}

clean_up() {
    local status=$?
    trap '' INT TERM HUP PIPE
    trap - EXIT
    set +e
    if [ -n "$timer" ]; then kill "$timer" 2>/dev/null; fi
    if is_running "$stream"; then
        kill "$stream"
        wait "$stream" 2>/dev/null
    fi
    if is_running "$daemon"; then
        if [ -n "$loaded" ]; then
            say "detaching and unloading"
            show "${delete[@]}"
            curl "${delete[@]}" >&2 || status=1
        fi
        kill -TERM "$daemon"
        await_end "$daemon" 15
    fi
    # Pins of a daemon that died go with their file system.
    if [ -n "$bpffs" ]; then
        umount "$bpffs" || umount --lazy "$bpffs" || status=1
    fi
    if [ -n "$tracefs" ]; then
        umount "$tracefs" 2>/dev/null || say "$tracefs is in use by others now: it stays mounted"
    fi
    rm -rf --one-file-system "$directory"
    say "nothing is left behind"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 0' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

if ! grep -q ' tracefs ' /proc/mounts; then
    say "mounting tracefs at /sys/kernel/tracing, until the end of the demo"
    mount -t tracefs tracefs /sys/kernel/tracing
    tracefs=/sys/kernel/tracing
fi
mkdir -m 750 "$directory/run"
mkdir -m 700 "$directory/state" "$directory/bpffs"
say "mounting a private bpffs at $directory/bpffs"
mount -t bpf bpf "$directory/bpffs"
bpffs=$directory/bpffs

say "starting $bin/apiary, its files in $directory"
# In a session of its own, so that Ctrl-C reaches only this script.
setsid "$bin/apiary" serve --runtime-dir "$directory/run" --state-dir "$directory/state" \
    --bpffs "$directory/bpffs" --socket "$socket" \
    </dev/null >"$directory/daemon.log" 2>&1 &
daemon=$!
ready=
for _ in $(seq 300); do
    if curl -fs --max-time 2 -o /dev/null --unix-socket "$socket" http://localhost/v1/ready; then
        ready=yes
        break
    fi
    is_running "$daemon" || break
    sleep 0.1
done
if [ -z "$ready" ]; then
    sed 's/^/demo: daemon: /' "$directory/daemon.log" >&2
    refuse "the daemon did not become ready"
fi

show "${upload[@]}"
if ! curl "${upload[@]}" >"$directory/answer"; then
    cat "$directory/answer" >&2
    refuse "the upload was refused"
fi
loaded=yes

say "every program that starts on this host is an event now${seconds:+, for $seconds s}; end: Ctrl-C"
show "${follow[@]}"
curl "${follow[@]}" &
stream=$!
if [ -n "$seconds" ]; then
    sleep "$seconds" &
    timer=$!
    wait -n "$stream" "$timer" || true
    if is_running "$stream"; then exit 0; fi
fi
code=0
wait "$stream" || code=$?
# 23: whoever reads our stdout has gone, as in `make run | head`.
case $code in
    0 | 23) exit 0 ;;
    *)
        sed 's/^/demo: daemon: /' "$directory/daemon.log" >&2
        refuse "the stream ended early: curl exit status $code"
        ;;
esac
