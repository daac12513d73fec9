#!/usr/bin/env bash
# node-join.sh MEMORY NAME:TAG ...: a second node joins the running one, with room for pods of MEMORY MiB and these images: its
# namespaces, control groups, container runtime, kubelet and network of pods. node-lose.sh takes it away, node-down.sh ends both.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/node-parts.sh"
[ -s "$RUN_DIR/init.pid" ] || die "no node runs ($RUN_DIR): start one with scripts/kubernetes/node-up.sh"
[ ! -s "$SECOND_DIR/init.pid" ] || die "a second node has joined already ($SECOND_DIR)"
memory=$1
shift
# What one that was lost has left; its mounts went with it.
rm -rf "$SECOND_DIR"

node_files "$SECOND_DIR" "$SECOND_NAME" "$SECOND_ADDRESS" "$SECOND_PODS"
"$HERE/pki.sh" "$SECOND_DIR" "$SECOND_NAME" "$SECOND_ADDRESS"
control_groups "$SECOND_DIR" "$(basename "$RUN_DIR")-second"
namespaces "$SECOND_DIR" "$SECOND_NAME" "$SECOND_ADDRESS"

# A cable between the two: each node's eth0 is a bridge. What is for the other's pods goes to the other.
first=$(cat "$RUN_DIR/init.pid") second=$(cat "$SECOND_DIR/init.pid")
nsenter -t "$first" -n ip link add cable type veth peer name cable netns "$second"
for pid in "$first" "$second"; do
  nsenter -t "$pid" -n ip link set cable master eth0
  nsenter -t "$pid" -n ip link set cable up
done
nsenter -t "$first" -n ip route replace "$SECOND_PODS" via "$SECOND_ADDRESS"
nsenter -t "$second" -n ip route replace "$FIRST_PODS" via "$NODE_ADDRESS"
# The API server calls a kubelet by the node's name.
grep -q " $SECOND_NAME\$" "$RUN_DIR/hosts" || echo "$SECOND_ADDRESS $SECOND_NAME" >> "$RUN_DIR/hosts"
echo "$NODE_ADDRESS $NODE_NAME" >> "$SECOND_DIR/hosts"

start_runtime "$SECOND_DIR"
runtime_answers "$SECOND_DIR"
if [ $# -gt 0 ]; then ECOMMERCE_NODE_DIR=$SECOND_DIR "$HERE/node-import.sh" "$@"; fi
# Kubelet counts the memory of the whole machine as its own; what is not for pods is reserved.
total=$(awk '$1 == "MemTotal:" {print int($2 / 1024)}' /proc/meminfo)
start_kubelet "$SECOND_DIR" "$SECOND_NAME" "$SECOND_ADDRESS" --system-reserved="memory=$((total - memory - 100))Mi"
say "a second node is ready: $SECOND_NAME"
