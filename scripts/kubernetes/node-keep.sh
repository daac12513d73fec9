#!/usr/bin/env bash
# node-keep.sh NAME:TAG ...: keeps what the node's container runtime holds of these images in the cache, unpacked, for the next node:
# by hard links, since nobody writes to it. Only its databases are copied. To be called before the node has pods.
set -euo pipefail
. "$(dirname "$0")/common.sh"
in_node images ls -q | grep '^localhost/' | grep -vxF "$(printf '%s\n' "$@" "$PAUSE_IMAGE")" | while read -r name; do
  in_node images rm --sync "$name" >/dev/null
done || true
new=$CACHE_ROOT/images/unpacked.new
rm -rf "$new"
# Held still, so that the databases are whole: they are made to survive a power cut at any moment.
process=$("$HERE/node-exec" pgrep -x containerd)
"$HERE/node-exec" kill -STOP "$process"
kept=0
link_images "$RUN_DIR/containerd" "$new" || kept=$?
"$HERE/node-exec" kill -CONT "$process"
if [ "$kept" != 0 ]; then
  rm -rf "$new"
  say "the cache lies on another disk than $RUN_DIR: images are not kept unpacked"
  exit 0
fi
# The same bytes lie in the layout: once is enough.
for file in "$new"/io.containerd.content.v1.content/blobs/sha256/*; do
  twin=$LAYOUT/blobs/sha256/${file##*/}
  if [ -e "$twin" ]; then ln -f "$file" "$twin"; fi
done
rm -rf "$CACHE_ROOT/images/unpacked"
mv "$new" "$CACHE_ROOT/images/unpacked"
say "images are kept unpacked for the next node"
