"""A comment or another layout is no change of a statement; every other character is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ecommerce_platform.settings import PROJECT_DIR, load_settings
from ecommerce_platform.transformation.project import definition_digest
from ecommerce_platform.transformation.statements import statement_tokens

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


def test_a_comment_keeps_the_definition_and_a_token_changes_it(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    settings = load_settings(dbt={"project_dir": folder})
    before = definition_digest(settings)
    for name in ("models/staging/stg_orders_enhanced.sql", "macros/business_logic/tiers.sql"):
        path = folder / name
        source = path.read_text(encoding="utf-8")
        path.write_text(f"-- a remark of one line\n\n{source}\n{{# and one of Jinja #}}\n")
        assert definition_digest(settings) == before, name
    path.write_text(source.replace("'gold'", "'Gold'"))
    assert definition_digest(settings) != before
