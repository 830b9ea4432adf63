#!/bin/bash
# The programs are built hardened, and hold no rights that they don't need.
#
#   tests/security/test_hardening.sh FLORIND FLORINCTL
set -euo pipefail
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
has() { # PROGRAM WHAT PATTERN TEXT
    grep -q "$3" <<<"$4" || fail "$1: no $2"
}
for program in "$1" "$2"; do
    headers=$(readelf -hlW "$program")
    dynamic=$(readelf -dW "$program")
    symbols=$(readelf -sW "$program")
    has "$program" "position independence (PIE)" 'Type: *DYN' "$headers"
    has "$program" "RELRO" 'GNU_RELRO' "$headers"
    has "$program" "immediate binding (full RELRO)" 'BIND_NOW\|FLAGS.* NOW' "$dynamic"
    has "$program" "stack protector" '__stack_chk_fail' "$symbols"
    has "$program" "FORTIFY" '_chk@GLIBC' "$symbols"
    grep 'GNU_STACK' <<<"$headers" | grep -q 'RW *0x' || fail "$program: its stack may be executed"
    grep -q 'RUNPATH\|RPATH' <<<"$dynamic" && fail "$program: looks for libraries in a path of its own"
    [ ! -u "$program" ] && [ ! -g "$program" ] || fail "$program: runs as another user"
done
unit=cluster-config/systemd/florind.service
for line in User=florin NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict \
    MemoryDenyWriteExecute=yes SystemCallFilter=@system-service UMask=0077; do
    grep -qx "$line" "$unit" || fail "$unit: no $line"
done
echo "hardening: both programs and the unit are as they should be"
