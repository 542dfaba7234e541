# Events from the kernel to one curl, against a C program on libbpf and bpftrace.
# shellcheck shell=bash disable=SC2154

event_prefix='{"kind":"event"'
follow='http://apiary/v1/events?program=produce&since=now&follow=true&records=events'

# What is called while the source still runs: nothing, or a function's name.
at_end=

# The stream's ledger in short, while its reader is there.
ledger_line() {
    api GET '/v1/events/ledger?program=produce' | python3 -c '
import json, sys
row = json.load(sys.stdin)["items"][0]
print({name: row[name] for name in ("received", "journaled", "lost")}, row["readers"])
' >"$work/ledger"
}

# Runs a command into the sink while the trigger works, and sets events, bytes, nanoseconds, lost,
# p50, p99, asked (records) and cpu (ns of the process WATCHED, `self` for the command's own).
# through_sink WAIT SINK_SECONDS PREFIX CHECK RATE TRIGGER_SECONDS BURST WATCHED command…
through_sink() {
    local wait=$1 sink_seconds=$2 prefix=$3 check=$4 rate=$5 trigger_seconds=$6 burst=$7 watched=$8
    shift 8
    rm -f "$work/pipe" "$work/sink"
    mkfifo "$work/pipe" "$work/sink"
    # Held open both ways, so that neither end waits for the other.
    exec 3<>"$work/sink"
    local sink source trigger before
    # shellcheck disable=SC2086
    "$tools/sink" "$sink_seconds" "$prefix" $check <"$work/pipe" >&3 &
    sink=$!
    "$@" >"$work/pipe" 2>"$work/source.log" &
    source=$!
    jobs_of_ours=("$sink" "$source")
    sleep "$wait"
    [ "$watched" = self ] && watched=$source
    before=$(cpu_ns "$watched")
    # On one core, or its wanderings are what is measured: 3 to 6 M/s became 6 to 8 by this.
    taskset -c 0 "$tools/trigger" "$rate" "$trigger_seconds" "$burst" >"$work/trigger" &
    trigger=$!
    jobs_of_ours+=("$trigger")
    read -r events bytes nanoseconds lost p50 p99 <&3
    exec 3>&-
    cpu=$(($(cpu_ns "$watched") - before))
    [ -z "$at_end" ] || "$at_end" || true
    end "$sink"
    end "$trigger"
    end "$source"
    jobs_of_ours=()
    read -r asked <"$work/trigger"
    if [ "$events" -eq 0 ]; then
        say "not one event came; what the source said: $(tail -c 300 "$work/source.log")"
        return 1
    fi
}

sample_flow() {
    sample "$1.rate" "$(awk -v n="$events" -v t="$nanoseconds" 'BEGIN { print n / t * 1000 }')"
    sample "$1.cpu" "$(awk -v n="$events" -v c="$cpu" 'BEGIN { print c / n }')"
    sample "$1.size" "$(awk -v n="$events" -v b="$bytes" 'BEGIN { print b / n }')"
}

# Which object through_ours loads.
object=produce

# through_ours …: through_sink with the program loaded, attached, and followed by one curl.
through_ours() {
    change PUT '/v1/programs/produce?attach=auto' -T "$tools/$object.bpf.o" || return 1
    local result=0
    through_sink "$@" "$daemon" curl -sN --unix-socket "$socket" "$follow" || result=1
    change DELETE /v1/programs/produce || result=1
    return $result
}

# through_served …: through_sink with the peer in C behind HTTP, followed by one curl as well.
through_served() {
    "$tools/ringbuf" "$tools/produce.bpf.o" --serve "$work/peer.sock" 2>"$work/peer.log" &
    local peer=$! result=0 attempt
    for attempt in $(seq 50); do
        [ -S "$work/peer.sock" ] && break
        sleep 0.1
    done
    through_sink "$@" "$peer" curl -sN --unix-socket "$work/peer.sock" http://peer/ || result=1
    end "$peer"
    return $result
}

