#!/bin/bash
# Installs the Debian packages that Florin needs, as root; quick and silent when all are there.
#
#   cluster-config/deps.sh run [test] [jepsen] [fuzz] ...      groups of packages: want_group below
#
# libraft must be 0.22: trixie has it, bookworm has it in backports only. That suite is enabled from
# the mirror that the machine already uses: the new apt source is a copy of the machine's own entry
# (address, keys, options) with another suite, and only libraft is taken from it.
set -euo pipefail

raft_version=0.22

say() { echo "deps: $*"; }
die() {
    echo "deps: $*" >&2
    exit 1
}

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

installed() { # the package is installed
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

raft_installed() {
    case $(dpkg-query -W -f='${db:Status-Status} ${Version}' libraft-dev 2>/dev/null) in
    "installed $raft_version."*) ;;
    *) return 1 ;;
    esac
}

# --- which packages ---------------------------------------------------------------------------

wanted=()
want_group() {
    case $1 in
    run)
        wanted+=(gcc libc6-dev make libuv1-dev liblmdb-dev libcivetweb-dev libjansson-dev libyajl-dev
            libssl-dev libsodium-dev libisal-dev libcurl4-openssl-dev libsystemd-dev curl)
        ;;
    test) wanted+=(libcmocka-dev libyaml-dev valgrind clang-format systemd) ;; # its systemd-analyze
    deb) wanted+=(build-essential dpkg-dev debhelper fakeroot lintian) ;;
    monitoring) wanted+=(prometheus) ;; # for its promtool
    haproxy) wanted+=(haproxy) ;; # for make haproxy-test and docs-test
    peers) wanted+=(postgresql etcd-server) ;; # what make bench-peers compares with
    fuzz) wanted+=(clang libclang-rt-dev) ;;
    jepsen) wanted+=(iproute2 nftables libfaketime e2fsprogs mount util-linux) ;;
    browser) wanted+=(chromium-headless-shell) ;;
    *) die "unknown group $1; want_group in cluster-config/deps.sh has them" ;;
    esac
}

missing() { # prints what of `wanted` is not installed
    local p
    for p in "${wanted[@]}"; do
        installed "$p" || echo "$p"
    done
    installed libmsgpack-c-dev || installed libmsgpack-dev || echo msgpack
}

# --- apt --------------------------------------------------------------------------------------

