#!/usr/bin/env bash
# node-lose.sh: takes the second node away as a power cut does: kubelet, container runtime and all pods at once, unannounced.
# The cluster still lists it; `kubectl delete node` says that it will not come back, and then another one can join.
set -euo pipefail
. "$(dirname "$0")/common.sh"
pid=$(cat "$SECOND_DIR/init.pid" 2>/dev/null) || die "no second node has joined ($SECOND_DIR)"
grep -qs "$RUN_DIR" "/proc/$pid/environ" || die "the second node is lost already"
# All its processes are in the process namespace of this one.
kill -9 "$pid"
for _ in $(seq 100); do [ -e "/proc/$pid" ] || break; sleep 0.1; done
rm "$SECOND_DIR/init.pid"
say "the second node is lost"
