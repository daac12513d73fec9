"""What a file is by its first bytes: Parquet, or what it is instead.

What belongs here: the marks of file formats, and what has no content to look at. What does not: reading footers (physical.py).
"""

from __future__ import annotations

import stat
from pathlib import Path

PARQUET = b"PAR1"
#: As many bytes as are looked at.
HEAD_BYTES = 512

_MARKS = (
    (b"PARE", "Parquet with an encrypted footer"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "framed snappy"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"ARROW1", "an Arrow file"),
    (b"SEQ", "a Hadoop sequence file"),
    (b"SQLite format 3", "a SQLite database"),
)


def not_parquet(head: bytes) -> str | None:
    """What a file is that begins with these bytes, or None when it begins as Parquet or is empty. Shows none of its content."""
    if not head or head.startswith(PARQUET):
        return None
    for mark, kind in _MARKS:
        if head.startswith(mark):
            return kind
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < HEAD_BYTES else "ignore").lstrip()
    except UnicodeDecodeError:
        return "of an unknown kind"
    if any(ord(character) < 32 and character not in "\t\r\n\f" for character in text):
        return "of an unknown kind"
    first_line = text.partition("\n")[0]
    if text.startswith(("{", "[")):
        return "JSON"
    if text.startswith("<"):
        return "XML or HTML"
    return "comma-separated text" if "," in first_line else "text"


def special_file(path: str) -> str | None:
    """What a path on a disk is when it is neither file nor folder: to open a pipe is to wait for a writer, maybe forever."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # opening it says why
        return None
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
