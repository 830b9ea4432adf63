#!/bin/sh
# One fuzz target for $TIME seconds: run.sh NAME. Programs and findings are under $FUZZ; the kept
# corpus is only read. The closing line says how many inputs it tried; a finding ends it with 1.
set -e
found=$FUZZ/corpus/$1
mkdir -p "$found" "tests/fuzz/corpus/$1"
if "$FUZZ/tests/fuzz/$1.fuzz" -max_total_time="$TIME" -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="$FUZZ/$1-" "$found" "tests/fuzz/corpus/$1" >"$FUZZ/$1.log" 2>&1; then
    echo "fuzz: $1: $TIME s, $(sed -n 's/^stat::number_of_executed_units: *//p' "$FUZZ/$1.log") inputs, no finding"
else
    tail -n 40 "$FUZZ/$1.log"
    echo "fuzz: $1: a FINDING, see $FUZZ/$1.log and $FUZZ/$1-*"
    exit 1
fi
