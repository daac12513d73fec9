"""What is sent to a cluster for a step: names, SparkApplications, pod templates and options."""

import json

import pytest
from kubeflow_spark_api.models.spark_v1beta2_spark_application import SparkV1beta2SparkApplication
from kubernetes.client import ApiException
from pydantic import ValidationError

from ecommerce_platform.settings.spark import SparkResources, SparkSettings
from ecommerce_platform.spark.launchers.handover.identity import StepIdentity
from ecommerce_platform.spark.launchers.kubernetes.application import build_application
from ecommerce_platform.spark.launchers.kubernetes.failures import explain_api_error
from ecommerce_platform.spark.launchers.kubernetes.pods import SubmissionError, pod_template
from ecommerce_platform.spark.launchers.kubernetes.step_resources import resources_of
from ecommerce_platform.spark.launchers.kubernetes.submit import explain_submission, submit_options
from ecommerce_platform_tests.spark.submitted import STEP, settings, submission


def test_names_and_labels_follow_from_run_step_attempt_and_range() -> None:
    assert STEP.name == StepIdentity(**vars(STEP)).name
    assert STEP.name.startswith("spark-0a1b2c3d-change-events-1-")
    others = [
        StepIdentity(**{**vars(STEP), **change})
        for change in (
            {"run_id": "0a1b2c3d-9"},
            {"step": "change.events"},
            {"attempt": 2},
            {"partitions": "2026-01-01"},
        )
    ]
    assert len({STEP.name, *(other.name for other in others)}) == 5
    labels = STEP.labels("shop")
    assert labels["ecommerce-platform/run-id"] == STEP.run_id
    assert labels["ecommerce-platform/step"] == "change_events"
    assert labels["ecommerce-platform/attempt"] == "1"
    assert labels["ecommerce-platform/partitions"] == "2026-01-01_2026-01-05"
    assert labels["ecommerce-platform/asset"] == "iceberg_orders"
    assert STEP.annotations("s3://x")["ecommerce-platform/assets"] == "iceberg/orders,iceberg/users"


def test_a_name_fits_what_spark_and_kubernetes_append() -> None:
    long = StepIdentity(STEP.run_id, "a_step_whose_name_is_far_longer_than_a_pod_may_be_called" * 3, 12, "", ())
    assert len(long.name) <= 45
    assert all(len(value) <= 63 for value in long.labels("x" * 100).values())


def test_a_spark_application_has_the_documents_resources() -> None:
    spec = build_application(submission())["spec"]
    driver, executor = spec["driver"], spec["executor"]
    assert (driver["memory"], driver["memoryOverhead"], driver["coreRequest"], driver["coreLimit"]) == (
        "2g",
        "1g",
        "1000m",
        "1500m",
    )
    assert (executor["instances"], executor["memory"], executor["memoryOverhead"]) == (2, "3g", "1g")
    assert (executor["cores"], executor["coreRequest"], executor["coreLimit"]) == (2, "1500m", "2000m")
    conf = spec["sparkConf"]
    for part in ("", ".coalescePartitions", ".skewJoin", ".localShuffleReader"):
        assert conf[f"spark.sql.adaptive{part}.enabled"] == "true"
    assert conf["spark.sql.shuffle.partitions"] == "200"
    assert conf["spark.serializer"] == "org.apache.spark.serializer.KryoSerializer"
    assert spec["restartPolicy"] == {"type": "Never"}


def test_spark_submit_gets_the_same_resources() -> None:
    options = submit_options(submission(), {})
    driver = [options[f"spark.{name}"] for name in ("driver.memory", "driver.memoryOverhead")]
    executor = [options[f"spark.executor.{name}"] for name in ("instances", "memory", "memoryOverhead", "cores")]
    assert driver == ["2g", "1g"]
    assert executor == ["2", "3g", "1g", "2"]
    cpu = [
        options[f"spark.kubernetes.{role}.{kind}.cores"]
        for role in ("driver", "executor")
        for kind in ("request", "limit")
    ]
    assert cpu == ["1000m", "1500m", "1500m", "2000m"]


def test_a_spark_application_is_valid_by_the_operators_models_and_theirs_alone() -> None:
    document = build_application(submission())
    assert SparkV1beta2SparkApplication.from_dict(document).to_dict() == document  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        build_application(submission(settings(tolerations=[{"key": 1}])))


#: What the operator's webhook, and not its controller, brings into a pod.
WEBHOOK_FIELDS = {
    *("env", "envFrom", "volumeMounts", "podSecurityContext", "securityContext", "nodeSelector", "tolerations"),
    *(
        "affinity",
        "configMaps",
        "dnsConfig",
        "gpu",
        "hostAliases",
        "hostNetwork",
        "initContainers",
        "lifecycle",
        "ports",
    ),
    *("priorityClassName", "runtimeClassName", "schedulerName", "shareProcessNamespace", "sidecars"),
    *("terminationGracePeriodSeconds",),
}
PLACED = {"node_selector": {"disk": "fast"}, "tolerations": [{"key": "batch", "operator": "Exists"}]}


