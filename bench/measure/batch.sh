# A million entries written in batches of 100,000 lines, against bpftool's batch mode.
# shellcheck shell=bash disable=SC2154

batch_entries=1000000

# The same entries for both: lines of JSON in ten files, and commands of bpftool in one.
batch_inputs() {
    seq 0 $((batch_entries - 1)) | awk -v memory="$memory" '{
        file = sprintf("%s/batch-%02d", memory, int($1 / 100000))
        printf "{\"update\":{\"key\":%d,\"value\":{\"packets\":%d,\"bytes\":7}}}\n", $1, $1 > file
    }'
    seq 0 $((batch_entries - 1)) | awk -v map="$1" '{
        n = $1
        b = sprintf("%d %d %d %d", n % 256, int(n / 256) % 256, int(n / 65536) % 256, 0)
        printf "map update id %d key %s value %s 0 0 0 0 7 0 0 0 0 0 0 0\n", map, b, b
    }' >"$memory/batch-bpftool"
}

batch_ours() {
    local file
    for file in "$memory"/batch-0[0-9]; do
        curl -sS --fail-with-body --max-time 60 --unix-socket "$socket" -o "$work/answer" \
            -H 'Content-Type: application/x-ndjson' --data-binary "@$file" \
            'http://apiary/v1/maps/table/table/batch?results=failed' || return 1
        grep -q '"update":{"done":100000,"failed":0}' "$work/answer" || return 1
    done
}
batch_bpftool() { bpftool batch file "$memory/batch-bpftool" >/dev/null; }

measure_batch() {
    local map round
    daemon_start && change PUT /v1/programs/table -T "$tools/table.bpf.o" || return 1
    map=$(api GET /v1/programs/table | jq '.maps[] | select(.name == "table").kernel_id')
    batch_inputs "$map"
    for round in $(seq "$repeats"); do
        timed batch.ours batch_ours
        change DELETE /v1/maps/table/table/entries
        # One run is enough for what takes so long.
        if [ "$round" -eq 1 ]; then timed batch.bpftool batch_bpftool; fi
        change DELETE /v1/maps/table/table/entries
    done
    sample batch.peak "$(awk '/^VmHWM/ { print $2 / 1024 }' "/proc/$daemon/status")"
    daemon_stop
    rm -f "$memory"/batch-*
    row "1 M entries in batches, ms; bpftool batch" batch.ours batch.bpftool
    row "  peak memory of the daemon, MB" batch.peak none
}
