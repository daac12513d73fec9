"""What has arrived for a day, seen without Spark: its files, their rows, and the content id that names it all.

What belongs here: footers, row counts, the digest, and the refusal of files that cannot be read or have the wrong columns.
What does not: listing (landing) and decoding (decode/change_events.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts
from ecommerce_platform.iceberg.catalog import hadoop_uri
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.decode.calendars import require_plain_times
from ecommerce_platform.lakehouse.decode.change_events import DECODER_VERSION
from ecommerce_platform.lakehouse.decode.epochs import with_epoch_units
from ecommerce_platform.lakehouse.decode.evolution import extra_columns, unknown_problem
from ecommerce_platform.lakehouse.decode.physical import Footer, UnreadableFileError, read_footer, require_file
from ecommerce_platform.lakehouse.decode.plans import FileGroup, Form, event_columns, plan, relevant_columns
from ecommerce_platform.lakehouse.decode.schemas import schema_problem, storage_problem, unknown_columns
from ecommerce_platform.lakehouse.errors import DayRefusedError
from ecommerce_platform.landing.files import LandingError, LandingFile, LandingZone, list_table
from ecommerce_platform.landing.forgotten import Forgotten, load_forgotten
from ecommerce_platform.landing.persons import Rows, distinct_keys, merged
from ecommerce_platform.object_store import storage_is_away, store_path
from ecommerce_platform.settings import LandingSettings, Settings
from ecommerce_platform.settings.addresses import is_s3

_READERS = 8
_CHUNK = 8 * 1024 * 1024


@dataclass(frozen=True)
class Intake:
    """How landing files are taken in: where they lie, what becomes of columns that no contract names (`add`, `ignore`, `refuse`,
    `withhold`), the landing zone's limits, and who is forgotten at the moment of asking.
    """

    zone: LandingZone
    unknown_columns: str
    section: LandingSettings
    forgotten: Callable[[], Forgotten]

    @classmethod
    def of(cls, settings: Settings, zone: LandingZone | None = None, lake: Lake | None = None) -> Intake:
        """That of the settings, of their landing zone or another, into their lake or another."""
        forgotten = partial(load_forgotten, settings, lake)
        return cls(zone or LandingZone.of(settings), settings.unknown_columns, settings.landing, forgotten)


@dataclass(frozen=True)
class ArrivedFile:
    """A landing file and what its footer says. `digest` is of its bytes; `path` is relative to the table's folder;
    `forgotten` are its rows about forgotten people.
    """

    path: str
    uri: str
    size: int
    version: str
    digest: str
    footer: Footer
    forgotten: Rows | None = None


@dataclass(frozen=True)
class DayArrival:
    """The files of one table and day. The same content has the same id, wherever and whenever it is read."""

    table: str
    day: date
    files: tuple[ArrivedFile, ...]
    content_id: str
    unknown_columns: tuple[str, ...] = ()
    extra: tuple[Column, ...] = ()

    @property
    def rows(self) -> int:
        """Rows landed, as the footers count them: independent of what Spark reads."""
        return sum(file.footer.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def epoch_units(self) -> dict[str, str]:
        """Of each column of epoch numbers whose unit the files show: the unit, and where files differ, the files of each."""
        counts_by_unit: dict[str, Counter[str]] = {}
        for file in self.files:
            for column in file.footer.columns:
                if column.unit is not None:
                    counts_by_unit.setdefault(column.name, Counter())[column.unit.value] += 1
        return {
            name: next(iter(units))
            if len(units) == 1
            else ", ".join(f"{unit} ({n} files)" for unit, n in sorted(units.items()))
            for name, units in sorted(counts_by_unit.items())
        }

    @property
    def listing(self) -> tuple[tuple[str, int, str], ...]:
        """What a listing of the folder shows; a different one later means that the day has changed."""
        return tuple((file.path, file.size, file.version) for file in self.files)


@dataclass(frozen=True)
class RefusedArrival:
    """A day that cannot be taken as it has arrived."""

    table: str
    day: date
    reason: str


@dataclass(frozen=True)
class Arrivals:
    """What has arrived for one table: the days that can be read, and those that cannot."""

    days: Mapping[date, DayArrival]
    refused: Mapping[date, RefusedArrival]


def list_landing(zone: LandingZone, table: str, days: Sequence[date]) -> dict[date, tuple[LandingFile, ...]]:
    """The files of each of the days, in the order of their names; by one listing."""
    listed = list_table(zone, table, min(days), max(days)).days
    return {day: listed.get(day, ()) for day in days}


def listing_of(files: Sequence[LandingFile]) -> tuple[tuple[str, int, str], ...]:
    """What distinguishes one listing of a day from another; comparable with `DayArrival.listing`."""
    return tuple((file.path, file.size, file.version) for file in files)


def files_moved(zone: LandingZone, arrivals: Sequence[DayArrival]) -> bool:
    """Whether a listing now shows other files than those that were read for these days of a table."""
    listed = list_landing(zone, arrivals[0].table, [arrival.day for arrival in arrivals])
    return any(listing_of(listed[arrival.day]) != arrival.listing for arrival in arrivals)


def scan(intake: Intake, contract: Contract, days: Sequence[date]) -> Arrivals:
    """Reads the footers and digests of all files of these days."""
    arrivals: dict[date, DayArrival] = {}
    refused: dict[date, RefusedArrival] = {}
    source, mode, people = intake.zone.filesystem(), intake.unknown_columns, intake.forgotten()
    with ThreadPoolExecutor(_READERS, thread_name_prefix="footers") as pool:
        pending = {
            day: [pool.submit(_read, source, mode, contract, file, people) for file in files]
            for day, files in list_landing(intake.zone, contract.table, days).items()
        }
        for day, futures in pending.items():
            results = [future.result() for future in futures]
            problems = [result for result in results if isinstance(result, str)]
            if problems:
                refused[day] = RefusedArrival(contract.table, day, "; ".join(problems))
            else:
                files = tuple(result for result in results if isinstance(result, ArrivedFile))
                try:
                    arrivals[day] = arrived_day(mode, contract, day, files)
                except DayRefusedError as error:
                    refused[day] = RefusedArrival(contract.table, day, str(error))
                except Exception as error:  # noqa: BLE001 - one day's files must not stop the others
                    where = f"{contract.table}/date={day}"
                    refused[day] = RefusedArrival(contract.table, day, _unforeseen(where, error))
    return Arrivals(arrivals, refused)


def arrived_day(mode: str, contract: Contract, day: date, files: tuple[ArrivedFile, ...]) -> DayArrival:
    """The day that consists of these files; `mode` says what becomes of columns that the contract does not name."""
    with_rows = [(f"{contract.table}/{file.path}", file.footer) for file in files if file.footer.rows]
    extra = extra_columns(contract, with_rows) if mode == "add" else ()
    unknown = sorted({name for file in files for name in unknown_columns(contract, file.footer)})
    return DayArrival(contract.table, day, files, content_id(contract, day, files, extra), tuple(unknown), extra)


def content_id(contract: Contract, day: date, files: Sequence[ArrivedFile], extra: Sequence[Column] = ()) -> str:
    """Names what the day becomes: its files' names and bytes, the contract's columns and the decoder's rules, and the columns
    that these very files bring beyond the contract.

    No run, clock, or place enters, so that the same files give the same id in another run and after a copy.
    """
    lines = [f"{DECODER_VERSION}", contract.table, day.isoformat()]
    lines += [f"{column.name} {column.spark_type} {column.required}" for column in event_columns(contract)]
    lines += [f"epoch {column.name} {column.epoch_unit}" for column in contract.columns if column.epoch_unit]
    lines += [f"uuid {column.name}" for column in contract.columns if column.type is LogicalType.UUID]
    lines += [f"extra {column.name} {column.spark_type}" for column in extra]
    lines += [f"{file.path} {file.size} {file.digest}" for file in sorted(files, key=lambda file: file.path)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]


def _read(
    source: pafs.FileSystem, mode: str, contract: Contract, file: LandingFile, people: Forgotten | None = None
) -> ArrivedFile | str:
    """The file, or why its day is refused, naming file, table, column, found and expected. `people` are to be forgotten."""
    forgotten: Rows | None = None
    where = f"{contract.table}/{file.path}"
    try:
        if not is_s3(file.uri):
            require_file(file.uri)
        with source.open_input_file(store_path(file.uri)) as stream:
            footer = read_footer(stream)
            stream.seek(0)
            # S3 has a digest of the content; from a disk it is computed, and Spark finds the file in memory then.
            digest = file.version if is_s3(file.uri) else _digest(stream)
            size = stream.size()
            # A file without rows brings nothing that could be of a wrong type: empty frames are often written with no types.
            problem = _problem(contract, footer, mode) if footer.rows else None
            if footer.rows and not problem:
                footer = with_epoch_units(contract, footer, stream)
                require_plain_times(contract, footer, stream)
                forgotten = _forgotten_rows(people, contract, stream) if people else None
    except UnreadableFileError as error:
        return f"{where}: {error}; expected {error.expected}, then materialize the day again"
    except OSError as error:
        if storage_is_away(error):
            # No verdict on the file: its day is not refused for it.
            raise LandingError(
                f"{where} cannot be read now: {str(error).splitlines()[0]}; nothing was refused for it. Look at the storage of "
                "ECOMMERCE_LANDING_URI, then materialize the day again"
            ) from error
        return f"{where}: it cannot be opened: {str(error).splitlines()[0]}; expected a readable Parquet file"
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - one file must not stop the days that lack it
        return _unforeseen(where, error)
    if problem:
        return f"{where}: {problem}"
    return ArrivedFile(file.path, file.uri, size, file.version, digest, footer, forgotten)


def _forgotten_rows(people: Forgotten, contract: Contract, stream: pa.NativeFile) -> Rows | None:
    """The file's rows about forgotten people: known by its key columns alone, which are read only where somebody is forgotten."""
    contracts = {**load_contracts(), contract.table: contract}
    columns = people.columns(contracts, contract.table)
    if not columns:
        return None
    stream.seek(0)
    file = pq.ParquetFile(stream)
    present = [name for name in columns if name in file.schema_arrow.names]
    keys: dict[str, set[int]] = {name: set() for name in present}
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, columns=present)
        for name in present:
            keys[name] |= distinct_keys(rows.column(name))
    return people.rows(contracts, contract.table, keys) or None


