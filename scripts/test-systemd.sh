#!/usr/bin/env bash
# Boots a real systemd (Debian 12's, in a container on this kernel), installs what `make build` built with
# `make install`, and tries the units: scripts/test-systemd.sh, as root. One line a thing that was tried.
# The container's files stay in .build/systemd for the next run; everything else goes away: its
# bpffs is its own, it has no network.
set -uo pipefail
cd "$(dirname "$0")/.."

here=$PWD/.build/systemd
root=$here/root
skip() {
    echo "systemd: skipped: $*" >&2
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
[ "$(id -u)" -eq 0 ] || skip "needs root"
[ -x .build/release/apiary ] || skip "make build first"
scripts/setup.sh systemd || skip "systemd-nspawn and debootstrap are not there"
if [ ! -e "$root/etc/debian_version" ]; then
    mkdir -p "$here"
    rm -rf "$root.new"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,libmicrohttpd12,libsqlite3-0,libgnutls30,libelf1,zlib1g,curl,jq,procps,make \
        bookworm "$root.new" http://deb.debian.org/debian >"$here/debootstrap.log" 2>&1 ||
        skip "Debian's archive cannot be reached: $here/debootstrap.log"
    mv "$root.new" "$root"
fi

passed=0 failed=0 leader= bpffs=
end() {
    if [ -n "$leader" ] && kill -0 "$leader" 2>/dev/null; then
        inside systemctl poweroff >/dev/null 2>&1
        for _ in $(seq 100); do kill -0 "$leader" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$leader" 2>/dev/null
    fi
    if [ -n "$bpffs" ]; then umount "$bpffs" || umount --lazy "$bpffs"; rmdir "$bpffs"; fi
    make -s uninstall DESTDIR="$root" PREFIX=/usr
    rm -rf "$root"/{etc/apiary,etc/systemd/system/{apiary*,*.wants/apiary*},var/lib/apiary,var/log/journal}
}
trap end EXIT
trap 'exit 130' INT TERM

inside() { nsenter --target "$leader" --all "$@"; }
a() { inside curl -sS -m 30 --unix-socket /run/apiary/apiary.sock "$@"; }
show() { inside systemctl show --value -p "$1" apiary.service; }
# tried WHAT COMMAND…: a line; the command's output where it fails.
tried() {
    local what=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "ok      $what"
        passed=$((passed + 1))
    else
        echo "FAILED  $what: $said"
        failed=$((failed + 1))
    fi
}
# Until COMMAND succeeds, for at most a minute.
until_true() {
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    "$@"
}
is() { [ "$1" = "$2" ] || { echo "$1, not $2"; return 1; }; }
drop_in() { mkdir -p "$root/etc/systemd/system/apiary.service.d"; cat >"$root/etc/systemd/system/apiary.service.d/test.conf"; inside systemctl daemon-reload; }

rm -rf "$root"/{etc/apiary,etc/systemd/system/apiary*,var/lib/apiary}
make -s install DESTDIR="$root" PREFIX=/usr || exit 1
# What the packages of the build machine bring and this Debian lacks.
for library in $(ldd .build/release/apiary | awk '/swift|libbpf/ { print $3 }'); do
    case $library in
        */swift/*) mkdir -p "$root$(dirname "$library")"; cp -n "$library" "$root$library" ;;
        *) cp -L "$library" "$root/usr/lib/x86_64-linux-gnu/" ;;
    esac
done
cp .build/bpf/tests/{counter,events}.bpf.o "$root/root/"
bpffs=$(mktemp -d /tmp/apiary-systemd.XXXXXX)
mount -t bpf bpf "$bpffs" || exit 1
systemctl --root="$root" -q enable apiary.socket apiary.service 2>/dev/null

# Without a supervisor of our own there is nobody to register with.
systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --private-network \
    --capability=all --system-call-filter="bpf perf_event_open setns @debug" \
    --bind="$bpffs:/sys/fs/bpf" --bind=/sys/kernel/tracing --console=read-only >"$here/console" 2>&1 </dev/null &
nspawn=$!
for _ in $(seq 100); do
    leader=$(pgrep -P "$nspawn" || true)
    [ -n "$leader" ] && break
    sleep 0.1
done
[ -n "$leader" ] || { cat "$here/console"; exit 1; }
until_true inside systemctl is-system-running --wait >/dev/null
echo "$(inside systemctl --version | head -1), Linux $(uname -r)"

tried "it is active once it is ready" until_true inside systemctl is-active --quiet apiary.service
tried "Type=notify: the status is the daemon's" is "$(show StatusText)" Serving
tried "the socket is systemd's" is "$(inside systemctl is-active apiary.socket)" active
tried "systemd-analyze verify has nothing to say" is "$(inside systemd-analyze verify --man=no apiary.service apiary.socket 2>&1 | grep -i apiary)" ""
inside systemd-analyze security --no-pager apiary.service | tail -1
status=/proc/$(show MainPID)/status
tried "no new privileges, a seccomp filter" inside sh -c "grep -q 'NoNewPrivs:.1' $status && grep -q 'Seccomp:.2' $status"
tried "an object is loaded and attached under the hardening" \
    is "$(a -T "/root/counter.bpf.o" 'http://localhost/v1/programs/c?attach=auto' | inside jq -r .state)" loaded
inside sh -c 'for n in $(seq 20); do cat /dev/null; done'
tried "SIGHUP by systemctl reload" inside systemctl reload apiary
tried "the log is in the journal" until_true inside sh -c 'journalctl -u apiary -o cat | grep -q "msg=.SIGHUP"'

before=$(a http://localhost/v1/probes | inside jq -c '[.items[].link_id]')
old=$(show MainPID)
inside systemctl restart apiary.service &
# While it stops and starts clients wait in the socket's backlog.
tried "no client is refused during a restart" inside sh -c 'for n in $(seq 40); do
    curl -sS -m 30 --unix-socket /run/apiary/apiary.sock -o /dev/null http://localhost/v1/health || exit 1; done'
wait $!
tried "it is another process" test "$old" != "$(show MainPID)"
tried "probes stay attached over the restart" is "$(a http://localhost/v1/probes | inside jq -c '[.items[].link_id]')" "$before"

drop_in <<END
[Service]
WatchdogSec=6
StartLimitIntervalSec=0
END
inside systemctl restart apiary
old=$(show MainPID)
sleep 14
tried "fed, the watchdog leaves it alone" is "$(show MainPID)" "$old"
inside kill -STOP "$old"
changed() { [ "$(show MainPID)" != "$old" ] && [ "$(inside systemctl is-active apiary)" = active ]; }
tried "not fed, it is ended and started again" until_true changed
tried "the journal says why" inside sh -c 'journalctl -u apiary | grep -q "Watchdog timeout"'
tried "probes outlive that" is "$(a http://localhost/v1/probes | inside jq -c '[.items[].link_id]')" "$before"
old=$(show MainPID)
inside kill -KILL "$old"
tried "killed, it comes back" until_true changed

drop_in <<END
[Service]
CapabilityBoundingSet=~CAP_PERFMON CAP_SYS_ADMIN
END
inside systemctl restart apiary
tried "without CAP_PERFMON and CAP_SYS_ADMIN it starts" until_true inside systemctl is-active --quiet apiary
tried "and /v1/host says what is missing" is "$(a http://localhost/v1/host |
    inside jq -r '.attach_kinds[] | select(.kind == "tracepoint") | .errno, .reason' | grep -cE '^EPERM|CAP_PERFMON')" 2
drop_in </dev/null

echo 'no_such_setting: 1' >>"$root/etc/apiary/apiary.yaml"
inside systemctl restart apiary >/dev/null 2>&1
tried "a wrong configuration keeps it from starting, with a sentence" \
    until_true inside sh -c 'journalctl -u apiary -o cat | grep -q "no_such_setting.*is not a setting"'
tried "and without the usage" inside sh -c '! journalctl -u apiary -o cat | grep -q "^Usage:"'
sed -i '/no_such_setting/d' "$root/etc/apiary/apiary.yaml"
inside systemctl reset-failed apiary
inside systemctl start apiary.socket
tried "mended, it starts" until_true inside systemctl start apiary

a -X DELETE http://localhost/v1/programs/c >/dev/null
inside systemctl stop apiary.service apiary.socket
tried "stopped, the socket's name is gone" inside test ! -e /run/apiary/apiary.sock
make -s uninstall DESTDIR="$root" PREFIX=/usr
tried "make uninstall leaves the configuration and the registry alone" \
    is "$(find "$root"/{usr,etc,var} -path '*apiary*' ! -path '*/systemd/*' ! -path '*/etc/apiary*' \
        ! -path '*/var/lib/apiary*' | head -5)" ""
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
