#!/bin/sh
# Brings a host to a declared state with nothing but curl and jq, and says what changed. Run it as often
# as you like: the second run changes nothing.
#
#   examples/apply.sh .build/bpf/execsnoop.bpf.o            apply
#   examples/apply.sh --plan .build/bpf/execsnoop.bpf.o     only tell what would change
#
# APIARY_SOCKET is the daemon's socket, by default /run/apiary/apiary.sock. Exits with 0 when the host is
# as declared, 1 when the daemon refused (its problem is on standard error), 2 for a wrong call.
set -eu

socket=${APIARY_SOCKET:-/run/apiary/apiary.sock}
query=
if [ "${1:-}" = --plan ]; then
    query='?dry_run=true'
    shift
fi
[ $# -eq 1 ] && [ -r "$1" ] || { echo "usage: $0 [--plan] OBJECT.bpf.o" >&2; exit 2; }
object=$1
digest=sha256:$(sha256sum "$object" | cut -d ' ' -f 1)

# ask METHOD PATH [curl's arguments]: the answer on standard output; a problem on standard error.
ask() {
    method=$1 path=$2
    shift 2
    answer=$(curl -sS --unix-socket "$socket" -X "$method" -w '\n%{http_code}' "$@" \
        "http://localhost$path")
    status=${answer##*
}
    body=${answer%
*}
    if [ "$status" -ge 300 ]; then
        printf '%s\n' "$body" | jq -r '"\(.code) at \(.pointer // "/"): \(.detail)"' >&2
        exit 1
    fi
    printf '%s\n' "$body"
}

# The object first, by its digest: a second upload of the same is told by 200 and touches nothing.
ask PUT "/v1/objects/$digest" -H 'Content-Type: application/octet-stream' \
    --data-binary "@$object" >/dev/null

manifest=$(jq -n --arg digest "$digest" '{
    owner: "examples", prune: true,
    programs: [{name: "execsnoop", object: {digest: $digest}, attach: "auto",
                labels: {team: "infra", "managed-by": "apply.sh"}}]
}')
# Not in a pipe: its exit status would be lost.
result=$(ask POST "/v1/apply$query" -H 'Content-Type: application/json' --data-binary "$manifest")
printf '%s\n' "$result" |
    jq -r '(.changes[] | "\(.action)\t\(.kind) \(.name): \(.reason)"),
           "changed=\(.changed) dry_run=\(.dry_run // false)"'