export DEBIAN_FRONTEND=noninteractive
apt_options=(-o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
updated=

update() {
    say "apt-get update"
    apt-get "${apt_options[@]}" -qq update
    updated=yes
}

install() { # stale lists are the usual reason for a failure: one more try with fresh ones
    # (A downgrade: only ever of a libraft newer than the one that was proved.)
    say "installing $*"
    if ! apt-get "${apt_options[@]}" -qq install -y --no-install-recommends --allow-downgrades "$@" >/dev/null; then
        [ -z "$updated" ] || die "apt-get install failed; its message is above"
        update
        apt-get "${apt_options[@]}" -qq install -y --no-install-recommends --allow-downgrades "$@" >/dev/null ||
            die "apt-get install failed; its message is above"
    fi
}

offered() { # the lists offer the package
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

debian_names() { # PACKAGE...: the same, msgpack-c by the name that this release has for it
    local p
    for p in "$@"; do
        if [ "$p" != msgpack ]; then
            echo "$p"
        elif offered libmsgpack-c-dev; then
            echo libmsgpack-c-dev
        else
            echo libmsgpack-dev
        fi
    done
}

all_offered() { # PACKAGE...
    local p
    for p in $(debian_names "$@"); do
        offered "$p" || return 1
    done
}

# --- libraft ----------------------------------------------------------------------------------

raft_offered() { # the newest 0.22 that the lists offer, or nothing
    apt-cache madison libraft-dev 2>/dev/null |
        awk -v want="$raft_version." 'index($3, want) == 1 && $1 == "libraft-dev" {print $3; exit}'
}

source_files() { # where apt reads its sources, as configured
    local main parts
    eval "$(apt-config shell main Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    [ ! -f "$main" ] || echo "$main"
    find "$parts" -maxdepth 1 -type f \( -name '*.list' -o -name '*.sources' \) 2>/dev/null | sort
}

# An apt source for backports on standard output, made from the entries for the release itself.
# One-line form: `deb [options] uri suite component...`, the options kept as they are.
backports_from_list() { # FILE
    awk -v release="$codename" '
        $1 != "deb" { next }
        {
            sub(/[ \t]*#.*/, "")
            options = ""
            rest = $0
            sub(/^[ \t]*deb[ \t]+/, "", rest)
            if (rest ~ /^\[/) {
                end = index(rest, "]")
                options = substr(rest, 1, end) " "
                rest = substr(rest, end + 1)
            }
            n = split(rest, word)
            suite = word[2]
            sub(/\/$/, "", suite)
            main = 0
            for (i = 3; i <= n; i++) {
                main = main || word[i] == "main"
            }
            ours = suite == release || suite == "stable" || suite == "oldstable"
            if (ours && main && word[1] !~ /^cdrom:/) {
                print "deb " options word[1] " " release "-backports main"
                exit
            }
        }' "$1"
}

# deb822 form: the stanza is copied field by field (Signed-By with its further lines too) with
# another suite and only the component main.
backports_from_sources() { # FILE
    awk -v release="$codename" '
        function finish(    i, n, word) {
            ours = main = 0
            n = split(field["suites"], word)
            for (i = 1; i <= n; i++) {
                sub(/\/$/, "", word[i])
                ours = ours || word[i] == release || word[i] == "stable" || word[i] == "oldstable"
            }
            n = split(field["components"], word)
            for (i = 1; i <= n; i++) {
                main = main || word[i] == "main"
            }
            if (ours && main && (" " field["types"] " ") ~ / deb / && !done &&
                tolower(field["enabled"]) !~ /no|false|0/ && field["uris"] !~ /cdrom:/) {
                print "Types: deb"
                print "URIs:" field["uris"]
                print "Suites: " release "-backports"
                print "Components: main"
                printf "%s", others
                done = 1
            }
            split("", field)
            others = ""
            name = ""
        }
        /^#/ { next }
        /^[ \t]*$/ { finish(); next }
        /^[ \t]/ {
            if (name in known) { field[name] = field[name] " " $0 } else { others = others $0 "\n" }
            next
        }
        {
            at = index($0, ":")
            name = tolower(substr($0, 1, at - 1))
            if (name in known) { field[name] = substr($0, at + 1) } else { others = others $0 "\n" }
        }
        BEGIN {
            known["types"]; known["uris"]; known["suites"]; known["components"]; known["enabled"]
        }
        END { finish() }' "$1"
}

enable_backports() {
    local file parts text made
    if [ -n "$(source_files | xargs -r grep -lE "^[^#]*[[:space:]]$codename-backports([[:space:]/]|\$)")" ]; then
        return # it is there: fresh lists will do
    fi
    eval "$(apt-config shell parts Dir::Etc::sourceparts/d)"
    parts=${parts%/}
    while read -r file; do
        case $file in
        *.list) text=$(backports_from_list "$file") made=$parts/florin-backports.list ;;
        *) text=$(backports_from_sources "$file") made=$parts/florin-backports.sources ;;
        esac
        if [ -n "$text" ]; then
            say "enabling $codename-backports as in $file, for libraft only: $made"
            printf '%s\n' "$text" >"$made"
            if ! update; then
                rm -f "$made"
                die "the mirror that this machine uses has no $codename-backports; add that suite" \
                    "from another mirror to the apt sources, then run 'make deps' again"
            fi
            return
        fi
    done < <(source_files)
    die "no apt source for $codename with the component main was found in $(source_files | paste -sd' ')"
}

install_raft() {
    local version
    version=$(raft_offered)
    if [ -z "$version" ] && [ "$codename" = bookworm ]; then
        enable_backports
    fi
    [ -n "$version$updated" ] || update
    version=${version:-$(raft_offered)}
    [ -n "$version" ] || die "libraft-dev $raft_version is not offered by this machine's apt sources" \
        "($codename): Debian has it in bookworm-backports and from trixie on"
    # By version, not by suite: nothing else comes from backports.
    install "libraft-dev=$version" "libraft0=$version"
}

# --- all together -----------------------------------------------------------------------------

[ $# -gt 0 ] || die "usage: cluster-config/deps.sh run [test] [jepsen] [fuzz] ..."
for group in "$@"; do
    want_group "$group"
done

mapfile -t packages < <(missing)
if [ ${#packages[@]} = 0 ] && raft_installed; then
    exit 0
fi
raft_installed || packages+=("libraft-dev>=$raft_version")
[ "$(id -u)" = 0 ] || die "missing: ${packages[*]}; run 'make deps test-deps' as root"

mapfile -t packages < <(missing)
if [ ${#packages[@]} != 0 ]; then
    # A fresh machine has no lists at all.
    all_offered "${packages[@]}" || update
    mapfile -t packages < <(debian_names "${packages[@]}")
    install "${packages[@]}"
fi
raft_installed || install_raft
mapfile -t packages < <(missing)
[ ${#packages[@]} = 0 ] || die "still missing after the installation: ${packages[*]}"
raft_installed || die "libraft-dev $raft_version is still missing after the installation"
say "all there"
