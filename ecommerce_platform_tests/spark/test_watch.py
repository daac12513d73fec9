"""What follows from what is seen on a cluster: a table of observations and verdicts."""

from dataclasses import replace

import pytest

from ecommerce_platform.spark.launchers.handover.ending import ProcessEnd, describe_exit, failure_reason
from ecommerce_platform.spark.launchers.kubernetes.watch import Limits, Observation, PodState, Verdict, judge

LIMITS = Limits(pending=300, running=3600)
DRIVER = PodState("a-driver", "Pending")
SEEN = Observation("a", DRIVER)
MEMORY = "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."


def driver(**changes: object) -> Observation:
    return replace(SEEN, driver=replace(DRIVER, **changes))  # type: ignore[arg-type]


def executor(**changes: object) -> PodState:
    return replace(PodState("a-exec-1", "Pending"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (replace(SEEN, driver=None), "pending", "waiting for the driver pod"),
        (replace(SEEN, driver=None, driver_was_seen=True), "lost", "driver pod a-driver was deleted from outside"),
        (replace(SEEN, application_gone=True), "lost", "SparkApplication a was deleted from outside"),
        (replace(SEEN, driver=None, application="", seconds_pending=301), "lost", "no Spark operator has taken up"),
        (
            replace(SEEN, driver=None, application="SUBMITTED", seconds_pending=301),
            "lost",
            "the SparkApplication is SUBMITTED",
        ),
        (
            replace(SEEN, driver=None, application="SUBMISSION_FAILED", application_error="no such account"),
            "lost",
            "could not submit a (SUBMISSION_FAILED): no such account",
        ),
        (driver(), "pending", "is pending"),
        (driver(unschedulable=MEMORY), "pending", "not enough cpu and memory"),
        (
            replace(driver(unschedulable=MEMORY), seconds_pending=301),
            "lost",
            "unschedulable, not enough cpu and memory",
        ),
        (replace(driver(unschedulable="taint x"), seconds_pending=301), "lost", "no node fits: taint x"),
        (driver(waiting="ErrImagePull", waiting_message="not found"), "pending", "cannot be pulled"),
        (
            replace(driver(waiting="ImagePullBackOff"), seconds_pending=61),
            "lost",
            "cannot be pulled (ImagePullBackOff)",
        ),
        (driver(waiting="ErrImageNeverPull"), "lost", "cannot be pulled (ErrImageNeverPull)"),
        (
            replace(
                driver(waiting="CreateContainerConfigError", waiting_message="secret x not found"), seconds_pending=61
            ),
            "lost",
            "container cannot be made (CreateContainerConfigError): secret x not found",
        ),
        (driver(phase="Running"), "running", "runs with 0 executors"),
        (driver(phase="Running", deleting=True), "lost", "was deleted from outside"),
        (
            driver(phase="Running", deleting=True, disruption="Taint manager: deleting due to NoExecute taint"),
            "lost",
            "was deleted from outside (Taint manager: deleting due to NoExecute taint)",
        ),
        (
            replace(
                driver(phase="Running"), executors=(executor(phase="Running"), executor(phase="Running", deleting=True))
            ),
            "running",
            "runs with 1 executors",
        ),
        (replace(driver(phase="Running"), seconds_running=3601), "lost", "ran longer than 3600 s"),
        (
            replace(driver(phase="Running"), executors=(executor(unschedulable=MEMORY),), seconds_running=301),
            "lost",
            "no executor started within 300 s: a-exec-1: unschedulable, not enough cpu and memory",
        ),
        (
            replace(
                driver(phase="Running"),
                executors=(executor(unschedulable=MEMORY),),
                seconds_running=301,
                executor_ran=True,
            ),
            "running",
            "a-exec-1: unschedulable",
        ),
        (
            replace(driver(phase="Running"), executors=(executor(phase="Failed", terminated="OOMKilled"),)),
            "running",
            "runs with 0 executors",
        ),
        (driver(phase="Succeeded"), "ended", "has ended"),
        (driver(phase="Failed", exit_code=1), "ended", "has failed"),
        (driver(phase="Failed", reason="Evicted", message="low on memory"), "ended", "evicted: low on memory"),
        (
            driver(phase="Failed", terminated="OOMKilled", exit_code=137, memory_limit="3Gi"),
            "ended",
            "driver pod a-driver: OOMKilled: it needed more memory than its limit of 3Gi",
        ),
        (driver(phase="Failed", exit_code=143, deleting=True), "ended", "it was deleted from outside"),
        (
            replace(
                driver(phase="Failed", exit_code=1),
                executors=(executor(phase="Failed", terminated="OOMKilled", memory_limit="4Gi"),),
            ),
            "ended",
            "executor a-exec-1: OOMKilled: it needed more memory than its limit of 4Gi",
        ),
    ],
)
def test_an_observation_has_its_verdict(seen: Observation, state: str, words: str) -> None:
    verdict = judge(seen, LIMITS)
    assert verdict.state == state
    assert words in (verdict.cause or verdict.says)
    assert bool(verdict.cause) == (state == "lost") or state == "ended"


