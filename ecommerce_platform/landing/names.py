"""Which names in the landing zone are a day's folder, and which files nobody is to read.

What belongs here: pure rules about names. What does not: listing (files.py), and what a file is, which its first bytes say
(lakehouse/decode/magic.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase

_DAY_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})")

#: Ends of names of files that are being written or are a writer's own mark: temporary files (`.tmp`, `.temp`), Flink
#: (`.inprogress`, also with an id behind it), Hadoop's copies, checksums and folder marks, browsers and WinSCP.
UNFINISHED = (".tmp", ".temp", ".inprogress", "._copying_", ".crdownload", ".filepart", ".crc", "_$folder$")


def parse_day_folder(name: str) -> date | None:
    """The day of a folder `date=YYYY-MM-DD`, None for any other name or a day that the calendar lacks."""
    match = _DAY_FOLDER.fullmatch(name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def is_skipped(path: str, ignore: Sequence[str] = ()) -> bool:
    """Whether a file, by its path below the table's folder, is ignored silently: hidden, unfinished, or matched by a
    pattern of `ignore`, which stands for the file's name or for its whole path.
    """
    *folders, name = path.split("/")
    if name.startswith((".", "_")) or any(_is_hidden_folder(folder) for folder in folders):
        return True
    lower = name.lower()
    if lower.endswith(UNFINISHED) or ".inprogress." in lower:
        return True
    return any(fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in ignore)


def is_skipped_folder(name: str, ignore: Sequence[str] = ()) -> bool:
    """Whether a folder directly in the table's folder is ignored silently, whatever its files are called."""
    return _is_hidden_folder(name) or any(fnmatchcase(f"{name}/\0", pattern) for pattern in ignore)


def _is_hidden_folder(name: str) -> bool:
    # As Spark and Hive see it: `_temporary` and `_delta_log` are hidden, a partition column `_region=eu` is not.
    return name.startswith(".") or (name.startswith("_") and "=" not in name)
