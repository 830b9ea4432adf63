#!/bin/bash
# What operators and the platform do, asked for at a follower, is read at every other node: who, what,
# when, from where, under which request; and the request's id stands in the leader's log, too. All of
# it verifies, from outside and at each node, and survives the loss of a node and a restore.
#
# usage: test_audit.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh

up_or_die
. "$FLORIN_RUN/demo.env"
run=$FLORIN_RUN

leads() { # N: does node N?
    [ "$("$florinctl" --endpoints "$(endpoint "$1")" cluster status --json | member state)" = leader ]
}
follower=0 leader=0
for i in 1 2 3; do
    if leads "$i"; then leader=$i; else follower=$i; fi
done
other=$((6 - leader - follower))
((leader > 0 && follower > 0)) || fail "nobody leads"

call() { # METHOD PATH REQUEST-ID [BODY] >ANSWER: at the follower, as the operator
    curl -sS -X "$1" "$(endpoint "$follower")$2" -H "Authorization: Bearer $FLORIN_OPERATOR_KEY" \
        -H "Florin-Request-Id: $3" ${4:+-H 'Content-Type: application/json' -d "$4"}
}

# --- at a follower --------------------------------------------------------------------------------

call POST /v1/providers audit-1 '{"id":"dice"}' >"$run/answer"
call POST /v1/keys audit-2 '{"principal":"dice","role":"provider","key":"dice-1","secret":"a-secret-for-the-audit"}' >"$run/answer"
call PATCH /v1/providers/dice audit-3 '{"rate_per_s":7,"ip_allow":["10.0.0.0/8"]}' >"$run/answer"
call PATCH /v1/keys/dice-1 audit-4 '{"disabled":true}' >"$run/answer"
call POST /v1/providers audit-5 '{"id":"dice"}' >"$run/answer"
expect "a name that is taken" already_exists "$(member code <"$run/answer")"
call POST /v1/cluster/members audit-6 "{\"id\":$other,\"address\":\"127.0.0.1:1\"}" >"$run/answer"
expect "a member that is there" already_exists "$(member code <"$run/answer")"
call POST /v1/verify audit-7 >"$run/answer"
expect "the node's own audit" true "$(member verified <"$run/answer")"
"$florinctl" --endpoints "$(endpoint "$follower")" player status alice blocked >"$run/answer"
"$florinctl" --endpoints "$(endpoint "$follower")" player status alice active >"$run/answer"

# --- read at another node -------------------------------------------------------------------------

"$florinctl" --endpoints "$(endpoint "$other")" audit --limit 20 >"$run/audit" || fail "audit"
row() { # REQUEST WORD...: the line of this request holds all words
    local line word
    line=$(grep " $1 " "$run/audit") || fail "no action of request $1 in: $(cat "$run/audit")"
    for word in "${@:2}"; do
        [[ " $line " == *" $word "* ]] || fail "'$word' is not in: $line"
    done
}
who="operator 127.0.0.1 $follower"
# shellcheck disable=SC2086
row audit-1 $who principal_create dice applied role=provider
# shellcheck disable=SC2086
row audit-2 $who key_create dice-1 applied principal=dice kind=bearer
row audit-3 principal_update dice rate_per_s=7 ip_allow=10.0.0.0/8
row audit-4 key_update dice-1 disabled=true
row audit-5 principal_create dice already_exists
row audit-6 member_add "$other" asked address=127.0.0.1:1
row audit-7 verify asked
[ "$(grep -c player_update "$run/audit")" = 2 ] || fail "the platform's calls are not there"
grep -q 'backoffice *platform' "$run/audit" || fail "the platform is not named"
grep -q a-secret-for-the-audit "$run/audit" && fail "a secret is in the audit"
"$florinctl" audit --from 1 --limit 1 --json >"$run/first"
expect "the first one" 1 "$(member number <"$run/first")"
"$florinctl" --as platform audit 2>"$run/err" && fail "a platform may read it"

# The follower's log and the leader's know the request by the same id.
grep -q 'request=audit-1 ' "$run/node$follower.log" || fail "the follower's log has no audit-1"
call POST /v1/cluster/transfer audit-8 "{\"to\":$follower}" >"$run/answer"
grep -q 'request=audit-8' "$run/node$leader.log" || fail "the leader's log has no audit-8"

# --- verified -------------------------------------------------------------------------------------

"$florinctl" bet audit-bet alice EUR 1 >"$run/answer"
"$florinctl" ledger --verify >"$run/out" || fail "the ledger does not verify"
grep -q action_hash <("$florinctl" --as platform ledger --json --limit 1000) ||
    fail "no ledger entry holds an action"
for i in 1 2 3; do
    "$florinctl" --endpoints "$(endpoint "$i")" audit --verify >"$run/verify$i" ||
        fail "the audit does not verify at node $i: $(cat "$run/verify$i")"
    expect "node $i's actions" "$(cat "$run/verify1")" "$(cat "$run/verify$i")"
done
n=$(sed -n 's/^verified: \([0-9]*\) actions.*/\1/p' "$run/verify1")
((n >= 10)) || fail "$n actions"

# --- a node is lost, a backup restored ------------------------------------------------------------

"$florinctl" backup "$run/backup" >"$run/answer"
"$florinctl" verify "$run/backup" >"$run/answer" || fail "the backup does not verify"
kill -9 "$(node_pid "$other")"
"$florinctl" audit --limit 3 >"$run/audit" || fail "audit with two of three"
grep -q ' backup .* asked ' "$run/audit" || fail "no backup in: $(cat "$run/audit")"
up_or_die
"$florinctl" --endpoints "$(endpoint "$other")" audit --verify >"$run/out" || fail "after its return"

echo "audit: $n actions, the same at each node"
