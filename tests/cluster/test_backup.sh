#!/bin/bash
# Backups are taken from every node while bets come in: each holds all that was acknowledged before it
# was asked for, verifies, and shows it when any byte of it is changed. A new cluster that is restored
# from one has the same ledger, knows the old ids, and goes on.
#
# usage: test_backup.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh

up_or_die
. "$FLORIN_RUN/demo.env"
run=$FLORIN_RUN
work=$run/work
mkdir "$work"

# --- under load -------------------------------------------------------------------------------

place_bets() { # until told to stop; each acknowledged one is a line "ID SEQ"
    local i=0
    while [ ! -e "$work/stop" ]; do
        i=$((i + 1))
        "$florinctl" bet "load-$i" alice EUR 0.01 --json >"$work/answer" || return 1
        echo "load-$i $(member seq <"$work/answer")" >>"$work/acknowledged"
    done
}

last_acknowledged() { tail -n 1 "$work/acknowledged" | cut -d' ' -f2; }

place_bets &
load=$!
until [ -s "$work/acknowledged" ] && (($(wc -l <"$work/acknowledged") >= 10)); do
    kill -0 "$load" 2>/dev/null || fail "the load ended"
    sleep 0.05
done
for i in 1 2 3; do
    before=$(last_acknowledged)
    "$florinctl" --endpoints "$(endpoint "$i")" backup "$work/b$i" --json >"$work/b$i.json" ||
        fail "backup from node $i"
    seq=$(member seq <"$work/b$i.json")
    ((seq >= before)) || fail "node $i's backup ends at seq $seq, $before was acknowledged before"
done
until ((seq < $(last_acknowledged))); do # the node serves on
    kill -0 "$load" 2>/dev/null || fail "the load ended"
    sleep 0.05
done
touch "$work/stop"
wait "$load" || fail "a bet failed"
expect "who may read it" 600 "$(stat -c %a "$work/b1")"
"$florinctl" backup "$work/b1" 2>"$work/err" && fail "a backup replaced a file"
grep -q -- '--force' "$work/err" || fail "no word of --force: $(cat "$work/err")"
"$florinctl" backup "$work/b1" --force >"$work/out"

# --- verify -----------------------------------------------------------------------------------

for i in 1 2 3; do
    "$florinctl" verify "$work/b$i" --json >"$work/v$i" || fail "b$i does not verify"
    expect "node $i's audit" true "$("$florinctl" --endpoints "$(endpoint "$i")" verify --json |
        sed -n 's/.*"verified": //p' | tr -d ,)"
done

broken() { # FILE WORD: verify says no, and this word
    "$florinctl" verify "$1" >"$work/out" 2>"$work/err" && fail "$1 verifies"
    grep -q "$2" "$work/err" || fail "$1: '$2' is not in: $(cat "$work/err")"
}

flipped() { # OFFSET WORD
    local byte
    cp "$work/b2" "$work/flipped"
    byte=$(od -An -tu1 -j"$1" -N1 "$work/flipped" | tr -d ' ')
    printf "\\$(printf %03o $((byte ^ 16)))" |
        dd of="$work/flipped" bs=1 seek="$1" conv=notrunc status=none
    broken "$work/flipped" "$2"
}

size=$(stat -c %s "$work/b2")
for at in 0 24 4096 8200 $((size / 2)) $((size - 300)); do
    flipped "$at" damaged
done
flipped $((size - 256)) "does not end as a backup"
flipped $((size - 256 + 8)) "backup format 17, this program knows 1"
flipped $((size - 256 + 16)) damaged  # its length
flipped $((size - 256 + 32)) damaged  # its seq
flipped $((size - 256 + 60)) damaged  # its cluster
flipped $((size - 100)) damaged       # what is always zero
flipped $((size - 1)) damaged         # the digest
head -c $((size - 1000)) "$work/b2" >"$work/cut"
broken "$work/cut" "cut off"
: >"$work/empty"
broken "$work/empty" "no backup"

# --- restore ----------------------------------------------------------------------------------

# Configs of another cluster, which `up` makes; its nodes then give way to restored ones. The keys are
# in the ledger, so those of the old cluster are the new one's.
second=$run/second
configs=(--config "$second/node1.conf" --config "$second/node2.conf" --config "$second/node3.conf")
mkdir "$second"
cp "$run"/*.key "$second"
FLORIN_RUN=$second
end_both() {
    local rc=$?
    FLORIN_RUN=$second cluster-config/down.sh >/dev/null 2>&1 || true
    FLORIN_RUN=$run
    set +e
    (exit "$rc") # what cluster_end goes by
    cluster_end
}
trap end_both EXIT
up_or_die
down_or_die

refused() { # WORD ARGUMENTS...
    local word=$1
    shift
    "$florinctl" restore "$@" >"$work/out" 2>"$work/err" && fail "restored: $*"
    grep -q "$word" "$work/err" || fail "'$word' is not in: $(cat "$work/err")"
}

digest() { # FILE: its beginning
    "$florinctl" verify "$1" --json | member digest | cut -c1-8
}
ending=-$(digest "$work/b2")
refused "ends with $ending" "$work/b2" "${configs[@]}"
sed -i "s/^cluster_id = .*/cluster_id = restored$ending/" "$second"/node?.conf
refused "not empty" "$work/b2" "${configs[@]}"
rm -r "$second/node1" "$second/node2" "$second/node3"
refused damaged "$work/flipped" "${configs[@]}"
refused "ends with $ending" "$work/b2" --config "$run/node1.conf"
# One machine takes another file than the others: it makes no node of their cluster.
refused "ends with -$(digest "$work/b3")" "$work/b3" --config "$second/node3.conf"
sed "/^member = 1 /d" "$second/node1.conf" >"$second/stranger.conf"
refused "node_id is 1, which no .member. line names" "$work/b2" --config "$second/stranger.conf"
[ ! -e "$second/node1" ] || fail "a refused restore left something"
"$florinctl" restore "$work/b2" "${configs[@]}" >"$work/out" || fail "restore"

first=$(head -n 1 "$work/acknowledged")
hash=$(member hash <"$work/b2.json")
seq=$(member seq <"$work/b2.json")
up_or_die # its demo data is there already: the ids say so
. "$second/demo.env"
for i in 1 2 3; do
    "$florinctl" --endpoints "$(endpoint "$i")" --as operator ledger --verify --json >"$work/ledger"
    expect "node $i's seq" "$seq" "$(member seq <"$work/ledger")"
    expect "node $i's chain" "$hash" "$(member hash <"$work/ledger")"
    "$florinctl" --endpoints "$(endpoint "$i")" bet "${first% *}" alice EUR 0.01 --json >"$work/answer"
    expect "a replayed bet's seq" "${first#* }" "$(member seq <"$work/answer")"
    expect "a replayed bet" true "$(member replayed <"$work/answer")"
done
"$florinctl" bet after-restore alice EUR 0.01 --json >"$work/answer"
expect "the next bet's seq" $((seq + 1)) "$(member seq <"$work/answer")"
"$florinctl" backup "$work/again" >"$work/out"
"$florinctl" verify "$work/again" >"$work/out" || fail "a restored cluster's backup"

echo "backups of a serving cluster were whole, damage to one is seen, and a new cluster came of one"
echo "1 passed, 0 failed"
