"""What a step and its launcher hand each other, over a folder or S3: the step's reference, then its events, in order.

What belongs here: files and their order. What does not: what is done with them (relay.py, remote_main.py).

Events are numbered files that appear whole and never change, so that a reader knows the next one's name and needs no listing:
`step.json`, `events/00000001.jsonl`, `events/00000002.jsonl`, … A file holds the events that had gathered while the one
before it was written. Everything is Dagster's own JSON; nothing is unpickled.

Whoever can write here cannot choose what code runs: the step's process knows the digest of its reference from its arguments
(step_ref.py), and events are taken only when they are of the step that was launched (relay.py). They can still disturb: remove or
replace files, so that the step fails, and write events of this very step, such as a false success, false metadata or a false
check. The gates that data passes lie in the lake's and the warehouse's ledgers, not in these events. So scratch has a place of
its own that nothing but Dagster's runs and their drivers may write; the landing zone's writers are others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pyarrow.fs as pafs
from dagster_shared.check import CheckError
from dagster_shared.serdes.errors import DeserializationError

from ecommerce_platform.object_store import arrow_s3
from ecommerce_platform.settings import S3Settings
from ecommerce_platform.settings.addresses import is_s3, store_path

STEP_FILE = "step.json"


class ScratchError(RuntimeError):
    """The scratch location cannot be written or read; the message names the file and says why."""


class ForeignEventError(RuntimeError):
    """The scratch location holds what the launched step cannot have written; the message names it."""


class Scratch:
    """A folder, local or `s3://bucket/prefix`, whose files appear whole."""

    def __init__(self, uri: str, s3: S3Settings) -> None:
        self.uri = uri.rstrip("/")
        self._local = not is_s3(self.uri)
        self._files: pafs.FileSystem = pafs.LocalFileSystem() if self._local else arrow_s3(s3)
        self._root = store_path(self.uri.removeprefix("file://"))
        self._s3 = s3

    def child(self, name: str) -> Scratch:
        """A folder in this one."""
        return Scratch(f"{self.uri}/{name}", self._s3)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file that is either there with all of `content`, or not there. Raises ScratchError."""
        path = f"{self._root}/{name}"
        try:
            if self._local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                unfinished = Path(f"{path}.unfinished")
                unfinished.write_bytes(content)
                unfinished.replace(path)
            else:
                with self._files.open_output_stream(path) as stream:
                    stream.write(content)
        except OSError as error:
            raise ScratchError(f"cannot write {self.uri}/{name}: {error}; it must be writable by the driver") from error

    def read(self, name: str) -> bytes | None:
        """A file's content, or None when it is not there. Raises ScratchError."""
        try:
            with self._files.open_input_file(f"{self._root}/{name}") as stream:
                return bytes(stream.readall())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ScratchError(f"cannot read {self.uri}/{name}: {error}") from error

    def names(self) -> list[str]:
        """The names of what lies directly in this folder."""
        try:
            entries = self._files.get_file_info(pafs.FileSelector(self._root, allow_not_found=True))
        except OSError as error:
            raise ScratchError(f"cannot list {self.uri}: {error}") from error
        return sorted(str(info.base_name) for info in entries)

    def remove(self) -> None:
        """Removes the folder with what is in it; nothing happens when it is not there. Raises ScratchError."""
        try:
            self._files.delete_dir(self._root)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ScratchError(f"cannot remove {self.uri}: {error}") from error


def _event_file(number: int) -> str:
    return f"events/{number:08d}.jsonl"


class EventWriter:
    """Writes a step's events from a thread, so that the step does not wait for S3 at each of them."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._waiting: queue.SimpleQueue[dg.EventLogEntry | None] = queue.SimpleQueue()
        self._failure: ScratchError | None = None
        self._thread = threading.Thread(target=self._run, name="step-events", daemon=True)
        self._thread.start()

    def put(self, entry: dg.EventLogEntry) -> None:
        """Hands over an event. Raises ScratchError when an earlier one could not be written."""
        if self._failure:
            raise self._failure
        self._waiting.put(entry)

    def close(self) -> None:
        """Waits until all is written. Raises ScratchError when it is not."""
        self._waiting.put(None)
        self._thread.join()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        number, last = 0, False
        while not last:
            entries = [self._waiting.get()]
            while not self._waiting.empty():
                entries.append(self._waiting.get())
            last = None in entries
            lines = [dg.serialize_value(entry) for entry in entries if entry is not None]
            if lines:
                number += 1
                try:
                    self._scratch.write(_event_file(number), "\n".join(lines).encode())
                except ScratchError as error:
                    self._failure = error
                    return


class EventReader:
    """Reads the events that have come since the last call."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._number = 1

    def read_new(self) -> Sequence[dg.EventLogEntry]:
        """The events of the files that have appeared, in order. Raises ScratchError, or ForeignEventError for no events."""
        entries: list[dg.EventLogEntry] = []
        while (content := self._scratch.read(_event_file(self._number))) is not None:
            try:
                entries += [dg.deserialize_value(line, dg.EventLogEntry) for line in content.decode().split("\n")]
            except (ValueError, DeserializationError, CheckError) as error:
                raise ForeignEventError(
                    f"{self._scratch.uri}/{_event_file(self._number)} holds something else than a step's events "
                    f"({type(error).__name__}): somebody else writes to the scratch location"
                ) from error
            self._number += 1
        return entries
