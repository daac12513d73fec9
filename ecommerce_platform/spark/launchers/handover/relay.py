"""Brings a launched step's events into the run, while it runs and once each.

What belongs here: which events are taken, which are held back, which of them end the step. What does not: where they come
from (scratch.py) and whether the process that wrote them ended well (the launchers).

The event that ends a step (success, failure, to be tried again) is held back until the launcher knows how the step's process
ended: a success that is followed by a crash is none.

Only events of the launched step are taken. An event of another run or step, one that would end the run, or one about an
asset that the step does not make was written by somebody else, and fails the step.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, DagsterInstance

from ecommerce_platform.spark.launchers.handover.ending import StepReport
from ecommerce_platform.spark.launchers.handover.identity import StepIdentity
from ecommerce_platform.spark.launchers.handover.scratch import EventReader, ForeignEventError

_Key = tuple[float, str | None, str | None, str]

#: What a step may say beside its own events: how its process goes on. Not what becomes of its run, or of other assets.
_OF_ITS_PROCESS = {
    DagsterEventType.ENGINE_EVENT,
    DagsterEventType.STEP_WORKER_STARTING,
    DagsterEventType.STEP_WORKER_STARTED,
    DagsterEventType.RESOURCE_INIT_STARTED,
    DagsterEventType.RESOURCE_INIT_SUCCESS,
    DagsterEventType.RESOURCE_INIT_FAILURE,
}


class StepLaunchError(RuntimeError):
    """A launched step did not end well for a reason outside of its code; the message is that reason."""


class Relay:
    """The events of one launched step on their way into its run."""

    def __init__(
        self, instance: DagsterInstance, reader: EventReader, identity: StepIdentity, resumed: bool = False
    ) -> None:
        self._instance = instance
        self._reader = reader
        self._identity = identity
        # A launcher that found a running step again reads its events from the start; those that the one before it has
        # stored are not stored twice.
        self._stored = {_key(entry) for entry in instance.all_logs(identity.run_id)} if resumed else set()
        self._ending: dg.EventLogEntry | None = None

    @property
    def ending(self) -> DagsterEvent | None:
        """The event that ends the step, when it has come."""
        return self._ending.get_dagster_event() if self._ending else None

    @property
    def report(self) -> StepReport:
        """What the step said of its own end, so far."""
        if self.ending is None:
            return "none"
        if self.ending.is_step_success:
            return "success"
        return "retry" if self.ending.is_step_up_for_retry else "failure"

    @property
    def error(self) -> str:
        """The message of the step's own failure; empty without one."""
        failure = self.ending.step_failure_data if self.ending and self.ending.is_step_failure else None
        error = failure.error if failure else None
        return ((error.cause or error).message if error else "").strip()

    def forward(self) -> Iterator[DagsterEvent]:
        """Stores what has come, and yields the step's events. Raises ScratchError, or ForeignEventError for one of others."""
        for entry in self._reader.read_new():
            if reason := foreign(entry, self._identity):
                raise ForeignEventError(
                    f"the scratch location of step {self._identity.step} holds an event {reason}; it is not taken: somebody "
                    "else writes there"
                )
            if entry.is_dagster_event and _ends_step(entry.get_dagster_event()):
                self._ending = entry
            else:
                yield from self._store(entry)

    def forward_ending(self) -> Iterator[DagsterEvent]:
        """Stores and yields the event that ends the step."""
        if self._ending:
            yield from self._store(self._ending)

    def _store(self, entry: dg.EventLogEntry) -> Iterator[DagsterEvent]:
        if _key(entry) not in self._stored:
            self._instance.handle_new_event(entry)
        if entry.is_dagster_event:
            yield entry.get_dagster_event()


def foreign(entry: dg.EventLogEntry, identity: StepIdentity) -> str:
    """Why an event cannot come from the launched step; empty when it can."""
    if entry.run_id != identity.run_id:
        return f"of run {entry.run_id}"
    event = entry.dagster_event
    steps = {entry.step_key} | ({event.step_key} if event else set())
    if steps != {identity.step}:
        return f"of step {next((step for step in steps if step != identity.step), None)}"
    if event is None:
        return ""
    if not (event.is_step_event or event.event_type in _OF_ITS_PROCESS):
        return f"of the kind {event.event_type_value}, which no step makes"
    keys = {event.asset_key} if event.is_step_materialization else set()
    if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
        keys = {event.asset_check_evaluation_data.asset_key}
    others = sorted(key.to_user_string() for key in keys if key and key.to_user_string() not in identity.assets)
    return f"of asset {others[0]}, which the step does not make" if others else ""


def _ends_step(event: DagsterEvent) -> bool:
    return event.is_step_success or event.is_step_failure or event.is_step_up_for_retry


def _key(entry: dg.EventLogEntry) -> _Key:
    kind = entry.dagster_event.event_type_value if entry.dagster_event else None
    return (entry.timestamp, entry.step_key, kind, entry.user_message)
