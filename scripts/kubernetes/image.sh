#!/usr/bin/env bash
# image.sh NAME:TAG TARGET: builds the Dockerfile's target with buildah on a Debian base made here, without any image registry, and
# pushes it to the layout in the cache from which node-import.sh takes it. What does not change with a commit is built once.
set -euo pipefail
. "$(dirname "$0")/common.sh"
need buildah buildah skopeo skopeo debootstrap debootstrap git git python3 python3
name=$1 target=$2
mkdir -p "$RUN_DIR" "$CACHE_ROOT/images"
# One build at a time, whoever asks.
exec 7>"$CACHE_ROOT/images/.lock"
flock 7

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
bundle=${ECOMMERCE_CA_BUNDLE:-${SSL_CERT_FILE:-}}
if [ -n "$bundle" ]; then arguments+=(--secret "id=ca,src=$bundle"); fi

build() { # build NAME TARGET FOLDER [MORE ARGUMENTS]
  local name=$1 target=$2 folder=$3
  shift 3
  build_storage bud "${arguments[@]}" "$@" --target "$target" --tag "$name" -f "$folder/Dockerfile" "$folder" >"$RUN_DIR/image-$target.log" 2>&1 ||
    die "the build of target $target failed: $(tail -n 25 "$RUN_DIR/image-$target.log")"
}

# buildah copies a stage's files to find out whether they changed, gigabytes at each build: so the stages below the code are images of
# their own. Those that they are copied from are named, too, or they would be pruned and a change of the jars would install packages.
case "$target" in
  runtime | embedded)
    stages=(packages jars parts)
    if [ "$target" = embedded ]; then stages+=(stand-ins embedded-parts); fi
    for stage in "${stages[@]}"; do
      build_storage inspect --type image "$(stage_image "$stage")" >/dev/null 2>&1 || {
        say "image of the stage $stage"
        build "$(stage_image "$stage")" "$stage" "$PROJECT"
      }
    done
    build "$name" "$target" "$PROJECT" --build-arg "PARTS=$(stage_image parts)" --build-arg "EMBEDDED_PARTS=$(stage_image embedded-parts)"
    ;;
  next) build "$name" next "$HERE/next" --build-arg "PLATFORM_IMAGE=${name%-next}" ;;
  *) build "$name" "$target" "$HERE/$target" ;;
esac
# Uncompressed, as the layers are in the store: compressing costs more than it spares, and those that are in the layout already are
# not written again. (buildah's own push can only compress.)
TMPDIR=$CACHE_ROOT/images/tmp skopeo --insecure-policy copy --quiet --dest-oci-accept-uncompressed-layers \
  "containers-storage:[overlay@$CACHE_ROOT/images/store+$RUN_DIR/buildah]$name" "oci:$LAYOUT:$name"
say "image $name: $(($(python3 "$HERE/layout.py" size "$LAYOUT" "$name") / 1000000)) MB"
