#!/bin/bash
# Three nodes that speak HTTPS themselves: a bet by curl at each, florinctl, a client's own address, a
# long answer, a stream, the certificate exchanged under way.
#
#   tests/cluster/test_https.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh
up_or_die
. "$FLORIN_RUN/demo.env"
down_or_die

pki=$FLORIN_RUN/pki
serve_https
up_or_die

node() { echo "https://127.0.0.1:$(https_port "$1")"; }
call() { # N PATH [CURL'S OPTIONS]: with the provider's key
    curl -sS --max-time 60 --cacert "$pki/ca.crt" -H "Authorization: Bearer $FLORIN_PROVIDER_KEY" \
        -H 'Content-Type: application/json' "${@:3}" "$(node "$1")$2"
}
said() { # N TEXT
    grep -q "$2" "$FLORIN_RUN/node$1.log"
}

# A bet at each node, so at two followers; the three together by florinctl.
for n in 1 2 3; do
    answer=$(call $n /v1/bets -d "{\"id\":\"https-$n\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}")
    expect "the bet at node $n" "https-$n" "$(member id <<<"$answer")"
done
export FLORIN_CA=$pki/ca.crt
FLORIN_ENDPOINTS=$(node 1),$(node 2),$(node 3)
"$florinctl" bet https-4 alice EUR 1 >/dev/null
status=$("$florinctl" cluster status)
[ "$(grep -c '^https://.* yes ' <<<"$status")" = 3 ] || fail "cluster status: $status"
"$florinctl" ledger --verify >/dev/null || fail "the ledger does not verify"

# Who does not trust the authority does not even ask; TLS 1.2 will do.
(unset FLORIN_CA && "$florinctl" ledger --limit 1) >"$FLORIN_RUN/ctl.out" 2>&1 &&
    fail "florinctl trusts anybody"
grep -q -- '--ca FILE' "$FLORIN_RUN/ctl.out" || fail "no hint: $(cat "$FLORIN_RUN/ctl.out")"
expect "by TLS 1.2" alive "$(call 1 /healthz --tls-max 1.2 | member status)"

# A batch of a megabyte there, an answer of a megabyte back.
{
    printf '{"transactions":['
    for i in $(seq 1 6000); do
        [ "$i" = 1 ] || printf ','
        printf '{"type":"win","id":"batch-%d","player":"bob","currency":"EUR","amount":"0.01","round":"round-%d","game":"roulette"}' "$i" "$i"
    done
    printf ']}'
} >"$FLORIN_RUN/batch.json"
call 2 /v1/batches --data-binary "@$FLORIN_RUN/batch.json" >"$FLORIN_RUN/batch.out"
expect "wins of the batch" 6000 "$(grep -o '"status":200' "$FLORIN_RUN/batch.out" | wc -l)"

# A stream goes on for as long as somebody listens, and ends with him.
curl -sSN --cacert "$pki/ca.crt" -H "Authorization: Bearer $FLORIN_OPERATOR_KEY" \
    "$(node 3)/v1/ledger/stream" >"$FLORIN_RUN/stream.out" 2>&1 &
stream=$!
wait_for "the stream's beginning" test -s "$FLORIN_RUN/stream.out"
"$florinctl" bet https-5 carol EUR 1 >/dev/null
wait_for "the bet in the stream" grep -q https-5 "$FLORIN_RUN/stream.out"
kill "$stream"
wait "$stream" 2>/dev/null || true
open_at_3() { call 3 /metrics | sed -n 's/^florin_https_connections //p'; }
at_3_is_open() { [ "$(open_at_3)" = "$1" ]; }
wait_for "the end of the stream's connection" at_3_is_open 1 # the one that asks

# The client's own address counts.
curl -sS --cacert "$pki/ca.crt" --interface 127.0.0.9 -X PATCH "$(node 2)/v1/providers/demo" \
    -H "Authorization: Bearer $FLORIN_OPERATOR_KEY" -H 'Content-Type: application/json' \
    -d '{"ip_allow":["127.0.0.7"]}' >/dev/null
said 2 'of=demo by=operator .*from=127.0.0.9 .*outcome=done' || fail "no line with the operator's address"
"$florinctl" --as operator audit --json --limit 5 >"$FLORIN_RUN/audit.out"
grep -q '"127.0.0.9"' "$FLORIN_RUN/audit.out" || fail "no audit record with the address: $(cat "$FLORIN_RUN/audit.out")"
status_from() { # ADDRESS N
    call "$2" /v1/players/alice/balances --interface "$1" -o /dev/null -w '%{http_code}'
}
refused_at() { [ "$(status_from 127.0.0.8 "$1")" = 403 ]; }
for n in 1 2 3; do
    wait_for "the allow-list at node $n" refused_at $n
    expect "from the address that is allowed, at node $n" 200 "$(status_from 127.0.0.7 $n)"
done

# Another certificate, while a connection is open and goes on.
: >"$FLORIN_RUN/kept.out"
exec {to}> >(exec openssl s_client -quiet -no_ign_eof -CAfile "$pki/ca.crt" \
    -connect "127.0.0.1:$(https_port 1)" >>"$FLORIN_RUN/kept.out" 2>/dev/null)
ask_kept() { printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' >&"$to"; }
kept_answers() { [ "$(grep -o 'HTTP/1.1 200' "$FLORIN_RUN/kept.out" | wc -l)" = "$1" ]; }
shown() { openssl s_client -connect "127.0.0.1:$(https_port 1)" </dev/null 2>/dev/null | openssl x509 -noout -serial; }
ask_kept
wait_for "an answer on the kept connection" kept_answers 1
before=$(shown)
cp "$pki/api.crt" "$pki/kept.crt"
echo junk >"$pki/api.crt"
kill -HUP "$(node_pid 1)"
wait_for "junk is refused" said 1 'the new certificate of HTTPS is refused, the old stays'
expect "the certificate shown after junk" "$before" "$(shown)"
cp "$pki/kept.crt" "$pki/api.crt"
"$florinctl" pki renew "$pki" api >/dev/null
kill -HUP "$(node_pid 1)"
wait_for "the new certificate is read" said 1 'the certificate of HTTPS was read again'
[ "$(shown)" != "$before" ] || fail "the old certificate is still shown"
ask_kept
wait_for "another answer on the kept connection" kept_answers 2
exec {to}>&-

down_or_die
echo "HTTPS by the nodes: all as it should be"
