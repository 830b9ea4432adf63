#!/bin/bash
# Runs test programs one after the other and closes with one line.
#
#   tests/run.sh SUITE PROGRAM...      a PROGRAM may be a command line with arguments
#
# What a program prints is shown when it fails (always with TEST_SHOW=1). TEST_LIMIT is the number
# of seconds that each may take (default 300).
set -u
suite=$1
shift
log=$(mktemp "${TMPDIR:-/tmp}/florin-test.XXXXXX")
trap 'rm -f "$log"' EXIT
programs=0 tests=0 failed=()
begin=$SECONDS

for program in "$@"; do
    name=${program%% *}
    name=${name##*/}
    programs=$((programs + 1))
    # shellcheck disable=SC2086 # the words of the command line
    if [ -n "${TEST_SHOW:-}" ]; then
        timeout -k 10 "${TEST_LIMIT:-300}" $program 2>&1 | tee "$log"
        rc=${PIPESTATUS[0]}
    else
        timeout -k 10 "${TEST_LIMIT:-300}" $program >"$log" 2>&1
        rc=$?
    fi
    # cmocka's closing line; a program without one counts as one test.
    passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | paste -sd+)
    tests=$((tests + ${passed:-1}))
    if [ "$rc" != 0 ]; then
        [ -n "${TEST_SHOW:-}" ] || tail -n 60 "$log"
        [ "$rc" = 124 ] && echo "$suite: $name took more than ${TEST_LIMIT:-300} s"
        echo "$suite: $name FAILED (exit code $rc)"
        failed+=("$name")
    fi
done

if [ ${#failed[@]} != 0 ]; then
    echo "$suite: ${#failed[@]} of $programs programs FAILED: ${failed[*]}"
    exit 1
fi
echo "$suite: $programs programs, $tests tests passed in $((SECONDS - begin)) s"
