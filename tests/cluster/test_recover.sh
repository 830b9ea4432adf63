#!/bin/bash
# Two of three nodes are lost for good. The third one becomes the seed of a new cluster: offline, told
# first and done on demand, with everything that was acknowledged.
#
# usage: test_recover.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh

up_or_die
. "$FLORIN_RUN/demo.env"
run=$FLORIN_RUN
all=$FLORIN_ENDPOINTS
node3=$(endpoint 3)
bets=20
limit_s=60

refused() { # WORD ARGUMENTS...: recover says no, and this word
    local word=$1
    shift
    "$florinctl" recover "$@" >"$run/out" 2>"$run/err" && fail "recovered: $*"
    grep -q -- "$word" "$run/err" || fail "'$word' is not in: $(cat "$run/err")"
}

says() { grep -q -- "$1" "$run/out" || fail "'$1' is not in: $(cat "$run/out")"; }

for i in $(seq "$bets"); do
    "$florinctl" bet "bet-$i" bob EUR 1 --json >"$run/answer"
    echo "$(member seq <"$run/answer")" >>"$run/acknowledged"
done
last=$(tail -n 1 "$run/acknowledged")
deadline=$((SECONDS + limit_s))
# Acknowledged is what two of three have: wait until the survivor is one of them.
until [ "$("$florinctl" --endpoints "$node3" cluster status --json | member applied_seq)" = "$last" ]; do
    ((SECONDS < deadline)) || fail "node 3 does not catch up"
    sleep 0.1
done

refused "this node runs" --config "$run/node3.conf"
kill -KILL "$(node_pid 1)" "$(node_pid 2)"

# Without a majority: what the node has, for who asks for just that.
"$florinctl" --endpoints "$node3" backup "$run/stale" --stale --json >"$run/answer" || fail "backup"
expect "the backup's seq" "$last" "$(member seq <"$run/answer")"
"$florinctl" verify "$run/stale" >"$run/out" || fail "the backup does not verify"
"$florinctl" --endpoints "$node3" backup "$run/fresh" >"$run/out" 2>"$run/err" &&
    fail "a node without a majority knows what is acknowledged"
# A leader that has not yet noticed that it is alone says that it can't know.
grep -q -E 'unavailable|outcome_unknown' "$run/err" || fail "$(cat "$run/err")"
[ ! -e "$run/fresh" ] && [ ! -e "$run/fresh.partial" ] || fail "a failed backup left a file"

kill -KILL "$(node_pid 3)"
while kill -0 "$(node_pid 3)" 2>/dev/null; do sleep 0.05; done
rm -r "$run/node1"

# --- look ---------------------------------------------------------------------------------------

"$florinctl" recover --config "$run/node3.conf" --other-config "$run/node2.conf" --other 1:1/1 \
    >"$run/out" || fail "recover, only looking"
says "it verifies"
says "node 2 "
says "Nothing was done"
[ ! -e "$run/node3/before-recovery" ] || fail "looking changed something"

# What a damaged survivor says: the file.
cp -r "$run/node2" "$run/node2.whole"
segment=$(ls "$run/node2/raft/"*.seg | tail -n 1)
printf '\377\377\377\377' | dd of="$segment" bs=1 seek=600 conv=notrunc status=none
refused "${segment##*/}" --config "$run/node2.conf"
rm -r "$run/node2"
mv "$run/node2.whole" "$run/node2"
[ -e "$run/node2/state/data.mdb" ] || fail "node 2 has no state"
truncate -s 5000 "$run/node2/state/data.mdb"
refused "data.mdb" --config "$run/node2.conf"
rm -r "$run/node2"

refused "--cluster-id" --config "$run/node3.conf" --yes
refused "another name" --config "$run/node3.conf" --yes \
    --cluster-id "$(sed -n 's/^cluster_id = //p' "$run/node3.conf")"
refused "node 1 has entries" --config "$run/node3.conf" --yes --cluster-id saved --other 1:99/1

# --- do it --------------------------------------------------------------------------------------

# Its config says nothing of where the others find it, as that of a node that joined: its log does.
address=$(sed -n 's/^member = 3 //p' "$run/node3.conf")
sed -i -e '/^member = /d' -e 's/^peer_listen = .*/peer_listen = 127.0.0.1:9/' "$run/node3.conf"
# What an earlier one left that was cut short does not count.
mkdir -p "$run/node3/recovering/state"
echo half >"$run/node3/recovering/state/data.mdb"
"$florinctl" recover --config "$run/node3.conf" --cluster-id saved --yes >"$run/out" ||
    fail "recover"
