#!/bin/bash
# How many instructions does a bet's apply take? Counted by callgrind, so that the figure is the same
# on a busy machine and on an idle one. More than 5 % above the baseline fails.
#
#   tests/bench/count.sh BENCH_APPLY          compares with tests/bench/apply.baseline
#   tests/bench/count.sh BENCH_APPLY --renew  writes the figure there, to be committed with a reason
#
# What the compiler and the libraries make of the code differs between their versions, so a baseline
# is known by them; where there is none, nothing can be said, and the check says that.
set -euo pipefail

bench=${1:?usage: count.sh BENCH_APPLY [--renew]}
baseline=tests/bench/apply.baseline
bets=4096 players=1000 allowed_percent=5

command -v valgrind >/dev/null || {
    echo "count: skipped: valgrind is not installed (make test-deps)"
    exit 0
}

package() { # the version of an installed package, without Debian's part
    dpkg-query -W -f='${Version}' "$1" 2>/dev/null | sed 's/[-+~].*//' || true
}
avx2=$(grep -qw avx2 /proc/cpuinfo && echo avx2 || echo plain)
key="$(uname -m)-$avx2 gcc-$(gcc -dumpfullversion) libc-$(package libc6) sodium-$(package libsodium23) lmdb-$(package liblmdb0)"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if ! valgrind --tool=callgrind --callgrind-out-file="$out/counts" --toggle-collect=apply_group \
    "$bench" $bets $players count >"$out/log" 2>&1; then
    cat "$out/log" >&2
    exit 1
fi
total=$(sed -n 's/^summary: //p' "$out/counts")
now=$((total / bets))
[ "$now" -gt 0 ] || {
    echo "count: nothing was counted; is apply_group still a function of bench_apply?" >&2
    exit 1
}

if [ "${2:-}" = --renew ]; then
    { grep -vF "$key: " "$baseline" 2>/dev/null || true; echo "$key: $now"; } >"$out/new"
    cp "$out/new" "$baseline"
    echo "count: $now instructions a bet are the baseline for $key"
    exit 0
fi
known=$(sed -n "s/^$key: //p" "$baseline" 2>/dev/null || true)
if [ -z "$known" ]; then
    echo "count: skipped: $now instructions a bet, but no baseline is known for $key"
    exit 0
fi
if [ $((now * 100)) -gt $((known * (100 + allowed_percent))) ]; then
    echo "count: FAILED: a bet's apply takes $now instructions, the baseline is $known" >&2
    echo "count: if it must be so, make count-renew, and say why in the commit" >&2
    exit 1
fi
echo "count: $now instructions a bet, baseline $known: 1 passed, 0 failed"
