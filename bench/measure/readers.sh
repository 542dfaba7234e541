# Many readers, and what events cost: processor time with 1 and 100 readers, memory of an idle
# reader, allocations an event with a control, and the producer's cost with and without adaptive wake-ups.
# shellcheck shell=bash disable=SC2154

# The daemon's processor time an event while `count` curls follow at a steady rate.
with_readers() {
    local count=$1 rate=100000 before after asked index
    change PUT '/v1/programs/produce?attach=auto' -T "$tools/produce.bpf.o" || return 1
    for index in $(seq "$count"); do
        curl -sN --unix-socket "$socket" "$follow" -o /dev/null &
        jobs_of_ours+=($!)
    done
    sleep 1
    before=$(cpu_ns "$daemon")
    "$tools/trigger" $rate "$seconds" 64 >"$work/trigger"
    sleep 0.5
    after=$(cpu_ns "$daemon")
    for index in "${jobs_of_ours[@]}"; do end "$index"; done
    jobs_of_ours=()
    read -r asked <"$work/trigger"
    change DELETE '/v1/programs/produce?purge=true' || return 1
    sample "readers.$count" "$(awk -v c=$((after - before)) -v n="$asked" 'BEGIN { print c / n }')"
}

# Kilobytes that each of 5000 readers costs who wait for events.
idle_readers() {
    local count=5000 most before after
    # A listener takes a quarter of the descriptors, and whoever asks beside them needs some.
    most=$(awk '/^Max open files/ { print int($4 / 4) - 100 }' "/proc/$daemon/limits")
    [ "$count" -le "$most" ] || count=$most
    before=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")
    python3 - "$socket" "$count" "$work/opened" <<'PYTHON' &
import resource, socket, sys, time
count = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
request = b"GET /v1/events?since=now HTTP/1.1\r\nHost: apiary\r\n\r\n"
held = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(request)
    held.append(s)
got = sum(1 for s in held if b"hello" in s.recv(4096) or b"hello" in s.recv(4096))
open(sys.argv[3], "w").write(str(got))
time.sleep(180)
PYTHON
    jobs_of_ours=($!)
    local attempt
    for attempt in $(seq 1200); do
        [ -s "$work/opened" ] && break
        sleep 0.1
    done
    after=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")
    if [ ! -s "$work/opened" ]; then
        say "the readers have no hello after two minutes"
        return 1
    fi
    say "  $(cat "$work/opened") of $count readers have their hello after $attempt looks"
    # Between two heartbeats nothing happens: the pump sleeps, and so does everybody else.
    sleep 1
    local slept
    slept=$(sleeps "$daemon")
    sleep 5
    sample readers.wakeups "$(awk -v a="$slept" -v b="$(sleeps "$daemon")" \
        'BEGIN { print (b - a) / 5 }')"
    end "${jobs_of_ours[0]}"
    jobs_of_ours=()
    sample readers.memory "$(awk -v a="$before" -v b="$after" -v n=$count \
        'BEGIN { print (b - a) / n }')"
}

# counted COMMAND…: runs it, and sets `calls` to how often the daemon asked for memory meanwhile:
# malloc, calloc, realloc, posix_memalign and aligned_alloc of its C library, by uprobes.
counted() {
    local libc counter attempt name probes=
    libc=$(ldd "$binary" | awk '$1 == "libc.so.6" { print $3 }')
    for name in malloc calloc realloc posix_memalign aligned_alloc; do
        probes+="${probes:+,}uprobe:$libc:$name"
    done
    rm -f "$work/calls"
    bpftrace -p "$daemon" -e "BEGIN { printf(\"counting\n\"); } $probes
        /pid == $daemon/ { @calls = count(); }" \
        >"$work/calls" 2>"$work/calls.log" &
    counter=$!
    jobs_of_ours+=("$counter")
    for attempt in $(seq 300); do
        grep -q counting "$work/calls" 2>/dev/null && break
        sleep 0.1
    done
    # What the attaching itself may have disturbed.
    sleep 1
    "$@"
    sleep 1
    end "$counter" -INT
    calls=$(awk -F': ' '/@calls/ { print $2 }' "$work/calls")
    if ! grep -q counting "$work/calls"; then
        say "bpftrace counted nothing: $(tail -c 300 "$work/calls.log")"
        return 1
    fi
    calls=${calls:-0}
}

some_requests() {
    local index
    for index in $(seq 100); do api GET /v1/programs >"$work/answer"; done
}

some_events() { "$tools/trigger" "$1" "$2" 64 >"$work/trigger"; }

