#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENTS]: `make test-kubernetes`. Builds what the node is made of (cached), the images and the node, runs the
# tests marked `kubernetes` in its network, and removes the node. Long trials only where the arguments say so (-m soak).
# KEEP_NODE=1 leaves it up for a look. A node that an aborted run left behind is removed first.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$PROJECT"
# Said at once, and not after the builds.
"$HERE/able.sh"
mkdir -p "$RUN_DIR"
other=$(cat "$RUN_DIR/test.pid" 2>/dev/null || true)
if [ -n "$other" ] && grep -qs test.sh "/proc/$other/cmdline"; then die "another test.sh runs (process $other) with the node in $RUN_DIR"; fi
if [ -e "$RUN_DIR/cgroups" ]; then
  [ ! -e "$RUN_DIR/keep" ] || die "a node was left up by KEEP_NODE ($RUN_DIR); end it with scripts/kubernetes/node-down.sh"
  say "a node of an aborted run is there: removing it"
  "$HERE/node-down.sh"
  mkdir -p "$RUN_DIR"
fi
echo $$ > "$RUN_DIR/test.pid"
# On all that is started here, so that node-down.sh finds it after this script was killed.
export ECOMMERCE_NODE=$RUN_DIR
finish() {
  local code=$?
  trap - EXIT INT TERM
  if [ "$code" != 0 ] && [ -d "$RUN_DIR/logs" ] && [ -n "${LOGS:-}" ]; then cp -r "$RUN_DIR/logs" "$LOGS"; fi
  if [ -n "${KEEP_NODE:-}" ]; then touch "$RUN_DIR/keep"; else "$HERE/node-down.sh" || code=1; fi
  say "end, exit code $code"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM
began=0
# Each earlier message is printed with its seconds, to show where the time goes.
section() { say "=== $1 (the section before: $((SECONDS - began)) s)"; began=$SECONDS; }

section "images; beside them what the node is made of, and the node"
tag=$(image_tag)
{ "$HERE/tools.sh" && "$HERE/node-up.sh"; } &
node=$!
names=("$POSTGRES_IMAGE" "$IMAGE_NAME:$tag" "$IMAGE_NAME:$tag-embedded" "$IMAGE_NAME:$tag-next")
"$HERE/image.sh" "${names[0]}" postgres
"$HERE/image.sh" "${names[1]}" runtime
"$HERE/image.sh" "${names[2]}" embedded
# The same platform with another description of a job: what an upgrade brings.
"$HERE/image.sh" "${names[3]}" next
wait "$node" || die "the node did not come up"
section "images into the node"
"$HERE/node-import.sh" "${names[@]}"
# What changed was more than the code: worth keeping.
if [ "$(cat "$RUN_DIR/sent")" -gt 100 ]; then "$HERE/node-keep.sh" "${names[@]}"; fi
"$HERE/prune.sh" "${names[@]}"

section "tests"
export ECOMMERCE_TEST_IMAGE_TAG=$tag ECOMMERCE_TEST_NODE=1
ECOMMERCE_TEST_IMAGE_BYTES=$(python3 "$HERE/layout.py" size "$LAYOUT" "${names[1]}")
export ECOMMERCE_TEST_IMAGE_BYTES ECOMMERCE_TEST_SCHEMAS=$CACHE/schemas PYTHON=$PROJECT/.venv/bin/python
# Two lanes beside each other: one installation, and launched steps. Each waits for the cluster most of the time.
tests() { # tests FILE ...
  local code=0
  "$HERE/node-net" "$PROJECT/.venv/bin/python" -m pytest -m "kubernetes and not soak" --durations=15 "$@" || code=$?
  # 5: the arguments choose no test of this lane.
  [ "$code" = 0 ] || [ "$code" = 5 ] || return "$code"
}
files=(ecommerce_platform_tests/kubernetes/test_*.py)
mapfile -t launchers < <(printf '%s\n' "${files[@]}" | grep /test_launcher)
mapfile -t installation < <(printf '%s\n' "${files[@]}" | grep -v -e /test_launcher -e /test_outage)
failed=0
tests "${launchers[@]}" "$@" >"$RUN_DIR/logs/test-launchers.log" 2>&1 &
lane=$!
tests "${installation[@]}" "$@" &
wait $! || failed=1
say "the installation's tests ended; those of launched steps:"
wait "$lane" || failed=1
cat "$RUN_DIR/logs/test-launchers.log"
# It stops the API server for half a minute, which nobody else should meet.
tests ecommerce_platform_tests/kubernetes/test_outage.py "$@" || failed=1
[ "$failed" = 0 ] || die "tests failed"
section "all tests passed; removing the node"
