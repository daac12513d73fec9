"""Settings of a Dagster instance whose runs may be resumed, on this machine.

What belongs here: what the Kubernetes run launcher says of itself, for workers that tests start by themselves.
"""

from __future__ import annotations

from dagster import DefaultRunLauncher


class ResumableLauncher(DefaultRunLauncher):
    """Launches nothing in these tests; it only says that a run whose worker died may get another one."""

    @property
    def supports_resume_run(self) -> bool:
        return True


RESUMABLE = {
    "run_launcher": {"module": __name__, "class": "ResumableLauncher"},
    "run_monitoring": {"enabled": True, "max_resume_run_attempts": 2},
}
