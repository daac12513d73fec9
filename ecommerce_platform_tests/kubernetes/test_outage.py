"""A launched step while the cluster's API server answers nobody.

Run after all other tests of the node (scripts/kubernetes/test.sh): who else asked the API server meanwhile would fail.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecommerce_platform_tests.kubernetes.cluster import SCRIPTS, command, until
from ecommerce_platform_tests.kubernetes.launcher_lab import Lab, lab_in, waits_for_us

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("launcher_namespace")]


@contextmanager
def api_server_away() -> Iterator[None]:
    """The node's API server answers nobody."""
    (process,) = command(SCRIPTS / "node-exec", "pgrep", "-x", "kube-apiserver").split()
    command(SCRIPTS / "node-exec", "kill", "-STOP", process)
    try:
        yield
    finally:
        command(SCRIPTS / "node-exec", "kill", "-CONT", process)


def seconds_have_passed(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, monkeypatch) as lab:
        yield lab


def test_a_step_outlives_half_a_minute_without_the_api_server(lab: Lab) -> None:
    run = lab.begin("waits")
    waits_for_us(lab, run)
    away = seconds_have_passed(30)
    with api_server_away():
        until("the launcher to notice", lambda: lab.logged("the API server is out of reach"), 200)
        lab.allow()
        until("thirty seconds", away, 200)
        assert not run.done()
    assert run.result(400).success
