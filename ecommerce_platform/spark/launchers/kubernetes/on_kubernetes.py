"""Steps in driver and executor pods.

What belongs here: the course of one launched step: find or submit, watch, bring back, clean up. What does not: verdicts
(watch.py), calls (cluster.py), what is submitted (application.py, submit.py).

A step's objects have a name that follows from run, step and attempt. A run worker that was started again computes the same name,
finds them, and goes on watching; it reads the step's events from their start and stores those that are missing.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

from dagster import (
    DagsterEvent,
    DagsterExecutionInterruptedError,
    DagsterRunStatus,
    StepExecutionContext,
    StepLauncher,
    raise_execution_interrupts,
)

from ecommerce_platform.execution.ending import asked
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.launchers.handover import remote_main
from ecommerce_platform.spark.launchers.handover.ending import ProcessEnd, failure_reason
from ecommerce_platform.spark.launchers.handover.identity import (
    ATTEMPT_LABEL,
    RUN_LABEL,
    SCRATCH_ANNOTATION,
    STEP_LABEL,
    StepIdentity,
    identify,
)
from ecommerce_platform.spark.launchers.handover.relay import Relay, StepLaunchError
from ecommerce_platform.spark.launchers.handover.scratch import STEP_FILE, EventReader, Scratch, ScratchError
from ecommerce_platform.spark.launchers.handover.step_ref import digest, encode_step
from ecommerce_platform.spark.launchers.kubernetes.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from ecommerce_platform.spark.launchers.kubernetes.driver_log import DriverLog
from ecommerce_platform.spark.launchers.kubernetes.observe import Observer
from ecommerce_platform.spark.launchers.kubernetes.pods import Submission, SubmissionError
from ecommerce_platform.spark.launchers.kubernetes.submit import driver_name
from ecommerce_platform.spark.launchers.kubernetes.submitters import build_submitter
from ecommerce_platform.spark.launchers.kubernetes.sweep import sweep_applications
from ecommerce_platform.spark.launchers.kubernetes.watch import Limits, Verdict, judge
from ecommerce_platform.spark.options import SparkApplication

_LOG_SECONDS = 15.0
_CLEAN_UP_SECONDS = 60.0
#: The same while this process itself is asked to end: an API server that answers late must not cost its pod's last seconds.
_LAST_CLEAN_UP_SECONDS = 8.0
_LAST_READS = 5


class KubernetesLauncher(StepLauncher):
    """Runs each step as an application of its own on the cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def launch_step(self, step_context: StepExecutionContext) -> Iterator[DagsterEvent]:
        """The step's events, as they come. Raises StepLaunchError with the reason when the step did not end well."""
        launched = _Launched(self._settings, step_context)
        interrupted = False
        try:
            yield from launched.run()
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            interrupted = True
            raise
        finally:
            if interrupted and _will_resume(step_context):
                step_context.log.info(f"{launched.identity.name} goes on: the run will be resumed and find it again")
            else:
                launched.clean_up()


def _will_resume(context: StepExecutionContext) -> bool:
    """Whether another worker will take up this run: it was not asked to end, and may be resumed."""
    run = context.instance.get_run_by_id(context.run_id)
    ending = run is None or run.status in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED)
    return not ending and context.instance.run_will_resume(context.run_id)


