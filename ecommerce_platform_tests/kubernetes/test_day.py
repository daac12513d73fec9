"""Days of the sample shop on the cluster: launched through the webserver, run in pods.

That all days give the marts of a run on one machine is tried after an upgrade in the middle of the last one
(test_upgrade_restore_uninstall.py).
"""

from __future__ import annotations

import pytest

from ecommerce_platform_tests.kubernetes.cluster import Platform, objects

pytestmark = pytest.mark.kubernetes


def test_the_run_had_a_pod_of_its_own_with_the_resources_of_its_job(installed: Platform) -> None:
    jobs = objects("jobs", "-n", installed.workloads, "-l", "dagster/job=daily_batch")
    assert jobs, "no job of a run is there"
    pod = jobs[0]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == f"{installed.release}-run"
    container = pod["containers"][0]
    assert container["image"].endswith(f":{installed.tag}")
    assert container["resources"]["limits"]["memory"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_reconciliation_ran_on_the_cluster(installed: Platform) -> None:
    (answer,) = installed.rows("select count(*) as n from reconciliation.daily_business_metrics")
    assert int(answer["n"]) > 0
