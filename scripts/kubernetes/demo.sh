#!/usr/bin/env bash
# demo.sh TAG [PROFILE ...]: the platform on the cluster of the current kubectl context, from installation to marts: install with
# stand-ins, `helm test`, the sample shop, its days launched through the webserver, the marts. `make kind-demo` and the tests of
# CI's node both run it. DAYS, LANDED (days that landed, DAYS of which run), ORDERS and OUT (a folder for the marts as CSV) may be set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tag=$1
shift
release=${RELEASE:-shop} namespace=${NAMESPACE:-ecommerce} days=${DAYS:-3} landed=${LANDED:-${DAYS:-3}} orders=${ORDERS:-300} out=${OUT:-}
section() { printf '%6ss  %s\n' "$SECONDS" "$*" >&2; }

section "install"
"$here/install.sh" "$tag" "$@"
section "helm test"
helm test "$release" --namespace "$namespace" --timeout 5m >/dev/null || {
  kubectl -n "$namespace" logs "$release-answers" >&2
  exit 1
}
section "sample shop: $landed days"
"$here/sample.sh" "$tag" "$landed" "$orders"

section "launch through the webserver"
log=$(mktemp)
kubectl -n "$namespace" port-forward "service/$release-webserver" :80 >"$log" 2>&1 &
forward=$!
trap 'kill "$forward" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 100); do
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$log" | head -n 1)
  [ -n "$port" ] && break
  sleep 0.2
done
last=$(date -u -d "2026-01-01 + $((days - 1)) days" +%F 2>/dev/null || date -u -v "+$((days - 1))d" -jf %F 2026-01-01 +%F)
"${PYTHON:-python3}" "$here/launch.py" "http://127.0.0.1:$port" 2026-01-01 "$last"

section "marts"
ask() { kubectl -n "$namespace" exec "deploy/$release-code" -- ecommerce-platform sql "$1" --format "$2"; }
ask "select date, total_orders, total_revenue, total_active_customers from marts.daily_business_metrics order by date" table
if [ -n "$out" ]; then
  mkdir -p "$out"
  ask "select table_name from information_schema.tables where table_schema = 'MARTS' order by 1" csv | tr -d '"\r' | tail -n +2 > "$out/tables"
fi
section "done"
