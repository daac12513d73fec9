"""Whether a launched step succeeded: a pure decision from how its process ended and what the step said of itself.

What belongs here: the verdict and its words. What does not: watching (local_submit.py, cluster.py).

A step has succeeded when it said so and its process ended with 0. A failure that the step itself reported stays its own, with
its own stack, unless the process was ended from outside: then that is the reason, and the step's report a consequence.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

StepReport = Literal["success", "failure", "retry", "none"]


@dataclass(frozen=True)
class ProcessEnd:
    """How a step's process ended. `cause` is why it was ended from outside (a kill, no memory, a time limit)."""

    report: StepReport
    exit_code: int | None
    cause: str | None = None
    log_tail: tuple[str, ...] = ()


def failure_reason(end: ProcessEnd) -> str | None:
    """Why the step must fail although its own events do not say so; None when its own ending event holds."""
    if end.cause:
        reason = end.cause
    elif end.report == "success" and end.exit_code != 0:
        reason = f"the step reported success, then its process ended with {describe_exit(end.exit_code)}"
    elif end.report == "none":
        reason = f"its process ended with {describe_exit(end.exit_code)}, and the step had reported neither success nor failure"
    else:
        return None
    return with_log_tail(reason, end.log_tail)


def describe_exit(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "an unknown exit code"
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number:
        try:
            return f"exit code {code} ({signal.Signals(number).name})"
        except ValueError:
            pass
    return f"exit code {code}"


def with_log_tail(reason: str, tail: tuple[str, ...]) -> str:
    """The reason, followed by the last lines of the process's log."""
    if not tail:
        return reason
    return "\n".join([reason, "Last lines of its log:", *(f"  {line}" for line in tail)])
