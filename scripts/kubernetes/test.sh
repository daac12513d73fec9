#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENTS]: `make test-kubernetes`. Builds what the node is made of (cached), the images and the node, runs the
# tests marked `kubernetes` in its network, and removes the node. KEEP_NODE=1 leaves it up for a look.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$PROJECT"
[ ! -s "$RUN_DIR/init.pid" ] || die "a node runs already ($RUN_DIR); end it with scripts/kubernetes/node-down.sh"
# Said at once, and not after the builds.
need buildah buildah debootstrap debootstrap containerd containerd runc runc iptables iptables conntrack conntrack shellcheck shellcheck \
  openssl openssl git git gcc gcc
command -v go >/dev/null || die "Go is missing: the node is built from Go modules (go.dev/doc/install, 1.25 or newer)"
finish() {
  local code=$?
  if [ "$code" != 0 ] && [ -d "$RUN_DIR/logs" ] && [ -n "${LOGS:-}" ]; then cp -r "$RUN_DIR/logs" "$LOGS"; fi
  if [ -z "${KEEP_NODE:-}" ]; then "$HERE/node-down.sh"; fi
  exit "$code"
}
trap finish EXIT

"$HERE/tools.sh"
tag=$(image_tag)
mkdir -p "$RUN_DIR"
"$HERE/node-up.sh"
archive=$RUN_DIR/image.tar size=0
into_node() { # into_node NAME TARGET: built, written, imported, one after the other: an archive has up to 3 GB
  "$HERE/image.sh" "$1" "$2" "$archive"
  if [ "$2" = runtime ]; then size=$(stat -c %s "$archive"); fi
  "$HERE/node-import.sh" "$archive"
  rm -f "$archive"
}
into_node "$POSTGRES_IMAGE" postgres
into_node "$IMAGE_NAME:$tag" runtime
into_node "$IMAGE_NAME:$tag-embedded" embedded
# The same platform with another description of a job: what an upgrade brings.
into_node "$IMAGE_NAME:$tag-next" next

say "tests"
export ECOMMERCE_TEST_IMAGE_TAG=$tag ECOMMERCE_TEST_IMAGE_BYTES=$size ECOMMERCE_TEST_NODE=1
export ECOMMERCE_TEST_SCHEMAS=$CACHE/schemas PYTHON=$PROJECT/.venv/bin/python
"$HERE/node-net" "$PROJECT/.venv/bin/python" -m pytest -m kubernetes ecommerce_platform_tests/kubernetes "$@"
say "all tests passed"