class _Launched:
    """One step on the cluster."""

    def __init__(self, settings: Settings, context: StepExecutionContext) -> None:
        self._settings = settings
        self._context = context
        self.identity: StepIdentity = identify(context)
        self._kubernetes = settings.spark.kubernetes
        self._cluster = Cluster(self._kubernetes)
        self._submitter = build_submitter(self._kubernetes, self._cluster)
        self._scratch: Scratch | None = None
        self._last_logged = ""
        self._away_since: float | None = None
        self._pause = threading.Event()

    def run(self) -> Iterator[DagsterEvent]:
        """From submission to the event that ends the step."""
        name = self.identity.name
        try:
            resumed = self._find_or_submit_with_patience()
        except (ClusterRefusedError, ClusterAwayError, SubmissionError, ScratchError) as error:
            raise StepLaunchError(f"step {self.identity.step} could not be submitted: {error}") from error
        assert self._scratch is not None, "a submitted step has its folder"
        relay = Relay(self._context.instance, EventReader(self._scratch), self.identity, resumed)
        log = DriverLog(self._cluster, driver_name(name))
        verdict = yield from self._watch(relay)
        tail = log.finish(_LOG_SECONDS)
        yield from self._last_events(relay)
        end = ProcessEnd(relay.report, verdict.exit_code, verdict.cause, tail)
        if reason := failure_reason(end):
            reported = f"\nThe step itself reported: {relay.error}" if relay.error else ""
            raise StepLaunchError(f"step {self.identity.step} failed: {reason}{reported}")
        yield from relay.forward_ending()

    def clean_up(self) -> None:
        """Deletes what the step has on the cluster and in the scratch location; warns when it cannot."""
        if self._scratch is None:
            return  # it never came to a submission
        deadline = time.monotonic() + (_LAST_CLEAN_UP_SECONDS if asked() else _CLEAN_UP_SECONDS)
        while True:
            try:
                self._submitter.delete(self.identity.name)
                break
            except (ClusterAwayError, ClusterRefusedError) as error:
                if isinstance(error, ClusterRefusedError) or time.monotonic() > deadline:
                    self._context.log.error(
                        f"{self.identity.name} is left on the cluster: {error}; `ecommerce-platform spark sweep` removes it"
                    )
                    break
                self._pause.wait(self._kubernetes.poll_seconds)
        self._wait_until_the_driver_is_gone()
        with contextlib.suppress(ScratchError):
            self._scratch.remove()

    def _wait_until_the_driver_is_gone(self) -> None:
        """Until then it may write one more event, into a folder that nobody would remove."""
        deadline = time.monotonic() + _LAST_CLEAN_UP_SECONDS
        with contextlib.suppress(ClusterAwayError, ClusterRefusedError):
            while self._cluster.pod(driver_name(self.identity.name)) and time.monotonic() < deadline:
                self._pause.wait(0.5)

    def _find_or_submit_with_patience(self) -> bool:
        deadline = time.monotonic() + self._kubernetes.api_outage_seconds
        while True:
            with raise_execution_interrupts():
                try:
                    return self._find_or_submit()
                except ClusterAwayError as error:
                    if time.monotonic() > deadline:
                        raise
                    self._context.log.warning(f"{self.identity.name}: {error}; trying again")
                self._pause.wait(self._kubernetes.poll_seconds)

    def _find_or_submit(self) -> bool:
        """Whether the step was there already."""
        name = self.identity.name
        existing = self._submitter.find(name)
        base = Scratch(self._settings.scratch_uri, self._settings.s3)
        if existing and (uri := existing.annotations.get(SCRATCH_ANNOTATION)):
            if not self.identity.owns(uri, base.uri):
                raise SubmissionError(
                    f"{name} is on the cluster already, and its events would lie in {uri}; expected a folder of this step in "
                    f"{base.uri}. Somebody else made it, or ECOMMERCE_SCRATCH_URI has changed: delete it, then run the step again"
                )
            self._scratch = Scratch(uri, self._settings.s3)
            self._context.log.info(f"{name} is on the cluster already: watching it again")
            return True
        self._sweep()
        scratch = base.child(f"{self.identity.folder}-{uuid.uuid4().hex[:8]}")
        reference = encode_step(self._context, self._settings.spark.code_location)
        scratch.write(STEP_FILE, reference)
        self._scratch = scratch  # from here on there may be something to clean up
        main_file = f"local://{Path(remote_main.__file__).resolve()}"
        self._submitter.submit(
            Submission(self.identity, scratch.uri, digest(reference), main_file, SparkApplication.of(self._settings))
        )
        self._context.log.info(
            f"submitted {name} ({self._kubernetes.submitter}) to namespace {self._kubernetes.namespace}; "
            f"its driver pod is {driver_name(name)}"
        )
        return False

    def _sweep(self) -> None:
        """Removes other attempts at this step, which must not write beside this one, and orphans of runs that are over."""
        ours = self.identity.labels(self._kubernetes.instance)
        for other in self._submitter.all():
            same_step = all(other.labels.get(label) == ours[label] for label in (RUN_LABEL, STEP_LABEL))
            if same_step and other.labels.get(ATTEMPT_LABEL) != ours[ATTEMPT_LABEL]:
                self._submitter.delete(other.name.removesuffix("-driver"))
        for gone in sweep_applications(self._submitter, self._context.instance):
            self._context.log.info(f"removed {gone}: its run is over")

    def _watch(self, relay: Relay) -> Generator[DagsterEvent, None, Verdict]:
        """The step's events while it runs; the verdict on its end."""
        observer = Observer(self._cluster, self._submitter, self.identity)
        limits = Limits(self._kubernetes.pending_seconds, self._kubernetes.running_seconds)
        while True:
            verdict = self._look(observer, limits)
            yield from self._new_events(relay)
            if verdict.state in ("ended", "lost"):
                return verdict
            if verdict.says and verdict.says != self._last_logged:
                self._last_logged = verdict.says
                self._context.log.info(f"{self.identity.name}: {verdict.says}")
            with raise_execution_interrupts():
                self._pause.wait(self._kubernetes.poll_seconds)

    def _look(self, observer: Observer, limits: Limits) -> Verdict:
        try:
            seen = observer.look()
        except ClusterRefusedError as error:
            return Verdict("lost", cause=str(error))
        except ClusterAwayError as error:
            now = time.monotonic()
            self._away_since = self._away_since or now
            if now - self._away_since > self._kubernetes.api_outage_seconds:
                return Verdict("lost", cause=f"for {self._kubernetes.api_outage_seconds} s, {error}")
            return Verdict("running", "the API server is out of reach; the driver goes on without it")
        self._away_since = None
        return judge(seen, limits)

    def _new_events(self, relay: Relay) -> Iterator[DagsterEvent]:
        try:
            yield from relay.forward()
        except ScratchError as error:
            if self._last_logged != str(error):
                self._last_logged = str(error)
                self._context.log.warning(f"{self.identity.name}: {error}; trying again")

    def _last_events(self, relay: Relay) -> Iterator[DagsterEvent]:
        for attempt in range(_LAST_READS):
            try:
                yield from relay.forward()
                return
            except ScratchError as error:
                if attempt == _LAST_READS - 1:
                    raise StepLaunchError(
                        f"step {self.identity.step} failed: its events cannot be read: {error}"
                    ) from error
                self._pause.wait(self._kubernetes.poll_seconds)
