#!/bin/bash
# The launch flow from end to end, with nothing but curl: a platform, a provider and a payment
# gateway around one player, each step at another node. Prints every call and its answer.
#
#   tests/cluster/test_launch_flow.sh                      against the demo cluster (make up)
#   tests/cluster/test_launch_flow.sh FLORIND FLORINCTL    against a cluster of its own
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ $# -gt 0 ]; then
    . tests/cluster/lib.sh
    up_or_die
else
    FLORIN_RUN=${FLORIN_RUN:-run}
    florinctl=${BUILD:-build}/florinctl
    fail() {
        echo "FAILED: $*" >&2
        exit 1
    }
    expect() { # WHAT EXPECTED ACTUAL
        [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
    }
    [ -s "$FLORIN_RUN/demo.env" ] || fail "there is no $FLORIN_RUN/demo.env: make up"
fi
. "$FLORIN_RUN/demo.env"

# Everything is new each time: the ids of this run end in this.
run=$(printf "%x" "$(date +%s)")
player=lena-$run
turn=0

say() { printf '\n%s\n' "$*"; }

# The next node, in turn: any node takes any call.
next_node() {
    turn=$((turn % 3 + 1))
    node=$turn
    endpoint=$(cut -d, -f"$turn" <<<"$FLORIN_ENDPOINTS")
}

# call WHO METHOD PATH [BODY]: prints the call and the answer, and leaves both in $status, $answer.
call() {
    local who=$1 method=$2 path=$3 body=${4:-} raw
    local headers=(-H 'Content-Type: application/json')
    case $who in
    platform) headers+=(-H "Authorization: Bearer $FLORIN_PLATFORM_KEY") ;;
    provider) headers+=(-H "Authorization: Bearer $FLORIN_PROVIDER_KEY") ;;
    operator) headers+=(-H "Authorization: Bearer $FLORIN_OPERATOR_KEY") ;;
    player) ;;
    *) headers+=("${signed[@]}") ;;
    esac
    next_node
    echo "> $who, node $node: $method $path${body:+ $body}"
    raw=$(curl -sS --noproxy '*' --max-time 20 -X "$method" "${headers[@]}" ${body:+-d "$body"} \
        -w '\n%{http_code}' "$endpoint$path") || fail "$method $path: no answer"
    status=${raw##*$'\n'}
    answer=${raw%$'\n'*}
    echo "< $status $answer"
}

ok() { # [STATUS]
    expect "the status" "${1:-200}" "$status"
}

refused() { # STATUS CODE
    expect "the status" "$1" "$status"
    expect "the code" "$2" "$(field code)"
}

# The first member of this name, wherever it stands.
field() { # NAME
    grep -o "\"$1\":\"[^\"]*\"" <<<"$answer" | head -n 1 | cut -d'"' -f4
}

money() { # ID AMOUNT [MORE MEMBERS]
    printf '{"id":"%s-%s","player":"%s","currency":"EUR","amount":"%s"%s}' \
        "$1" "$run" "$player" "$2" "${3:-}"
}

say "1. The platform has a player, and the player has money."
call platform POST /v1/players "{\"id\":\"$player\",\"currencies\":[\"EUR\"]}"
ok 201
call platform POST /v1/deposits "$(money deposit 100 ',"gateway":"bank"')"
ok

say "2. The platform launches a game: the token is shown this once, and goes to the provider."
call platform POST /v1/sessions \
    "{\"player\":\"$player\",\"provider\":\"demo\",\"game\":\"roulette\",\"ttl_s\":3600,\"reminder_s\":1800}"
ok 201
session=$(field id)
token=$(field token)

say "3. The provider asks who that is."
call provider POST /v1/authenticate "{\"token\":\"$token\"}"
ok
expect "the player" "$player" "$(field player)"
expect "the balance" 100.00000 "$(field balance)"
call provider POST /v1/authenticate '{"token":"guessed"}'
refused 404 unknown_session

say "4. A round: a bet, then a win and the end of the round in one step."
call provider POST /v1/bets \
    "$(money bet 10 ",\"round\":\"round-$run\",\"game\":\"roulette\",\"session\":\"$session\"")"
ok
expect "the balance" 90.00000 "$(field balance)"
call provider GET "/v1/rounds?player=$player"
ok
expect "the open round" "round-$run" "$(field round)"
call provider POST /v1/transactions \
    "{\"id\":\"step-$run\",\"player\":\"$player\",\"currency\":\"EUR\",\"round\":\"round-$run\",\"items\":[\
{\"type\":\"win\",\"id\":\"win-$run\",\"amount\":\"35\",\"bet\":\"bet-$run\"},\
{\"type\":\"adjust\",\"id\":\"fee-$run\",\"amount\":\"-0.50\"}],\"close_round\":true}"
ok
call provider GET "/v1/rounds?player=$player"
ok
expect "open rounds" '{"rounds":[],"next":null}' "$answer"
call provider POST /v1/bets "$(money late 1 ",\"round\":\"round-$run\"")"
refused 409 round_closed

