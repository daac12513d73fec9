"""Writes dbt's documentation as one page, with the column types of tables that were really built.

`python scripts/dbt_docs.py PAGE.html`; run by `make docs`, which puts the page into the site. No account is needed: the models
are built, empty, in an embedded server of their own, whose catalog dbt then reads.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from dbt.cli.main import dbtRunner

from ecommerce_platform.settings import ClickHouseSettings, Settings, SnowflakeSettings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, load_parsed, rendered_project
from ecommerce_platform.transformation.project.profile import environment, profile_environment, restatement_environment
from ecommerce_platform.warehouse.schema.upgrade import initialise_account

RUN = "documentation"


class DbtDocsError(RuntimeError):
    """dbt wrote no documentation; the message says why."""


def build(settings: Settings) -> str:
    """The page: everything in one HTML file."""
    initialise_account(settings)
    run_dbt(settings, DbtRequest(command="run", full_refresh=True), RUN)
    project = DbtProject.of(settings)
    target, folder = project.target, str(rendered_project(project))
    variables = profile_environment(settings, RUN) | restatement_environment(
        settings.marts.month_closes_after_days, RUN, ""
    )
    with environment(variables):
        outcome = dbtRunner(manifest=load_parsed(project)).invoke(
            [
                *("--quiet", "--log-level-file", "none", "docs", "generate", "--static"),
                *("--vars", json.dumps(project.variables, sort_keys=True)),
                *("--project-dir", folder, "--profiles-dir", folder),
                *("--target-path", str(target), "--log-path", str(target)),
            ]
        )
    if not outcome.success:
        raise DbtDocsError(f"dbt docs generate failed: {outcome.exception}")
    page = (target / "static_index.html").read_text(encoding="utf-8")
    catalog = (target / "catalog.json").read_text(encoding="utf-8")
    page = page.replace(catalog, without_sizes(catalog))
    # Folders of the machine on which the page was made say nothing to its readers.
    return page.replace(folder, "dbt_project").replace(str(target), "target")


def without_sizes(catalog: str) -> str:
    """The catalog without rows, bytes and dates of its tables: they are empty, and were made for this page."""
    content = json.loads(catalog)
    for table in (*content["nodes"].values(), *content["sources"].values()):
        table["stats"] = {}
    return json.dumps(content)


def fetched_from_elsewhere(page: str) -> list[str]:
    """Addresses of scripts, styles and pictures that a browser would fetch when the page is opened."""
    return re.findall(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""", page)


def main(out: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="ecommerce-dbt-docs-") as folder:
        settings = load_settings(
            data_dir=Path(folder) / "data",
            dbt={"target_path": str(Path(folder) / "target")},
            snowflake=SnowflakeSettings(),
            clickhouse=ClickHouseSettings(),
        )
        try:
            page = build(settings)
        finally:
            down(settings.data_dir)
    if addresses := fetched_from_elsewhere(page):
        raise DbtDocsError(f"the page would fetch from elsewhere: {', '.join(addresses)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    print(f"{out}: {len(page.encode()) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
