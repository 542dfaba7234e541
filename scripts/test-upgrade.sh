#!/usr/bin/env bash
# An upgrade with real binaries: scripts/test-upgrade.sh OLD [NEW], two directories with apiary and
# apiary-loader; NEW is .build/debug by default. As root.
#
# The old daemon loads, attaches and journals, and is killed. The new one, on the same directories,
# must have the same links, every event and every value. Then the old one must refuse what the new
# one has written, and leave it as it is. One line a fact; status 1 where something did not hold.
set -uo pipefail
cd "$(dirname "$0")/.."
old=$1/apiary
new=${2:-.build/debug}/apiary
objects=$PWD/.build/bpf/tests

work=$(mktemp -d "${TMPDIR:-/tmp}/apiary-upgrade.XXXXXX")
mkdir -m 700 "$work/run" "$work/state" "$work/bpffs"
mount -t bpf bpf "$work/bpffs" || exit 1
daemon=
finish() {
    [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null
    umount -l "$work/bpffs"
    rm -rf "$work"
}
trap finish EXIT
places=(--runtime-dir "$work/run" --state-dir "$work/state" --bpffs "$work/bpffs")

failed=0
# holds FACT WANTED FOUND
holds() {
    if [ "$2" = "$3" ]; then
        echo "fault: an upgrade: $1 | 1 | ${3:0:100}"
    else
        echo "FAILED: an upgrade: $1: ${3:0:200}, not ${2:0:200}"
        failed=1
    fi
}
ask() { curl -sS --max-time 60 --unix-socket "$work/run/apiary.sock" "$@"; }
get() { ask "http://localhost/v1$1" | jq -c "$2"; }
start() {
    "$1" serve "${places[@]}" --socket "$work/run/apiary.sock" >>"$work/log" 2>&1 &
    daemon=$!
    for try in $(seq 300); do
        ask -f -o /dev/null http://localhost/v1/ready 2>/dev/null && return
        sleep 0.1
    done
    echo "FAILED: $1 is not ready:"
    tail -5 "$work/log"
    exit 1
}
events() {
    ask "http://localhost/v1/events?program=e&follow=false&since=$1" |
        jq -c 'select(.kind == "event").data.number' | tr '\n' ' '
}

# Others on the machine make the same system call: only this process's are events.
coproc CALLER { exec perl -e '$| = 1; while (<STDIN>) { getpgrp($$) for 1 .. $_; print "\n" }'; }
calls() {
    echo "$1" >&"${CALLER[1]}"
    read -r <&"${CALLER[0]}"
}

start "$old"
ask -o /dev/null -T "$objects/events.bpf.o" \
    "http://localhost/v1/programs/e?attach=auto&label=a=b&global=target_pid=$CALLER_PID"
ask -o /dev/null -T "$objects/globals.bpf.o" 'http://localhost/v1/programs/g'
ask -o /dev/null -T "$objects/counter.bpf.o" 'http://localhost/v1/programs/c?attach=auto'
ask -o /dev/null -X PATCH --json '{"threshold":77}' http://localhost/v1/programs/g/globals
ask -o /dev/null -X PUT --json '{"value":5}' http://localhost/v1/maps/c/totals/entries/3
calls 3
for try in $(seq 50); do [ "$(events oldest | wc -w)" -ge 3 ] && break; sleep 0.1; done
cursor=$(ask 'http://localhost/v1/events?program=e&follow=false&since=oldest' |
    jq -r 'select(.kind == "event" and .data.number == 2).cursor')
links=$(get /probes '[.items[] | [.id, .link.kernel_id]]')
written=$(get "/audit?limit=1000" '.items | length')
{
    kill -9 "$daemon"
    wait "$daemon"
} 2>/dev/null
calls 2

start "$new"
holds "the same links, adopted" "$links" "$(get /probes '[.items[] | [.id, .link.kernel_id]]')"
for try in $(seq 50); do [ "$(events "$cursor" | wc -w)" -ge 3 ] && break; sleep 0.1; done
holds "the old cursor goes on, events of the time between are there" "3 4 5 " "$(events "$cursor")"
holds "a variable as it was set" 77 "$(get /programs/g/globals/threshold .value)"
holds "a map entry as it was written" 5 "$(get /maps/c/totals/entries/3 .value)"
holds "labels" '{"a":"b"}' "$(get /programs/e .labels)"
holds "the audit log is kept" true "$(get '/audit?limit=1000' ".items | length >= $written")"
holds "apiary verify" "ok" "$("$new" verify "${places[@]}" --settled | tail -1 | cut -d: -f1)"
ask -o /dev/null -X PATCH --json '{"labels":{"a":"c"}}' http://localhost/v1/programs/e
holds "changes are taken" '{"a":"c"}' "$(get /programs/e .labels)"
kill "$daemon"
wait "$daemon"
daemon=

contents() { sqlite3 "$work/state/registry.sqlite" .dump | sha256sum; }
before=$(contents)
said=$(timeout 20 "$old" serve "${places[@]}" --socket "$work/run/apiary.sock" 2>&1)
holds "the old release refuses the new one's registry" "1 later release" \
    "$? $(grep -o 'later release' <<<"$said" | head -1)"
holds "and leaves what is in it as it is" "$before" "$(contents)"
start "$new"
holds "the new one goes on after that" "$links" \
    "$(get /probes '[.items[] | [.id, .link.kernel_id]]')"
exit $failed