say "5. All or nothing: the second bet is too high, so the first did not happen."
call provider POST /v1/transactions \
    "{\"id\":\"double-$run\",\"player\":\"$player\",\"currency\":\"EUR\",\"items\":[\
{\"type\":\"bet\",\"id\":\"low-$run\",\"amount\":\"1\"},{\"type\":\"bet\",\"id\":\"high-$run\",\"amount\":\"999\"}]}"
refused 422 insufficient_funds
call provider GET "/v1/transactions/low-$run"
refused 404 unknown_transaction

say "6. A dry run says what would be, and moves nothing."
call provider POST /v1/bets "$(money try 20 ',"dry_run":true')"
ok
expect "the balance after it" 104.50000 "$(field balance)"
call platform GET "/v1/players/$player/balances"
expect "the balance now" 124.50000 "$(field balance)"

say "7. The session is closed: no bets any more, but what was won is paid."
call platform DELETE "/v1/sessions/$session"
ok
call provider POST /v1/bets "$(money closed 1 ",\"session\":\"$session\"")"
refused 422 session_expired
call provider POST /v1/wins "$(money last 5 ",\"session\":\"$session\"")"
ok

say "8. A withdrawal: reserved, then the gateway has paid part of it, and the rest is free again."
call platform POST /v1/withdrawals "$(money withdraw 50 ',"gateway":"bank"')"
ok
call platform GET "/v1/players/$player/balances"
expect "the balance" 129.50000 "$(field balance)"
expect "available" 79.50000 "$(field available)"
call platform POST "/v1/withdrawals/withdraw-$run/confirm" '{"amount":"40"}'
ok
call platform GET "/v1/players/$player/balances"
expect "the balance" 89.50000 "$(field balance)"
expect "available" 89.50000 "$(field available)"

say "9. A limit binds at once; a blocked player does not bet, and is still paid."
call platform PATCH "/v1/players/$player" \
    '{"limits":[{"kind":"stake","period":"day","currency":"EUR","amount":"12"}]}'
ok
call provider POST /v1/bets "$(money limited 3)"
refused 422 limit_reached
call platform PATCH "/v1/players/$player" '{"status":"blocked"}'
ok
call provider POST /v1/bets "$(money blocked 1)"
refused 422 player_blocked
call provider POST /v1/wins "$(money paid 1)"
ok
call platform PATCH "/v1/players/$player" '{"status":"active"}'
ok

say "10. A platform without user authentication of its own: the player logs in and launches."
call platform POST "/v1/players/$player/password" '{"password":"correct horse"}'
ok
call player POST /v1/login "{\"player\":\"$player\",\"password\":\"battery staple\"}"
refused 401 bad_credentials
call player POST /v1/login "{\"player\":\"$player\",\"password\":\"correct horse\"}"
ok
call player POST /v1/sessions \
    "{\"player\":\"$player\",\"provider\":\"demo\",\"game\":\"dice\",\"player_token\":\"$(field player_token)\"}"
ok 201
call provider POST /v1/authenticate "{\"token\":\"$(field token)\"}"
ok

say "11. A key that signs instead of being sent."
call operator POST /v1/keys '{"principal":"demo","role":"provider","kind":"hmac"}'
ok 201
key=$(field key) secret=$(field secret)
if command -v openssl >/dev/null; then
    path=/v1/players/$player/balances
    at=$(date +%s%3N)
    sign() { # METHOD PATH BODY
        printf '%s\n%s\n%s\n%s' "$1" "$2" "$at" "$(printf %s "$3" | openssl dgst -sha256 -r | cut -d' ' -f1)" |
            openssl dgst -sha256 -mac HMAC -macopt "key:$secret" -r | cut -d' ' -f1
    }
    signed=(-H "Florin-Key: $key" -H "Florin-Timestamp: $at" -H "Florin-Signature: $(sign GET "$path" '')")
    call signed GET "$path"
    ok
    call signed GET "$path?consistency=stale"
    refused 401 bad_signature
else
    echo "(no openssl on this machine to sign with)"
fi
call operator PATCH "/v1/keys/$key" '{"disabled":true}'
ok

say "12. All of it is in the ledger, the same at every node, and the books balance."
call platform GET "/v1/players/$player/transactions?limit=3"
ok
for i in 1 2 3; do
    FLORIN_KEY=$FLORIN_OPERATOR_KEY "$florinctl" \
        --endpoints "$(cut -d, -f"$i" <<<"$FLORIN_ENDPOINTS")" ledger --verify
done

echo
echo "the launch flow: all as it should be"
