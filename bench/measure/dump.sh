# The dump of a hash of a million entries through curl, against LOOKUP_BATCH in C and bpftool.
# shellcheck shell=bash disable=SC2154

table_entries=1000000

dump_ours() {
    curl -sSN --max-time 60 --unix-socket "$socket" -H 'Accept: application/x-ndjson' \
        'http://apiary/v1/maps/table/table/entries' | grep -c '^{"key"' >"$work/lines" || true
}
dump_c() { "$tools/dump" "$1" | grep -c '^{"key"' >"$work/lines"; }
dump_bpftool() { bpftool map dump -j id "$1" | wc -c >"$work/lines"; }

measure_dump() {
    local map round is_whole=1
    if daemon_start && change PUT /v1/programs/table -T "$tools/table.bpf.o"; then
        map=$(api GET /v1/programs/table | jq '.maps[] | select(.name == "table").kernel_id')
    else
        daemon_stop
        bpftool prog loadall "$tools/table.bpf.o" "$work/bpffs/peer/functions" \
            pinmaps "$work/bpffs/peer"
        map=$(bpftool -j map show pinned "$work/bpffs/peer/table" | jq .id)
    fi
    "$tools/dump" fill "$map" $table_entries
    if [ -n "$daemon" ]; then
        dump_ours
        if [ "$(cat "$work/lines")" -ne $table_entries ]; then
            say "the dump is not compared: it has $(cat "$work/lines") of $table_entries entries"
            is_whole=
        fi
        # From here on VmHWM is the peak of the dumps alone.
        echo 5 >"/proc/$daemon/clear_refs"
    fi
    for round in $(seq "$repeats"); do
        if [ -n "$daemon" ] && [ -n "$is_whole" ]; then timed dump.ours dump_ours; fi
        timed dump.c dump_c "$map"
        timed dump.bpftool dump_bpftool "$map"
    done
    if [ -n "$daemon" ] && [ -n "$is_whole" ]; then
        sample dump.peak "$(awk '/^VmHWM/ { print $2 / 1024 }' "/proc/$daemon/status")"
    fi
    daemon_stop
    row "dump of a hash of 1 M entries, ms; C, LOOKUP_BATCH" dump.ours dump.c
    row "  ; bpftool map dump -j" dump.ours dump.bpftool
    row "  peak memory of the daemon, MB" dump.peak none
}
