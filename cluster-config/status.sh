#!/bin/bash
# Which nodes of run/ run, and what each of them thinks of the cluster. Exit code 0 when all are
# ready.
set -euo pipefail
cd "$(dirname "$0")/.."
. cluster-config/lib.sh

[ -s "$run/ports" ] || die "there is no cluster in $run: make up"
all=0
for i in $nodes; do
    if ! pid=$(node_pid "$i"); then
        say "node $i: stopped ('make up' starts it)"
        all=1
    elif node_get "$i" /readyz; then
        say "node $i: ready, process $pid, http://127.0.0.1:$(http_port "$i")"
    else
        say "node $i: running but not ready, process $pid, log $run/node$i.log"
        all=1
    fi
done
if [ -x "$build/florinctl" ] && [ -r "$run/demo.env" ]; then
    unset FLORIN_KEY
    . "$run/demo.env"
    echo
    "$build/florinctl" --timeout 5s cluster status || true
fi
exit "$all"
