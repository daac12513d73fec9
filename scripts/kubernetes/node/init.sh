#!/usr/bin/env bash
# The first process of the node's namespaces: lays its own /sys, /run and network, then waits. All of it goes with this process.
set -euo pipefail
run=$1 name=$2 address=$3
mount --make-rprivate /
# The host's view of the control groups must go, or the container runtime reads paths of the wrong root.
umount -R /sys/fs/cgroup
umount -R /sys
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /sys/fs/cgroup
for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "/sys/fs/cgroup/$controller"
  mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
mount -t tmpfs tmpfs /run
mkdir -p "$run/var-log"
mount --bind "$run/var-log" /var/log
printf '127.0.0.1 localhost\n%s %s\n' "$address" "$name" > "$run/hosts"
mount --bind "$run/hosts" /etc/hosts
mount --make-rshared /
hostname "$name"
ip link set lo up
ip link add eth0 type bridge
ip address add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "${address%.*}.1" dev eth0
echo 1 > /proc/sys/net/ipv4/ip_forward
touch "$run/ready"
exec sleep infinity
