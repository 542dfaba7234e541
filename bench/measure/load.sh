# Load and attach, as whole processes: curl -T …?attach=auto against bpftool loadall autoattach.
# shellcheck shell=bash disable=SC2154

measure_load() {
    local object round rounds=$((repeats * 3))
    daemon_start || true
    for object in small large; do
        for round in $(seq $rounds); do
            # curl's own part of what a user waits for.
            if [ -n "$daemon" ]; then timed load.curl.$object change GET /v1/health; fi
            if [ -n "$daemon" ]; then
                timed load.ours.$object change PUT "/v1/programs/$object?attach=auto" \
                    -T "$tools/$object.bpf.o" &&
                    timed unload.ours.$object change DELETE "/v1/programs/$object" || true
            fi
            timed load.bpftool.$object bpftool prog loadall "$tools/$object.bpf.o" \
                "$work/bpffs/peer/$object" autoattach
            timed unload.bpftool.$object rm -r "$work/bpffs/peer/$object"
        done
        row "load and attach the $object object, ms; bpftool" load.ours.$object load.bpftool.$object
        row "  of that curl alone, GET /v1/health" load.curl.$object load.bpftool.$object
        row "  detach and unload it, ms; rm of bpftool's pins" \
            unload.ours.$object unload.bpftool.$object
    done
    daemon_stop
}
