"""dagster-dbt without dbt-core: what the definitions need of it.

What belongs here: how it is imported. What does not: anything that runs dbt (runner.py imports dbt itself).

dagster-dbt works where dbt-core is not installed (with dbt Fusion): it then reads the manifest alone, and selects all nodes
without asking dbt. That is all that our definitions ask of it, while the import of dbt-core would take longer than Dagster's own
(2.3 of 7 seconds, and 0.75 more for the selection), in each process that loads them. So dbt-core is hidden while dagster-dbt
looks for it. A process that has imported either before is left as it is: both ways give the same definitions.
"""

from __future__ import annotations

import sys

_hides = "dagster_dbt" not in sys.modules and "dbt.version" not in sys.modules
if _hides:
    # Python's own sign that a module cannot be imported.
    sys.modules["dbt.version"] = None  # type: ignore[assignment]
try:
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
finally:
    if _hides:
        del sys.modules["dbt.version"]

__all__ = ["DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "DbtCoreCliEventMessage", "dbt_assets"]
