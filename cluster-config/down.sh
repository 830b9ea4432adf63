#!/bin/bash
# Stops the nodes of run/ in order (SIGTERM, then waiting). Their data stays.
set -euo pipefail
cd "$(dirname "$0")/.."
. cluster-config/lib.sh

stop_limit_s=60

declare -A pids=()
for i in $nodes; do
    if pid=$(node_pid "$i"); then
        pids[$i]=$pid
        kill -TERM "$pid" 2>/dev/null || true
    fi
done
[ ${#pids[@]} != 0 ] || {
    say "no node runs"
    rm -f "$run"/node?.pid
    exit 0
}
deadline=$((SECONDS + stop_limit_s))
for i in "${!pids[@]}"; do
    while node_pid "$i" >/dev/null; do
        ((SECONDS < deadline)) ||
            die "node $i (process ${pids[$i]}) does not stop; see $run/node$i.log." \
                "'kill -9 ${pids[$i]}' loses nothing that was acknowledged"
        sleep 0.1
    done
    rm -f "$run/node$i.pid"
    say "node $i stopped"
done
