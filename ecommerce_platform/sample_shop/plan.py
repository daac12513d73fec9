"""What the sample shop is asked for: its size, its dirt, its planted faults.

What belongs here: frozen parameters with their defaults and their checks. What does not: anything random.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, timedelta

#: Above this share of unreadable rows the lakehouse refuses a day (setting `landing.max_quarantined_share`).
UNREADABLE_LIMIT = 0.01

#: The tables of the shop, whatever other tables an installation has.
SHOP_TABLES = ("users", "products", "orders", "order_items")


class SampleError(ValueError):
    """The sample shop cannot be written as asked; the message names the parameter or folder and what to do."""


@dataclass(frozen=True)
class ShopPlan:
    """Size of the shop. `users` and `products` count all that ever exist, those who come during the days included.

    `orders_per_day` is the mean over the days; `orders_before` orders are older than the first day and arrive as its
    snapshot.
    """

    seed: int = 42
    start: date = date(2026, 1, 1)
    days: int = 14
    orders_per_day: int = 300
    users: int = 400
    products: int = 120
    orders_before: int = 600

    def __post_init__(self) -> None:
        for name, least in (("days", 1), ("orders_per_day", 1), ("users", 10), ("products", 10), ("orders_before", 0)):
            if getattr(self, name) < least:
                raise SampleError(f"sample shop: {name} is {getattr(self, name)}; expected at least {least}")
        if self.seed < 0:
            raise SampleError(f"sample shop: seed is {self.seed}; expected zero or a positive whole number")

    @property
    def dates(self) -> tuple[date, ...]:
        return tuple(self.start + timedelta(days=index) for index in range(self.days))


@dataclass(frozen=True)
class DirtPlan:
    """How much of each kind of dirt, as a share of the rows that can carry it; at least one row when above zero.

    The last three say on which day (0 is the first) a file comes in another form; None, or a day that a short sample
    does not have, leaves the form out.
    """

    duplicates_in_file: float = 0.004
    duplicates_across_files: float = 0.003
    redelivered_later: float = 0.003
    late: float = 0.01
    out_of_order: float = 0.02
    unchanged_descriptions: float = 0.6
    unchanged_addresses: float = 0.05
    invalid_emails: float = 0.02
    missing_names: float = 0.02
    missing_addresses: float = 0.01
    missing_categories: float = 0.02
    unknown_statuses: float = 0.004
    negative_amounts: float = 0.003
    orders_of_unknown_users: float = 0.004
    items_of_unknown_products: float = 0.003
    unreadable: float = 0.004
    reordered_columns_day: int | None = 3
    typed_form_day: int | None = 5
    absent_users_day: int | None = 8

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.endswith("_day"):
                continue
            most = UNREADABLE_LIMIT if item.name == "unreadable" else 1.0
            if not 0 <= value <= most:
                raise SampleError(f"sample shop: dirt {item.name} is {value}; expected a share from 0 to {most}")

    @classmethod
    def none(cls) -> DirtPlan:
        """A shop without any dirt: all rows arrive once, on their day, in order and readable."""
        shares = {item.name: None if item.name.endswith("_day") else 0.0 for item in fields(cls)}
        return cls(**shares)  # type: ignore[arg-type]


def share_of(share: float, rows: int) -> int:
    """How many of `rows` a share means: rounded, but at least one when there is a share and a row."""
    return min(rows, max(1, round(share * rows))) if share > 0 and rows > 0 else 0


@dataclass(frozen=True)
class FaultPlan:
    """How many orders of each kind differ in the speed layer, and by how much two days' revenue is off.

    The revenue of one date is off by `large_revenue_gap` and of another by `small_revenue_gap` (shares, 0 for none).
    """

    missing_in_speed: int = 2
    missing_in_batch: int = 2
    amount_differs: int = 2
    status_behind: int = 2
    wrong_status: int = 2
    deleted_in_speed: int = 1
    deleted_in_batch: int = 1
    large_revenue_gap: float = 0.15
    small_revenue_gap: float = 0.07

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) < 0:
                raise SampleError(f"sample shop: fault {item.name} is {getattr(self, item.name)}; expected 0 or more")

    @classmethod
    def none(cls) -> FaultPlan:
        """A healthy speed layer."""
        return cls(**dict.fromkeys((item.name for item in fields(cls)), 0))
