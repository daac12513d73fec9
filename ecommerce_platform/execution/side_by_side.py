"""Steps of one run side by side, each in a thread of the run's own process.

What belongs here: which steps run at a time, their events in one stream, and their interruption. What does not: the executor,
and what a resumed run still has to do (resuming.py).

Dagster's executors that run steps side by side start a process or a pod for each, which here costs seconds of imports and a JVM.
Threads share the JVM, the definitions and the memory. What may run beside what follows from the plan's dependencies and from the
pools; the plan's state changes in the main thread alone, which passes the events on in the order of their arrival.

Only the main thread receives signals. When the run is asked to end, each step's thread gets the exception that the main thread
would have got, before anything else is interrupted (ending.py), so that its failure counts as an interruption and the next worker
does the step again.
"""

from __future__ import annotations

import ctypes
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from dagster import DagsterEvent, DagsterExecutionInterruptedError, StepExecutionContext
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.system import PlanExecutionContext
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._utils.interrupts import pop_captured_interrupt

from ecommerce_platform.execution.ending import must_end

#: How long an interruption that Dagster only notes is not seen.
_POLL_SECONDS = 0.2


def side_by_side(
    at_once: int, job_context: PlanExecutionContext, execution_plan: ExecutionPlan
) -> Iterator[DagsterEvent]:
    """Executes a plan with at most `at_once` steps at a time; Dagster calls it with the other two, by name."""
    context, plan = job_context, execution_plan
    logs = context.instance.compute_log_manager
    keys = [step.key for step in plan.get_steps_to_execute_in_topo_order()]
    with (
        InstanceConcurrencyContext(context.instance, context.dagster_run) as pools,
        plan.start(
            retry_mode=context.retry_mode,
            instance_concurrency_context=pools,
            step_dependency_config=context.step_dependency_config,
        ) as active,
        ExitStack() as captured,
    ):
        log_key = logs.build_log_key_for_run(context.run_id, create_compute_log_file_key())
        yield DagsterEvent.capture_logs(context, keys, log_key, captured.enter_context(logs.capture_logs(log_key)))
        yield from _Steps(at_once, context, active).run()


class _Step(threading.Thread):
    """One step, whose events go to the main thread; the last item is what the thread ended with."""

    def __init__(self, context: StepExecutionContext, passed: queue.SimpleQueue[_Item]) -> None:
        super().__init__(name=f"step {context.step.key}", daemon=True)
        self.context, self.passed = context, passed
        self._interrupted = False

    def run(self) -> None:
        error: BaseException | None = None
        try:
            for event in dagster_event_sequence_for_step(self.context):
                self.passed.put((self, event))
        except BaseException as caught:  # noqa: BLE001 - handed to the main thread, which raises it
            error = caught
        self.passed.put((self, error))

    def interrupt(self) -> None:
        """Once: an exception while the step cleans up would keep it from that."""
        if not self._interrupted and self.ident is not None:
            self._interrupted = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.ident), ctypes.py_object(DagsterExecutionInterruptedError)
            )


#: A step's event, or, as its last item, None or the error that its thread ended with.
_Item = tuple[_Step, DagsterEvent | BaseException | None]
_running: set[_Step] = set()


def _interrupt_steps() -> None:
    for step in list(_running):
        step.interrupt()


class _Steps:
    """The steps of one plan."""

    def __init__(self, at_once: int, context: PlanExecutionContext, active: ActiveExecution) -> None:
        self.at_once, self.context, self.active = at_once, context, active
        self.passed: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self.running: set[_Step] = set()
        self.error: BaseException | None = None

    def run(self) -> Iterator[DagsterEvent]:
        # The first to be called of what ends a process: a step must not see its jobs cancelled before it is interrupted itself.
        must_end(_interrupt_steps, lambda seconds: None)
        try:
            while not self.active.is_complete and self.error is None:
                self._start(self.active.get_steps_to_execute(limit=self.at_once - len(self.running)))
                yield from self.active.concurrency_event_iterator(self.context)
                if self.running:
                    yield from self._take()
                else:
                    yield from self.active.plan_events_iterator(self.context)
                    if not self.active.is_complete:
                        self.active.sleep_til_ready()
                if pop_captured_interrupt():
                    raise DagsterExecutionInterruptedError
            yield from self._finish()
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            _interrupt_steps()
            yield from self._finish()
            raise
        finally:
            _running.difference_update(self.running)
        if self.error is not None:
            raise self.error

    def _start(self, steps: Sequence[object]) -> None:
        for step in steps:
            thread = _Step(self.context.for_step(step, self.active.get_known_state()), self.passed)  # type: ignore[arg-type]
            self.running.add(thread)
            _running.add(thread)
            thread.start()

    def _finish(self) -> Iterator[DagsterEvent]:
        """What the steps that still run have to say."""
        while self.running:
            yield from self._take()

    def _take(self) -> Iterator[DagsterEvent]:
        """The next event, if there is one in time; and the end of a step."""
        try:
            step, item = self.passed.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            for step in [step for step in self.running if not step.is_alive() and self.passed.empty()]:
                self._ended(step, DagsterExecutionInterruptedError())
            return
        if isinstance(item, DagsterEvent):
            yield item
            self.active.handle_event(item)
            return
        self._ended(step, item)
        if item is None:
            self.active.verify_complete(self.context, step.context.step.key)
            yield from self.active.plan_events_iterator(self.context)

    def _ended(self, step: _Step, error: BaseException | None) -> None:
        self.running.discard(step)
        _running.discard(step)
        self.error = self.error or error
