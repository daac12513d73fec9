#!/usr/bin/env bash
# node-down.sh: ends the node and removes what it left. Everything in it dies with its first process.
set -euo pipefail
. "$(dirname "$0")/common.sh"
pid=$(cat "$RUN_DIR/init.pid" 2>/dev/null || true)
if [ -n "$pid" ] && grep -qs "$RUN_DIR" "/proc/$pid/environ"; then
  kill -9 "$pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
fi
if [ -f "$RUN_DIR/cgroups" ]; then
  for _ in $(seq 300); do
    left=0
    while read -r group; do
      if [ -d "$group" ]; then find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true; fi
      if [ -d "$group" ]; then left=1; fi
    done < "$RUN_DIR/cgroups"
    [ "$left" = 0 ] && break
    sleep 0.1
  done
fi
# Overlay mounts of the node live in its own mount namespace and went with it; what is left are files.
rm -rf "$RUN_DIR"
