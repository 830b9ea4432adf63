#!/bin/bash
# Florin beside what one would take instead, in one run on this machine: PostgreSQL with two
# stand-bys of which one must have the commit on disk, and etcd with three nodes. The same work for
# each: debit a random one of WALLETS wallets, record the bet's id, refuse an id that was used.
# Prints a table, with Florin's rate over the others', and writes tests/bench/results/peers.json.
#
#   tests/bench/peers.sh BUILD [SECONDS]
#
# PostgreSQL is spared HTTP (pgbench speaks its native protocol), and etcd the reading of balances.
set -euo pipefail

build=${1:?usage: peers.sh BUILD [SECONDS]}
seconds=${2:-5}
wallets=100000
connections=(1 64)
folder=$(mktemp -d "${TMPDIR:-/tmp}/florin-peers-XXXXXX")
pids=()

cleanup() {
    local pid i
    for i in 1 2 3; do
        [ ! -f "$folder/pg$i/postmaster.pid" ] || as_postgres "$pg/pg_ctl" -D "$folder/pg$i" -m immediate stop >/dev/null 2>&1 || true
    done
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap cleanup EXIT

die() {
    echo "peers: $*" >&2
    tail -5 "$folder"/*.log >&2 2>/dev/null || true
    exit 1
}

free_ports() { # N: that many ports nobody listens on now
    local n=$1 port found=0
    while [ "$found" -lt "$n" ]; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            found=$((found + 1))
        fi
    done
}

wait_for() { # WHAT COMMAND...: until it succeeds, for a minute
    local what=$1 i
    shift
    for ((i = 0; i < 300; i++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    die "$what does not come up"
}

# --- PostgreSQL: it refuses to be run by root ---------------------------------------------------

pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$pg" ] || die "PostgreSQL is not installed"
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}
query() { as_postgres "$pg/psql" -h "$folder" -p "$pg_port" -d postgres -qAt -c "$1"; }
both_follow() { [ "$(query "select count(*) from pg_stat_replication where sync_state = 'quorum'")" = 2 ]; }

start_postgres() {
    local port2 port3 i
    read -r pg_port port2 port3 < <(free_ports 3 | paste -sd' ')
    chmod 777 "$folder"
    as_postgres "$pg/initdb" -D "$folder/pg1" -A trust -E UTF8 --locale=C >"$folder/initdb.log"
    as_postgres tee -a "$folder/pg1/postgresql.conf" >/dev/null <<END
unix_socket_directories = '$folder'
listen_addresses = '127.0.0.1'
max_connections = 200
max_wal_size = 4GB
synchronous_commit = on
END
    as_postgres "$pg/pg_ctl" -D "$folder/pg1" -o "-p $pg_port" -l "$folder/pg1.log" -w start >/dev/null
    for i in 2 3; do
        as_postgres "$pg/pg_basebackup" -h "$folder" -p "$pg_port" -D "$folder/pg$i" -R -c fast \
            -d "application_name=s$i"
        as_postgres "$pg/pg_ctl" -D "$folder/pg$i" -o "-p $([ $i = 2 ] && echo "$port2" || echo "$port3")" \
            -l "$folder/pg$i.log" -w start >/dev/null
    done
    query "alter system set synchronous_standby_names = 'ANY 1 (s2, s3)'"
    query "select pg_reload_conf()" >/dev/null
    wait_for "PostgreSQL's stand-bys" both_follow
    query "create table wallets (id int primary key, balance bigint not null check (balance >= 0));
           create table bets (id uuid primary key, wallet int not null, amount bigint not null);
           insert into wallets select i, 1000000000 from generate_series(1, $wallets) i"
    cat >"$folder/bet.sql" <<END
\\set wallet random(1, $wallets)
with b as (insert into bets values (gen_random_uuid(), :wallet, 1)
           on conflict do nothing returning wallet)
update wallets set balance = balance - 1 from b where wallets.id = b.wallet;
END
}

run_postgres() { # CONNECTIONS: "rate p50 p99"
    local log="$folder/pgbench-$1"
    rm -f "$log".*
    as_postgres "$pg/pgbench" -h "$folder" -p "$pg_port" -n -M prepared -f "$folder/bet.sql" -c "$1" \
        -j "$([ "$1" = 1 ] && echo 1 || echo 2)" -T "$seconds" -l --log-prefix="$log" postgres \
        >"$folder/pgbench.log" 2>&1 || die "pgbench failed"
    rate=$(sed -n 's/^tps = \([0-9]*\).*/\1/p' "$folder/pgbench.log" | tail -1)
    echo "$rate $(cat "$log".* | awk '{print $3}' | sort -n | awk '{v[NR] = $1}
        END {print v[int(NR * 0.5) + 1], v[int(NR * 0.99) + 1]}')"
}

# --- etcd ---------------------------------------------------------------------------------------

start_etcd() {
    local ports cluster i
    mapfile -t ports < <(free_ports 6)
    etcd_ports=("${ports[@]:0:3}")
    cluster="e0=http://127.0.0.1:${ports[3]},e1=http://127.0.0.1:${ports[4]},e2=http://127.0.0.1:${ports[5]}"
    for i in 0 1 2; do
        etcd --name "e$i" --data-dir "$folder/etcd$i" --log-level error --initial-cluster "$cluster" \
            --listen-client-urls "http://127.0.0.1:${ports[$i]}" \
            --advertise-client-urls "http://127.0.0.1:${ports[$i]}" \
            --listen-peer-urls "http://127.0.0.1:${ports[$((i + 3))]}" \
            --initial-advertise-peer-urls "http://127.0.0.1:${ports[$((i + 3))]}" \
            >"$folder/etcd$i.log" 2>&1 &
        pids+=($!)
    done
    wait_for etcd curl -sSf "http://127.0.0.1:${ports[0]}/health"
}

# --- all of them --------------------------------------------------------------------------------

declare -A rate p50 p99
note() { # WHO CONNECTIONS RATE P50_US P99_US
    rate[$1,$2]=$3 p50[$1,$2]=$4 p99[$1,$2]=$5
}

run_florin() {
    local n
    "$build/tests/bench/bench_http" "$build/florind" "$seconds" "$wallets" "bets, " >"$folder/florin.log" ||
        die "bench_http failed"
    for n in "${connections[@]}"; do
        # shellcheck disable=SC2046
        note florin "$n" $(awk -v what="bets, $n connection" 'index($0, what) == 1 {
            for (i = 1; i <= NF; i++) if ($i == "/s") printf "%s %d %d", $(i - 1), $(i + 1) * 1000, $(i + 2) * 1000
        }' "$folder/florin.log")
    done
}

run_florin
start_postgres
for n in "${connections[@]}"; do
    # shellcheck disable=SC2046
    note postgresql "$n" $(run_postgres "$n")
done
for i in 3 2 1; do as_postgres "$pg/pg_ctl" -D "$folder/pg$i" -m immediate stop >/dev/null; done
start_etcd
while read -r n r a b; do
    note etcd "$n" "$r" "$a" "$b"
done < <("$build/tests/bench/bench_etcd" "$seconds" "$wallets" "${etcd_ports[@]}" "${connections[@]}")

echo "bets at three nodes on this machine, one after the other, $seconds s each"
printf '%-12s %12s %10s %9s %9s %s\n' "" connections bets/s "p50 ms" "p99 ms" "  Florin over it"
mkdir -p tests/bench/results
json=
for n in "${connections[@]}"; do
    for who in florin postgresql etcd; do
        printf '%-12s %12d %10d %9.2f %9.2f %16.1f\n' "$who" "$n" "${rate[$who,$n]}" \
            "$(awk "BEGIN {print ${p50[$who,$n]} / 1000}")" "$(awk "BEGIN {print ${p99[$who,$n]} / 1000}")" \
            "$(awk "BEGIN {print ${rate[florin,$n]} / ${rate[$who,$n]}}")"
        json+="${json:+,}
 {\"who\": \"$who\", \"connections\": $n, \"per_second\": ${rate[$who,$n]}, \"p50_us\": ${p50[$who,$n]}, \"p99_us\": ${p99[$who,$n]}}"
    done
done
printf '[%s\n]\n' "$json" >tests/bench/results/peers.json