# How often memory is asked for by each event that one curl is sent: by the difference between few
# events and ten times as many at the same rate, so that what happens once or with time falls out.
# That the counter sees the daemon at all, requests show which do ask for some.
allocations() {
    command -v bpftrace >/dev/null || return 0
    local rate few many few_calls many_calls
    change PUT '/v1/programs/produce?attach=auto' -T "$tools/produce.bpf.o" || return 1
    curl -sN --unix-socket "$socket" "$follow" -o /dev/null &
    jobs_of_ours=($!)
    sleep 1
    some_events 500000 1
    for rate in 500000 1000; do
        counted some_events $rate 0.5 || return 1
        few_calls=$calls
        read -r few <"$work/trigger"
        counted some_events $rate 5 || return 1
        many_calls=$calls
        read -r many <"$work/trigger"
        say "  at $rate/s: $few_calls calls of malloc for $few events, $many_calls for $many"
        sample "allocations.$rate" "$(awk -v c=$((many_calls - few_calls)) \
            -v n=$((many - few)) 'BEGIN { printf "%.4f\n", c / n }')"
    done
    counted some_requests || return 1
    say "  control: $calls calls of malloc for 100 GET /v1/programs"
    sample allocations.request "$(awk -v c="$calls" 'BEGIN { print c / 100 }')"
    end "${jobs_of_ours[0]}"
    jobs_of_ours=()
    change DELETE '/v1/programs/produce?purge=true' || return 1
}

# producer_cost OBJECT RATE BURST: nanoseconds that a record takes from who makes the system call: the
# call, the program and the wake-up, while one curl follows.
producer_cost() {
    local object=$1 rate=$2 burst=$3 reader asked inside
    change PUT '/v1/programs/produce?attach=auto' -T "$tools/$object.bpf.o" || return 1
    curl -sN --unix-socket "$socket" "$follow" -o /dev/null &
    reader=$!
    jobs_of_ours=("$reader")
    sleep 0.5
    taskset -c 0 "$tools/trigger" "$rate" "$seconds" "$burst" >"$work/trigger"
    end "$reader"
    jobs_of_ours=()
    change DELETE '/v1/programs/produce?purge=true' || return 1
    { read -r asked; read -r inside; } <"$work/trigger"
    sample "producer.$object.$rate.$burst" \
        "$(awk -v n="$inside" -v a="$asked" 'BEGIN { print n / a }')"
}

# pace RECORDS MICROSECONDS: a daemon with these batches: latency at 100 k/s, and the cost there.
pace() {
    local records=$1 microseconds=$2
    APIARY_BATCH_RECORDS=$records APIARY_BATCH_DEADLINE_US=$microseconds daemon_start || return 0
    if through_ours 0.5 "$seconds" "$event_prefix" check 100000 $((seconds + 1)) 64; then
        sample_latency "pace.$records.$microseconds"
        sample_flow "pace.$records.$microseconds"
    fi
    daemon_stop
    row "batches of $records, $microseconds us: p50 at 100 k/s, us" \
        "pace.$records.$microseconds.p50" none
    row "  p99, us" "pace.$records.$microseconds.p99" none
    row "  processor time an event, ns" "pace.$records.$microseconds.cpu" none
}

measure_pace() {
    local microseconds
    for microseconds in 0 100 500 2000 10000; do pace 4096 $microseconds; done
    pace 256 500
    pace 65536 500
}

measure_allocations() {
    daemon_start || return 0
    allocations || true
    daemon_stop
    row "allocations an event at 500 k/s; a GET /v1/programs" \
        allocations.500000 allocations.request
    row "  at 1 k/s" allocations.1000 allocations.request
}

measure_readers() {
    local round
    daemon_start || return 0
    idle_readers || true
    for round in $(seq "$repeats"); do
        with_readers 1 && with_readers 100 || true
    done
    daemon_stop
    row "wake-ups a second, all threads, thousands of idle readers" readers.wakeups none
    row "processor time an event with 100 readers, ns; with 1" readers.100 readers.1
    row "memory of an idle reader, KiB" readers.memory none
}

measure_producer() {
    local round case
    local -a cases=("1000 1" "20000 1" "200000 64")
    daemon_start || return 0
    for round in $(seq "$repeats"); do
        for case in "${cases[@]}"; do
            # shellcheck disable=SC2086
            producer_cost produce $case && producer_cost quiet $case || true
        done
    done
    daemon_stop
    for case in "${cases[@]}"; do
        row "a record at ${case% *}/s, ${case#* } a call, costs its program, ns: adaptive; without" \
            "producer.quiet.${case/ /.}" "producer.produce.${case/ /.}"
    done
}
