"""A comment or another layout is not a change of a statement; every other character is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ecommerce_platform.contracts.reader import CONTRACTS_DIR
from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest
from ecommerce_platform.transformation.project.statements import statement_tokens

PROJECT = PROJECT_DIR / "dbt_project"
FILES = sorted(path for folder in ("models", "macros") for path in (PROJECT / folder).rglob("*.sql"))

SAME = {
    "a line comment": ("select a from t", "select a -- why\nfrom t"),
    "a line comment with two slashes": ("select a from t", "select a // why\nfrom t"),
    "a block comment": ("select a from t", "select /* it's why -- */ a from t"),
    "a comment of Jinja": ("select a from t", "{# why 'not' #}select a from t"),
    "a comment of Jinja over lines": ("{{ f(1) }} from t", "{#-\n  {{ not_called() }}\n-#}\n{{ f(1) }} from t"),
    "a comment between a tag and a name": ("{{ a }} b", "{{ a }} -- why\n b"),
    "layout": ("select a,b from t where c=1", "select\n    a, b\nfrom t\nwhere c = 1\n"),
    "layout within a tag": ("{{f(a,1)}}", "{{ f(a, 1) }}"),
    "a quote in a comment": ("select a from t", "select a -- it's\nfrom t"),
    "a hint to the graph": ("select 1", "-- depends_on: {{ ref('base_orders') }}\nselect 1"),
    "a layout of blocks": ("{% if a %}\nb\n{% endif %}", "{%- if a %}\n\n    b\n{% endif %}"),
}

OTHER = {
    "two dashes in a string": ("select 'a' from t", "select 'a -- why' from t"),
    "another text behind two dashes in a string": ("select '-- a' from t", "select '-- b' from t"),
    "space in a string": ("select 'a b'", "select 'a  b'"),
    "a comment of another string": ("select '/* a */'", "select '/* b */'"),
    "a doubled quote": ("select 'a''b'", "select 'a' 'b'"),
    "a quote behind a backslash": (r"select 'a\' -- b'", r"select 'a\' -- c'"),
    "a string in dollars": ("select $$a -- b$$", "select $$a -- c$$"),
    "space in a name": ('select "a b"', 'select "a  b"'),
    "a word": ("select a from t", "select b from t"),
    "an operator": ("a < b", "a <= b"),
    "a name that a space parts": ("select ab", "select a b"),
    "a tag that becomes part of a name": ("base_{{ t }}", "base_ {{ t }}"),
    "a tag's own string": ("{{ f('a b') }}", "{{ f('a  b') }}"),
    "a tag within a string": ("'{{ var(\"a\") }}'", "'{{ var(\"b\") }}'"),
    "a string that goes on behind a tag": ("'{{ a }} -- b'", "'{{ a }} -- c'"),
    "a block within a comment": ("select 1", "select 1 -- {% set a = 2 %}"),
    "a line taken into a comment": ("-- a\nselect 1", "-- a {% if b -%}\nselect 1"),
    "two minuses": ("a - -b", "a --b"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_no_engine_sees_is_no_change(one: str, other: str) -> None:
    assert statement_tokens(one) == statement_tokens(other)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_what_an_engine_sees_is_a_change(one: str, other: str) -> None:
    assert statement_tokens(one) != statement_tokens(other)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_of_the_project_survives_comments_and_no_lost_token(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tokens = statement_tokens(source)
    assert statement_tokens(f"-- a remark\n\n{source}\n/* and -- another */ {{# one more #}}\n") == tokens
    assert statement_tokens(source + "\n1") == [*tokens, "1"]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a copy of the project."""
    folder = tmp_path_factory.mktemp("definition") / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    return load_settings(dbt={"project_dir": folder, "target_path": folder.parent / "target"})


ORDERS = "models/staging/stg_orders_enhanced.sql"
TIERS = "macros/business_logic/tiers.sql"
YML = "dbt_project.yml"
MARTS = "models/marts/_marts__models.yml"
STAGING = "models/staging/_staging__models.yml"
UNIT_TESTS = "models/marts/_marts__unit_tests.yml"

