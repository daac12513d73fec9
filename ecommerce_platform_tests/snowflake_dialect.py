"""Is a statement Snowflake's, and does it use only what Snowflake documents?

    assert_snowflake("select iff(a, 1, 0) from raw.orders")

What belongs here: the check, for every room's SQL and dbt's compiled models. What does not: the list
(snowflake_functions.py). The embedded server is lenient where DuckDB is; this is what keeps its leniency out of the platform.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokens import Token, TokenType

from ecommerce_platform_tests.snowflake_functions import FUNCTIONS, STATEMENTS, TYPES

#: Words that may stand before a parenthesis and are not functions.
_GRAMMAR_TEXT = """
    all and any as asc between by case cluster clustering constraint copy cross cube default desc distinct
    else except exists explain false files file_format filter from full grouping having identifier ignore
    in including inner insert intersect interval into is join key lateral limit match_condition minus
    natural not null nulls offset on or order outer over partition pivot primary qualify recursive
    references respect rollup rows select set sets some then top true union unique unpivot update using
    values view when where with within group
"""
_GRAMMAR = frozenset(_GRAMMAR_TEXT.split())


class NotSnowflake(AssertionError):
    """The statement would not run on Snowflake; the message names the word and shows the statement."""


def assert_snowflake(sql: str) -> None:
    """Raises NotSnowflake when the SQL does not parse as Snowflake's or uses what is not on the list.

    `%s` parameters are read as constants. Several statements may be separated by semicolons.
    """
    plain = sql.replace("%s", "'1'")
    try:
        trees = sqlglot.parse(plain, read="snowflake", error_level=ErrorLevel.RAISE)
        tokens = list(sqlglot.tokenize(plain, read="snowflake"))
    except SqlglotError as error:
        raise NotSnowflake(f"does not parse as Snowflake SQL: {error}\n{sql}") from error
    names: set[str] = set()
    for tree in trees:
        if isinstance(tree, exp.Command):
            _require_known_statement(plain, sql)
        elif tree is not None:
            names |= _defined_names(tree)
    unknown = sorted(
        {word for word in _called(tokens) if word not in FUNCTIONS and word not in TYPES and word not in names}
    )
    if unknown and not any(isinstance(tree, exp.Command) for tree in trees):
        raise NotSnowflake(
            f"uses {', '.join(unknown)}: not in ecommerce_platform_tests/snowflake_functions.py; add each with its page of "
            f"Snowflake's reference, or write it otherwise\n{sql}"
        )


def _require_known_statement(plain: str, sql: str) -> None:
    words = " ".join(plain.lower().split())
    if not any(fnmatchcase(words, f"{beginning}*") for beginning in STATEMENTS):
        raise NotSnowflake(
            f"a statement that the parser does not know and snowflake_functions.STATEMENTS does not list:\n{sql}"
        )


def _defined_names(tree: exp.Expr) -> set[str]:
    """Names that the statement gives or that belong to tables: `t (a, b)` after them is a column list, not a call."""
    named: list[str] = [table.name for table in tree.find_all(exp.Table)]
    named += [alias.name for alias in tree.find_all(exp.TableAlias)]
    named += [schema.this.name for schema in tree.find_all(exp.Schema) if isinstance(schema.this, exp.Expr)]
    return {name.lower() for name in named if name}


def _called(tokens: list[Token]) -> Iterator[str]:
    """Words directly before a parenthesis that are neither grammar nor quoted."""
    for token, following in pairwise(tokens):
        word = token.text.lower()
        is_word = token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING) and word.replace("_", "a").isalnum()
        if following.token_type is TokenType.L_PAREN and is_word and not word[0].isdigit() and word not in _GRAMMAR:
            yield word
