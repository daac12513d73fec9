"""dbt's documentation, as `make docs` puts it into the site: whole, with the types that the tables really have, in one file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform.settings import PROJECT_DIR


@pytest.mark.slow
def test_dbts_documentation_is_one_page_with_every_model_and_the_types_of_its_columns(tmp_path: Path) -> None:
    page = tmp_path / "dbt.html"
    written = subprocess.run(
        [sys.executable, str(PROJECT_DIR / "scripts" / "dbt_docs.py"), str(page)],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert written.returncode == 0, written.stderr[-3000:]
    text = page.read_text()
    models = {path.stem for path in (PROJECT_DIR / "dbt_project" / "models").rglob("*.sql")}
    assert not [model for model in models if f"model.ecommerce.{model}" not in text]
    # The catalog is what the server says of the tables.
    start = re.search(r'"https://schemas.getdbt.com/dbt/catalog/v\d+.json"', text)
    assert start
    catalog = json.JSONDecoder().raw_decode(text, text.rindex('{"metadata"', 0, start.start()))[0]
    columns = catalog["nodes"]["model.ecommerce.mart_daily_business_metrics"]["columns"]
    types = {name.lower(): column["type"] for name, column in columns.items()}
    assert (types["date"], types["total_revenue"], types["total_orders"]) == ("DATE", "NUMBER", "NUMBER")
    assert str(PROJECT_DIR) not in text
