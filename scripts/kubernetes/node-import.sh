#!/usr/bin/env bash
# node-import.sh ARCHIVE.tar | FOLDER NAME: makes an archive's image, or all images of an OCI layout, known to the running node; those
# of a layout are called NAME with their tags.
set -euo pipefail
. "$(dirname "$0")/common.sh"
import=("$HERE/node-exec" ctr -a /run/containerd/containerd.sock -n k8s.io images import)
if [ -d "$1" ]; then
  tar -C "$1" -cf - . | "${import[@]}" --base-name "$2" - >/dev/null
else
  "${import[@]}" "$1" >/dev/null
fi
say "imported: $1"
