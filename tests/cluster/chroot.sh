#!/bin/bash
# The first thing anybody does, on the barest machine there is: a fresh Debian chroot of SUITE with
# make, git and curl, a clone of this repository, `make up`, the curl line that it prints, pasted,
# and `make down`. As root, with debootstrap. Packages come from the mirror of this machine's own apt.
#
#   tests/cluster/chroot.sh bookworm|trixie [list|deb822]     the form of the chroot's apt sources
#
# CHECK=1 runs `make check` there as well. WORKTREE=1 takes the work tree as it is instead of a clone
# of HEAD. KEEP=1 leaves the chroot.
set -euo pipefail
cd "$(dirname "$0")/../.."

suite=${1:?usage: tests/cluster/chroot.sh bookworm|trixie [list|deb822]}
form=${2:-list}
root=$(mktemp -d "${TMPDIR:-/tmp}/florin-chroot-$suite.XXXXXX")
chmod 755 "$root"

say() { echo "chroot-test: $*"; }
inside() { # COMMAND: in the chroot, with nothing of our environment
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        bash -c "cd /root/florin && $1"
}
clean_up() {
    local rc=$?
    trap - EXIT
    [ ! -d "$root/root/florin/run" ] || inside 'make down' || true
    ! mountpoint -q "$root/proc" || umount "$root/proc" || umount -l "$root/proc"
    if [ -n "${KEEP:-}" ] || mountpoint -q "$root/proc"; then
        say "left in $root"
    else
        rm -rf --one-file-system "${root:?}"
    fi
    [ "$rc" = 0 ] || say "$suite ($form) FAILED"
    exit "$rc"
}
trap clean_up EXIT

# shellcheck disable=SC2016 # apt's own variables
# The repository that gives this machine its own release, not the one for security updates.
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Component: main' |
    awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$1 == own {print $2; exit}')
[ -n "$mirror" ] || { say "this machine's apt names no Debian mirror"; exit 1; }

say "$suite: a bare system"
debootstrap --variant=minbase --include=make,git,curl "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log"; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -iE '^Acquire::[a-z]+::Proxy' >"$root/etc/apt/apt.conf.d/90proxy" || true
if [ "$form" = deb822 ]; then
    rm -f "$root/etc/apt/sources.list"
    cat >"$root/etc/apt/sources.list.d/debian.sources" <<END
# As the installer writes it.

Types: deb
URIs: $mirror
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
fi
rm -rf "$root"/var/lib/apt/lists/* # as a fresh image has it
mount -t proc proc "$root/proc"

if [ -n "${WORKTREE:-}" ]; then
    mkdir -p "$root/root/florin"
    git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$root/root/florin"
else
    git clone -q --no-hardlinks . "$root/root/florin"
fi

say "$suite: make up"
inside 'make up' 2>&1 | tee "$root/root/up.log"
line=$(grep '^curl ' "$root/root/up.log" | tail -n 1)
[ -n "$line" ] || { say "make up printed no curl line"; exit 1; }

say "$suite: the curl line"
answer=$(inside "$line")
echo "$answer"
[[ $answer == *'"seq"'* && $answer == *'"replayed":false'* ]] || { say "that is no applied bet"; exit 1; }

if [ -n "${CHECK:-}" ]; then
    say "$suite: make check"
    inside .ci/run
fi

say "$suite: make up again, make status, make down, make up"
inside 'make up' >/dev/null
inside 'make status'
inside 'make down'
inside 'make up' >/dev/null
inside '. run/demo.env && build/florinctl balance alice && build/florinctl ledger --verify'
inside 'make clean' >/dev/null
say "$suite ($form) passed"
