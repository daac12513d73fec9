#!/usr/bin/env bash
# node-up.sh: starts a Kubernetes of one node on this machine, in namespaces and control groups of its own. Needs root and
# control groups of version 1; the tools come from tools.sh. Images come by node-import.sh. Ended by node-down.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/node-parts.sh"
"$HERE/able.sh"
[ ! -e "$RUN_DIR/cgroups" ] || die "a node runs already, or one was killed ($RUN_DIR); end it with scripts/kubernetes/node-down.sh"
[ -x "$CACHE/bin/kube-apiserver" ] || die "the tools are not built; run scripts/kubernetes/tools.sh"

mkdir -p "$RUN_DIR/volumes"
# What the machine was like before, for node-down.sh.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  echo "/proc/sys/$name $(cat "/proc/sys/$name")"
done > "$RUN_DIR/sysctls"
host_network > "$RUN_DIR/rules"
node_files "$RUN_DIR" "$NODE_NAME" "$NODE_ADDRESS" "$FIRST_PODS"
"$HERE/pki.sh" &
certificates=$!

control_groups "$RUN_DIR" "$(basename "$RUN_DIR")"
namespaces "$RUN_DIR" "$NODE_NAME" "$NODE_ADDRESS"
wait "$certificates"
say "namespaces and certificates"

start() { start_in "$RUN_DIR" "$@"; } # start PROGRAM COMMAND...
pki=$RUN_DIR/pki
node_exec=$HERE/node-exec

start_runtime "$RUN_DIR"
start etcd etcd --data-dir "$RUN_DIR/etcd" --unsafe-no-fsync --log-level warn --listen-client-urls http://127.0.0.1:2379 \
  --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$NODE_ADDRESS" --secure-port=6443 \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --client-ca-file="$pki/ca.crt" \
  --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --cert-dir="$RUN_DIR/apiserver" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$pki/accounts.pub" \
  --service-account-signing-key-file="$pki/accounts.key" --service-cluster-ip-range=10.96.0.0/16 \
  --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key"
until_true 120 "the API server" "$node_exec" kubectl get --raw /readyz
say "API server"
start controllers kube-controller-manager --kubeconfig="$pki/controllers.conf" --authentication-kubeconfig="$pki/controllers.conf" \
  --authorization-kubeconfig="$pki/controllers.conf" --root-ca-file="$pki/ca.crt" --cert-dir="$RUN_DIR/controllers" \
  --service-account-private-key-file="$pki/accounts.key" --use-service-account-credentials --leader-elect=false
start scheduler kube-scheduler --kubeconfig="$pki/scheduler.conf" --authentication-kubeconfig="$pki/scheduler.conf" \
  --authorization-kubeconfig="$pki/scheduler.conf" --cert-dir="$RUN_DIR/scheduler" --leader-elect=false
"$node_exec" kubectl apply -f "$RUN_DIR/objects.yaml" >/dev/null
for number in $(seq 12); do
  mkdir -p "$RUN_DIR/volumes/$number"
  chmod 777 "$RUN_DIR/volumes/$number"
  cat <<END
{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "volume-$number"}, "spec": {"capacity": {"storage": "20Gi"},
 "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "standard",
 "hostPath": {"path": "$RUN_DIR/volumes/$number"}}}
END
done | "$node_exec" kubectl apply -f - >/dev/null
start dns coredns -conf "$RUN_DIR/Corefile"
runtime_answers "$RUN_DIR"
start_kubelet "$RUN_DIR" "$NODE_NAME" "$NODE_ADDRESS"
until_true 60 "the default service account" "$node_exec" kubectl get serviceaccount default
say "node ready"
