#!/bin/bash
# What on-call reads holds together: every metric that the alert rules and the dashboard name is one
# that a node really has, /metrics is what Prometheus expects, and each alert has its page in the
# guide. With promtool (package prometheus) the rules are run against their own test figures too.
#
#   tests/cluster/test_monitoring.sh FLORIND FLORINCTL
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/cluster/lib.sh
up_or_die
down_or_die
serve_https # which has figures of its own
up_or_die
. "$FLORIN_RUN/demo.env"

metrics=$FLORIN_RUN/metrics
for n in 1 2 3; do # the leader has some that the others have not
    curl -fsS --noproxy '*' "$(endpoint $n)/v1/players/alice/balances" \
        -H "Authorization: Bearer $FLORIN_PLATFORM_KEY" >/dev/null
    curl -fsS --noproxy '*' "$(endpoint $n)/metrics"
done >"$metrics"

named=$(grep -ohE '\b(florin|process)_[a-z_]+' docs/monitoring/florin-alerts.yml docs/monitoring/florin-dashboard.json | sort -u)
for name in $named; do
    grep -q "^$name[{ ]" "$metrics" || fail "$name is named in docs/monitoring, and no node has it"
done

for alert in $(sed -n 's/.*- alert: //p' docs/monitoring/florin-alerts.yml); do
    grep -q "^### $alert\$" docs/monitoring/README.md || fail "$alert has no page in docs/monitoring/README.md"
    [ "$(grep -c "alertname: $alert\$" docs/monitoring/florin-alerts-test.yml)" -ge 2 ] ||
        fail "$alert has no test of firing and of silence"
done

if command -v promtool >/dev/null; then
    curl -fsS --noproxy '*' "$(endpoint 1)/metrics" | promtool check metrics || fail "promtool check metrics"
    promtool check rules docs/monitoring/florin-alerts.yml >/dev/null
    promtool test rules docs/monitoring/florin-alerts-test.yml || fail "promtool test rules"
else
    echo "promtool is not installed: the rules were not run (make alerts-test installs it)"
fi
echo "monitoring: $(wc -w <<<"$named") metrics named, all there"
