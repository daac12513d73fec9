"""The rows for which a dbt test fails, as keys and values.

What belongs here: which columns are shown, the query, and the text of the rows. What does not: running dbt (runner.py), Dagster
(assets.py).

dbt itself counts the failing rows. What they are comes from the test's own compiled SQL, asked once more for the first rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp, parse_one

from ecommerce_platform.contracts import HIDDEN, load_contracts
from ecommerce_platform.safe_text import markdown_cell, visible
from ecommerce_platform.transformation.project.personal import PERSONAL_COLUMN
from ecommerce_platform.warehouse.sql.connection import Opener, WarehouseUnreachable
from ecommerce_platform.warehouse.sql.query import value_text

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from snowflake.connector import SnowflakeConnection

#: So many rows of a failed test are shown, by the order of the shown columns.
MOST_ROWS = 5
#: In a test's `config.meta`: further columns to show.
SHOWN = "show_columns"
_MOST_CHARACTERS = 80
_UNIQUE_TESTS = ("unique", "unique_combination")
#: What dbt's own tests call the tested column, and the rows that have its value.
_DBT_NAMES = ("unique_field", "value_field", "from_field")
_DBT_COUNT, _COUNT = "n_records", "row_count"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_PLAIN = re.compile(r"[^\s;=\"|]+")


@dataclass(frozen=True)
class FailedTest:
    """A test that failed or warned: how many rows, the first of them, or why they cannot be shown.

    `columns` are in lower case; `rows` are texts, cut to 80 characters, without a character that a terminal would obey.
    """

    name: str
    warns: bool
    failures: int
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    problem: str = ""

    def line(self) -> str:
        """One line: `test orders_amount_not_negative warns of 1 row: id=5 total_amount=-1.00`."""
        return f"test {self.name} {self.finding()}"

    def finding(self) -> str:
        """The line without the test's name."""
        many = f"{self.failures} row" if self.failures == 1 else f"{self.failures} rows"
        verdict = f"warns of {many}" if self.warns else f"failed for {many}"
        if self.problem:
            return f"{verdict}, which cannot be shown: {self.problem}"
        return f"{verdict}: {'; '.join(self._texts())}" if self.rows else verdict

    def markdown(self) -> str:
        """The rows as a Markdown table."""
        if self.problem or not self.rows:
            return _cell(self.problem or "the rows were not there any more when they were asked for")
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)

    def _texts(self) -> Iterator[str]:
        for row in self.rows:
            yield " ".join(f"{name}={_quoted(value)}" for name, value in zip(self.columns, row, strict=True))
        if self.failures > len(self.rows):
            yield f"and {self.failures - len(self.rows)} more"


