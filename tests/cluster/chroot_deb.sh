#!/bin/bash
# What an operator does with the package, in a bare Debian chroot of SUITE: install florin_*.deb with
# nothing but apt, start three nodes from it as the user florin, place a bet, remove the package, purge
# it; the ledger stays. As root, with debootstrap; the
# package is built here, or in the chroot when its release is not this machine's.
#
#   tests/cluster/chroot_deb.sh bookworm|trixie
#
# KEEP=1 leaves the chroot.
set -euo pipefail
cd "$(dirname "$0")/../.."

suite=${1:?usage: tests/cluster/chroot_deb.sh bookworm|trixie}
root=$(mktemp -d "${TMPDIR:-/tmp}/florin-deb-$suite.XXXXXX")
chmod 755 "$root"

# Ports that nobody listens on: tens and a node's number, for peers and, ten above, for HTTP. Below
# those that the system gives to clients.
peer_tens=
until [ -n "$peer_tens" ]; do
    tens=$((1000 + RANDOM % 2000))
    peer_tens=$tens
    for n in 1 2 3 11 12 13; do
        ! (exec 3<>"/dev/tcp/127.0.0.1/$((tens * 10 + n))") 2>/dev/null || peer_tens=
    done
done

say() { echo "deb-test: $*"; }
inside() { # COMMAND: in the chroot, with nothing of our environment
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive PEER="127.0.0.1:$peer_tens" HTTP="127.0.0.1:$((peer_tens + 1))" \
        bash -c "cd /root && $1"
}
stop_nodes() {
    local f
    for f in "$root"/run/florin/*.pid; do
        [ ! -f "$f" ] || kill "$(cat "$f")" 2>/dev/null || true
    done
    for f in "$root"/run/florin/*.pid; do
        while [ -f "$f" ] && kill -0 "$(cat "$f")" 2>/dev/null; do sleep 0.1; done
    done
}
clean_up() {
    local rc=$?
    trap - EXIT
    stop_nodes
    ! mountpoint -q "$root/proc" || umount "$root/proc" || umount -l "$root/proc"
    if [ -n "${KEEP:-}" ] || mountpoint -q "$root/proc"; then
        say "left in $root"
    else
        rm -rf --one-file-system "${root:?}"
    fi
    [ "$rc" = 0 ] || say "$suite FAILED"
    exit "$rc"
}
trap clean_up EXIT

# shellcheck disable=SC2016 # apt's own variables
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Component: main' |
    awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$1 == own {print $2; exit}')
[ -n "$mirror" ] || { say "this machine's apt names no Debian mirror"; exit 1; }

say "$suite: a bare system"
debootstrap --variant=minbase --include=curl "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log"; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -iE '^Acquire::[a-z]+::Proxy' >"$root/etc/apt/apt.conf.d/90proxy" || true
mount -t proc proc "$root/proc"
# libraft 0.22 is in bookworm's backports: the one line that docs/operations.md tells the operator.
[ "$suite" != bookworm ] ||
    echo "deb $mirror bookworm-backports main" >"$root/etc/apt/sources.list.d/backports.list"
inside 'apt-get -qq update'

if [ "$suite" = "$(. /etc/os-release && echo "$VERSION_CODENAME")" ]; then
    make deb >&2
    cp build/deb/florin_*.deb "$root/root/"
else
    say "$suite: building the package there"
    mkdir -p "$root/root/florin"
    git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$root/root/florin"
    inside 'apt-get -qq install -y --no-install-recommends make >/dev/null && cd florin && make deb >&2'
    inside 'cp florin/build/deb/florin_*.deb . && rm -rf florin'
fi

say "$suite: apt-get install"
backports=$([ "$suite" != bookworm ] || echo "libraft0/bookworm-backports")
inside "apt-get -qq install -y --no-install-recommends $backports ./florin_*.deb" >"$root/root/apt.log" 2>&1 ||
    { tail -n 20 "$root/root/apt.log"; exit 1; }
inside 'getent passwd florin && ls -ld /etc/florin /var/lib/florin && florind --version && florinctl --version'

say "$suite: three nodes of the package, as the user florin"
inside '
    set -e
    umask 077
    head -c 32 /dev/urandom | od -An -tx1 | tr -d " \n" >/etc/florin/secret
    head -c 32 /dev/urandom | od -An -tx1 | tr -d " \n" >/etc/florin/box.key
    echo "operator.$(head -c 24 /dev/urandom | od -An -tx1 | tr -d " \n")" >/etc/florin/operator.key
    mkdir -p /run/florin
    for n in 1 2 3; do
        sed -e "s/^node_id = .*/node_id = $n/" \
            -e "s/^member = \([123]\) .*/member = \1 $PEER\1/" \
            -e "s/^peer_listen = .*/peer_listen = $PEER$n/" \
            -e "s/^http_listen = .*/http_listen = $HTTP$n/" \
            -e "s|^data_dir = .*|data_dir = /var/lib/florin/node$n|" \
            /etc/florin/florin.conf.example >/etc/florin/node$n.conf
    done
    chown -R florin:florin /etc/florin /run/florin
    run() { setpriv --reuid florin --regid florin --init-groups "$@"; }
    for n in 1 2 3; do
        run florind --config /etc/florin/node$n.conf --format
        # exec: this pid is then that of the node
        (exec setpriv --reuid florin --regid florin --init-groups \
            florind --config /etc/florin/node$n.conf 2>/run/florin/node$n.log) &
        echo $! >/run/florin/node$n.pid
    done
    for n in 1 2 3; do
        i=0
        until curl -fsS -o /dev/null http://$HTTP$n/readyz 2>/dev/null; do
            i=$((i + 1)); [ $i -lt 600 ] || { tail -n 3 /run/florin/*.log; exit 1; }
            sleep 0.1
        done
    done
'
say "$suite: a bet"
inside '
    set -e
    export FLORIN_ENDPOINTS=http://${HTTP}1,http://${HTTP}2,http://${HTTP}3
    export FLORIN_OPERATOR_KEY=$(cat /etc/florin/operator.key)
    i=0
    until florinctl currency add EUR --if-missing >/dev/null 2>&1; do
        i=$((i + 1)); [ $i -lt 100 ] || exit 1
        sleep 0.1
    done
    florinctl provider add games && florinctl gateway add bank
    umask 077
    echo games-key.0123456789abcdef0123456789abcdef >games.key
    echo office-key.0123456789abcdef0123456789abcdef >office.key
    florinctl key add games provider --credential-file games.key
    florinctl key add office platform --credential-file office.key
    florinctl --key-file office.key player add alice
    florinctl --key-file office.key deposit d1 alice EUR 100 bank
    florinctl --key-file games.key bet b1 alice EUR 2.50
    florinctl --key-file office.key ledger --verify
    grep "^Uid:.*$(id -u florin)" /proc/$(cat /run/florin/node1.pid)/status
'
stop_nodes
say "$suite: remove, then purge"
inside 'apt-get -qq remove -y florin >/dev/null && ! command -v florind && ls -d /var/lib/florin/node1'
inside 'apt-get -qq purge -y florin 2>&1 | grep florin; ls -d /var/lib/florin/node1/state && ! ls /etc/florin/florin.conf.example 2>/dev/null'
say "$suite passed"
