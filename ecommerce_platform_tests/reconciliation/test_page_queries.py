"""The queries on the pages of the documentation name tables and columns that are there."""

from __future__ import annotations

import re

import pytest

from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform.warehouse.sql.connection import fetch_all
from ecommerce_platform_tests.reconciliation.two_layers import TwoLayers

#: Tables that are there before dbt's models; pages that query the models are run as a whole (front/test_readme.py).
_TABLE = re.compile(r"\bfrom ((?:raw|reconciliation)\.\w+|staging\.applied_days)\b")
_QUERY = re.compile(r'(?:sql "|^    )(select [^"\n]+)', re.MULTILINE)
QUERIES = sorted(
    {
        (page.relative_to(PROJECT_DIR).as_posix(), query.strip())
        for page in (PROJECT_DIR / "README.md", *(PROJECT_DIR / "docs").rglob("*.md"))
        for query in _QUERY.findall(page.read_text(encoding="utf-8"))
        if _TABLE.search(query)
    }
)


def test_pages_have_queries() -> None:
    assert len(QUERIES) >= 5


@pytest.mark.parametrize(("page", "query"), QUERIES)
def test_a_query_of_a_page_can_be_run(two: TwoLayers, page: str, query: str) -> None:
    fetch_all(two.connection, query)
