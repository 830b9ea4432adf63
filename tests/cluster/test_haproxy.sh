#!/bin/bash
# cluster-config/haproxy.cfg with the real HAProxy, one for each of three nodes: TLS, the client's own
# address behind it, what is refused, idle connections, a node killed and one restarted under load.
#
#   tests/cluster/test_haproxy.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v haproxy >/dev/null; then
    echo "haproxy: SKIPPED, it is not installed (cluster-config/deps.sh run haproxy)"
    exit 0
fi
. tests/cluster/lib.sh
dir=$FLORIN_RUN
up_or_die
. "$dir/demo.env"
plain_endpoints=$FLORIN_ENDPOINTS

proxies=()
proxies_end() {
    [ ${#proxies[@]} = 0 ] || kill "${proxies[@]}" 2>/dev/null || true
    cluster_end
}
trap proxies_end EXIT

# --- certificates, and each node behind its own proxy ------------------------------------------

down_or_die
for n in 1 2 3; do
    echo "http_trusted_proxies = 127.0.0.1" >>"$dir/node$n.conf"
done
up_or_die

"$florinctl" pki init "$dir/pki" haproxy-test >/dev/null
"$florinctl" pki issue "$dir/pki" api 127.0.0.1 localhost >/dev/null
cat "$dir"/pki/api.{key,crt} >"$dir/pki/api.pem"
for n in 1 2 3; do
    "$florinctl" pki issue "$dir/pki" $n 127.0.0.1 >/dev/null
    cat "$dir"/pki/node-$n.{key,crt} >"$dir/pki/node-$n.pem"
done

base=$(($(sed -n 's/^base=//p' "$dir/ports") + 20))
api_port() { echo $((base + $1)); }   # the cluster, by the proxy of node N
node_port() { echo $((base + 3 + $1)); } # node N alone
florind_port() { sed -n "s/^http$1=//p" "$dir/ports"; }

proxy_config() { # N: the sample as node N has it
    local n=$1 m script
    script="s|/etc/haproxy/florin|$dir/pki|g; /^ *\(user\|group\|log\) /d; /option httplog/d
        s|bind 10.0.0.1:8443|bind 127.0.0.1:$(api_port "$n")|; s|bind 10.0.0.1:8444|bind 127.0.0.1:$(node_port "$n")|
        s|/node-1.pem|/node-$n.pem|; s|server florind 127.0.0.1:8081|server florind 127.0.0.1:$(florind_port "$n")|"
    for m in 1 2 3; do
        script="$script; s|server node$m 10.0.0.$m:8444|server node$m 127.0.0.1:$(node_port "$m")|"
    done
    sed -e "$script" cluster-config/haproxy.cfg
}

for n in 1 2 3; do
    proxy_config $n >"$dir/haproxy$n.cfg"
    haproxy -c -f "$dir/haproxy$n.cfg" >"$dir/haproxy$n.log" 2>&1 || fail "$(cat "$dir/haproxy$n.log")"
    haproxy -db -f "$dir/haproxy$n.cfg" >"$dir/haproxy$n.log" 2>&1 &
    proxies+=($!)
done

# --- calls -------------------------------------------------------------------------------------

# As a client at 127.0.0.FROM: the status on standard output, the answer in $answer, its header in $head.
answer=$dir/answer
head=$dir/head
https() { # FROM PORT PATH [CURL'S ARGUMENTS]
    local from=$1 port=$2 path=$3
    shift 3
    curl -sS --noproxy '*' --cacert "$dir/pki/ca.crt" --interface "127.0.0.$from" --max-time 40 \
        -o "$answer" -D "$head" -w '%{http_code}' "https://127.0.0.1:$port$path" "$@" 2>"$dir/curl.err" || true
}
bearer() { echo "Authorization: Bearer $1"; }
bet_body() { echo '{"id":"'"$1"'","player":"alice","currency":"EUR","amount":"0.01"}'; }
https_bet() { # FROM PORT ID [...]
    local from=$1 port=$2 id=$3
    shift 3
    https "$from" "$port" /v1/bets -H "$(bearer "$FLORIN_PROVIDER_KEY")" -H 'Content-Type: application/json' \
        -d "$(bet_body "$id")" "$@"
}
answers() { [ "$(https 2 "$1" "$2")" = "$3" ]; } # PORT PATH STATUS

for n in 1 2 3; do
    wait_for "proxy $n answers for the cluster" answers "$(api_port $n)" /readyz 200
    wait_for "proxy $n answers for its node" answers "$(node_port $n)" /readyz 200
done
tls_endpoints() { # PORT OF N by function
    echo "https://127.0.0.1:$($1 1),https://127.0.0.1:$($1 2),https://127.0.0.1:$($1 3)"
}
export FLORIN_ENDPOINTS
FLORIN_ENDPOINTS=$(tls_endpoints api_port)

"$florinctl" bet ctl-1 alice EUR 1 --ca "$dir/pki/ca.crt" >/dev/null || fail "florinctl over https"
rc=0
said=$("$florinctl" bet ctl-2 alice EUR 1 --timeout 1s 2>&1) || rc=$?
expect "florinctl without the authority" 3 "$rc"
[[ $said == *"--ca FILE names it"* ]] || fail "florinctl does not say what is missing: $said"
FLORIN_CA=$dir/pki/ca.crt "$florinctl" backup "$dir/b.bak" >/dev/null || fail "a backup over https"

for version in -tls1 -tls1_1; do
    ! openssl s_client -connect "127.0.0.1:$(api_port 1)" $version -cipher DEFAULT@SECLEVEL=0 </dev/null >/dev/null 2>&1 ||
        fail "$version is let in"
done
openssl s_client -connect "127.0.0.1:$(api_port 1)" -tls1_2 </dev/null >/dev/null 2>&1 || fail "TLS 1.2 is refused"

# --- each node by itself -----------------------------------------------------------------------

export FLORIN_CA=$dir/pki/ca.crt
expect "metrics at the cluster's address" 403 "$(https 2 "$(api_port 1)" /metrics)"
expect "metrics at the node's address" 200 "$(https 2 "$(node_port 1)" /metrics)"
nodes=$("$florinctl" --endpoints "$(tls_endpoints node_port)" cluster status --json | sed -n 's/^ *"node": //p' | sort | tr -d '\n')
expect "each address is one node" "1,2,3," "$nodes"
"$florinctl" --endpoints "$(tls_endpoints node_port)" top --once >"$dir/top.out" || fail "top --once"
for column in commands/s commit_p99_ms match_index; do
    grep -q "$column" "$dir/top.out" || fail "top has no $column: $(cat "$dir/top.out")"
done
# Live: a terminal, two seconds of it, q; what was on the screen comes back.
(sleep 3 && printf q) | timeout 30 script -qec "'$florinctl' --endpoints '$(tls_endpoints node_port)' top" \
    "$dir/top.screen" >/dev/null || fail "top does not end with q"
[ "$(grep -c 'q ends' "$dir/top.screen")" -ge 2 ] || fail "top shows nothing: $(cat "$dir/top.screen")"
grep -q $'\033\[?1049l' "$dir/top.screen" || fail "top leaves its screen behind"
rc=0
"$florinctl" top </dev/null >/dev/null 2>&1 || rc=$?
expect "top without a terminal" 2 "$rc"

# --- who the client is -------------------------------------------------------------------------

operator() { # PATH BODY
    [ "$(https 2 "$(api_port 1)" "$1" -X PATCH -H "$(bearer "$FLORIN_OPERATOR_KEY")" -H 'Content-Type: application/json' -d "$2")" = 200 ] ||
        fail "PATCH $1: $(cat "$answer")"
}
operator /v1/providers/demo '{"ip_allow":["127.0.0.5"]}'
for n in 1 2 3 1 2 3; do # each proxy asks its own node and the others
    wait_for "the client in the list is let in" eval "[ \"\$(https_bet 5 $(api_port $n) from-5-$n)\" = 200 ]"
    expect "another client" 403 "$(https_bet 6 "$(api_port $n)" from-6-$n)"
    expect "another client that lies" 403 "$(https_bet 6 "$(api_port $n)" from-6-$n -H 'X-Forwarded-For: 127.0.0.5')"
    expect "one that lies at a node's address" 403 "$(https_bet 6 "$(node_port $n)" from-6-$n -H 'X-Forwarded-For: 127.0.0.5')"
done
operator /v1/providers/demo '{"ip_allow":[]}'
wait_for "the list is gone" eval "[ \"\$(https_bet 6 $(api_port 2) from-6-again)\" = 200 ]"

expect "a bet with an id" 200 "$(https_bet 2 "$(api_port 1)" named -H 'Florin-Request-Id: my-request-7')"
grep -qi '^florin-request-id: my-request-7' "$head" || fail "the request's id is lost: $(cat "$head")"
expect "a bet without one" 200 "$(https_bet 2 "$(api_port 1)" unnamed)"
grep -qiE '^florin-request-id: [0-9a-f-]{36}' "$head" || fail "the proxy gives no id: $(cat "$head")"

# --- many idle connections from one address ----------------------------------------------------

idle=()
for _ in $(seq 260); do # half a header each, in the clear and then silent
    exec {fd}<>"/dev/tcp/127.0.0.1/$(api_port 1)" || break
    idle+=("$fd")
done 2>/dev/null
expect "another address while one floods" 200 "$(https_bet 5 "$(api_port 1)" flood-1)"
expect "the flooding address" 000 "$(https_bet 1 "$(api_port 1)" flood-2)"
for fd in "${idle[@]}"; do
    exec {fd}>&-
done

# --- nodes that end under load -----------------------------------------------------------------

load() { # NAME COUNT: bets one by one, each until it is acknowledged; every status in NAME.log
    local i status
    for ((i = 1; i <= $2; i++)); do
        while :; do
            status=$(curl -s --noproxy '*' --cacert "$dir/pki/ca.crt" --max-time 40 -o /dev/null -w '%{http_code}' \
                "https://127.0.0.1:$(api_port $((i % 3 + 1)))/v1/bets" -H "$(bearer "$FLORIN_PROVIDER_KEY")" \
                -H 'Content-Type: application/json' -d "$(bet_body "$1-$i")" || true)
            echo "$status" >>"$dir/$1.log"
            [ "$status" != 200 ] || break
        done
    done
}
loaded() { [ "$(cat "$dir"/load-?.log 2>/dev/null | wc -l)" -ge "$1" ]; } # ANSWERS so far

per_client=60
clients=()
for c in 1 2 3 4; do
    load load-$c $per_client &
    clients+=($!)
done
wait_for "the load runs" loaded 20
kill -9 "$(node_pid 2)"
wait_for "the load runs on without node 2" loaded 80
up_or_die
wait_for "the load runs on with it" loaded 120
pid=$(node_pid 3)
kill "$pid" # in order, as for an upgrade
wait_for "node 3 has stopped" eval "! kill -0 $pid 2>/dev/null"
wait_for "the load runs on without node 3" loaded 180
up_or_die
wait "${clients[@]}"
statuses=$(cat "$dir"/load-?.log | sort | uniq -c | awk '{printf "%s%s x %s", (NR > 1 ? ", " : ""), $2, $1}')
[ "$(cat "$dir"/load-?.log | grep -vc '^\(200\|503\|504\)$')" = 0 ] || fail "a client's error: $statuses"

FLORIN_ENDPOINTS=$plain_endpoints
"$florinctl" ledger --verify >/dev/null || fail "the ledger does not verify"
found=$("$florinctl" ledger --limit 1000 --json | grep -c '"id": "load-[1-4]-[0-9]*"')
expect "each bet once" $((4 * per_client)) "$found"
echo "haproxy: all as it should be; under load: $statuses"
