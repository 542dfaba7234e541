# GET of one map entry over loopback, against the smallest libmicrohttpd handler, on the same map.
# shellcheck shell=bash disable=SC2154

# Requests a second that one wrk thread with 16 connections gets, kept under a name.
sample_requests() {
    wrk -t1 -c16 -d"${seconds}s" "http://127.0.0.1:$2/v1/maps/small/counts/entries/1" >"$work/wrk"
    if grep -Eq 'Non-2xx|Socket errors' "$work/wrk" || ! grep -q Requests/sec "$work/wrk"; then
        say "wrk of $1: $(tr '\n' ' ' <"$work/wrk")"
        return 1
    fi
    sample "$1" "$(awk '/^Requests\/sec/ { print $2 / 1000 }' "$work/wrk")"
}

measure_entry() {
    local map round threads peer_port
    local -A peers=()
    if daemon_start && change PUT /v1/programs/small -T "$tools/small.bpf.o" &&
        change PUT /v1/maps/small/counts/entries/1 -H 'Content-Type: application/json' \
            -d '{"value":2}'; then
        map=$(api GET /v1/programs/small | jq '.maps[] | select(.name == "counts").kernel_id')
    else
        daemon_stop
        bpftool prog loadall "$tools/small.bpf.o" "$work/bpffs/peer/small" \
            pinmaps "$work/bpffs/peer"
        map=$(bpftool -j map show pinned "$work/bpffs/peer/counts" | jq .id)
        bpftool map update id "$map" key 1 0 0 0 value 2 0 0 0 0 0 0 0
    fi
    peer_port=$((10000 + RANDOM % 9990))
    for threads in 1 2; do
        peer_port=$((peer_port + 1))
        "$tools/entry" "$map" $peer_port $threads &
        peers[$threads]="$! $peer_port"
        jobs_of_ours+=($!)
    done
    sleep 0.3
    for round in $(seq "$repeats"); do
        if [ -n "$daemon" ]; then sample_requests entry.ours "$port" || true; fi
        for threads in 1 2; do
            sample_requests entry.c$threads "${peers[$threads]#* }"
        done
    done
    for threads in 1 2; do end "${peers[$threads]% *}"; done
    jobs_of_ours=()
    daemon_stop
    row "GET of a map entry, k/s; C handler, 1 thread" entry.ours entry.c1
    row "  ; C handler, 2 threads" entry.ours entry.c2
}
