"""The dbt project as Dagster sees it: one step for all models, dbt tests as asset checks.

What belongs here: declaration, the step's course, metadata. What does not: dbt (runner.py), what is applied (applied.py).
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from ecommerce_platform.contracts import load_contracts, source_tables, tables_of_day
from ecommerce_platform.execution.partitions import add_days_metadata, daily_partitions, partition_days
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.applied import (
    BuildState,
    full_refresh_reason,
    mark_applied,
    read_build_state,
)
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.failing_rows import FailedTest
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRun, DbtRunError
from ecommerce_platform.transformation.dagster_dbt_light import DbtCoreCliEventMessage, dbt_assets
from ecommerce_platform.transformation.project.lineage import LineageReader, keep_lineage, kept_lineage
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest, load_manifest
from ecommerce_platform.transformation.project.personal import undeclared
from ecommerce_platform.transformation.resource import DbtResource
from ecommerce_platform.transformation.results.restatements import Restated, restated_by
from ecommerce_platform.transformation.results.snapshots import MODEL, snapshot_rows_that_disagree
from ecommerce_platform.transformation.translator import PlatformTranslator, model_key
from ecommerce_platform.warehouse.resource import WarehouseResource
from ecommerce_platform.warehouse.schema.lease import Lease
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.connection import fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: Runs of dbt that share a database must not overlap: a concurrency pool that an instance may limit to 1.
POOL = "dbt"


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """All models of the project, staging to marts."""
    manifest = load_manifest(DbtProject.of(settings))
    translator = PlatformTranslator(daily_partitions(settings.start_date))

    @dbt_assets(
        manifest=manifest,
        name="dbt_models",
        dagster_dbt_translator=translator,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    @plain_words
    def dbt_models(
        context: dg.AssetExecutionContext, dbt: DbtResource, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[None] | dg.AssetCheckResult | dg.AssetObservation]:
        run_id = context.run.run_id
        with warehouse.connection(run_id) as connection:
            ensure_current(connection)
            of_dbt, of_snowflake = dbt.settings.dbt, dbt.settings.snowflake
            opener, say = warehouse.opener(run_id), context.log.info
            with exclusive_build(of_dbt, of_snowflake, connection, opener, run_id, say) as lease:
                yield from _Step(context, manifest, translator, dbt, connection, lease).run()

    return [dbt_models]


class _Step:
    """One execution of the step: what it reads first, what it hands on, what it concludes."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        manifest: Mapping[str, Any],
        translator: PlatformTranslator,
        dbt: DbtResource,
        connection: "SnowflakeConnection",
        lease: Lease,
    ) -> None:
        self.context, self.manifest, self.translator = context, manifest, translator
        self.dbt, self.connection, self.lease = dbt, connection, lease
        self.days = partition_days(context)
        self.project = DbtProject.of(dbt.settings)
        self.definition = definition_digest(self.project)
        self.kept = kept_lineage(self.project.target, self.definition)
        self.reader = LineageReader(manifest)
        self.models = {model_key(node): node for node in manifest["nodes"].values() if _is_model(node)}
        always = {key for key, node in self.models.items() if node["config"]["meta"].get("always_built")}
        self.complete = self.context.selected_asset_keys | always >= self.models.keys()
        self.built = self.context.selected_asset_keys | (always if self.complete else set())

    def run(self) -> Iterator[dg.Output[None] | dg.AssetCheckResult | dg.AssetObservation]:
        state = read_build_state(self.connection)
        reason = full_refresh_reason(state, self.definition)
        self._report(state, reason)
        try:
            with self.dbt.run(self._request(reason), self.context.run.run_id, self.lease) as run:
                yield from self._hand_on(run)
        except DbtRunError as error:
            raise dg.Failure(str(error), metadata={"failed": list(error.failed)}) from error
        self._warn_of_personal_columns()
        if self.complete:
            # A build of some models computes only those; the rest is computed when all run.
            mark_applied(self.connection, self.definition, self.lease)

    def _warn_of_personal_columns(self) -> None:
        lineage = self.reader.lineage if self.kept is None else self.kept
        for line in undeclared(self.manifest, load_contracts(), lineage):
            self.context.log.warning(line)

    def _request(self, reason: str | None) -> DbtRequest:
        full_refresh, cause = reason is not None, f"computed again: {reason}" if reason else ""
        every_check = {spec.key for spec in self.context.assets_def.node_check_specs_by_output_name.values()}
        if self.complete and self.context.selected_asset_check_keys >= every_check:
            return DbtRequest(full_refresh=full_refresh, cause=cause)
        models = [self.models[key]["name"] for key in self.built]
        tests = [key.name for key in self.context.selected_asset_check_keys]
        select = (*sorted(models), *sorted(tests))
        return DbtRequest(select=select, full_refresh=full_refresh, only_selected=True, cause=cause)

    def _hand_on(self, run: DbtRun) -> Iterator[dg.Output[None] | dg.AssetCheckResult | dg.AssetObservation]:
        for raw in run.events:
            if failed := run.failed_tests.get(raw["data"]["node_info"]["unique_id"]):
                (self.context.log.warning if failed.warns else self.context.log.error)(failed.line())
            message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
            for event in message.to_default_asset_events(
                self.manifest, dagster_dbt_translator=self.translator, context=self.context
            ):
                if isinstance(event, dg.Output):
                    if event.output_name not in self.context.op_execution_context.selected_output_names:
                        continue  # built all the same, and asked for by nobody
                    unique_id = raw["data"]["node_info"]["unique_id"]
                    more = self._metadata(unique_id, raw, run)
                    yield dg.Output(None, output_name=event.output_name, metadata={**event.metadata, **more})
                elif isinstance(event, dg.AssetCheckResult):
                    yield _with_rows(event, failed) if failed else event
                elif isinstance(event, dg.AssetObservation):
                    yield event

    def _metadata(self, unique_id: str, raw: Mapping[str, Any], run: DbtRun) -> dict[str, Any]:
        node = self.manifest["nodes"][unique_id]
        counted = fetch_all(self.connection, f"select count(*) from {node['relation_name']}")
        if columns := self._columns(unique_id, run):
            # On the run's last day alone: it is the same on every day, and large beside all else that an event holds.
            lineage = {"dagster/column_lineage": self._column_lineage(columns)}
            add_days_metadata(self.context, [model_key(node)], {self.days[-1]: lineage})
        return {
            "dagster/row_count": int(counted[0][0]),
            "seconds": round(float(raw["data"].get("execution_time", 0)), 3),
            "materialization": node["config"]["materialized"],
            **(self._disagreeing(node) if node["name"] == MODEL else {}),
            **(self._restated(node["alias"]) if node["config"]["meta"].get("published") else {}),
        }

    def _disagreeing(self, node: Mapping[str, Any]) -> dict[str, int]:
        """Counts in the metadata of each day, by table, and their sum over the days of the run."""
        counted = snapshot_rows_that_disagree(self.connection, node["relation_name"], set(self.days))
        by_day = {
            day: {f"snapshot_rows_that_disagree_{table}": rows for table, rows in tables.items()}
            for day, tables in counted.items()
        }
        add_days_metadata(self.context, [model_key(node)], by_day)
        return {"snapshot_rows_that_disagree": sum(sum(tables.values()) for tables in counted.values())}

    def _restated(self, model: str) -> dict[str, int]:
        restated = restated_by(self.connection, self.context.run.run_id).get(model, Restated())
        return {"figures_restated": restated.figures, "figures_restated_in_closed_months": restated.in_closed_months}

    def _columns(self, unique_id: str, run: DbtRun) -> Mapping[str, list[tuple[str, str]]]:
        if self.kept is not None:
            return self.kept.get(unique_id, {})
        columns = self.reader.read(self.manifest["nodes"][unique_id], run.target / "compiled")
        if len(self.reader.lineage) == len(self.models):
            keep_lineage(self.project.target, self.definition, self.reader.lineage)
        return columns

    def _column_lineage(self, columns: Mapping[str, list[tuple[str, str]]]) -> dg.TableColumnLineage:
        nodes = {**self.manifest["nodes"], **self.manifest["sources"]}
        return dg.TableColumnLineage(
            {
                column: [
                    dg.TableColumnDep(asset_key=key, column_name=name)
                    # Once each: a raw table and its superseded rows are two sources of one asset.
                    for key, name in dict.fromkeys(
                        (self.translator.get_asset_key(nodes[parent]), name) for parent, name in parents
                    )
                ]
                for column, parents in columns.items()
            }
        )

    def _report(self, build: BuildState, reason: str | None) -> None:
        """Says in the log and in each day's metadata what becomes of the days of this run."""
        if reason:
            self.context.log.info(f"computing everything again: {reason}")
        batches = {(table, day): batch for table, day, batch in build.loaded}
        by_day: dict[date, dict[str, str]] = {}
        for day in self.days:
            missing = [table for table in tables_of_day(day) if (table, day) not in batches]
            if missing:
                self.context.log.warning(f"{day} waits: nothing is loaded for {', '.join(missing)}")
            state = f"waits for {', '.join(missing)}" if missing else "applied"
            loads = {f"batch_{table}": batches[table, day] for table in source_tables() if (table, day) in batches}
            by_day[day] = {"day": state, **loads}
        add_days_metadata(self.context, self.context.selected_asset_keys, by_day)


def _with_rows(event: dg.AssetCheckResult, failed: FailedTest) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=event.passed,
        asset_key=event.asset_key,
        check_name=event.check_name,
        severity=event.severity,
        description=failed.finding(),
        metadata={**event.metadata, "failing_rows": dg.MetadataValue.md(failed.markdown())},
    )


def _is_model(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
