#!/bin/bash
# `make up` and its sisters: what is chosen once stays, what is dead is started, what is foreign is
# left alone; and a bet at every node, which is what a person does next.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh

bet() { # NODE ID AMOUNT
    "$florinctl" --endpoints "$(endpoint "$1")" --json bet "$2" alice EUR "$3"
}

up_or_die
. "$FLORIN_RUN/demo.env"
expect "demo.env's mode" 600 "$(stat -c %a "$FLORIN_RUN/demo.env")"
for key in "$FLORIN_PROVIDER_KEY" "$FLORIN_PLATFORM_KEY" "$FLORIN_OPERATOR_KEY"; do
    [[ $key =~ ^[A-Za-z0-9_:-]+\..{16,128}$ ]] || fail "'$key' is not KEYID.SECRET"
done
expect "the gateway" bank "$FLORIN_GATEWAY"

# The printed line, as it is, twice: two bets.
line=$(grep '^curl ' "$FLORIN_RUN/up.out")
for i in 1 2; do
    answer=$(bash -c "$line")
    expect "replayed in the answer to the printed line" false "$(member replayed <<<"$answer")"
done

# A bet at each node; the same again at another; the same id with another amount.
for i in 1 2 3; do
    other=$((i % 3 + 1))
    first=$(bet "$i" "test-$i" 1.5)
    again=$(bet "$other" "test-$i" 1.50)
    expect "seq of the repeat" "$(member seq <<<"$first")" "$(member seq <<<"$again")"
    expect "replayed" true "$(member replayed <<<"$again")"
    rc=0
    conflict=$(bet "$other" "test-$i" 2 2>&1) || rc=$?
    expect "exit code of a conflict" 1 "$rc"
    [[ $conflict == *'differs in ["amount"]'* ]] || fail "the conflict does not name amount: $conflict"
done

# A provider whose ids are unique for each player: one number, two bets. The verification below
# knows it.
"$florinctl" provider add slots --ids-scope player >/dev/null
slots=$("$florinctl" --json key add slots provider | member credential)
for player in alice bob; do
    answer=$("$florinctl" --key "$slots" --json bet 1 "$player" EUR 1)
    expect "replayed in $player's bet 1" false "$(member replayed <<<"$answer")"
    answer=$("$florinctl" --key "$slots" --json transaction 1 --player "$player")
    expect "whose bet 1" "$player" "$(member player <<<"$answer")"
done
"$florinctl" provider add slots --ids-scope player --if-missing >/dev/null
rc=0
"$florinctl" provider add slots --ids-scope provider --if-missing >/dev/null 2>&1 || rc=$?
expect "exit code of a set-up that asks for another scope" 1 "$rc"

# Again, with all running: nothing is chosen or started anew, no money twice.
balance=$("$florinctl" balance alice)
before=$(cat "$FLORIN_RUN"/node?.pid "$FLORIN_RUN"/ports "$FLORIN_RUN"/*.key "$FLORIN_RUN/demo.env")
up_or_die
expect "pids, ports and keys" "$before" \
    "$(cat "$FLORIN_RUN"/node?.pid "$FLORIN_RUN"/ports "$FLORIN_RUN"/*.key "$FLORIN_RUN/demo.env")"
expect "alice's balance" "$balance" "$("$florinctl" balance alice)"

# With one dead: just that one, and make status had said so.
one=$(node_pid 1) two=$(node_pid 2)
kill -9 "$two"
while kill -0 "$two" 2>/dev/null && [ -s "/proc/$two/cmdline" ]; do sleep 0.05; done
! cluster-config/status.sh >"$FLORIN_RUN/status.out" 2>&1 || fail "status is 0 with a dead node"
grep -q 'node 2: stopped' "$FLORIN_RUN/status.out" || fail "status does not name node 2"
up_or_die
expect "node 1's process" "$one" "$(node_pid 1)"
[ "$two" != "$(node_pid 2)" ] || fail "node 2 was not started"
cluster-config/status.sh >"$FLORIN_RUN/status.out" || fail "status is not 0: $(cat "$FLORIN_RUN/status.out")"

# Down and up: the data is there, on every node.
down_or_die
! kill -0 "$one" 2>/dev/null || [ ! -s "/proc/$one/cmdline" ] || fail "node 1 still runs"

# Other ports than those that the members know are refused, not half taken.
! FLORIN_BASE_PORT=9 up || fail "another base port was accepted"
grep -q 'this cluster was made with' "$FLORIN_RUN/up.out" || fail "the refusal does not say why"

# A pid file that outlived its process, and whose number is somebody else's: left alone.
sleep 600 &
stranger=$!
echo "$stranger" >"$FLORIN_RUN/node1.pid"
down_or_die
kill -0 "$stranger" || fail "down killed a stranger"
kill "$stranger"

up_or_die
expect "alice's balance after a restart" "$balance" "$("$florinctl" balance alice)"
for i in 1 2 3; do
    "$florinctl" --endpoints "$(endpoint "$i")" ledger --verify >"$FLORIN_RUN/verify$i" ||
        fail "the ledger does not verify at node $i"
    expect "node $i's chain" "$(head -n 1 "$FLORIN_RUN/verify1")" "$(head -n 1 "$FLORIN_RUN/verify$i")"
done

# A node whose disk is lost does not come back under its id.
down_or_die
mv "$FLORIN_RUN/node3" "$FLORIN_RUN/lost"
! up || fail "a lost data folder was made anew"
grep -q 'can.t be used again' "$FLORIN_RUN/up.out" || fail "the refusal does not say why"
mv "$FLORIN_RUN/lost" "$FLORIN_RUN/node3"

echo "make up, status, down: all as they should be"
