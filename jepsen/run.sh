#!/bin/bash
# Runs the fault-injection suite with what `make jepsen` was given; as root.
#
#   BUILD=build TIME=600 [NEMESIS=kill,partition] [WORKLOAD=bank] [NODES=5] [CLIENTS=] [RATE=] [SEED=]
#   [OUT=folder] [KEEP=yes] [SHORT=yes] jepsen/run.sh
#
# SHORT: for `make check`: what is missing to run at all is no failure, but said.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "jepsen: skipped: $*"
    exit "$([ -n "${SHORT:-}" ] && echo 0 || echo 2)"
}

[ "$(id -u)" = 0 ] || skip "network namespaces and disks need root"
for tool in ip nft tc nsenter mkfs.ext4 mount; do
    command -v "$tool" >/dev/null || skip "$tool is missing: cluster-config/deps.sh jepsen installs it"
done
unshare --net true 2>/dev/null || skip "this machine lets nobody make network namespaces"
faketime=
for file in /usr/lib/*/faketime/libfaketimeMT.so.1; do
    [ ! -e "$file" ] || faketime=$file
done
[ -n "$faketime" ] || skip "libfaketime is missing: cluster-config/deps.sh jepsen installs it"
[ -e /dev/loop-control ] || skip "this machine has no loop devices"

options=()
[ -z "${NEMESIS:-}" ] || options+=(--nemesis "$NEMESIS")
[ -z "${WORKLOAD:-}" ] || options+=(--workload "$WORKLOAD")
[ -z "${NODES:-}" ] || options+=(--nodes "$NODES")
[ -z "${CLIENTS:-}" ] || options+=(--clients "$CLIENTS")
[ -z "${RATE:-}" ] || options+=(--rate "$RATE")
[ -z "${SEED:-}" ] || options+=(--seed "$SEED")
[ -z "${KEEP:-}" ] || options+=(--keep)
exec "$BUILD/jepsen/jepsen" --florind "$BUILD/florind" --florinctl "$BUILD/florinctl" --checker "$BUILD/jepsen/checker" \
    --preload "$(realpath "$BUILD")/jepsen/power.so:$faketime" --time "$TIME" --out "${OUT:-jepsen/report}" \
    "${options[@]}"
