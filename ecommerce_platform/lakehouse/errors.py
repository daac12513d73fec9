"""What can go wrong between a landing file and a published day.

What belongs here: the room's exceptions. What does not: rows that are quarantined, which are data (quarantine.py).
"""

from __future__ import annotations


class LakehouseError(RuntimeError):
    """Trouble in the lakehouse; the message names the thing, what was found, what was expected, and what to do."""


class DayRefusedError(LakehouseError):
    """A landing day of one table cannot be taken as it is. Other days go on."""


class TableEvolutionError(LakehouseError):
    """An Iceberg table cannot follow its contract."""


class PublishConflictError(LakehouseError):
    """`main` has moved since the day was audited: what was audited is no longer what would be published."""


class OverruleError(LakehouseError):
    """A refused day cannot be published by hand, or there is no such refusal."""
