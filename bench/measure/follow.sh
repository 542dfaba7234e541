# A map of 10,000 entries that changes, followed every second by 1 client and by 100.
# shellcheck shell=bash disable=SC2154

follow_entries=10000

# Percent of a processor and megabytes that the daemon takes for so many followers.
follow_with() {
    local count=$1 before after index
    local pids=()
    for index in $(seq "$count"); do
        curl -sSN --unix-socket "$socket" -o "$work/follow-$index" \
            'http://apiary/v1/maps/table/table/entries?follow=1s' &
        pids+=($!)
    done
    jobs_of_ours=("${pids[@]}")
    sleep 3
    before=$(cpu_ns "$daemon")
    sleep "$follow_seconds"
    after=$(cpu_ns "$daemon")
    sample "follow.cpu$count" "$(awk -v a="$before" -v b="$after" -v s="$follow_seconds" \
        'BEGIN { print (b - a) / s / 1e7 }')"
    sample "follow.memory$count" "$(awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$daemon/status")"
    for index in "${pids[@]}"; do end "$index"; done
    jobs_of_ours=()
    if ! grep -q '"kind":"changed"' "$work/follow-1"; then
        say 'the follower saw no change'
        return 1
    fi
    rm -f "$work"/follow-*
}

# A tenth of the entries changes each second.
follow_changes() {
    local round=0
    while :; do
        round=$((round + 1))
        seq 0 10 $((follow_entries - 1)) | awk -v round="$round" '{
            printf "{\"update\":{\"key\":%d,\"value\":{\"packets\":%d}}}\n", $1, round
        }' | curl -sS --unix-socket "$socket" -o /dev/null -H 'Content-Type: application/x-ndjson' \
            --data-binary @- 'http://apiary/v1/maps/table/table/batch?results=failed' 2>/dev/null
        sleep 1
    done
}

measure_follow() {
    local map changes
    daemon_start && change PUT /v1/programs/table -T "$tools/table.bpf.o" || return 1
    map=$(api GET /v1/programs/table | jq '.maps[] | select(.name == "table").kernel_id')
    "$tools/dump" fill "$map" $follow_entries
    follow_changes &
    changes=$!
    follow_with 1
    follow_with 100
    end "$changes"
    daemon_stop
    row "10,000 entries, 1 follower each second, % of a CPU" follow.cpu1 none
    row "  100 followers; 1 follower" follow.cpu100 follow.cpu1
    row "  memory with 100 followers, MB; with 1" follow.memory100 follow.memory1
}
