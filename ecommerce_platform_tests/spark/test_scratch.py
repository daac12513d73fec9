"""What launcher and step hand each other: whole files, in order."""

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.settings import S3Settings
from ecommerce_platform.spark.launchers.handover.scratch import EventReader, EventWriter, Scratch, ScratchError
from ecommerce_platform_tests.s3_server import s3_bucket


def entry(number: int) -> dg.EventLogEntry:
    return dg.EventLogEntry(
        error_info=None, level=20, user_message=f"event {number}\nof two lines", run_id="r", timestamp=float(number)
    )


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Settings]:
    """An S3 server with a bucket `scratch`."""
    with s3_bucket("scratch") as bucket:
        yield bucket.settings


@pytest.fixture(params=["folder", "s3"])
def scratch(request: pytest.FixtureRequest, tmp_path: Path) -> Scratch:
    """A scratch location, on either kind of storage."""
    if request.param == "folder":
        return Scratch(str(tmp_path), S3Settings())
    return Scratch(f"s3://scratch/{tmp_path.name}", request.getfixturevalue("s3"))


def test_events_are_read_in_the_order_in_which_they_were_written(scratch: Scratch) -> None:
    writer, reader = EventWriter(scratch), EventReader(scratch)
    first = [entry(number) for number in range(50)]
    for event in first:
        writer.put(event)
    read: list[dg.EventLogEntry] = []
    pause = threading.Event()
    for _ in range(200):
        read += reader.read_new()
        if len(read) == 50:
            break
        pause.wait(0.05)
    assert read == first, "all are there although the writer is still open"
    writer.put(entry(50))
    writer.close()
    assert list(reader.read_new()) == [entry(50)]
    assert list(reader.read_new()) == []


def test_an_event_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where a folder should be")
    writer = EventWriter(Scratch(str(tmp_path), S3Settings()))
    writer.put(entry(1))
    with pytest.raises(ScratchError, match=r"cannot write .*events/00000001\.jsonl"):
        writer.close()


def test_a_half_written_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "00000001.jsonl.unfinished").write_text("half")
    assert list(EventReader(Scratch(str(tmp_path), S3Settings())).read_new()) == []


def test_a_folder_is_removed_with_what_is_in_it_and_may_be_gone_already(scratch: Scratch) -> None:
    scratch = scratch.child("a")
    scratch.child("b").write("c.json", b"{}")
    assert scratch.names() == ["b"]
    scratch.remove()
    scratch.remove()
    assert scratch.names() == []
    assert scratch.read("b/c.json") is None
