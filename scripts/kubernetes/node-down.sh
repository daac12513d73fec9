#!/usr/bin/env bash
# node-down.sh: ends the node and removes what it left, also after a test.sh that was killed; then looks whether anything is left and
# fails if so. Does nothing where there is no node. Everything in the node dies with its first process.
set -euo pipefail
. "$(dirname "$0")/common.sh"
export PATH=$PATH:/usr/sbin:/sbin
[ -d "$RUN_DIR" ] || exit 0
# What test.sh starts carries this variable; this script is not to be ended by itself.
if [ -n "${ECOMMERCE_NODE:-}" ]; then exec env -u ECOMMERCE_NODE "$0"; fi

# The node, and one that joined it (node-join.sh).
folders=("$RUN_DIR" "$SECOND_DIR")
lines_of() { # lines_of FILE: of each node's folder
  local folder
  for folder in "${folders[@]}"; do cat "$folder/$1" 2>/dev/null || true; done
}
processes() { # in the node's control groups or its network, or started by a test.sh that was killed
  {
    while read -r group; do
      if [ -d "$group" ]; then find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
    done < <(lines_of cgroups)
    # The name of a network namespace has brackets; here it is a pattern.
    lines_of network | sed 's/[][]/\\&/g' | while read -r network; do
      find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/net' -lname "$network" 2>/dev/null | cut -d/ -f3 || true
    done
    grep -lsxzF "ECOMMERCE_NODE=$RUN_DIR" /proc/[0-9]*/environ | cut -d/ -f3 || true
  } | sort -un | tr '\n' ' '
}
mounts() { awk -v run="$RUN_DIR" -v images="$CACHE_ROOT/images/store" 'index($5, run "/") == 1 || index($5, images "/") == 1 {print $5}' /proc/self/mountinfo; }
groups_left() {
  local group
  while read -r group; do if [ -d "$group" ]; then echo "$group"; fi; done < <(lines_of cgroups)
}

# Its first process first: the rest of its process namespace goes with it.
for pid in $(lines_of init.pid); do
  if grep -qs "$RUN_DIR" "/proc/$pid/environ"; then kill -9 "$pid" 2>/dev/null || true; fi
done
for attempt in $(seq 100); do
  alive=$(processes)
  [ -n "$alive" ] || break
  # The first process of a namespace ends after all others in it: a moment, then whoever is left.
  # shellcheck disable=SC2086
  if [ $((attempt % 10)) = 2 ]; then kill -9 $alive 2>/dev/null || true; fi
  sleep 0.1
done
say "its processes have ended"
for _ in $(seq 300); do
  left=$(groups_left)
  [ -n "$left" ] || break
  while read -r group; do find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true; done <<< "$left"
  sleep 0.1
done
say "its control groups are gone"
# The node's own mounts went with its mount namespace. A build that was killed leaves its container mounted.
if [ -n "$(mounts)" ]; then
  build_storage rm --all >/dev/null 2>&1 || true
  mounts | sort -r | while read -r folder; do umount "$folder" 2>/dev/null || true; done
fi
# What kubelet sets, it sets for the whole machine.
if [ -f "$RUN_DIR/sysctls" ]; then
  while read -r name value; do
    [ "$(cat "$name")" = "$value" ] || echo "$value" > "$name"
  done < "$RUN_DIR/sysctls"
fi

problems=()
alive=$(processes)
[ -z "$alive" ] || problems+=("processes: $alive")
[ -z "$(groups_left)" ] || problems+=("control groups: $(groups_left | tr '\n' ' ')")
[ -z "$(mounts)" ] || problems+=("mounts: $(mounts | tr '\n' ' ')")
if [ -f "$RUN_DIR/rules" ]; then
  more=$(host_network | comm -13 "$RUN_DIR/rules" -)
  [ -z "$more" ] || problems+=("in the machine's network: $more")
fi
[ ${#problems[@]} -eq 0 ] || die "left behind, and $RUN_DIR kept: $(printf '%s; ' "${problems[@]}")"
rm -rf "$RUN_DIR"
say "the node is gone: no process, mount, control group, network device or packet rule of it is left"
