#!/bin/bash
# Three nodes whose links are TLS: from plain to TLS, a bet, noise at the ports, certificates renewed
# under way, a node with another authority's certificate that nobody lets in.
#
#   tests/cluster/test_tls.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh
up_or_die
. "$FLORIN_RUN/demo.env"
down_or_die

pki=$FLORIN_RUN/pki
cluster=$(sed -n 's/^cluster_id = //p' "$FLORIN_RUN/node1.conf")
"$florinctl" pki init "$pki" "$cluster" >/dev/null
for n in 1 2 3; do
    "$florinctl" pki issue "$pki" $n 127.0.0.1 >/dev/null
    cat >>"$FLORIN_RUN/node$n.conf" <<END
peer_certificate_file = pki/node-$n.crt
peer_key_file = pki/node-$n.key
peer_authority_file = pki/ca.crt
END
done
up_or_die

bet() { # ID: true when it is applied
    "$florinctl" bet "$1" alice EUR 1 --json >"$FLORIN_RUN/bet.out" 2>&1
}
said() { # N TEXT: in what the node logged since the mark
    tail -n "+${mark:-1}" "$FLORIN_RUN/node$1.log" | grep -q "$2"
}
peer_port() { sed -n 's/^peer_listen = .*:\([0-9]*\)$/\1/p' "$FLORIN_RUN/node$1.conf"; }

wait_for "a bet over TLS" bet tls-1

# TLS 1.3 with a client's certificate, nothing else.
answer=$(openssl s_client -connect "127.0.0.1:$(peer_port 1)" -tls1_2 </dev/null 2>&1 || true)
grep -q 'alert protocol version' <<<"$answer" || fail "TLS 1.2 is not refused: $answer"
for port in $(peer_port 1) $(peer_port 2) $(peer_port 3); do
    head -c 100000 /dev/urandom | timeout 10 openssl s_client -connect "127.0.0.1:$port" -CAfile "$pki/ca.crt" \
        >/dev/null 2>&1 || true # without a certificate
    (head -c 100000 /dev/urandom >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || true
done
wait_for "a bet after noise at the ports" bet tls-2

# Renewed while it runs.
mark=$(($(wc -l <"$FLORIN_RUN/node1.log") + 1))
"$florinctl" pki renew "$pki" node-1 >/dev/null
kill -HUP "$(node_pid 1)"
wait_for "the new certificate is read" said 1 'certificates were read again'
cp "$pki/node-1.crt" "$pki/kept.crt"
cp "$pki/node-2.crt" "$pki/node-1.crt"
kill -HUP "$(node_pid 1)"
wait_for "a certificate that does not fit is refused" said 1 'the old stay'
cp "$pki/kept.crt" "$pki/node-1.crt"
wait_for "a bet after a reload" bet tls-3

# A node of another authority with the right secret, name and id.
"$florinctl" pki init "$FLORIN_RUN/other" "$cluster" >/dev/null
"$florinctl" pki issue "$FLORIN_RUN/other" 3 127.0.0.1 >/dev/null
pid=$(node_pid 3)
kill "$pid"
wait_for "node 3 has stopped" eval "! kill -0 $pid 2>/dev/null"
cp "$FLORIN_RUN"/other/node-3.* "$FLORIN_RUN/other/ca.crt" "$FLORIN_RUN/"
sed -i -e 's|= pki/node-3|= node-3|' -e 's|= pki/ca.crt|= ca.crt|' "$FLORIN_RUN/node3.conf"
mark=1
"$florind" --config "$FLORIN_RUN/node3.conf" >/dev/null 2>"$FLORIN_RUN/node3.log" &
echo $! >"$FLORIN_RUN/node3.pid"
wait_for "node 3 is refused" said 3 'certificate'
wait_for "a bet without node 3" bet tls-4
said 3 'peer link up' && fail "a node with another authority's certificate has a link"

sed -i -e 's|= node-3|= pki/node-3|' -e 's|= ca.crt|= pki/ca.crt|' "$FLORIN_RUN/node3.conf"
kill "$(node_pid 3)"
wait "$(node_pid 3)" || true
up_or_die
wait_for "a bet with all three" bet tls-5
"$florinctl" ledger --verify >/dev/null || fail "the ledger does not verify"
echo "links under TLS: all as they should be"
