# shellcheck shell=bash disable=SC2034
# What up.sh, down.sh and status.sh share: where the demo cluster lives and which nodes run.
# Sourced by bash, from the repository's root.
#
# FLORIN_RUN (default run) is the folder of everything that belongs to one cluster:
#   ports           chosen once: cluster id and the ports of each node
#   secret, *.key   chosen once, mode 600
#   nodeN.conf      nodeN/ (data)   nodeN.formatted   nodeN.log   nodeN.pid
#   demo.env        for `.`: endpoints and credentials

run=${FLORIN_RUN:-run}
case $run in
/*) ;;
*) run=$PWD/$run ;;
esac
build=${BUILD:-build}
nodes="1 2 3"

say() { echo "florin: $*"; }
die() {
    echo "florin: $*" >&2
    exit 1
}

# The node's process id, if that process is really this node: a pid file outlives its process, and
# the number may be somebody else's by now. The config's whole path in its command line tells.
node_pid() { # N
    local pid
    pid=$(cat "$run/node$1.pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$run/node$1.conf"; } 2>/dev/null || return 1
    echo "$pid"
}

# 200 from a path of the node. Never through a proxy: the nodes are on this machine.
node_get() { # N PATH
    curl -fsS --noproxy '*' --max-time 3 -o /dev/null "http://127.0.0.1:$(http_port "$1")$2" \
        2>/dev/null
}

http_port() { # N
    sed -n "s/^http$1=//p" "$run/ports"
}

peer_port() { # N
    sed -n "s/^peer$1=//p" "$run/ports"
}
