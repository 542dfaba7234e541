# Shared by the measurements: the private place, the daemon, samples and the table.
# shellcheck shell=bash disable=SC2154

say() { printf 'bench: %s\n' "$*" >&2; }

# Makes what the run needs. No dot in the names: libbpf turns those of a bpffs path into "_".
# $work is on disk, $memory is not: the journal goes there, as by default.
prepare() {
    work=$(mktemp -d /tmp/apiary-bench-XXXXXX)
    memory=$(mktemp -d /dev/shm/apiary-bench-XXXXXX)
    jobs_of_ours=()
    daemon=
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    mkdir "$work/bpffs" "$work/samples"
    mount -t bpf bpf "$work/bpffs"
    mkdir "$work/bpffs/apiary" "$work/bpffs/peer"
    if [ ! -e /sys/kernel/tracing/events ]; then
        mount -t tracefs tracefs /sys/kernel/tracing
    fi
    : >"$work/table"
}

# Ends what one measurement has left running, after it or when it breaks off.
end_all() {
    local pid
    for pid in ${jobs_of_ours[@]+"${jobs_of_ours[@]}"}; do
        kill "$pid" 2>/dev/null || true
    done
    daemon_stop
    rm -rf "$work"/bpffs/peer/*
}

cleanup() {
    umount "$work/bpffs" || true
    rm -rf "$work" "$memory"
}

# Ends one process started here and waits for it.
end() {
    kill "${2:--TERM}" "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

machine() {
    printf '%s, %s cores, Linux %s, load %s; libbpf %s, libmicrohttpd %s, %s, %s\n' \
        "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" "$(uname -r)" \
        "$(cut -d' ' -f1 /proc/loadavg)" "$(pkg-config --modversion libbpf)" \
        "$(pkg-config --modversion libmicrohttpd)" "$(bpftool version | head -1)" \
        "$(bpftrace --version)"
    awk '$1 > 0.5 { exit 1 }' /proc/loadavg ||
        say 'the machine is busy with other things: expect half the figures, and compare ratios only'
    printf 'commit %s, %s\n\n' "$(git describe --always --dirty 2>/dev/null || echo unknown)" \
        "$(date -u +%FT%TZ)"
}

# Starts a daemon with empty directories and waits until it is ready; fails where there is none.
# daemon_start unix: without TCP.
daemon_start() {
    local listen=()
    [ -x "$binary" ] || return 1
    mkdir -p "$memory/run" "$work/state"
    port=$((20000 + RANDOM % 10000))
    socket=$memory/run/apiary.sock
    [ "${1-}" = unix ] || listen=(--listen "127.0.0.1:$port" --unprotected)
    "$binary" serve --runtime-dir "$memory/run" --state-dir "$work/state" \
        --bpffs "$work/bpffs/apiary" --socket "$socket" ${listen[@]+"${listen[@]}"} \
        >"$work/daemon.log" 2>&1 &
    daemon=$!
    local attempt
    for attempt in $(seq 100); do
        if api GET /v1/ready >/dev/null 2>&1; then return 0; fi
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    say "the daemon is not ready after $attempt attempts; the end of its log:"
    tail -5 "$work/daemon.log" >&2
    daemon_stop
    return 1
}

daemon_stop() {
    [ -n "$daemon" ] || return 0
    kill "$daemon" 2>/dev/null || true
    # A daemon that hangs must not hang the run.
    local attempt
    for attempt in $(seq 100); do
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    if [ "$attempt" -eq 100 ]; then
        say "the daemon did not stop within ten seconds"
    fi
    end "$daemon" -KILL
    daemon=
    rm -rf "$memory/run" "$work/state" "$work/bpffs/apiary"
    mkdir "$work/bpffs/apiary"
}

# api METHOD PATH [curl's options]: the body to stdout; fails, and says why, unless 2xx.
api() {
    local method=$1 path=$2
    shift 2
    curl -sS --max-time 60 --fail-with-body --unix-socket "$socket" -X "$method" "$@" \
        "http://apiary$path"
}

# The same, for changes whose answer is of no interest unless it is a refusal.
change() {
    if api "$@" >"$work/answer"; then return 0; fi
    say "$1 $2 was refused: $(head -c 600 "$work/answer")"
    return 1
}

# Nanoseconds of processor time that all threads of a process have had.
cpu_ns() {
    cat /proc/"$1"/task/*/schedstat 2>/dev/null | awk '{ s += $1 } END { printf "%.0f\n", s }'
}

now_us() { printf '%s\n' "${EPOCHREALTIME/./}"; }

# Runs a command and keeps the milliseconds it took under a name, unless it fails.
timed() {
    local name=$1 start
    shift
    start=$(now_us)
    "$@" || return 1
    sample "$name" "$(awk -v a="$start" -v b="$(now_us)" 'BEGIN { print (b - a) / 1000 }')"
}

# Keeps a number under a name, and shows it: how far apart the runs are is worth seeing.
sample() {
    say "  $1 $2"
    printf '%s\n' "$2" >>"$work/samples/$1"
}

# The median of what was sampled under a name; nothing if nothing was.
median() {
    [ -s "$work/samples/$1" ] || return 0
    sort -g "$work/samples/$1" | awk '{ v[NR] = $1 }
        END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# row WHAT OURS PEER: a line of the table from the medians of two names.
row() { printf '%s\t%s\t%s\n' "$1" "$(median "$2")" "$(median "$3")" >>"$work/table"; }

print_table() {
    awk -F'\t' '
        function shown(v) {
            if (v == "") return "-"
            if (v == 0 || v >= 100) return sprintf("%.0f", v)
            return sprintf(v >= 10 ? "%.1f" : "%.2f", v)
        }
        BEGIN { printf "%-52s | %10s | %10s | %6s\n", "what (median)", "ours", "peer", "ratio" }
        { printf "%-52s | %10s | %10s | %6s\n", $1, shown($2), shown($3),
              (($2 != "" && $3 + 0 > 0) ? sprintf("%.2f", $2 / $3) : "-") }' "$work/table"
}
