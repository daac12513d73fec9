#!/usr/bin/env bash
# prune.sh NAME:TAG ...: removes from the cache what these images do not need: images of other revisions, layers of no image, what an
# aborted build left, and programs of versions that nobody has used for two weeks.
set -euo pipefail
. "$(dirname "$0")/common.sh"
exec 7>"$CACHE_ROOT/images/.lock"
flock 7
build_storage rm --all >/dev/null
keep=$(printf '%s\n' "$@" "$PAUSE_IMAGE" localhost/debian-python:bookworm-1; for stage in "${STAGES[@]}"; do stage_image "$stage"; echo; done)
removed=0
while read -r name; do
  build_storage rmi --force "$name" >/dev/null 2>&1 || true
  removed=$((removed + 1))
done < <(build_storage images --noheading --format '{{.Name}}:{{.Tag}}' | grep '^localhost/' | grep -vxF "$keep" || true)
build_storage rmi --prune >/dev/null 2>&1 || true
python3 "$HERE/layout.py" prune "$LAYOUT" "$@"
rm -rf "$CACHE_ROOT"/images/tmp/* "$CACHE_ROOT/base-rootfs"
find "$CACHE_ROOT" -mindepth 2 -maxdepth 2 -name .lock -mtime +14 -path '*/[0-9]*-*/*' -printf '%h\n' | while read -r folder; do
  [ "$folder" = "$CACHE" ] || rm -rf "$folder"
done
say "cache pruned: $removed images of other revisions removed"