class FailingRows:
    """Asks for the rows of failed tests, on a connection of its own that the first of them opens. A context manager."""

    def __init__(self, open_connection: Opener, manifest: Manifest) -> None:
        self._open_connection, self._manifest = open_connection, manifest
        self._opened = ExitStack()
        self._connection: SnowflakeConnection | None = None
        self._unreachable = ""

    def __enter__(self) -> FailingRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def of(self, unique_id: str, status: str, failures: int) -> FailedTest:
        """The test with its first failing rows. Raises nothing: a test's verdict stands even if its rows cannot be read."""
        node: Any = self._manifest.nodes[unique_id]
        failed = FailedTest(str(node.name), status == "warn", failures)
        try:
            columns, rows = self._read(node)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is named beside the verdict
            return replace(failed, problem=visible(" ".join(str(error).split()))[:400] or type(error).__name__)
        return replace(failed, columns=columns, rows=rows)

    def _read(self, node: Any) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        cursor = self._cursor()
        failing = f"(\n{node.compiled_code}\n) as failing"
        cursor.execute(f"select * from {failing} limit 0")
        stored = {_shown_name(node, column.name): column.name for column in cursor.description}
        columns = self._columns(node, tuple(stored))
        hidden = _with_derived(self._personal(), node.compiled_code)
        # The values of personal columns are not even fetched. An expression without a name is called by its text.
        fetched = [name for name in columns if not _words(name) & hidden]
        selected = ", ".join('"' + stored[name].replace('"', '""') + '"' for name in fetched)
        order = f"order by {selected}" if selected else ""
        cursor.execute(f"select {selected or 'null'} from {failing} {order} limit {MOST_ROWS}")
        texts = [dict(zip(fetched, map(_text, row), strict=False)) for row in cursor.fetchall()]
        rows = tuple(tuple(row.get(name, HIDDEN) for name in columns) for row in texts)
        return tuple(_one_line(name) for name in columns), rows

    def _cursor(self) -> Any:
        if self._unreachable:
            raise WarehouseUnreachable(self._unreachable)
        if self._connection is None:
            try:
                self._connection = self._opened.enter_context(self._open_connection())
            except WarehouseUnreachable as error:
                # Once is enough: each further login would take its whole time again.
                self._unreachable = str(error)
                raise
        return self._connection.cursor()

    def _columns(self, node: Any, result: Sequence[str]) -> tuple[str, ...]:
        """What is shown of a test's result: the model's key and what the test names; without a key, everything."""
        test = getattr(node, "test_metadata", None)
        key = [name for name in self._key(getattr(node, "attached_node", None)) if name in result]
        if test is None or not key:
            return tuple(result)
        arguments = [value for name, value in test.kwargs.items() if name != "model"]
        named = _words([*arguments, node.config.meta.get(SHOWN, []), _COUNT])
        return tuple(dict.fromkeys([*key, *(name for name in result if name in named)]))

    def _key(self, model: str | None) -> list[str]:
        """The columns that name a row of a model: its unique key or, where it has none, the columns that a test calls unique."""
        if model is None or model not in self._manifest.nodes:
            return []
        if unique_key := getattr(self._manifest.nodes[model].config, "unique_key", None):
            return [name.lower() for name in ([unique_key] if isinstance(unique_key, str) else unique_key)]
        for other in self._manifest.nodes.values():
            test: Any = getattr(other, "test_metadata", None)
            if test is not None and getattr(other, "attached_node", None) == model and test.name in _UNIQUE_TESTS:
                return sorted(
                    _words([value for name, value in test.kwargs.items() if name in ("column_name", "columns")])
                )
        return []

    def _personal(self) -> frozenset[str]:
        """Names of the columns whose values are not shown: classified by a contract, or marked in the models' YAML."""
        columns = [column for contract in load_contracts().values() for column in contract.columns]
        classified = {column.name.lower() for column in columns if column.personal}
        described = [column for node in self._manifest.nodes.values() for column in node.columns.values()]
        return frozenset(
            classified | {column.name.lower() for column in described if column.config.meta.get(PERSONAL_COLUMN)}
        )


def _with_derived(hidden: frozenset[str], sql: str) -> frozenset[str]:
    """The names and, from whatever a statement computes of such columns, the names that it gives them."""
    named = [
        (alias.alias.lower(), {column.name.lower() for column in alias.find_all(exp.Column)})
        for alias in parse_one(sql, dialect="snowflake").find_all(exp.Alias)
    ]
    while derived := {name for name, read in named if read & hidden} - hidden:
        hidden |= derived
    return hidden


def _shown_name(node: Any, name: str) -> str:
    """A result's column as the model calls it, folded as `sql` folds it."""
    folded = name.lower() if name == name.upper() else name
    if getattr(node, "test_metadata", None) is not None and node.column_name:
        return {**dict.fromkeys(_DBT_NAMES, node.column_name.lower()), _DBT_COUNT: _COUNT}.get(folded, folded)
    return folded


def _words(values: object) -> set[str]:
    """All names in a test's arguments, whatever their structure."""
    if isinstance(values, str):
        return {word.lower() for word in _WORD.findall(values)}
    if isinstance(values, Mapping):
        return _words(list(values.values()))
    if isinstance(values, list | tuple):
        return {word for value in values for word in _words(value)}
    return set()


def _text(value: object) -> str:
    return "NULL" if value is None else _one_line(value_text(value))


def _one_line(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[: _MOST_CHARACTERS - 1]}…"


def _quoted(text: str) -> str:
    """A value of the line, in quotes where it would not end visibly."""
    return text if text == HIDDEN or _PLAIN.fullmatch(text) else f'"{text}"'


def _cell(text: str) -> str:
    return markdown_cell(text)
