# Other clients beside a crowd: how long a GET takes beside 5000 open streams, quiet ones and ones that
# carry events, and beside slowhttptest's three modes with 1000 connections; and whether memory and
# descriptors are afterwards where they were. Nothing is compared: the goals are p99 < 20 ms beside
# the streams, < 50 ms beside the attacks, 40 KiB a stream.
# shellcheck shell=bash disable=SC2154

resident_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
descriptors() { find "/proc/$daemon/fd" -mindepth 1 -maxdepth 1 | wc -l; }

# Waits until the daemon has not more than so many descriptors, for at most so many seconds.
until_closed() {
    local attempt
    for attempt in $(seq $(($2 * 10))); do
        [ "$(descriptors)" -gt "$1" ] || return 0
        sleep 0.1
    done
    say "  after $attempt looks $(descriptors) descriptors are open, before $1"
}

# Keeps what `crowd` printed under a name.
take_crowd() {
    local name=$1 count p50 p99 most errors lines
    read -r count p50 p99 most errors lines < <(tail -1 "$work/crowd")
    say "  $name: $count requests, p50 $p50 us, p99 $p99 us, most $most us, errors $errors, lines $lines"
    sample "crowd.$name.p99" "$(awk -v v="$p99" 'BEGIN { print v / 1000 }')"
}

# beside_streams NAME EVENTS-A-SECOND
beside_streams() {
    local name=$1 events=$2 count=5000 memory open before with trigger=
    before=$(descriptors)
    resident=$(resident_kib)
    "$tools/crowd" "$socket" $count 1000 "$crowd_seconds" /v1/health >"$work/crowd" &
    jobs_of_ours=($!)
    for open in $(seq 600); do
        grep -q open "$work/crowd" && break
        sleep 0.1
    done
    with=$(resident_kib)
    if [ "$events" -gt 0 ]; then
        "$tools/trigger" "$events" "$crowd_seconds" 64 >"$work/trigger" &
        trigger=$!
    fi
    wait "${jobs_of_ours[0]}" || say "  crowd failed"
    [ -z "$trigger" ] || wait "$trigger"
    jobs_of_ours=()
    take_crowd "$name"
    sample "crowd.$name.kib" "$(awk -v a="$resident" -v b="$with" -v n=$count 'BEGIN { print (b - a) / n }')"
    until_closed "$before" 60
    sleep 3
    sample "crowd.$name.left" "$(awk -v a="$resident" -v b="$(resident_kib)" 'BEGIN { print (b - a) / 1024 }')"
}

# beside_attack NAME ADDRESS OPTION…: slowhttptest with 1000 connections, its mode first.
beside_attack() {
    local name=$1 address=$2 before resident
    shift 2
    before=$(descriptors)
    resident=$(resident_kib)
    slowhttptest "$@" -c 1000 -r 500 -l $((crowd_seconds + 4)) -p 3 >"$work/slow" 2>&1 &
    jobs_of_ours=($!)
    sleep 4
    "$tools/crowd" "$address" 0 200 "$crowd_seconds" /v1/health >"$work/crowd" || say "  crowd failed"
    say "  $(sed 's/\x1b\[[0-9;]*m//g' "$work/slow" | grep -aE '^(connected|closed|pending|service)' | tail -4 | tr -s ' \n' ' ')"
    end "${jobs_of_ours[0]}"
    jobs_of_ours=()
    take_crowd "$name"
    until_closed "$before" 60
    sleep 3
    sample "crowd.$name.left" "$(awk -v a="$resident" -v b="$(resident_kib)" 'BEGIN { print (b - a) / 1024 }')"
}

measure_crowd() {
    local mode name
    # Connections are held to a share of the descriptors: with one listener there are enough.
    daemon_start unix || return 0
    change PUT '/v1/programs/produce?attach=auto' -T "$tools/produce.bpf.o" || return 0
    # What is allocated once, and the heap of a first crowd.
    "$tools/crowd" "$socket" 500 500 2 /v1/health >/dev/null
    sleep 3
    beside_streams quiet 0
    beside_streams busy 10
    row "GET beside 5000 streams, 1000 a second: p99, ms" crowd.quiet.p99 none
    row "  a stream, KiB" crowd.quiet.kib none
    row "  left when they are gone, MiB" crowd.quiet.left none
    row "  with 10 events a second to each: p99, ms" crowd.busy.p99 none
    row "  left when they are gone, MiB" crowd.busy.left none
    daemon_stop
    daemon_start || return 0
    "$tools/crowd" "127.0.0.1:$port" 500 500 2 /v1/health >/dev/null
    for mode in headers body read; do
        for name in unix tcp; do
            local target=127.0.0.1:$port
            [ $name = tcp ] || target=$socket
            case $mode in
                headers) beside_attack "$mode.$name" "$target" -H -i 2 -x 24 -t GET -u "http://127.0.0.1:$port/v1/health" ;;
                body) beside_attack "$mode.$name" "$target" -B -i 2 -x 10 -t POST -s 8192 -u "http://127.0.0.1:$port/v1/probes" ;;
                read) beside_attack "$mode.$name" "$target" -X -w 1 -y 64 -z 1 -n 2 -k 3 -u "http://127.0.0.1:$port/v1/openapi.json" ;;
            esac
            row "GET over $name beside 1000 slow clients ($mode): p99, ms" "crowd.$mode.$name.p99" none
            row "  left when they are gone, MiB" "crowd.$mode.$name.left" none
        done
    done
    daemon_stop
}
