"""Holds requirements.lock to requirements.in: named packages pinned with hashes, no index address recorded."""

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def problems() -> list[str]:
    lock = (PROJECT / "requirements.lock").read_text()
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock, re.MULTILINE))
    lines = []
    for line in (PROJECT / "requirements.in").read_text().splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(?:==([^\s;]+))?", line.split("#")[0].strip())
        if not match:
            continue
        name, version = match[1].lower().replace("_", "-"), match[2]
        if name not in pinned:
            lines.append(f"{name} is named in requirements.in but not pinned in requirements.lock: run make lock")
        elif version and "*" not in version and pinned[name] != version:
            lines.append(f"{name}: requirements.in says {version}, requirements.lock {pinned[name]}: run make lock")
    if "://" in lock:
        lines.append("requirements.lock records an address: run make lock")
    unhashed = [
        block.split()[0] for block in re.split(r"\n(?=\S)", lock) if "==" in block and "--hash=sha256:" not in block
    ]
    lines += [f"{name} has no hash in requirements.lock" for name in unhashed]
    for name in ("requirements-runtime.lock", "requirements-embedded.lock"):
        strange = set(_blocks((PROJECT / name).read_text())) - set(_blocks(lock))
        lines += [
            f"{name} pins {block.split()[0]}, requirements.lock does not: run make lock" for block in sorted(strange)
        ]
    return lines


def _blocks(lock: str) -> list[str]:
    return [block.rstrip("\n") for block in re.split(r"\n(?=\S)", lock) if "==" in block]


if __name__ == "__main__":
    for problem in problems():
        print(problem, file=sys.stderr)
    sys.exit(bool(problems()))
