#!/usr/bin/env bash
# image.sh NAME:TAG TARGET [OUT.tar]: builds the Dockerfile's target with buildah on a Debian base made here, without any image
# registry, and writes it as an archive that containerd imports (of Docker's kind: it is not compressed). Layers are kept in the cache.
set -euo pipefail
. "$(dirname "$0")/common.sh"
need buildah buildah debootstrap debootstrap git git
name=$1 target=$2 out=${3:-}
folder=$PROJECT file=Dockerfile
case "$target" in postgres | next) folder=$HERE/$target ;; esac
mkdir -p "$RUN_DIR"

base=localhost/debian-python:bookworm-1
if ! build_storage inspect --type image "$base" >/dev/null 2>&1; then
  say "base image: Debian 12 with Python 3.11"
  root=$CACHE_ROOT/base-rootfs
  rm -rf "$root"
  mirror=$(awk '$1 == "URIs:" {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root" ${mirror:+"$mirror"} >"$CACHE_ROOT/debootstrap.log" 2>&1 ||
    die "debootstrap failed: $(tail -n 3 "$CACHE_ROOT/debootstrap.log")"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
  container=$(build_storage from scratch)
  build_storage copy --quiet "$container" "$root" / >/dev/null
  build_storage commit --quiet --rm "$container" "$base" >/dev/null
  rm -rf "$root"
fi

say "image $name from target $target"
arguments=(
  --layers --isolation chroot --network host --signature-policy "$HERE/policy.json" --format docker
  --build-arg "BASE_IMAGE=$base" --build-arg "REVISION=$(git -C "$PROJECT" rev-parse HEAD 2>/dev/null || echo unknown)"
)
# What this machine has downloaded already is not downloaded again: the caches of uv and of the jars, read and filled.
mkdir -p "${UV_CACHE_DIR:-$HOME/.cache/uv}" "${XDG_CACHE_HOME:-$HOME/.cache}/ecommerce-platform/jars"
arguments+=(
  --volume "${UV_CACHE_DIR:-$HOME/.cache/uv}:/root/.cache/uv"
  --volume "${XDG_CACHE_HOME:-$HOME/.cache}/ecommerce-platform/jars:/root/.cache/ecommerce-platform/jars"
)
if [ "$target" = next ]; then arguments+=(--build-arg "PLATFORM_IMAGE=${name%-next}"); fi
bundle=${ECOMMERCE_CA_BUNDLE:-${SSL_CERT_FILE:-}}
if [ -n "$bundle" ]; then arguments+=(--secret "id=ca,src=$bundle"); fi
build_storage bud "${arguments[@]}" --target "$target" --tag "$name" -f "$folder/$file" "$folder" >"$RUN_DIR/image-$target.log" 2>&1 ||
  die "the build of target $target failed: $(tail -n 25 "$RUN_DIR/image-$target.log")"
say "built: $(build_storage images --format '{{.Size}}' "$name")"
if [ -n "$out" ]; then
  rm -f "$out"
  build_storage push --quiet --signature-policy "$HERE/policy.json" "$name" "docker-archive:$out:$name"
  say "archive $out: $(du -sm "$out" | cut -f1) MB"
fi
