#!/usr/bin/env bash
# node-up.sh: starts a Kubernetes of one node on this machine, in namespaces and control groups of its own. Needs root and
# control groups of version 1; the tools come from tools.sh. Images come by node-import.sh. Ended by node-down.sh.
set -euo pipefail
. "$(dirname "$0")/common.sh"
"$HERE/able.sh"
[ ! -e "$RUN_DIR/cgroups" ] || die "a node runs already, or one was killed ($RUN_DIR); end it with scripts/kubernetes/node-down.sh"
[ -x "$CACHE/bin/kube-apiserver" ] || die "the tools are not built; run scripts/kubernetes/tools.sh"

mkdir -p "$RUN_DIR"/{logs,cni,volumes}
# What the machine was like before, for node-down.sh.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  echo "/proc/sys/$name $(cat "/proc/sys/$name")"
done > "$RUN_DIR/sysctls"
host_network > "$RUN_DIR/rules"
: > "$RUN_DIR/resolv.conf"
for file in containerd.toml kubelet.yaml kube-proxy.yaml Corefile objects.yaml; do
  sed -e "s|@RUN@|$RUN_DIR|g" -e "s|@PAUSE_IMAGE@|$PAUSE_IMAGE|g" -e "s|@DNS_ADDRESS@|$DNS_ADDRESS|g" \
    -e "s|@NODE_NAME@|$NODE_NAME|g" -e "s|@NODE_ADDRESS@|$NODE_ADDRESS|g" "$HERE/node/$file" > "$RUN_DIR/$file"
done
cp "$HERE/node/cni.conflist" "$RUN_DIR/cni/10-node.conflist"
"$HERE/pki.sh" &
certificates=$!

# Control groups: one folder for the node under the caller's own, in each hierarchy.
: > "$RUN_DIR/cgroups"
for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
  [ -d "/sys/fs/cgroup/$controller" ] || die "the control group hierarchy $controller is not mounted"
  own=$(awk -F: -v wanted="$controller" '{n = split($2, names, ","); for (i = 1; i <= n; i++) if (names[i] == wanted || names[i] == "name=" wanted) print $3}' /proc/self/cgroup)
  folder=/sys/fs/cgroup/$controller${own%/}/$(basename "$RUN_DIR")
  mkdir -p "$folder"
  if [ "$controller" = cpuset ]; then
    cat "/sys/fs/cgroup/cpuset${own%/}/cpuset.cpus" > "$folder/cpuset.cpus"
    cat "/sys/fs/cgroup/cpuset${own%/}/cpuset.mems" > "$folder/cpuset.mems"
  fi
  # The kernel weighs the whole node against single processes beside it: as many as a node with some pods has.
  if [ "$controller" = cpu ]; then echo 4096 > "$folder/cpu.shares"; fi
  echo "$folder" >> "$RUN_DIR/cgroups"
done

(
  while read -r group; do echo $BASHPID > "$group/cgroup.procs"; done < "$RUN_DIR/cgroups"
  export ECOMMERCE_NODE=$RUN_DIR
  exec setsid unshare -m -n -p -u -i -C -f --mount-proc --propagation private "$HERE/node/init.sh" "$RUN_DIR" "$NODE_NAME" "$NODE_ADDRESS"
) >"$RUN_DIR/logs/init.log" 2>&1 </dev/null &
outer=$!
for _ in $(seq 100); do [ -e "$RUN_DIR/ready" ] && break; sleep 0.1; done
[ -e "$RUN_DIR/ready" ] || die "the node's namespaces could not be made: $(tail -n 5 "$RUN_DIR/logs/init.log")"
pgrep -P "$outer" | head -n 1 > "$RUN_DIR/init.pid"
readlink "/proc/$(cat "$RUN_DIR/init.pid")/ns/net" > "$RUN_DIR/network"
wait "$certificates"
say "namespaces and certificates"

start() { # start NAME COMMAND...
  local name=$1
  shift
  setsid nohup "$HERE/node-exec" "$@" >"$RUN_DIR/logs/$name.log" 2>&1 </dev/null &
}
until_true() { # until_true SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || die "$what did not come up; the logs are in $RUN_DIR/logs"
    sleep 0.3
  done
}
pki=$RUN_DIR/pki
node_exec=$HERE/node-exec

if [ -d "$CACHE_ROOT/images/unpacked" ]; then
  link_images "$CACHE_ROOT/images/unpacked" "$RUN_DIR/containerd" || rm -rf "$RUN_DIR/containerd"
fi
start containerd containerd -c "$RUN_DIR/containerd.toml"
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
(until_true 60 "the container runtime" in_node version) || {
  rm -rf "$CACHE_ROOT/images/unpacked"
  die "images in the cache may be why: they were removed; try again"
}
in_node images import "$CACHE/pause.tar" >/dev/null
start kubelet kubelet --config="$RUN_DIR/kubelet.yaml" --kubeconfig="$pki/kubelet.conf" --root-dir="$RUN_DIR/kubelet" \
  --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS"
start proxy kube-proxy --config="$RUN_DIR/kube-proxy.yaml"
until_true 90 "the node" "$node_exec" kubectl wait --for=condition=Ready "node/$NODE_NAME" --timeout=20s
until_true 60 "the default service account" "$node_exec" kubectl get serviceaccount default
say "node ready"
