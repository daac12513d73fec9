#!/usr/bin/env bash
# Makes .venv with the pinned packages and fetches the pinned jars (`core`: without those for S3); does nothing when all are there.
# Used by `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }

find_python() {
  for candidate in ${PYTHON:-} python3.11 python3.12 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or 3.12 is missing: install python3.11 and python3.11-venv (Debian, Ubuntu), python3.11 (Fedora), python@3.11 (Homebrew)."
}

java_major() {
  "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

check_java() {
  local java=${JAVA_HOME:+$JAVA_HOME/bin/}java major
  major=$(command -v "$java" >/dev/null 2>&1 && java_major "$java" || true)
  if [ -z "$major" ] || [ "$major" -lt 17 ]; then
    fail "a Java runtime 17 or newer is missing (found: ${major:-none}): install openjdk-17-jre-headless (Debian, Ubuntu), java-17-openjdk-headless (Fedora) or openjdk@17 (Homebrew)."
  fi
}

lock_digest=$(cat requirements.lock setup.py pyproject.toml scripts/setup.sh | sha256sum | cut -c1-16)
stamp=.venv/.setup-$lock_digest

check_java
if [ ! -e "$stamp" ]; then
  # Another checkout's environment would run this checkout's code from then on.
  [ ! -L .venv ] || fail ".venv is a link to $(readlink .venv), which fits other packages: run make setup in that checkout."
  python=$(find_python)
  echo "setup: virtual environment with $("$python" --version)"
  if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv || fail "python cannot make a virtual environment: install python3-venv (Debian, Ubuntu)."
  fi
  # uv installs the rest in seconds; it comes from the same lock file, with its hash.
  pinned_uv=$(mktemp)
  trap 'rm -f "$pinned_uv"' EXIT
  awk '/^uv==/ {on=1} on {print} on && !/\\$/ {exit}' requirements.lock > "$pinned_uv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$pinned_uv"
  # Of the sizes of the files that the lock file names, for Linux on x86-64.
  echo "setup: packages of requirements.lock: 1.1 GB where none is in uv's cache yet (PySpark 455 MB, chDB 181 MB), hashes checked"
  .venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
  rm -f .venv/.setup-*
  touch "$stamp"
fi
.venv/bin/python -m ecommerce_platform.transformation.sources
.venv/bin/python -m ecommerce_platform.spark.jars "$@"
