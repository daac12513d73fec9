"""What a step gets on a cluster, and Spark's options that say so.

What belongs here: the resources of a step and the options that follow from settings. What does not: pods (pods.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from ecommerce_platform.settings.spark import SparkResources, SparkSettings
from ecommerce_platform.spark.jars import default_jars_dir, jar_paths
from ecommerce_platform.spark.options import SparkApplication, application_options

CHECKPOINT_PATH = "/var/spark-checkpoints"

#: Options of a session on this machine; on a cluster the submission says them.
_OF_A_LOCAL_SESSION = ("spark.master", "spark.driver.memory", "spark.jars")


def resources_of(spark: SparkSettings, step: str, assets: Iterable[str]) -> SparkResources:
    """The resources of a step: the installation's, changed by what is set for one of its assets, then for the step."""
    changes: dict[str, object] = {}
    for name in (*assets, step):
        changes |= spark.step_resources.get(name, {})
    return SparkResources.model_validate(spark.resources.model_dump() | changes)


def spark_options(application: SparkApplication, resources: SparkResources) -> dict[str, str]:
    """Spark's options for a step on a cluster; none of them is secret."""
    spark = application.spark
    on_cluster = spark.model_copy(update={"master": "k8s", "shuffle_partitions": resources.shuffle_partitions})
    base = application_options(replace(application, spark=on_cluster), ())
    # The image holds the jars: on the class path they are opened where they lie, and are sent to no executor.
    classes = os.pathsep.join(str(jar) for jar in jar_paths(default_jars_dir(spark), application.jar_groups))
    options = {name: value for name, value in base.items() if name not in _OF_A_LOCAL_SESSION} | {
        # Driver and executors prove to each other that they know the driver's secret, and encrypt what they say. Spark's driver
        # on Kubernetes makes a new secret each time and gives it to its executors in their environment.
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.network.crypto.saslFallback": "false",
        "spark.driver.extraClassPath": classes,
        "spark.executor.extraClassPath": classes,
        "spark.executor.extraJavaOptions": base["spark.driver.extraJavaOptions"],
        # An executor that ended stays to be looked at, until its driver goes and takes it along.
        "spark.kubernetes.executor.deleteOnTermination": "false",
    }
    if spark.kubernetes.checkpoint_claim:
        options["spark.checkpoint.dir"] = CHECKPOINT_PATH
    if resources.dynamic_allocation:
        options |= {
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.minExecutors": str(resources.min_executors),
            "spark.dynamicAllocation.initialExecutors": str(max(resources.min_executors, 1)),
            "spark.dynamicAllocation.maxExecutors": str(resources.max_executors or resources.executors),
        }
    if claim_class := spark.kubernetes.local_dir_storage_class:
        volume = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
        options |= {
            f"{volume}.options.claimName": "OnDemand",
            f"{volume}.options.storageClass": claim_class,
            f"{volume}.options.sizeLimit": spark.kubernetes.local_dir_size,
            f"{volume}.mount.path": "/var/spark-local",
            f"{volume}.mount.readOnly": "false",
        }
    return options | resources.conf