def _unforeseen(where: str, error: Exception) -> str:
    lines = str(error).splitlines() or ["no message"]
    return (
        f"{where}: it cannot be judged: {type(error).__name__}: {lines[0][:300]}; expected a file as the other days have: "
        "compare it with one of theirs, then materialize the day again"
    )


def _problem(contract: Contract, footer: Footer, mode: str) -> str | None:
    if problem := schema_problem(contract, footer) or unknown_problem(contract, footer, mode):
        return f"{problem}; correct the file, or the contract {contract.source}"
    if problem := storage_problem(contract, footer, mode):
        return f"{problem}, then materialize the day again"
    return None


def _digest(stream: pa.NativeFile) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def file_groups(contract: Contract, arrivals: Sequence[DayArrival]) -> list[FileGroup]:
    """The files with rows, grouped by the forms of their columns, in a stable order."""
    forms: dict[Form, list[str]] = {}
    root = ""
    for arrival in arrivals:
        for file in arrival.files:
            if file.footer.rows:
                columns = relevant_columns(contract, file.footer, (column.name for column in arrival.extra))
                uri = _spark_uri(file.uri)
                root = uri.removesuffix(file.path)
                forms.setdefault(columns, []).append(uri)
    forgotten = merged([file.forgotten for arrival in arrivals for file in arrival.files if file.forgotten])
    groups = plan(contract, forms, root)
    return [replace(group, forgotten=forgotten) for group in groups] if forgotten else groups


def _spark_uri(uri: str) -> str:
    """The file as Hadoop wants it: S3 through S3A, a local path as it is, with its characters unescaped."""
    return hadoop_uri(uri) if is_s3(uri) else f"file://{uri}"
