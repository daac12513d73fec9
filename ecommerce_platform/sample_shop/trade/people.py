"""The shop's users: who registers when, who changes the address of their mail, who leaves.

What belongs here: the history of the table users. What does not: what they buy (sales.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ecommerce_platform.sample_shop import words
from ecommerce_platform.sample_shop.chance import between, generator
from ecommerce_platform.sample_shop.clock import DAY, HOUR, MINUTE, NEVER, Ints, Window, counts_by_day, times_on_days
from ecommerce_platform.sample_shop.events import (
    DELETE,
    INSERT,
    NULL,
    PHASE_OTHER,
    READ,
    UPDATE,
    Batch,
    Events,
    assemble,
)
from ecommerce_platform.sample_shop.plan import DirtPlan, ShopPlan, share_of

#: Of all users, those who were there before the first day.
_OLD_SHARE = 0.75
_OLDEST = 500 * DAY
_CHANGE_SHARE = 0.08
_LEAVE_SHARE = 0.005
#: Texts that are not e-mail addresses; `{}` is the part before the sign.
_BROKEN_MAILS = ("{}.example.com", "{}@", "{} at example.org", "{}@example", None)


@dataclass(frozen=True)
class People:
    """All users in the order in which they register; key = position + 1."""

    registered: Ints
    old: int
    events: Events
    dirt: dict[str, int]

    @property
    def unknown_key(self) -> int:
        """Keys from here on belong to nobody."""
        return len(self.registered) + 1_000_001


def simulate_people(plan: ShopPlan, dirt: DirtPlan, window: Window) -> People:
    """The users and the history of their table."""
    rng = generator(plan.seed, "people")
    old = max(1, round(plan.users * _OLD_SHARE))
    before = np.sort(between(window.start - _OLDEST, window.start, old, rng))
    counts = counts_by_day(window, (plan.users - old) / plan.days, rng)
    registered = np.concatenate([before, times_on_days(window, counts, rng)])
    people = len(registered)

    first = rng.integers(0, len(words.FIRST_NAMES), people)
    last = rng.integers(0, len(words.LAST_NAMES), people)
    changing = np.sort(rng.choice(people, share_of(_CHANGE_SHARE, people), replace=False))
    mails, name_counts = _mails(first, last, changing, dirt, plan.seed)
    columns = _Rows(registered, *_names(first, last, dirt, plan.seed, name_counts))
    leaving, left, back = _leaving(window, registered, changing, rng)
    changed = between(np.maximum(registered[changing], window.start) + MINUTE, window.end, len(changing), rng)
    batches = [
        columns.batch(np.arange(old), READ, window.snapshot, np.arange(old), updated=registered),
        columns.batch(np.arange(old, people), INSERT, registered[old:], np.arange(old, people)),
        columns.batch(changing, UPDATE, changed, people + np.arange(len(changing))),
        columns.batch(leaving, DELETE, left, leaving),
        columns.batch(leaving[back != NEVER], INSERT, back[back != NEVER], leaving[back != NEVER]),
    ]
    pools = {"email": mails, "first_name": _FIRST, "last_name": _LAST}
    events = assemble(batches, pools, generator(plan.seed, "people lag"), window.end)
    return People(registered, old, events, name_counts)


_FIRST = words.text([shown for shown, _ in words.FIRST_NAMES])
#: The last two are not names, but forms accept them.
_LAST = words.text([*(shown for shown, _ in words.LAST_NAMES), "", "  "])


@dataclass(frozen=True)
class _Rows:
    """The values that a user's row has, by position of the user."""

    registered: Ints
    first: Ints
    last: Ints

    def batch(self, users: Ints, op: int, commit: int | Ints, mail: Ints, updated: Ints | None = None) -> Batch:
        columns = {
            "email": mail,
            "first_name": self.first[users],
            "last_name": self.last[users],
            "created_at": self.registered[users],
            "updated_at": commit if updated is None else updated[users],
        }
        return Batch(users + 1, op, commit, PHASE_OTHER, columns)


def _mails(first: Ints, last: Ints, changing: Ints, dirt: DirtPlan, seed: int) -> tuple[pa.StringArray, dict[str, int]]:
    """Pool of addresses: one a user by position, then the new ones of those who change theirs."""
    rng = generator(seed, "mails")
    position = np.arange(len(first))
    local = words.joined(
        ".",
        words.pick([plain for _, plain in words.FIRST_NAMES], first),
        words.pick([plain for _, plain in words.LAST_NAMES], last),
        words.numbers(position + 1),
    )
    mails = words.joined("@", local, words.pick(words.DOMAINS, rng.integers(0, len(words.DOMAINS), len(first))))
    steady = np.setdiff1d(position, changing)
    broken = rng.choice(steady, share_of(dirt.invalid_emails, len(steady)), replace=False)
    replaced = np.zeros(len(first), dtype=bool)
    replaced[broken] = True
    # Few rows: a share of the users; positions ascending, as the mask wants them.
    texts = []
    for number, user in enumerate(np.sort(broken)):
        pattern = _BROKEN_MAILS[number % len(_BROKEN_MAILS)]
        texts.append(None if pattern is None else pattern.format(local[int(user)].as_py()))
    mails = pa.compute.replace_with_mask(mails, pa.array(replaced), words.text(texts))
    fresh = words.joined("@", words.pick(local, changing), "new.example.com")
    return words.concatenated(mails, fresh), {"invalid_emails": len(broken)}


def _names(first: Ints, last: Ints, dirt: DirtPlan, seed: int, counts: dict[str, int]) -> tuple[Ints, Ints]:
    """The same names, some of them missing: a first name is null, a last name null, empty or blank."""
    rng = generator(seed, "names")
    missing = rng.choice(len(first), share_of(dirt.missing_names, len(first)), replace=False)
    first, last = first.copy(), last.copy()
    first[missing[0::2]] = NULL
    last[missing[1::2]] = rng.choice([NULL, len(_LAST) - 2, len(_LAST) - 1], len(missing[1::2]))
    counts["missing_names"] = len(missing)
    return first, last


def _leaving(window: Window, registered: Ints, changing: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Who is deleted, when, and when the first of them comes back (NEVER for the others)."""
    steady = np.setdiff1d(np.flatnonzero(registered < window.start), changing)
    count = min(len(steady), share_of(_LEAVE_SHARE, len(registered)) + 1)
    leaving = np.sort(rng.choice(steady, count, replace=False))
    middle = window.start + (window.end - window.start) // 2
    left = between(middle, window.end - HOUR, count, rng)
    back = np.where(np.arange(count) == 0, left + 20 * MINUTE, NEVER)
    return leaving, left, back
