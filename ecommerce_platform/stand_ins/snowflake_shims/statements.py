"""Statements about things that the stand-in has none of: warehouses, roles, grants, session parameters.

What belongs here: skipping them, logged as SKIPPED so that nothing is silently pretended, and the query tag, which is kept.
What does not: statements on data.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from fakesnow.cursor import FakeSnowflakeCursor

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, answer, succeed

_log = logging.getLogger(__name__)

_SKIPPED = re.compile(
    r"""\s*(?:
        grant | revoke
      | (?:create (?:\s+or\s+replace)? | alter | drop) \s+ (?:warehouse|role|user|resource\s+monitor|network\s+policy)
      | use \s+ (?:warehouse|role|secondary\s+roles)
      | alter \s+ (?:table|schema|database) \s+ (?:if\s+exists\s+)? \S+ \s+ set \s+
          (?:data_retention|max_data_ext|change_track)\w*
      | alter \s+ table \s+ (?:if\s+exists\s+)? \S+ \s+
          (?:cluster\s+by | drop\s+clustering\s+key | (?:suspend|resume)\s+recluster)
      | comment \s+ (?:if\s+exists\s+)? on \s+ (?:schema|database|stage|warehouse|role)
      | alter \s+ session \s+ (?:un)?set \s+ (?!autocommit\b|query_tag\b|quoted_identifiers)\w+
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_QUERY_TAG = re.compile(
    r"^\s*alter\s+session\s+(?:set\s+query_tag\s*=\s*'(?P<tag>(?:[^']|'')*)'|unset\s+query_tag)", re.IGNORECASE
)
_SHOW_QUERY_TAG = re.compile(r"^\s*show\s+parameters\s+like\s+'query_tag'", re.IGNORECASE)
_SHOW_GRANTS = re.compile(r"^\s*show\s+(?:future\s+)?grants\b", re.IGNORECASE)
_BEFORE = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)
_AFTER = re.compile(r"(?:[\s;]|/\*(?:(?!\*/).)*\*/)+\Z", re.DOTALL)


def bare(sql: str) -> str:
    """The statement from its first word to its last: dbt puts a comment behind each, BEGIN and COMMIT too."""
    return _AFTER.sub("", _BEFORE.sub("", sql))


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Skip, answer from the session, or go on."""
    sql = bare(statement.sql)
    session: Any = statement.cursor._conn
    if match := _QUERY_TAG.match(sql):
        session.query_tag = (match["tag"] or "").replace("''", "'")
        return succeed(statement)
    if _SKIPPED.match(sql):
        _log.warning("SKIPPED (the stand-in has no such thing): %s", " ".join(sql.split())[:200])
        return succeed(statement)
    if _SHOW_QUERY_TAG.match(sql):
        tag = getattr(session, "query_tag", "").replace("'", "''")
        return answer(
            statement,
            f"select 'QUERY_TAG' as \"key\", '{tag}' as \"value\", '' as \"default\", 'SESSION' as \"level\", "
            "'' as \"description\", 'STRING' as \"type\"",
        )
    if _SHOW_GRANTS.match(sql):
        return answer(
            statement,
            "select '' as \"privilege\", '' as \"granted_on\", '' as \"name\", '' as \"granted_to\", "
            "'' as \"grantee_name\" where false",
        )
    return proceed(statement.with_sql(sql))
