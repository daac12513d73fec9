"""Images in an OCI layout: how large one is, and an archive of what a container runtime does not have yet.

python layout.py size LAYOUT NAME
python layout.py prune LAYOUT NAME ...           (removes all other images)
python layout.py archive LAYOUT KNOWN NAME ...   (KNOWN: a file of digests, one a line; the archive goes to standard output)

What belongs here: reading the folder that buildah pushes to. Layers that images share lie there once, and travel once.
"""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

NAME = "org.opencontainers.image.ref.name"


def manifest_of(layout: Path, name: str) -> dict[str, Any]:
    """The entry of an image in the layout's index."""
    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        if entry.get("annotations", {}).get(NAME) == name:
            return dict(entry)
    raise SystemExit(f"layout.py: {layout} holds no image {name}; image.sh builds and pushes one")


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def parts(layout: Path, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Descriptors of all that an image is made of."""
    manifest = json.loads(blob(layout, entry["digest"]).read_text())
    return [entry, manifest["config"], *manifest["layers"]]


def archive(layout: Path, known: set[str], names: list[str]) -> None:
    entries = [manifest_of(layout, name) for name in names]
    # The runtime takes an image's name from this annotation.
    index = [
        entry | {"annotations": {"io.containerd.image.name": name}} for entry, name in zip(entries, names, strict=True)
    ]
    texts = {
        "oci-layout": (layout / "oci-layout").read_text(),
        "index.json": json.dumps({"schemaVersion": 2, "manifests": index}),
    }
    sent = 0
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as out:
        for path, text in texts.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            out.addfile(info, io.BytesIO(text.encode()))
        digests = {part["digest"] for entry in entries for part in parts(layout, entry)}
        for digest in sorted(digests - known):
            file = blob(layout, digest)
            out.add(file, str(file.relative_to(layout)))
            sent += file.stat().st_size
    print(sent // 1_000_000, file=sys.stderr)


def prune(layout: Path, names: list[str]) -> None:
    entries = [manifest_of(layout, name) for name in names]
    keep = {blob(layout, part["digest"]) for entry in entries for part in parts(layout, entry)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    for path in (layout / "blobs").rglob("*"):
        if path.is_file() and path not in keep:
            path.unlink()


def main(arguments: list[str]) -> None:
    match arguments:
        case ["size", layout, name]:
            print(sum(part["size"] for part in parts(Path(layout), manifest_of(Path(layout), name))))
        case ["prune", layout, *names] if names:
            prune(Path(layout), names)
        case ["archive", layout, known, *names] if names:
            archive(Path(layout), set(Path(known).read_text().split()), names)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