#: Every state of the operator's API, and what follows while no driver pod was seen, and after one was and is gone.
STATES = {
    "": (("pending", "waiting for the driver pod"), ("lost", "deleted from outside")),
    "SUBMITTED": (("pending", "is SUBMITTED"), ("lost", "deleted from outside")),
    "RUNNING": (("pending", "is RUNNING"), ("lost", "deleted from outside")),
    "SUCCEEDING": (("ended", "is SUCCEEDING"), ("ended", "is SUCCEEDING")),
    "COMPLETED": (("ended", "is COMPLETED"), ("ended", "is COMPLETED")),
    "FAILING": (("lost", "failed (FAILING): why"), ("lost", "failed (FAILING): why")),
    "FAILED": (("lost", "failed (FAILED): why"), ("lost", "failed (FAILED): why")),
    "SUBMISSION_FAILED": (("lost", "could not submit a (SUBMISSION_FAILED): why"),) * 2,
    "PENDING_RERUN": (("pending", "is PENDING_RERUN"), ("lost", "is PENDING_RERUN, somebody has changed it")),
    "INVALIDATING": (("pending", "is INVALIDATING"), ("lost", "is INVALIDATING, somebody has changed it")),
    "SUSPENDING": (("pending", "is SUSPENDING"), ("lost", "is SUSPENDING, somebody has changed it")),
    # A queue of the cluster's (Kueue) suspends applications until there is room.
    "SUSPENDED": (("pending", "is SUSPENDED"), ("lost", "is SUSPENDED, somebody has changed it")),
    "RESUMING": (("pending", "is RESUMING"), ("lost", "is RESUMING, somebody has changed it")),
    "UNKNOWN": (("pending", "is UNKNOWN"), ("lost", "deleted from outside")),
    "OF_A_LATER_VERSION": (("pending", "is OF_A_LATER_VERSION"), ("lost", "deleted from outside")),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_of_a_spark_application_without_a_driver_pod_has_its_verdict(state: str) -> None:
    unseen = replace(SEEN, driver=None, application=state, application_error="why")
    for driver_was_seen, (expected, words) in zip((False, True), STATES[state], strict=True):
        verdict = judge(replace(unseen, driver_was_seen=driver_was_seen), LIMITS)
        assert verdict.state == expected
        assert words in (verdict.cause or verdict.says)
        assert verdict.exit_code == (0 if expected == "ended" else None)
    if STATES[state][0][0] == "pending":
        assert judge(replace(unseen, seconds_pending=301), LIMITS).state == "lost"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("phase", ["Pending", "Running", "Succeeded", "Failed"])
def test_while_there_is_a_driver_pod_it_alone_says_how_the_step_is(state: str, phase: str) -> None:
    seen = driver(phase=phase, exit_code={"Succeeded": 0, "Failed": 1}.get(phase))
    assert judge(replace(seen, application=state, application_error="why"), LIMITS) == judge(seen, LIMITS)


def test_only_a_pod_that_succeeded_ends_with_zero() -> None:
    assert judge(driver(phase="Succeeded"), LIMITS) == Verdict("ended", "the driver has ended", exit_code=0)
    assert judge(driver(phase="Failed", exit_code=1), LIMITS).exit_code == 1


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (ProcessEnd("success", 0), None),
        (ProcessEnd("failure", 1), None),
        (ProcessEnd("retry", 1), None),
        (ProcessEnd("success", 1), "reported success, then its process ended with exit code 1"),
        (ProcessEnd("success", None), "reported success, then its process ended with an unknown exit code"),
        (ProcessEnd("success", 0, cause="deleted"), "deleted"),
        (ProcessEnd("failure", 1, cause="OOMKilled"), "OOMKilled"),
        (ProcessEnd("none", 0), "exit code 0, and the step had reported neither"),
        (ProcessEnd("none", 137, log_tail=("last words",)), "last words"),
    ],
)
def test_a_step_succeeds_only_by_its_own_word_and_exit_code_zero(end: ProcessEnd, reason: str | None) -> None:
    failure = failure_reason(end)
    assert (failure is None) == (reason is None)
    assert (reason or "") in (failure or "")


def test_exit_codes_are_named() -> None:
    assert describe_exit(137) == "exit code 137 (SIGKILL)"
    assert describe_exit(-9) == "exit code -9 (SIGKILL)"
    assert describe_exit(1) == "exit code 1"
