"""The executor: steps run in the run's own process; a run whose worker died is resumed by another worker.

What belongs here: which steps a resumed run still has to do. What does not: noticing that a worker died and starting another
(Dagster's run monitoring), where a step with Spark runs (spark/launchers), and steps beside each other (side_by_side.py).

Dagster's in-process executor cannot resume; its step-delegating executors can, at the price of a process or pod for each step.
Every step here is idempotent, so a resumed run leaves out what has succeeded and does the rest again, from the start of the step:
a launched step with Spark is found again and watched, not started again.

A worker that is asked to go (a drained node, an eviction) without the run having been terminated stops like a killed one:
the step that was interrupted counts as unfinished, and the process ends with an exit code that its pod does not pass for success.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import dagster as dg
from dagster import DagsterEvent, DagsterExecutionInterruptedError, DagsterRunStatus
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor, inprocess_execution_iterator
from dagster._core.system_config.objects import ResolvedRunConfig

from ecommerce_platform.execution.ending import ending_in_time
from ecommerce_platform.execution.side_by_side import side_by_side

#: How many steps of a run may be at work at a time.
StepsAtOnce = Callable[[dg.DagsterRun], int]
#: As if by SIGTERM.
_INTERRUPTED_EXIT_CODE = 143


@dataclass(frozen=True)
class Progress:
    """How far a run's earlier workers got."""

    succeeded: frozenset[str]
    failed: frozenset[str]
    tries: Mapping[str, int] = field(default_factory=dict)


def progress_of(events: Sequence[DagsterEvent]) -> Progress:
    """The steps that have succeeded and failed for good. An interrupted step is neither: its worker was asked to go."""
    succeeded = {event.step_key for event in events if event.is_step_success or event.is_step_skipped}
    failed = {event.step_key for event in events if event.is_step_failure and not _was_interrupted(event)}
    tries = Counter(event.step_key for event in events if event.is_step_up_for_retry and event.step_key)
    return Progress(
        frozenset(key for key in succeeded if key), frozenset(key for key in failed - succeeded if key), dict(tries)
    )


def remaining_steps(progress: Progress, dependencies: dict[str, set[str]]) -> list[str]:
    """The steps left to do, given each step's upstream steps in topological order; not those behind a failed one."""
    blocked = set(progress.failed)
    left = []
    for step, upstream in dependencies.items():
        if step in progress.succeeded or step in progress.failed:
            continue
        if upstream & blocked:
            blocked.add(step)
        else:
            left.append(step)
    return left


def _was_interrupted(event: DagsterEvent) -> bool:
    return event.step_failure_data.error_source == ErrorSource.INTERRUPT


class ResumingExecutor(InProcessExecutor):
    """The in-process executor, which can also take up a run that another worker began, and run steps side by side."""

    def __init__(self, steps_at_once: StepsAtOnce) -> None:
        super().__init__(retries=RetryMode.ENABLED)
        self._steps_at_once = steps_at_once

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        """The run's events. A resumed run begins with those of its finished steps."""
        try:
            with ending_in_time():
                at_once = self._steps_at_once(plan_context.dagster_run)
                if plan_context.resume_from_failure:
                    yield from self._resume(plan_context, execution_plan, at_once)
                elif at_once == 1:
                    yield from super().execute(plan_context, execution_plan)
                else:
                    yield DagsterEvent.engine_event(
                        plan_context,
                        f"Executing {at_once} steps at a time in process (pid: {os.getpid()})",
                        EngineEventData.in_process(os.getpid(), execution_plan.step_keys_to_execute),
                    )
                    yield from self._run(plan_context, execution_plan, at_once)
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            _leave_for_the_next_worker(plan_context)
            raise

    def _resume(self, context: PlanOrchestrationContext, plan: ExecutionPlan, at_once: int) -> Iterator[DagsterEvent]:
        logged = [entry.dagster_event for entry in context.instance.all_logs(context.run_id)]
        prior = [event for event in logged if event is not None and event.step_key]
        progress = progress_of(prior)
        ordered = plan.get_steps_to_execute_in_topo_order()
        left = remaining_steps(progress, {step.key: set(step.get_execution_dependency_keys()) for step in ordered})
        yield DagsterEvent.engine_event(
            context,
            f"Resuming the run: {len(progress.succeeded)} steps are done, {len(left)} are left: {', '.join(left) or 'none'}",
            EngineEventData(),
        )
        # The run's own end depends on them.
        yield from (event for event in prior if event.is_step_failure and event.step_key in progress.failed)
        if not left:
            return
        job = context.job.get_definition()
        rest = plan.build_subset_plan(left, job, ResolvedRunConfig.build(job, context.run_config))
        # A step's attempt is part of its name on the cluster.
        rest = rest._replace(known_state=rest.known_state._replace(previous_retry_attempts=progress.tries))
        yield from self._run(context, rest, at_once)

    def _run(self, context: PlanOrchestrationContext, plan: ExecutionPlan, at_once: int) -> Iterator[DagsterEvent]:
        yield from iter(
            ExecuteRunWithPlanIterable(
                execution_plan=plan,
                iterator=inprocess_execution_iterator if at_once == 1 else partial(side_by_side, at_once),
                execution_context_manager=PlanExecutionContextManager(
                    job=context.job,
                    retry_mode=context.retry_mode,
                    execution_plan=plan,
                    run_config=context.run_config,
                    dagster_run=context.dagster_run,
                    instance=context.instance,
                    raise_on_error=context.raise_on_error,
                    output_capture=context.output_capture,
                    step_dependency_config=self.step_dependency_config,
                ),
            )
        )


def _leave_for_the_next_worker(context: PlanOrchestrationContext) -> None:
    """Ends the process when another worker will resume the run; returns when the run was asked to end."""
    run = context.instance.get_run_by_id(context.run_id)
    if run is None or run.status in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED):
        return
    if not context.instance.run_will_resume(context.run_id):
        return
    DagsterEvent.engine_event(
        context, "This run worker was asked to go; another one will resume the run", EngineEventData()
    )
    sys.stdout.flush()
    sys.stderr.flush()
    # An orderly end would be exit code 0, and the pod's job would count as done.
    os._exit(_INTERRUPTED_EXIT_CODE)


def executor_for(steps_at_once: StepsAtOnce) -> dg.ExecutorDefinition:
    """The executor of runs whose steps run in the run's process, `steps_at_once` of them at a time; a run that lost its worker
    can be resumed.
    """

    @dg.executor(name="resuming_in_process", requirements=[])
    def resuming_in_process(_: dg.InitExecutorContext) -> ResumingExecutor:
        return ResumingExecutor(steps_at_once)

    return resuming_in_process


#: One step after the other.
resuming_executor = executor_for(lambda run: 1)
