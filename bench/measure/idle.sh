# A daemon at rest with a program loaded and attached whose events never come: memory and wake-ups.
# shellcheck shell=bash disable=SC2154

# How often all threads of a process have gone to sleep of their own accord.
sleeps() { cat /proc/"$1"/task/*/status | awk '/^voluntary/ { s += $2 } END { print s }'; }

measure_idle() {
    if daemon_start && change PUT '/v1/programs/produce?attach=auto' -T "$tools/produce.bpf.o"; then
        sleep 2
        local before cpu_before
        before=$(sleeps "$daemon")
        cpu_before=$(cpu_ns "$daemon")
        sleep "$idle_seconds"
        sample idle.wakeups "$(awk -v a="$before" -v b="$(sleeps "$daemon")" \
            -v s="$idle_seconds" 'BEGIN { print (b - a) / s }')"
        sample idle.cpu "$(awk -v a="$cpu_before" -v b="$(cpu_ns "$daemon")" \
            -v s="$idle_seconds" 'BEGIN { print (b - a) / s / 1000 }')"
        sample idle.rss "$(awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$daemon/status")"
        sample idle.pss "$(awk '/^Pss:/ { print $2 / 1024 }' "/proc/$daemon/smaps_rollup")"
        sample idle.threads "$(find "/proc/$daemon/task" -mindepth 1 -maxdepth 1 | wc -l)"
        change DELETE /v1/programs/produce || true
    fi
    daemon_stop
    row "idle, one program attached: RSS, MB" idle.rss none
    row "  Pss, MB" idle.pss none
    row "  wake-ups a second, all threads" idle.wakeups none
    row "  processor time a second, us" idle.cpu none
    row "  threads" idle.threads none
}
