import dagster as dg

from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.resource import SparkResource, build_resources
from ecommerce_platform.spark.session import build_session

seen: list[object] = []


@dg.asset
def without_spark(spark: SparkResource) -> None:
    seen.append(spark.settings.data_dir)


@dg.asset
def with_spark(spark: SparkResource) -> None:
    seen.append(spark.spark_session)


def test_a_step_gets_the_settings_that_the_resource_was_made_with(local_settings: Settings) -> None:
    seen.clear()
    assert dg.materialize([without_spark], resources=build_resources(local_settings)).success
    assert seen == [local_settings.data_dir]


def test_a_step_gets_the_processs_own_session(spark_application: None, local_settings: Settings) -> None:
    seen.clear()
    assert dg.materialize([with_spark], resources=build_resources(local_settings)).success
    assert seen == [build_session(local_settings)]


def test_no_setting_becomes_run_configuration(local_settings: Settings) -> None:
    resource = SparkResource.of(local_settings, **{"spark.sql.shuffle.partitions": "3"})
    assert resource.spark_config == {"spark.sql.shuffle.partitions": "3"}
    assert set(type(resource).model_fields) == {"spark_config"}
