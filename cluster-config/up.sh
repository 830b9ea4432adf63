#!/bin/bash
# Three nodes on this machine with demo data; `make up` calls it after building.
#
# Everything that must not change (ports, secrets, keys, data) is made once and kept under run/, so
# running it again only does what is missing: a node that is dead is started, demo data that is
# there stays. FLORIN_BASE_PORT=N takes the ports N+1..3 (HTTP) and N+11..13 (between nodes).
set -euo pipefail
cd "$(dirname "$0")/.."
. cluster-config/lib.sh

ready_limit_s=60
players="alice bob carol dave erin frank grace heidi ivan judy"

[ -x "$build/florind" ] && [ -x "$build/florinctl" ] || die "$build/florind is not built: make up"

# --- chosen once ------------------------------------------------------------------------------

port_free() { # nobody listens on it
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

ports_free() { # BASE
    local i
    for i in $nodes; do
        port_free $(($1 + i)) && port_free $(($1 + 10 + i)) || return 1
    done
}

choose_ports() {
    local base tries id
    if [ -n "${FLORIN_BASE_PORT:-}" ]; then
        [[ $FLORIN_BASE_PORT =~ ^[0-9]{1,5}$ ]] && ((FLORIN_BASE_PORT <= 65522)) ||
            die "FLORIN_BASE_PORT is '$FLORIN_BASE_PORT'; expected a number up to 65522"
        base=$FLORIN_BASE_PORT
        ports_free "$base" || die "ports $((base + 1)) to $((base + 13)) are not all free"
    else
        # Below the range that the kernel gives to outgoing connections.
        for tries in {1..100}; do
            base=$((10000 + RANDOM % 22000))
            ! ports_free "$base" || break
            ((tries < 100)) || die "no free ports found between 10000 and 32000"
        done
    fi
    id=demo-$(od -An -N4 -tx1 /dev/urandom | tr -d ' ')
    {
        echo "base=$base"
        echo "cluster_id=$id"
        for i in $nodes; do
            echo "http$i=$((base + i))"
            echo "peer$i=$((base + 10 + i))"
        done
    } >"$run/ports.new"
    mv "$run/ports.new" "$run/ports"
}

check_ports() {
    local base
    base=$(sed -n 's/^base=//p' "$run/ports")
    if [ -n "${FLORIN_BASE_PORT:-}" ] && [ "$FLORIN_BASE_PORT" != "$base" ]; then
        die "this cluster was made with FLORIN_BASE_PORT=$base, and its members know those ports;" \
            "unset FLORIN_BASE_PORT, or 'make clean' to begin anew"
    fi
}

make_secret() { # FILE PREFIX: random, readable by the owner only
    [ -s "$1" ] || (
        umask 077
        printf '%s%s\n' "$2" "$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$1.new"
        mv "$1.new" "$1"
    )
}

# The sample file with this cluster's values in it.
make_config() { # N
    local cluster script i
    cluster=$(sed -n 's/^cluster_id=//p' "$run/ports")
    script="s|^cluster_id = .*|cluster_id = $cluster|
        s|^peer_listen = .*|peer_listen = 127.0.0.1:$(peer_port "$1")|
        s|^http_listen = .*|http_listen = 127.0.0.1:$(http_port "$1")|"
    for i in $nodes; do
        script="$script
        s|^member = $i .*|member = $i 127.0.0.1:$(peer_port "$i")|"
    done
    sed -e "$script" "cluster-config/three-nodes/node$1.conf" >"$run/node$1.conf.new"
    mv "$run/node$1.conf.new" "$run/node$1.conf"
}

# A cluster made by an older checkout lacks the keys that came since: they are added as the sample has
# them, and what is there (an operator's own edits too) stays.
complete_config() { # N
    local line key
    while read -r line; do
        key=${line%% *}
        grep -q "^$key = " "$run/node$1.conf" || printf '%s\n' "$line" >>"$run/node$1.conf"
    done < <(grep '^[a-z_]* = ' "cluster-config/three-nodes/node$1.conf")
}

# A node whose data folder is lost must not get a new one under its old id: it could vote twice.
format_node() { # N
    if [ -e "$run/node$1.formatted" ]; then
        [ -d "$run/node$1" ] ||
            die "node $1's data folder $run/node$1 is gone, and its id can't be used again;" \
                "'make clean' to begin anew"
        return
    fi
    rm -rf "${run:?}/node$1" # left by an interrupted format: never started
    "$build/florind" --config "$run/node$1.conf" --format >/dev/null ||
        die "node $1's data folder could not be made"
    touch "$run/node$1.formatted"
}

# --- running ----------------------------------------------------------------------------------

start_node() { # N; leaves running ones alone
    local fd
    if node_pid "$1" >/dev/null; then
        return
    fi
    say "starting node $1"
    (
        # A daemon keeps nothing of ours: not the lock, not a pipe that somebody waits on.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            ((fd <= 2)) || eval "exec $fd>&-" 2>/dev/null || true
        done
        setsid nohup "$build/florind" --config "$run/node$1.conf" \
            </dev/null >>"$run/node$1.log" 2>&1 &
        echo $! >"$run/node$1.pid"
    )
}

node_failed() { # N
    echo "--- the end of $run/node$1.log" >&2
    tail -n 20 "$run/node$1.log" >&2
    die "node $1 $2"
}

wait_ready() {
    local i deadline=$((SECONDS + ready_limit_s))
    for i in $nodes; do
        until node_get "$i" /readyz; do
            # Between fork and exec the command line is not ours yet: the process must be gone.
            node_pid "$i" >/dev/null || kill -0 "$(cat "$run/node$i.pid")" 2>/dev/null ||
                node_failed "$i" "has ended"
            ((SECONDS < deadline)) || node_failed "$i" "is not ready after $ready_limit_s s"
            sleep 0.1
        done
    done
}

# --- demo data --------------------------------------------------------------------------------

ctl() { # quiet unless it fails
    "$build/florinctl" --timeout 30s "$@" >/dev/null || die "florinctl $1 $2 failed"
}

write_env() {
    local endpoints="" i
    for i in $nodes; do
        endpoints=$endpoints${endpoints:+,}http://127.0.0.1:$(http_port "$i")
    done
    (
        umask 077
        cat >"$run/demo.env.new" <<END
FLORIN_ENDPOINTS=$endpoints
FLORIN_PROVIDER_KEY=$(cat "$run/provider.key")
FLORIN_PLATFORM_KEY=$(cat "$run/platform.key")
FLORIN_OPERATOR_KEY=$(cat "$run/operator.key")
FLORIN_GATEWAY=bank
export FLORIN_ENDPOINTS FLORIN_PROVIDER_KEY FLORIN_PLATFORM_KEY FLORIN_OPERATOR_KEY FLORIN_GATEWAY
END
    )
    mv "$run/demo.env.new" "$run/demo.env"
}

# Fixed names and ids: the second time every call answers what the first one did.
seed() {
    local p
    unset FLORIN_KEY
    . "$run/demo.env"
    ctl currency add EUR 5 --if-missing
    ctl provider add demo --if-missing
    ctl gateway add bank --if-missing
    ctl key add demo provider --credential-file "$run/provider.key" --if-missing
    ctl key add backoffice platform --credential-file "$run/platform.key" --if-missing
    for p in $players; do
        ctl player add "$p" EUR --if-missing
        ctl deposit "demo-$p" "$p" EUR 1000 bank
    done
}

print_out() {
    local quote=""
    # A proxy for the outside world must not get what is meant for this machine.
    [ -z "${http_proxy:-}${HTTP_PROXY:-}${all_proxy:-}${ALL_PROXY:-}" ] || quote=" --noproxy '*'"
    cat <<END

Florin is up: three nodes, any of them answers.

  node 1   http://127.0.0.1:$(http_port 1)
  node 2   http://127.0.0.1:$(http_port 2)
  node 3   http://127.0.0.1:$(http_port 3)

  provider demo         $FLORIN_PROVIDER_KEY
  platform backoffice   $FLORIN_PLATFORM_KEY
  operator              $FLORIN_OPERATOR_KEY
  gateway  bank
  players  $players, with 1000 EUR each at first

The same in variables:  . ${FLORIN_RUN:-run}/demo.env     then for example  $build/florinctl cluster status
A bet (again, it is a new one: its id holds the time):

curl -sS$quote http://127.0.0.1:$(http_port 1)/v1/bets -H 'Authorization: Bearer $FLORIN_PROVIDER_KEY' -H 'Content-Type: application/json' -d '{"id":"bet-'\$(date +%s%N)'","player":"alice","currency":"EUR","amount":"1.25","round":"round-1","game":"roulette"}'

END
}

mkdir -p "$run"
exec 9>"$run/lock"
flock 9 # two at once would both choose and start
[ -s "$run/ports" ] || choose_ports
check_ports
make_secret "$run/secret" ""
make_secret "$run/box.key" ""
make_secret "$run/operator.key" "demo-operator."
make_secret "$run/provider.key" "demo-provider."
make_secret "$run/platform.key" "demo-platform."
write_env
for i in $nodes; do
    [ -s "$run/node$i.conf" ] || make_config "$i"
    complete_config "$i"
    format_node "$i"
done
for i in $nodes; do
    start_node "$i"
done
wait_ready
seed
print_out
