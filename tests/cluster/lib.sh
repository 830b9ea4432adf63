# shellcheck shell=bash disable=SC2034
# For cluster tests in bash: a demo cluster of their own, in a folder of its own, removed at the end.
# Sourced from the repository's root with $1 = florind's path, $2 = florinctl's.

florind=${1:?usage: TEST FLORIND FLORINCTL}
florinctl=${2:?usage: TEST FLORIND FLORINCTL}
BUILD=$(cd "$(dirname "$florind")" && pwd)
FLORIN_RUN=$(mktemp -d "${TMPDIR:-/tmp}/florin-cluster.XXXXXX")
export BUILD FLORIN_RUN
unset FLORIN_BASE_PORT FLORIN_ENDPOINTS FLORIN_KEY

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

expect() { # WHAT EXPECTED ACTUAL
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

up() { cluster-config/up.sh >"$FLORIN_RUN/up.out" 2>&1; }
down() { cluster-config/down.sh >"$FLORIN_RUN/down.out" 2>&1; }
up_or_die() { up || fail "up: $(cat "$FLORIN_RUN/up.out")"; }
down_or_die() { down || fail "down: $(cat "$FLORIN_RUN/down.out")"; }

node_pid() { cat "$FLORIN_RUN/node$1.pid"; }

endpoint() { # N: of demo.env, once sourced
    cut -d, -f"$1" <<<"$FLORIN_ENDPOINTS"
}

# HTTPS at each node, under an authority in $FLORIN_RUN/pki, from the next start on; the cluster has
# been up before.
serve_https() {
    local n base
    base=$(($(sed -n 's/^base=//p' "$FLORIN_RUN/ports") + 20))
    while listens $((base + 1)) || listens $((base + 2)) || listens $((base + 3)); do
        base=$((base + 7))
    done
    echo "$base" >"$FLORIN_RUN/https_base"
    "$florinctl" pki init "$FLORIN_RUN/pki" "$(sed -n 's/^cluster_id = //p' "$FLORIN_RUN/node1.conf")" >/dev/null
    "$florinctl" pki issue "$FLORIN_RUN/pki" api 127.0.0.1 localhost >/dev/null
    for n in 1 2 3; do
        printf 'https_listen = 127.0.0.1:%d\nhttps_certificate_file = pki/api.crt\nhttps_key_file = pki/api.key\n' \
            "$(https_port $n)" >>"$FLORIN_RUN/node$n.conf"
    done
}
https_port() { echo $(($(cat "$FLORIN_RUN/https_base") + $1)); } # N
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT: somebody does

# The value of a member in a flat JSON answer; nothing when it is not there.
member() { # NAME <JSON
    tr -d '\n' | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# A cluster that failed is kept for a look.
cluster_end() {
    local rc=$?
    trap - EXIT
    if [ "$rc" = 0 ]; then
        cluster-config/down.sh >/dev/null && rm -rf "${FLORIN_RUN:?}"
    else
        cluster-config/down.sh >/dev/null
        echo "left for a look: $FLORIN_RUN" >&2
    fi
    exit "$rc"
}
trap cluster_end EXIT

wait_for() { # WHAT COMMAND...: a condition, with a bound that only a failure meets
    local what=$1 tries=600
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "not in time: $what"
        sleep 0.1
    done
}