#: An edit: file, text, its replacement (an empty text is the file's beginning), and whether something else would run.
EDITS = {
    "a comment in a model": (ORDERS, "", "-- a remark\n", False),
    "a comment of Jinja in a macro": (TIERS, "", "{# a remark #}\n", False),
    "an empty line in a model": (ORDERS, "\n", "\n\n", False),
    "a value in a macro": (TIERS, "'gold'", "'Gold'", True),
    "a comment in dbt_project.yml": (YML, "", "# a remark\n", False),
    "the layout of a list in dbt_project.yml": (YML, "[shipped, delivered]", "\n    - shipped\n    - delivered", False),
    "a tag": (YML, "+tags: [base]", "+tags: [base, first]", False),
    "whether descriptions are stored": (YML, "relation: true", "relation: false", False),
    "how dbt prints": (YML, "use_colors: false", "use_colors: true", False),
    "the value of a variable": (YML, "tier_gold: '2000'", "tier_gold: '2001'", True),
    "a variable of an unlucky name": (YML, "vars:\n", "vars:\n  docs: '1'\n", True),
    "a list of a variable": (YML, "completed_statuses: [shipped, delivered]", "completed_statuses: [delivered]", True),
    "what runs before a model": (YML, "[rollback, ", "[", True),
    "a comment in what runs before a model": (YML, "[rollback, ", "['rollback -- always', ", False),
    "the schema of the marts": (YML, "+schema: MARTS", "+schema: MARTS_2", True),
    "what a changed schema does": (YML, "+on_schema_change: fail", "+on_schema_change: append_new_columns", True),
    "whether types are enforced": (YML, "enforced: true", "enforced: false", True),
    "transient tables": (YML, "+transient: false", "+transient: true", True),
    "a description": (MARTS, "The other customers of the day.", "All others of the day.", False),
    "a test": (MARTS, "        data_tests:\n          - unique\n", "", False),
    "the severity of a test": (MARTS, "severity: error", "severity: warn", False),
    "the type of a column": (MARTS, "data_type: number(38, 0)", "data_type: number(37, 0)", True),
    "the spelling of a type": (MARTS, "data_type: number(38, 0)", "data_type: NUMBER(38,0)", False),
    "a constraint": (MARTS, "        constraints:\n          - type: not_null\n", "", True),
    "a column": (MARTS, "      - name: new_customers", "      - name: new_buyers", True),
    "a materialization in properties": (
        STAGING,
        "  - name: stg_users_enhanced\n",
        "  - name: stg_users_enhanced\n    config:\n      materialized: view\n",
        True,
    ),
    "a column's description where types are not enforced": (
        STAGING,
        "    columns:\n",
        "    columns:\n      - name: another\n        description: A remark.\n",
        False,
    ),
    "a unit test": (UNIT_TESTS, "total_amount: 9.00", "total_amount: 8.00", False),
}


@pytest.mark.parametrize(("file", "text", "replacement", "changes"), EDITS.values(), ids=EDITS)
def test_the_definition_changes_with_what_runs_and_with_nothing_else(
    copied: Settings, file: str, text: str, replacement: str, changes: bool
) -> None:
    before = definition_digest(DbtProject.of(copied))
    path = copied.dbt.project_dir / file
    source = path.read_text(encoding="utf-8")
    assert text in source
    try:
        path.write_text(source.replace(text, replacement, 1))
        assert (definition_digest(DbtProject.of(copied)) != before) is changes
    finally:
        path.write_text(source)
    assert definition_digest(DbtProject.of(copied)) == before


@pytest.mark.parametrize(
    ("text", "replacement", "changes"),
    [
        ("physicalType: decimal(10,2)", "physicalType: decimal(12,2)", True),
        ("description: What the customer pays.", "description: What it costs.", False),
        ("      - name: status\n", "      - name: gift_note\n        physicalType: text\n      - name: status\n", True),
        ("to: users.id", "to: users.id\n            description: Who", False),
    ],
    ids=["a column's type", "a description", "one more column", "a remark on a relationship"],
)
def test_the_definition_changes_with_what_the_contracts_make(
    copied: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, replacement: str, changes: bool
) -> None:
    before = definition_digest(DbtProject.of(copied))
    contract = (CONTRACTS_DIR / "orders.odcs.yaml").read_text(encoding="utf-8")
    assert text in contract
    (tmp_path / "orders.odcs.yaml").write_text(contract.replace(text, replacement, 1), encoding="utf-8")
    monkeypatch.setenv("ECOMMERCE_EXTRA_CONTRACTS_DIR", str(tmp_path))
    assert (definition_digest(DbtProject.of(copied)) != before) is changes
