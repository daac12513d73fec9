"""What a statement of the ClickHouse stand-in may do: tables of its own, and nothing else of the machine.

What belongs here: the rules. What does not: who may ask at all (access.py), and running statements (clickhouse_requests.py).

chDB is clickhouse-local: it reads and writes any file that its process may, opens connections, and takes a table's name for a
file's. ClickHouse's own parser says what a statement is (`EXPLAIN AST`), so no comment or quoting hides anything from the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: The first node of what may run. All other statements (BACKUP, SYSTEM, ATTACH, CREATE USER …) are refused.
_READS = (
    "SelectWithUnionQuery", "SelectIntersectExceptQuery", "ShowTables", "ShowColumns", "ShowCreateTableQuery",
    "ShowCreateDatabaseQuery", "DescribeQuery", "ExistsTableQuery", "ExistsDatabaseQuery", "CheckQuery", "Explain",
)  # fmt: skip
_WRITES = (
    "InsertQuery", "CreateQuery", "DropQuery", "TruncateQuery", "AlterQuery", "OptimizeQuery", "Rename", "DeleteQuery",
    "UpdateQuery", "Set", "UseQuery",
)  # fmt: skip
#: Table functions and engines that stay within the server. ClickHouse's list of all of them says what the others are.
_OWN = frozenset(
    {
        *("numbers", "numbers_mt", "zeros", "zeros_mt", "values", "null", "generaterandom", "generateseries"),
        *(
            "generate_series",
            "sqlstandardvalues",
            "view",
            "viewifpermitted",
            "viewexplain",
            "merge",
            "format",
            "primes",
        ),
        *("memory", "set", "join", "log", "tinylog", "stripelog", "materializedview", "buffer", "alias", "mergetree"),
        *("replacingmergetree", "summingmergetree", "aggregatingmergetree", "collapsingmergetree"),
        *("versionedcollapsingmergetree", "coalescingmergetree", "graphitemergetree"),
    }
)
#: Beside the table functions and engines: functions, engines of databases and parts of settings that reach outside.
_OUTSIDE = frozenset(
    {"file", "filesystem", "mysql", "postgresql", "backup", "datalakecatalog", "disk", "catboostevaluate"}
)
_FUNCTION = re.compile(r"^ *Function(?:WithKeyValueArguments)? +(\S+)")
_TABLE = re.compile(r"^ *(?:TableIdentifier|Identifier) (.+?)(?: \(alias .*\))?$")
#: Comments and white space, the end of a statement, and everything else; a quoted text is one token.
_TOKEN = re.compile(
    r"""(?P<skipped>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
    |(?P<end>;)
    |(?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|[^\s;'"`$/#-]+|.)""",
    re.DOTALL | re.VERBOSE,
)
#: Of SYSTEM's statements, those by which a test holds the versions of a key apart.
_MERGES = re.compile(r"\s*system\s+(start|stop)\s+merges(\s+[\w.`]+)?\s*;?\s*\Z", re.IGNORECASE)
_DISK = re.compile(r"\bdisk\s*=\s*\w+\s*\(", re.IGNORECASE)


def outside_names(table_functions_and_engines: Iterable[str]) -> frozenset[str]:
    """The names, in lower case, that a statement may not use: ClickHouse's table functions and engines save the harmless ones."""
    names = {name.lower() for name in table_functions_and_engines}
    return frozenset(name for name in names - _OWN if not name.startswith("timeseries")) | _OUTSIDE


def refusal(syntax_tree: str, sql: str, outside: frozenset[str], *, reads_only: bool) -> str | None:
    """Why the statement may not run, or None. `syntax_tree` is ClickHouse's, one node a line.

    With `reads_only` (a GET, as any web page can make one) it may not change anything either.
    """
    nodes = syntax_tree.splitlines()
    kind = nodes[0].split()[0] if nodes else ""
    if kind == "SYSTEM" and not reads_only and _MERGES.match(sql):
        return None
    if kind not in (_READS if reads_only else _READS + _WRITES):
        return f"{kind or 'this statement'} is off in the stand-in" + (" for GET requests" if reads_only else "")
    for node in nodes:
        if (function := _FUNCTION.match(node)) and function[1].lower() in outside:
            return f"{function[1]} reaches outside the server, and is off in the stand-in"
        if (table := _TABLE.match(node)) and ("/" in table[1] or "\\" in table[1]):
            return "a table's name with a slash is a file's, and is off in the stand-in"
        # INTO OUTFILE and FROM INFILE have the file's name as a child of the statement itself.
        if node.startswith(" Literal '") and kind in ("SelectWithUnionQuery", "InsertQuery"):
            return "files of the server are off in the stand-in"
        if node.strip().startswith("Dictionary definition"):
            return "dictionaries are off in the stand-in"
    if kind == "CreateQuery" and _DISK.search(sql):
        return "disks of one's own are off in the stand-in"
    return None


def further_statement(sql: str) -> bool:
    """Whether text follows the statement's end: the interface takes one statement, chDB would run all of them."""
    ended = False
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "end":
            ended = True
        elif token.lastgroup == "text" and ended:
            return True
    return False