measure_events() {
    local round length=$((seconds + 12))
    daemon_start || true
    for round in $(seq "$repeats"); do
        if [ -n "$daemon" ] && through_ours 0.5 "$seconds" "$event_prefix" "" 0 $length 64; then
            sample_flow events.ours
        fi
        object=uncounted
        if [ -n "$daemon" ] && through_ours 0.5 "$seconds" "$event_prefix" "" 0 $length 64; then
            sample_flow events.uncounted
        fi
        object=produce
        through_served 0.5 "$seconds" "$event_prefix" "" 0 $length 64 && sample_flow events.served
        through_sink 0.5 "$seconds" "$event_prefix" "" 0 $length 64 self \
            "$tools/ringbuf" "$tools/produce.bpf.o" && sample_flow events.c
        through_sink 0.5 "$seconds" '{"ts"' "" 0 $length 64 self \
            "$tools/ringbuf" "$tools/produce.bpf.o" --lean && sample_flow events.lean
        through_sink 4 "$seconds" '{"type": "printf"' "" 0 $length 16 self \
            bpftrace -f json bench/peers/events.bt && sample_flow events.bpftrace
    done
    daemon_stop
    row "events to one curl, M/s; C on libbpf to one curl" events.ours.rate events.served.rate
    row "  of a program that counts no losses; the same" events.uncounted.rate events.served.rate
    row "  ; C on libbpf into a pipe, without curl" events.ours.rate events.c.rate
    row "  ; the same, the record without envelope" events.ours.rate events.lean.rate
    row "  ; bpftrace -f json" events.ours.rate events.bpftrace.rate
    row "  processor time an event, ns; C to one curl" events.ours.cpu events.served.cpu
    row "  bytes a line; C on libbpf" events.ours.size events.c.size
}

# highest NAME FUNCTION: the highest rate of a ladder at which a follower gets every event, in M/s.
highest() {
    local name=$1 how=$2 rate best=0 attempt
    for rate in 1000 1250 1500 1750 2000 2500 3000 3500 4000 5000 6000; do
        local held=
        for attempt in 1 2; do
            "$how" 0.5 $((seconds + 2)) "$event_prefix" "" "${rate}000" "$seconds" 64 || return 1
            if [ "$events" -eq "$asked" ]; then
                held=yes
                break
            fi
        done
        [ -n "$held" ] || break
        best=$rate
    done
    sample "highest.$name" "$(awk -v r=$best 'BEGIN { print r / 1000 }')"
}

through_pipe() { through_sink "$@" self "$tools/ringbuf" "$tools/produce.bpf.o"; }

measure_highest() {
    if daemon_start; then highest ours through_ours || true; fi
    daemon_stop
    highest served through_served || true
    highest c through_pipe || true
    row "highest rate to one curl, nothing lost, M/s; C to one curl" highest.ours highest.served
    row "  ; C on libbpf into a pipe, without curl" highest.ours highest.c
}

# A rate that both should hold: what is missing at the end, wherever it was lost. Ours says it too,
# by its ledger.
measure_steady() {
    local rate=1000000
    local -a how=(0.5 $((steady_seconds + 2)) "$event_prefix" "" $rate "$steady_seconds" 64)
    at_end=ledger_line
    if daemon_start && through_ours "${how[@]}"; then
        say "  asked $asked, come $events; the ledger: $(cat "$work/ledger")"
        sample steady.ours $((asked - events))
        sample_flow steady.ours
    fi
    at_end=
    daemon_stop
    through_pipe "${how[@]}"
    sample steady.c $((asked - events))
    sample_flow steady.c
    row "lost of 1 M/s for $steady_seconds s; C on libbpf" steady.ours steady.c
    row "  processor time an event, ns; C on libbpf" steady.ours.cpu steady.c.cpu
}

sample_latency() {
    sample "$1.p50" "$(awk -v n="$p50" 'BEGIN { print n / 1000 }')"
    sample "$1.p99" "$(awk -v n="$p99" 'BEGIN { print n / 1000 }')"
}

measure_latency() {
    local rate round
    daemon_start || true
    for rate in 1000 100000; do
        local -a how=(0.5 "$seconds" "$event_prefix" check $rate $((seconds + 1)) 64)
        for round in $(seq "$repeats"); do
            if [ -n "$daemon" ] && through_ours "${how[@]}"; then
                sample_latency latency.ours.$rate
            fi
            through_served "${how[@]}" && sample_latency latency.served.$rate
            through_pipe "${how[@]}" && sample_latency latency.c.$rate
        done
        row "submit to curl at $((rate / 1000)) k/s, p50, us; C to one curl" \
            latency.ours.$rate.p50 latency.served.$rate.p50
        row "  p99" latency.ours.$rate.p99 latency.served.$rate.p99
        row "  p50; C on libbpf into a pipe, without curl" \
            latency.ours.$rate.p50 latency.c.$rate.p50
        row "  p99" latency.ours.$rate.p99 latency.c.$rate.p99
    done
    daemon_stop
}
