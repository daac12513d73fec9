"""What a table's day holds, as a load compares it: rows and their hash (row_hash.py), and the columns under the hash."""

from __future__ import annotations

from dataclasses import dataclass

from ecommerce_platform.contracts import Column, Contract
from ecommerce_platform.lakehouse.days.ledger import DayRecord


@dataclass(frozen=True)
class Content:
    """What a table's day holds: number of rows and their checksum (decimal digits)."""

    rows: int
    checksum: str

    def __add__(self, other: Content) -> Content:
        """Of the rows of both: the hash of rows is the sum of theirs."""
        return Content(self.rows + other.rows, str(int(self.checksum) + int(other.checksum)))

    def __sub__(self, other: Content) -> Content:
        """Of the rows without those of `other`, which are among them."""
        return Content(self.rows - other.rows, str(int(self.checksum) - int(other.checksum)))

    def __str__(self) -> str:
        return f"{self.rows} rows, checksum {self.checksum}"


NO_ROWS = Content(0, "0")


def published_content(record: DayRecord) -> Content | None:
    """What the lakehouse published, by its day ledger; None where the ledger has no checksum of rows."""
    if not record.published:
        return NO_ROWS
    return Content(record.published, record.checksum) if record.checksum else None


def checked_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns under the checksum: all that the event has; load stamps differ from load to load."""
    return contract.all_event_columns
