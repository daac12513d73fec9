#!/usr/bin/env bash
# able.sh: fails in words where this machine cannot run the test node: root, control groups, Debian's programs, Go.
set -euo pipefail
. "$(dirname "$0")/common.sh"
need containerd containerd runc runc iptables iptables conntrack conntrack debootstrap debootstrap buildah buildah skopeo skopeo shellcheck shellcheck \
  gcc gcc openssl openssl git git python3 python3 nsenter util-linux ip iproute2 ps procps
[ -d /usr/lib/cni ] || die "missing on this machine: containernetworking-plugins (Debian's package)"
need_go
[ "$(id -u)" = 0 ] || die "needs root: it makes namespaces and control groups. Without root use kind (make kind-up)"
[ -d /sys/fs/cgroup/memory ] || die "this machine has no control groups of version 1 (/sys/fs/cgroup/memory); use kind (make kind-up)"
