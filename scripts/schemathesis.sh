#!/usr/bin/env bash
# Holds a running daemon against its own contract with schemathesis (PyPI): scripts/schemathesis.sh,
# as root. The daemon is private (directories, bpffs, a loopback port) and goes away at the end.
# Without a finding it is silent but for the summary; else the report is in .build/schemathesis.
#   SCHEMATHESIS_SECONDS  for the role admin, 120; a quarter of it for each other role
#   BIN                   where the daemon is, .build/debug
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
seconds=${SCHEMATHESIS_SECONDS:-120}
bin=$(realpath "${BIN:-.build/debug}")
out=$PWD/.build/schemathesis
run=$out/venv/bin/schemathesis

skip() {
    echo "schemathesis: skipped: $*" >&2
    exit 0
}
[ "$(id -u)" -eq 0 ] || skip "needs root, to load programs"
if [ "$("$run" --version 2>/dev/null)" != "schemathesis, version $version" ]; then
    mkdir -p "$out"
    python3 -m venv "$out/venv" || skip "python3 has no venv: scripts/setup.sh test"
    "$out/venv/bin/pip" install -q "schemathesis==$version" || skip "PyPI cannot be reached"
fi

directory=$(mktemp -d /tmp/apiary-schemathesis.XXXXXX)
mkdir -m 700 "$directory/run" "$directory/state" "$directory/bpffs"
mount -t bpf bpf "$directory/bpffs"
socket=$directory/run/apiary.sock
daemon=
clean_up() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; }
    umount "$directory/bpffs" || umount --lazy "$directory/bpffs"
    rm -rf --one-file-system "$directory"
}
trap clean_up EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$bin/apiary" serve --runtime-dir "$directory/run" --state-dir "$directory/state" \
    --bpffs "$directory/bpffs" --socket "$socket" --listen "127.0.0.1:$port" \
    --log-level warning >"$out/daemon.log" 2>&1 &
daemon=$!
ask() { curl -sS --fail-with-body -o "$out/answer" --unix-socket "$socket" "$@" || { cat "$out/answer" >&2; return 1; }; }
for _ in $(seq 300); do
    if curl -fs -o "$out/answer" --unix-socket "$socket" http://localhost/v1/ready 2>/dev/null; then break; fi
    sleep 0.1
done
for name in counts events; do
    ask -T ".build/bpf/tests/$name.bpf.o" "http://localhost/v1/programs/$name"
done

# What it remembers stays below .build. A daemon that was told to stop can be asked nothing more.
tests=$PWD/Tests/Schemathesis
cd "$out"
for role in admin operate read metrics; do
    limit=$seconds
    [ "$role" = admin ] || limit=$((seconds / 4 + 1))
    ask --json "{\"name\":\"$role\",\"role\":\"$role\"}" http://localhost/v1/tokens
    token=$(sed 's/.*"token":"\([^"]*\)".*/\1/' answer)
    # A role that may not read the contract is tested against it all the same.
    ask http://localhost/v1/openapi.json
    mv answer openapi.json
    status=0
    PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1 "$run" --config-file "$tests/schemathesis.toml" run \
        openapi.json --url "http://127.0.0.1:$port" -H "Authorization: Bearer $token" \
        --exclude-operation-id post_shutdown --max-time "$limit" --seed 8 --report junit --report-junit-path "report-$role.xml" \
        --no-color >"output-$role" 2>&1 || status=$?
    if ! kill -0 "$daemon"; then
        echo "schemathesis: the daemon is gone" >&2
        tail -20 daemon.log >&2
        exit 1
    fi
    if [ "$status" -ne 0 ]; then
        sed -n '/ERRORS =\|FAILURES =/,$p' "output-$role" | head -400 >&2
        echo "schemathesis: findings with the role $role: $out/output-$role" >&2
        exit 1
    fi
    echo "schemathesis: $role: $(tail -1 "output-$role")"
done
