#!/usr/bin/env bash
# kind.sh up|demo|down: the platform on a kind cluster on this machine (Docker, kind, kubectl and helm must be installed). What
# follows once the cluster exists is demo.sh, the script that CI runs on a node of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
cluster=ecommerce-platform
die() { echo "kind.sh: $*" >&2; exit 1; }
for program in docker kind kubectl helm; do
  command -v "$program" >/dev/null || die "$program is missing; see docs/deploy.md for what to install"
done

revision=$(git -C "$project" rev-parse HEAD)
tag=$(git -C "$project" rev-parse --short=12 HEAD)
git -C "$project" diff --quiet HEAD -- ecommerce_platform dbt_project docker Dockerfile 2>/dev/null || tag+=-$(date -u +%Y%m%d%H%M%S)
tag_file=$project/data/kind-tag

case "${1:-}" in
  up)
    docker_memory=$(docker info --format '{{.MemTotal}}')
    [ "$docker_memory" -ge 11500000000 ] || die "Docker has $((docker_memory / 1000000000)) GB of memory; the cluster needs 12 GiB (Docker Desktop: Settings, Resources)"
    kind get clusters 2>/dev/null | grep -qx "$cluster" || kind create cluster --config "$project/helm/kind/cluster.yaml" --wait 180s
    for target in runtime embedded; do
      name=localhost/ecommerce-platform:$tag
      if [ "$target" = embedded ]; then name+=-embedded; fi
      bundle=()
      if [ -n "${ECOMMERCE_CA_BUNDLE:-}" ]; then bundle=(--secret "id=ca,src=$ECOMMERCE_CA_BUNDLE"); fi
      DOCKER_BUILDKIT=1 docker build --target "$target" --build-arg "REVISION=$revision" "${bundle[@]}" --tag "$name" "$project"
      kind load docker-image --name "$cluster" "$name"
    done
    mkdir -p "$project/data"
    echo "$tag" > "$tag_file"
    ;;
  demo)
    [ -s "$tag_file" ] || die "no image is in the cluster; run make kind-up first"
    kubectl config use-context "kind-$cluster" >/dev/null
    "$here/demo.sh" "$(cat "$tag_file")"
    echo "The UI: kubectl -n ecommerce port-forward service/shop-webserver 3000:80, then http://localhost:3000" >&2
    ;;
  down)
    kind delete cluster --name "$cluster"
    rm -f "$tag_file"
    ;;
  *) die "expected up, demo or down" ;;
esac
