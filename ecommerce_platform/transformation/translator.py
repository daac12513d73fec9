"""How dbt's models, sources and tests are called in Dagster.

What belongs here: asset keys, groups, owners. What does not: running (assets.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.transformation.dagster_dbt_light import DagsterDbtTranslator, DagsterDbtTranslatorSettings

OWNERS = ("team:data-platform",)
_SUPERSEDED = "superseded_"
_LEDGER = "load_ledger"


class PlatformTranslator(DagsterDbtTranslator):
    """Keys as in docs: `staging/users_enhanced`, `marts/daily_business_metrics`; sources are the assets that load them."""

    def __init__(self, partitions_def: dg.PartitionsDefinition[str]) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))
        self._partitions_def = partitions_def

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return _source_key(dbt_resource_props["source_name"], dbt_resource_props["name"])
        return model_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props["fqn"][1])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        return OWNERS

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the model is, and its SQL below."""
        about = str(dbt_resource_props.get("description") or "")
        code = str(dbt_resource_props.get("raw_code") or "").strip()
        return f"{about}\n\n```sql\n{code}\n```" if code else about

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> dg.PartitionsDefinition[str] | None:
        return self._partitions_def


def model_key(node: Mapping[str, Any]) -> dg.AssetKey:
    """The asset of a model: its schema and its table, in lower case."""
    return dg.AssetKey([str(node["schema"]).lower(), str(node["alias"]).lower()])


def _source_key(source: str, table: str) -> dg.AssetKey:
    if source == "spark":
        return dg.AssetKey(["snowflake", "staging", table])
    if table == _LEDGER:
        # No asset of its own: each load writes its line with its rows; the other tables are upstream as well.
        return dg.AssetKey(["snowflake", "raw", source_tables()[0]])
    return dg.AssetKey(["snowflake", "raw", table.removeprefix(_SUPERSEDED)])
