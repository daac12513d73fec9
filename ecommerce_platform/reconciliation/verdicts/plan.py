"""Which re-runs would mend which findings? A pure function of the open discrepancies.

What belongs here: from a reason and its event times to a command. What does not: running it; the next reconciliation shows
what has healed.

The rule: the layer that lacks a change gets that change's landing day again. A change that the batch layer has applied lies in
the landing folder that the finding's lineage names, and can be loaded into the speed layer again (its version has the same
LSN, and the version inserted last is shown). A change that only the speed layer knows arrived on the day of its commit: that
partition is materialized again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ecommerce_platform.next_commands import launch_command, platform_command
from ecommerce_platform.reconciliation.model import Discrepancy, Finding, Reason, State


class Action(StrEnum):
    """What a step of the plan does."""

    MATERIALIZE = "materialize"
    RELOAD_SPEED = "reload_speed"
    BY_HAND = "by_hand"


@dataclass(frozen=True)
class Step:
    """One thing to do, and the orders that it would mend."""

    action: Action
    day: date | None
    orders: tuple[int, ...]
    reasons: tuple[str, ...]
    command: str

    @property
    def text(self) -> str:
        """The step in a sentence."""
        orders = ", ".join(map(str, self.orders[:5])) + (" …" if len(self.orders) > 5 else "")
        return f"{self.command}  # {len(self.orders)} orders ({', '.join(self.reasons)}): {orders}"


def repair_plan(discrepancies: Iterable[Discrepancy], landing_uri: str) -> tuple[Step, ...]:
    """Steps that would mend the open discrepancies, those with the most orders first; what no re-run mends comes last."""
    grouped: dict[tuple[Action, date | None], list[Finding]] = {}
    for item in discrepancies:
        if item.state is not State.HEALED:
            grouped.setdefault(_remedy(item.finding), []).append(item.finding)
    steps = [
        Step(
            action,
            day,
            tuple(sorted(finding.order_id for finding in findings)),
            tuple(sorted({finding.reason.value for finding in findings})),
            _command(action, day, landing_uri),
        )
        for (action, day), findings in grouped.items()
    ]
    return tuple(sorted(steps, key=lambda step: (step.action is Action.BY_HAND, -len(step.orders), str(step.day))))


def _remedy(finding: Finding) -> tuple[Action, date | None]:
    speed, batch = finding.speed_lsn or 0, finding.batch_lsn
    if batch is None or (speed > batch and finding.reason is not Reason.DUPLICATE):
        if finding.speed_event_time is not None:
            return Action.MATERIALIZE, finding.speed_event_time.date()
    elif finding.lineage is not None:
        return Action.RELOAD_SPEED, finding.lineage.landing_date
    return Action.BY_HAND, None


def _command(action: Action, day: date | None, landing_uri: str) -> str:
    if action is Action.MATERIALIZE:
        return f"{launch_command('*')} --partition {day}"
    if action is Action.RELOAD_SPEED:
        return f"{platform_command()} realtime load {landing_uri.rstrip('/')}/orders/date={day} --skip-unreadable"
    return "compare with the source by hand: no landing day holds the version that the speed layer shows"
