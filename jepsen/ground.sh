#!/bin/bash
# What the nodes of a run stand on: a network namespace for each, one for the clients, a switch
# between them, and a small disk for each node. As root.
#
#   jepsen/ground.sh up RUN NODES FOLDER     all of it; disks are mounted at FOLDER/nodeN
#   jepsen/ground.sh one_more RUN NODE FOLDER the same for one more node
#   jepsen/ground.sh down RUN FOLDER         all of it away again, also half of it
#   jepsen/ground.sh sweep                   what runs whose process is gone have left
#   jepsen/ground.sh cut RUN NODE FROM       NODE no longer hears the nodes FROM (2,3,5)
#   jepsen/ground.sh lossy RUN NODE PERMILLE NODE loses so many of the packets that come in
#   jepsen/ground.sh slow RUN NODE KBIT      NODE sends so slowly
#   jepsen/ground.sh heal RUN NODE           NODE's links are whole again
#
# RUN is the pid of the run. Links between nodes have no certificates here, and a node refuses such
# links beyond loopback. So loopback is made wide: in these namespaces 127.73.0.0/24 is the network
# between them (route_localnet), only 127.0.0.1 stays local, and florind runs as it is shipped.
set -euo pipefail

subnet=127.73.0
clients=254 # the clients' last octet
disk=${JEPSEN_DISK:-2G}

netns() { echo "florin-jepsen-$1-$2"; }
inside() { # RUN WHO COMMAND...
    local name
    name=$(netns "$1" "$2")
    shift 2
    nsenter "--net=/run/netns/$name" "$@"
}

switch_up() { # RUN
    ip netns add "$(netns "$1" switch)"
    ip -n "$(netns "$1" switch)" link add bridge type bridge
    ip -n "$(netns "$1" switch)" link set bridge up
}

plug_in() { # RUN WHO OCTET
    local name switch
    name=$(netns "$1" "$2")
    switch=$(netns "$1" switch)
    ip netns add "$name"
    ip link add link0 netns "$name" type veth peer name "to-$2" netns "$switch"
    ip -n "$switch" link set "to-$2" master bridge up
    inside "$1" "$2" sh -c 'for i in all default link0; do
        echo 1 >/proc/sys/net/ipv4/conf/$i/route_localnet; done'
    ip -n "$name" addr add 127.0.0.1/32 dev lo
    ip -n "$name" link set lo up
    ip -n "$name" addr del 127.0.0.1/8 dev lo
    ip -n "$name" addr add "$subnet.$3/24" dev link0
    ip -n "$name" link set link0 up
}

filter() { # RUN NODE
    inside "$1" "$2" nft -f - <<'END'
table inet jepsen {
    set cut { type ipv4_addr; }
    chain partition { type filter hook input priority 0; ip saddr @cut drop; }
    chain lossy { type filter hook input priority 1; }
}
END
}

disk_up() { # FOLDER NODE
    truncate -s "$disk" "$1/node$2.disk"
    mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 "$1/node$2.disk"
    mkdir -p "$1/node$2"
    mount -o loop,noatime "$1/node$2.disk" "$1/node$2"
    rmdir "$1/node$2/lost+found"
}

one_more() { # RUN NODE FOLDER
    plug_in "$1" "$2" "$2"
    filter "$1" "$2"
    disk_up "$3" "$2"
}

up() { # RUN NODES FOLDER
    local n
    switch_up "$1"
    plug_in "$1" clients $clients
    for ((n = 1; n <= $2; n++)); do
        one_more "$1" "$n" "$3"
    done
}

down() { # RUN FOLDER
    local name where
    while read -r name; do
        ip netns del "$name"
    done < <(ip netns list | awk -v own="florin-jepsen-$1-" 'index($1, own) == 1 {print $1}')
    while read -r where; do
        umount "$where" || umount -l "$where"
    done < <(awk -v own="$2/" 'index($2, own) == 1 {print $2}' /proc/mounts)
    rm -f "$2"/node*.disk
    sweep_clocks
}

# libfaketime's, of processes that were killed.
sweep_clocks() {
    local file
    for file in /dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_*; do
        [ -d "/proc/${file##*_}" ] || rm -f "$file"
    done
}

sweep() {
    local run folder
    sweep_clocks
    for run in $(ip netns list | sed -n 's/^florin-jepsen-\([0-9]*\)-.*/\1/p' | sort -u); do
        [ ! -d "/proc/$run" ] || continue
        folder=$(sed -n "s|^[^ ]* \([^ ]*/florin-jepsen-$run\)/.*|\1|p" /proc/mounts | head -n 1)
        down "$run" "${folder:-/nowhere}"
        [ -z "$folder" ] || rm -rf --one-file-system "$folder"
    done
}

cut() { # RUN NODE FROM
    local run=$1 node=$2 list=$subnet.${3//,/, $subnet.}
    inside "$run" "$node" nft add element inet jepsen cut "{ $list }"
}

lossy() { # RUN NODE PERMILLE
    inside "$1" "$2" nft add rule inet jepsen lossy iifname link0 numgen random mod 1000 "<" "$3" drop
}

slow() { # RUN NODE KBIT
    inside "$1" "$2" tc qdisc replace dev link0 root tbf rate "$3kbit" burst 3000 latency 500ms
}

heal() { # RUN NODE
    inside "$1" "$2" nft -f - <<'END'
flush set inet jepsen cut
flush chain inet jepsen lossy
END
    inside "$1" "$2" tc qdisc del dev link0 root 2>/dev/null || true # there may be none
}

verb=${1:?usage: jepsen/ground.sh up|one_more|down|sweep|cut|lossy|slow|heal ...}
shift
case $verb in
up | one_more | down | sweep | cut | lossy | slow | heal) "$verb" "$@" ;;
*)
    echo "ground: unknown verb $verb" >&2
    exit 2
    ;;
esac