def test_what_the_webhook_applies_is_all_that_the_drivers_pod_needs() -> None:
    chosen = submission(settings(**PLACED))
    spec = build_application(chosen)["spec"]
    driver, needed = spec["driver"], pod_template(chosen, "driver")
    pod, container = needed["spec"], needed["spec"]["containers"][0]
    for field in ("env", "envFrom", "volumeMounts", "securityContext"):
        assert driver[field] == container[field], field
    assert driver["podSecurityContext"] == pod["securityContext"]
    assert (driver["nodeSelector"], driver["tolerations"]) == (pod["nodeSelector"], pod["tolerations"])
    assert spec["volumes"] == pod["volumes"]
    assert driver["serviceAccount"] == pod["serviceAccountName"]
    assert (driver["labels"], driver["annotations"]) == (
        needed["metadata"]["labels"],
        needed["metadata"]["annotations"],
    )
    # A driver with a template would not be marked for the webhook.
    assert "template" not in driver


def test_what_executors_need_is_in_their_template_once_whatever_the_webhook_does() -> None:
    chosen = submission(settings(**PLACED))
    executor = build_application(chosen)["spec"]["executor"]
    needed = pod_template(chosen, "executor")
    assert executor["template"] == {"metadata": needed["metadata"], "spec": needed["spec"]}
    # The webhook appends: a volume or a mount that is also in a field would be in the pod twice.
    assert WEBHOOK_FIELDS.isdisjoint(executor)


def test_dynamic_allocation_is_a_setting() -> None:
    chosen = settings()
    spark = chosen.spark.model_copy(update={"resources": SparkResources(dynamic_allocation=True, max_executors=8)})
    chosen = chosen.model_copy(update={"spark": spark})
    allocation = build_application(submission(chosen))["spec"]["dynamicAllocation"]
    assert (allocation["enabled"], allocation["minExecutors"], allocation["maxExecutors"]) == (True, 0, 8)
    options = submit_options(submission(chosen), {})
    assert options["spark.dynamicAllocation.maxExecutors"] == "8"
    assert "spark.executor.instances" not in options


def test_a_steps_resources_change_those_of_its_assets() -> None:
    spark = SparkSettings(
        step_resources={"change_events": {"executors": 6}, "iceberg/orders": {"executors": 4, "executor_memory": "5g"}}
    )
    changed = resources_of(spark, "change_events", STEP.assets)
    assert (changed.executors, changed.executor_memory, changed.driver_memory) == (6, "5g", "2g")
    assert resources_of(spark, "spark_analytics", ("iceberg/customer_metrics",)) == SparkResources()
    with pytest.raises(ValidationError, match="no such resource: executers"):
        SparkSettings(step_resources={"change_events": {"executers": 1}})


def test_local_dirs_and_checkpoints_may_lie_on_persistent_volumes() -> None:
    chosen = submission(settings(local_dir_storage_class="fast", local_dir_size="50Gi", checkpoint_claim="checkpoints"))
    options = chosen.options
    volume = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
    assert options[f"{volume}.options.storageClass"] == "fast"
    assert options[f"{volume}.options.sizeLimit"] == "50Gi"
    assert options["spark.checkpoint.dir"] == "/var/spark-checkpoints"
    names = {volume["name"] for volume in pod_template(chosen, "driver")["spec"]["volumes"]}
    assert names == {"tmp", "work", "spark-checkpoints"}
    assert "spark-local-dir-1" in {item["name"] for item in pod_template(submission(), "driver")["spec"]["volumes"]}


def test_every_empty_directory_has_a_size() -> None:
    volumes = pod_template(submission(), "driver")["spec"]["volumes"]
    assert all(volume["emptyDir"]["sizeLimit"] for volume in volumes if "emptyDir" in volume)


def test_without_an_image_nothing_is_submitted() -> None:
    with pytest.raises(SubmissionError, match="ECOMMERCE_SPARK__KUBERNETES__IMAGE"):
        build_application(submission(settings(image=None)))


@pytest.mark.parametrize(
    ("status", "message", "action", "words"),
    [
        (
            404,
            "the server could not find the requested resource",
            "create a SparkApplication",
            "operator is not installed",
        ),
        (403, 'pods is forbidden: User "x" cannot create resource "pods"', "list pods", "access rules (RBAC)"),
        (403, "exceeded quota: compute", "create a SparkApplication", "resource quota is used up: exceeded quota"),
        (401, "Unauthorized", "list pods", "does not accept this account's token"),
        (422, "spec.driver: Required value", "create a SparkApplication", "finds it invalid: spec.driver"),
    ],
)
def test_a_refusal_is_explained_in_a_sentence(status: int, message: str, action: str, words: str) -> None:
    error = ApiException(status=status, reason="x")
    error.body = json.dumps({"message": message})
    assert words in explain_api_error(error, action)


def test_the_output_of_spark_submit_is_explained_in_a_sentence() -> None:
    refused = (
        'Exception in thread "main" io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST at: '
        'https://x/api/v1/namespaces/d/pods. Message: pods is forbidden: User "u" cannot create resource "pods". '
        "Received status: Status(apiVersion=v1, code=403)"
    )
    reason = explain_submission(refused, 1)
    assert reason.startswith(
        'the cluster refused the driver pod (RBAC): pods is forbidden: User "u" cannot create resource'
    )
    quota = 'Message: pods "a" is forbidden: exceeded quota: compute, requested: memory=3Gi. Received status: x'
    assert "the cluster refused it: pods" in explain_submission(quota, 1)
    beside = 'VertxException: Thread blocked\nException in thread "main" java.net.UnknownHostException: api\n'
    assert explain_submission(beside, 1).endswith('Exception in thread "main" java.net.UnknownHostException: api')
    assert explain_submission("", 1) == "spark-submit ended with exit code 1: it gave no reason"
