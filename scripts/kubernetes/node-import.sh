#!/usr/bin/env bash
# node-import.sh ARCHIVE.tar: makes an image known to the running node.
set -euo pipefail
. "$(dirname "$0")/common.sh"
"$HERE/node-exec" ctr -a /run/containerd/containerd.sock -n k8s.io images import "$1" >/dev/null
say "imported: $1"