says "cluster_id = saved"
says "member = 3 $address"
[ -e "$run/node3/before-recovery/raft/identity" ] || fail "the old log is gone"
[ -e "$run/node3/before-recovery/state/data.mdb" ] || fail "the old state is gone"
"$florind" --config "$run/node3.conf" 2>"$run/err" && fail "it starts as a node of the old cluster"
grep -q "belongs to node 3 of cluster saved" "$run/err" || fail "$(cat "$run/err")"
sed -i -e 's/^cluster_id = .*/cluster_id = saved/' -e "s/^peer_listen = .*/peer_listen = $address/" \
    "$run/node3.conf"

start() { # N ENDPOINT
    "$florind" --config "$run/node$1.conf" </dev/null >>"$run/node$1.log" 2>&1 &
    echo $! >"$run/node$1.pid"
    deadline=$((SECONDS + limit_s))
    until curl -fsS --noproxy '*' -o /dev/null "$2/healthz" 2>/dev/null; do
        kill -0 "$(cat "$run/node$1.pid")" 2>/dev/null || fail "node $1: $(tail -n 3 "$run/node$1.log")"
        ((SECONDS < deadline)) || fail "node $1 is not up"
        sleep 0.1
    done
}

start 3 "$node3"
export FLORIN_ENDPOINTS=$node3
for i in $(seq "$bets"); do
    "$florinctl" bet "bet-$i" bob EUR 1 --json >"$run/answer"
    expect "bet $i" "$(sed -n "${i}p" "$run/acknowledged")" "$(member seq <"$run/answer")"
    expect "bet $i" true "$(member replayed <"$run/answer")"
done
"$florinctl" bet "bet-after" bob EUR 1 --json >"$run/answer"
expect "the next seq" $((last + 1)) "$(member seq <"$run/answer")"
"$florinctl" verify >"$run/out"

# And again from its own log; its past is still kept, so another recovery says so.
kill -KILL "$(cat "$run/node3.pid")"
wait "$(cat "$run/node3.pid")" 2>/dev/null || true
refused "earlier recovery" --config "$run/node3.conf" --cluster-id saved-again --yes
start 3 "$node3"
"$florinctl" bet "bet-after" bob EUR 1 --json >"$run/answer"
expect "a replayed bet" true "$(member replayed <"$run/answer")"

# --- new nodes ----------------------------------------------------------------------------------

# On the lost ones' ports. Then the seed itself may go.
for i in 1 2; do
    sed -i -e '/^member = /d' -e 's/^cluster_id = .*/cluster_id = saved/' \
        -e "s|^data_dir = .*|data_dir = $run/new$i|" -e "s/^node_id = .*/node_id = $((3 + i))/" \
        "$run/node$i.conf"
    "$florind" --config "$run/node$i.conf" --format 2>"$run/err" >"$run/out" &&
        fail "a cluster without its own node was made"
    grep -q "no .member. line names" "$run/err" || fail "$(cat "$run/err")"
    "$florind" --config "$run/node$i.conf" --format --join >"$run/out" || fail "format --join"
    start "$i" "$(FLORIN_ENDPOINTS=$all endpoint "$i")"
    "$florinctl" cluster add $((3 + i)) "$(sed -n 's/^peer_listen = //p' "$run/node$i.conf")" >"$run/out"
    "$florinctl" cluster promote $((3 + i)) >"$run/out" || fail "promote: $(cat "$run/out")"
done
export FLORIN_ENDPOINTS=$all
"$florinctl" cluster remove 3 >"$run/out" || fail "remove: $(cat "$run/out")"
export FLORIN_ENDPOINTS=${all%,*}
"$florinctl" bet "bet-after" bob EUR 1 --json >"$run/answer"
expect "a replayed bet" true "$(member replayed <"$run/answer")"
"$florinctl" verify --json >"$run/out"
expect "the ledger of the new nodes" $((last + 1)) "$(member seq <"$run/out")"

echo "a survivor became the seed of a new cluster with all that was acknowledged"
echo "1 passed, 0 failed"
