#!/bin/bash
# Runs test programs and closes with one line.
#
#   tests/run.sh SUITE PROGRAM...      a PROGRAM may be a command line with arguments
#
# What a program prints is shown when it fails (always, as it comes, with TEST_SHOW=1). TEST_LIMIT is
# the number of seconds that each may take (default 300), TEST_JOBS how many run at once (default 1).
set -u
suite=$1
shift
folder=$(mktemp -d "${TMPDIR:-/tmp}/florin-test.XXXXXX")
trap 'rm -rf "$folder"' EXIT
programs=0 tests=0 failed=()
begin=$SECONDS

run() { # NUMBER COMMAND LINE: leaves what it printed and its exit code
    local log="$folder/$1"
    # shellcheck disable=SC2086 # the words of the command line
    if [ -n "${TEST_SHOW:-}" ]; then
        timeout -k 10 "${TEST_LIMIT:-300}" $2 2>&1 | tee "$log"
        echo "${PIPESTATUS[0]}" >"$log.code"
    else
        timeout -k 10 "${TEST_LIMIT:-300}" $2 >"$log" 2>&1
        echo $? >"$log.code"
    fi
}

for program in "$@"; do
    [ "$programs" -lt "${TEST_JOBS:-1}" ] || wait -n
    run "$programs" "$program" &
    programs=$((programs + 1))
done
wait

number=0
for program in "$@"; do
    name=${program%% *}
    name=${name##*/}
    log="$folder/$number"
    code=$(cat "$log.code")
    number=$((number + 1))
    # cmocka's closing line; a program without one counts as one test.
    passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | paste -sd+)
    tests=$((tests + ${passed:-1}))
    if [ "$code" != 0 ]; then
        [ -n "${TEST_SHOW:-}" ] || tail -n 60 "$log"
        [ "$code" = 124 ] && echo "$suite: $name took more than ${TEST_LIMIT:-300} s"
        echo "$suite: $name FAILED (exit code $code)"
        failed+=("$name")
    fi
done

if [ ${#failed[@]} != 0 ]; then
    echo "$suite: ${#failed[@]} of $programs programs FAILED: ${failed[*]}"
    exit 1
fi
echo "$suite: $programs programs, $tests tests passed in $((SECONDS - begin)) s"
