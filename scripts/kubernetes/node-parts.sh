# shellcheck shell=bash
# What each node of the test cluster is made of: files, control groups, namespaces, programs. Sourced by node-up.sh and node-join.sh.
# shellcheck disable=SC2034  # used by those that source it
# What belongs here: what both nodes have. What does not: the control plane, and how the nodes reach each other.

PODS=10.88.0.0/16
# Each node has a half of it.
FIRST_PODS=10.88.0.0/17
SECOND_PODS=10.88.128.0/17

node_files() { # node_files FOLDER NAME ADDRESS PODS: what the node's programs read
  local folder=$1 name=$2 address=$3 pods=$4 file
  mkdir -p "$folder"/{logs,cni}
  : > "$folder/resolv.conf"
  for file in containerd.toml kubelet.yaml kube-proxy.yaml Corefile objects.yaml cni.conflist; do
    sed -e "s|@RUN@|$folder|g" -e "s|@PAUSE_IMAGE@|$PAUSE_IMAGE|g" -e "s|@DNS_ADDRESS@|$DNS_ADDRESS|g" \
      -e "s|@NODE_NAME@|$name|g" -e "s|@NODE_ADDRESS@|$address|g" -e "s|@NODE_PODS@|$pods|g" -e "s|@PODS@|$PODS|g" \
      "$HERE/node/$file" > "$folder/$file"
  done
  mv "$folder/cni.conflist" "$folder/cni/10-node.conflist"
}

control_groups() { # control_groups FOLDER NAME: one for the node under the caller's own, in each hierarchy; listed in FOLDER/cgroups
  local folder=$1 name=$2 controller own group
  : > "$folder/cgroups"
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    [ -d "/sys/fs/cgroup/$controller" ] || die "the control group hierarchy $controller is not mounted"
    own=$(awk -F: -v wanted="$controller" '{n = split($2, names, ","); for (i = 1; i <= n; i++) if (names[i] == wanted || names[i] == "name=" wanted) print $3}' /proc/self/cgroup)
    group=/sys/fs/cgroup/$controller${own%/}/$name
    mkdir -p "$group"
    if [ "$controller" = cpuset ]; then
      cat "/sys/fs/cgroup/cpuset${own%/}/cpuset.cpus" > "$group/cpuset.cpus"
      cat "/sys/fs/cgroup/cpuset${own%/}/cpuset.mems" > "$group/cpuset.mems"
    fi
    # The kernel weighs the whole node against single processes beside it: as many as a node with some pods has.
    if [ "$controller" = cpu ]; then echo 4096 > "$group/cpu.shares"; fi
    echo "$group" >> "$folder/cgroups"
  done
}

namespaces() { # namespaces FOLDER NAME ADDRESS: the node's first process, which its namespaces live and die with
  local folder=$1 name=$2 address=$3 outer
  rm -f "$folder/ready"
  (
    while read -r group; do echo $BASHPID > "$group/cgroup.procs"; done < "$folder/cgroups"
    export ECOMMERCE_NODE=$RUN_DIR
    exec setsid unshare -m -n -p -u -i -C -f --mount-proc --propagation private "$HERE/node/init.sh" "$folder" "$name" "$address"
  ) >"$folder/logs/init.log" 2>&1 </dev/null &
  outer=$!
  for _ in $(seq 100); do [ -e "$folder/ready" ] && break; sleep 0.1; done
  [ -e "$folder/ready" ] || die "the namespaces of $name could not be made: $(tail -n 5 "$folder/logs/init.log")"
  pgrep -P "$outer" | head -n 1 > "$folder/init.pid"
  readlink "/proc/$(cat "$folder/init.pid")/ns/net" > "$folder/network"
}

start_in() { # start_in FOLDER PROGRAM COMMAND...: in the node of that folder, its output in the folder's logs
  local folder=$1 program=$2
  shift 2
  ECOMMERCE_NODE_DIR=$folder setsid nohup "$HERE/node-exec" "$@" >"$folder/logs/$program.log" 2>&1 </dev/null &
}

until_true() { # until_true SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || die "$what did not come up; the logs are in $RUN_DIR"
    sleep 0.3
  done
}

start_runtime() { # start_runtime FOLDER: containerd, with the images that the cache keeps unpacked
  local folder=$1
  if [ -d "$CACHE_ROOT/images/unpacked" ]; then
    link_images "$CACHE_ROOT/images/unpacked" "$folder/containerd" || rm -rf "$folder/containerd"
  fi
  start_in "$folder" containerd containerd -c "$folder/containerd.toml"
}

runtime_answers() { # runtime_answers FOLDER: waits, and loads the image that each pod begins with
  (
    export ECOMMERCE_NODE_DIR=$1
    until_true 60 "the container runtime" in_node version
  ) || {
    rm -rf "$CACHE_ROOT/images/unpacked"
    die "images in the cache may be why: they were removed; try again"
  }
  ECOMMERCE_NODE_DIR=$1 in_node images import "$CACHE/pause.tar" >/dev/null
}

start_kubelet() { # start_kubelet FOLDER NAME ADDRESS [KUBELET ARGUMENTS]: with the proxy of the services; waits until the node is ready
  local folder=$1 name=$2 address=$3
  shift 3
  start_in "$folder" kubelet kubelet --config="$folder/kubelet.yaml" --kubeconfig="$folder/pki/kubelet.conf" --root-dir="$folder/kubelet" \
    --hostname-override="$name" --node-ip="$address" "$@"
  start_in "$folder" proxy kube-proxy --config="$folder/kube-proxy.yaml"
  until_true 90 "the node $name" "$HERE/node-exec" kubectl wait --for=condition=Ready "node/$name" --timeout=20s
}
