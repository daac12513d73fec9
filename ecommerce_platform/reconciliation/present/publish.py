"""Where reports lie: a folder or a prefix in S3, one file a date and `index.html` for the overview.

What belongs here: paths and writing. What does not: pages (render.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.fs as pafs

from ecommerce_platform.object_store import arrow_s3
from ecommerce_platform.reconciliation.model import ALL_TIERS, ReconciliationError, Status
from ecommerce_platform.reconciliation.present.data import day_reports, overview
from ecommerce_platform.reconciliation.present.render import OVERVIEW, day_page, overview_page, page_of
from ecommerce_platform.reconciliation.reconcile import Reconciliation
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.verdicts.converge import DayResult
from ecommerce_platform.settings import S3Settings
from ecommerce_platform.settings.addresses import is_s3, store_path


@dataclass(frozen=True)
class Published:
    """Where the pages lie that were written, and the history that the overview shows."""

    overview: str
    days: dict[date, str]
    history: tuple[DayResult, ...]


@dataclass(frozen=True)
class Place:
    """A folder of reports."""

    uri: str
    files: pafs.FileSystem
    base: str

    @classmethod
    def of(cls, uri: str, s3: S3Settings) -> Place:
        """The place at an address. Raises ReconciliationError for one that is neither a folder nor S3."""
        uri = uri.rstrip("/")
        if is_s3(uri):
            return cls(uri, arrow_s3(s3), store_path(uri))
        if "://" in uri:
            raise ReconciliationError(
                f"reports cannot be written to {uri!r}; expected a folder or s3://bucket/prefix. "
                "Check ECOMMERCE_RECONCILIATION__REPORTS_URI"
            )
        folder = str(Path(uri).expanduser().resolve())
        return cls(folder, pafs.LocalFileSystem(), folder)

    def write(self, name: str, page: str) -> str:
        """Writes a page and returns its address; a reader sees the old page or the new one, never half of one."""
        # A folder's file is moved into place; S3 shows an object only once it is whole.
        if isinstance(self.files, pafs.LocalFileSystem):
            self.files.create_dir(self.base, recursive=True)
            unfinished = f"{self.base}/.{name}.unfinished"
            Path(unfinished).write_text(page, encoding="utf-8")
            self.files.move(unfinished, f"{self.base}/{name}")
        else:
            with self.files.open_output_stream(f"{self.base}/{name}", metadata={"Content-Type": "text/html"}) as stream:
                stream.write(page.encode())
        return f"{self.uri}/{name}"

    def remove(self, name: str) -> None:
        self.files.delete_file(f"{self.base}/{name}")

    def dates(self) -> set[date]:
        """The dates that have a page."""
        entries = self.files.get_file_info(pafs.FileSelector(self.base, allow_not_found=True))
        days = set()
        for info in entries:
            try:
                days.add(date.fromisoformat(info.base_name.removesuffix(".html")))
            except ValueError:
                continue
        return days


def remove_expired(place: Place, store: Store, before: date, dry_run: bool = False) -> list[str]:
    """Removes the pages of dates before `before`, and writes the overview without them.

    Returns one line, or none when there was nothing to remove.
    """
    expired = sorted(day for day in place.dates() if day < before)
    if not expired:
        return []
    if not dry_run:
        for day in expired:
            place.remove(page_of(day))
        place.write(OVERVIEW, overview_page(overview(store), place.dates()))
    verb = "would remove" if dry_run else "removed"
    return [f"{verb} {len(expired)} reports of dates before {before}"]


def publish(place: Place, store: Store, dates: Sequence[date]) -> Published:
    """Write the pages of `dates` and the overview, and say where they are."""
    days = {report.date: place.write(page_of(report.date), day_page(report)) for report in day_reports(store, dates)}
    all_days = overview(store)
    return Published(place.write(OVERVIEW, overview_page(all_days, place.dates())), days, all_days.results)


def worth_a_page(reconciliation: Reconciliation, most: int) -> list[date]:
    """Dates of which a reconciliation has something to report: those with discrepancies, then with metrics out of tolerance, then
    the run's own days; `most` of them, the latest first."""
    with_discrepancies = {item.finding.date for item in reconciliation.discrepancies}
    off = {v.date for v in reconciliation.verdicts if v.user_tier == ALL_TIERS and v.status is not Status.OK}
    own = set(reconciliation.run.days) & {result.date for result in reconciliation.results}
    dates = sorted(
        with_discrepancies | off | own,
        key=lambda day: (day not in with_discrepancies, day not in off, -day.toordinal()),
    )
    return sorted(dates[:most])
