#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENTS]: `make test-kubernetes`. Builds what the node is made of (cached), the images and the node, runs the
# tests marked `kubernetes` in its network, and removes the node. KEEP_NODE=1 leaves it up for a look.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$PROJECT"
[ ! -s "$RUN_DIR/init.pid" ] || die "a node runs already ($RUN_DIR); end it with scripts/kubernetes/node-down.sh"
finish() {
  local code=$?
  if [ "$code" != 0 ] && [ -d "$RUN_DIR/logs" ] && [ -n "${LOGS:-}" ]; then cp -r "$RUN_DIR/logs" "$LOGS"; fi
  if [ -z "${KEEP_NODE:-}" ]; then "$HERE/node-down.sh"; fi
  exit "$code"
}
trap finish EXIT

"$HERE/tools.sh"
tag=$(image_tag)
images=$RUN_DIR/images
mkdir -p "$images"
"$HERE/image.sh" "$POSTGRES_IMAGE" postgres "$images/postgres"
"$HERE/image.sh" "$IMAGE_NAME:$tag" runtime "$images/platform"
size=$(du -sb "$images/platform" | cut -f1)
"$HERE/image.sh" "$IMAGE_NAME:$tag-embedded" embedded "$images/platform"
# The same platform with another description of a job: what an upgrade brings.
"$HERE/image.sh" "$IMAGE_NAME:$tag-next" next "$images/platform"
"$HERE/node-up.sh"
"$HERE/node-import.sh" "$images/postgres" "${POSTGRES_IMAGE%:*}"
"$HERE/node-import.sh" "$images/platform" "$IMAGE_NAME"
rm -rf "$images"

say "tests"
export ECOMMERCE_TEST_IMAGE_TAG=$tag ECOMMERCE_TEST_IMAGE_BYTES=$size ECOMMERCE_TEST_NODE=1
export ECOMMERCE_TEST_SCHEMAS=$CACHE/schemas PYTHON=$PROJECT/.venv/bin/python
"$HERE/node-net" "$PROJECT/.venv/bin/python" -m pytest -m kubernetes ecommerce_platform_tests/kubernetes "$@"
say "all tests passed"
