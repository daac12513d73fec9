#!/usr/bin/env bash
# node-import.sh NAME:TAG ...: makes images of the cache's layout known to the running node: what it has already is not sent.
set -euo pipefail
. "$(dirname "$0")/common.sh"
in_node content ls -q > "$RUN_DIR/known"
sent=$({ python3 "$HERE/layout.py" archive "$LAYOUT" "$RUN_DIR/known" "$@" | in_node images import - >/dev/null; } 2>&1) || die "the import failed: $sent"
echo "$sent" > "$RUN_DIR/sent"
say "imported: $*; $sent MB were new"
