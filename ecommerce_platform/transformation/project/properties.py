"""What dbt's property files change in what runs, without their descriptions, tests and layout.

What belongs here: which keys of `dbt_project.yml` and of the models' and sources' properties decide what dbt sends to Snowflake.
What does not: the statements of models and macros (statements.py), and which files make the definition (manifest.py).

Left out is what is known to change no row: whatever is not named here counts, so that an unknown key computes too much, never
too little.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ecommerce_platform.transformation.project.statements import statement_tokens

#: For people and for dbt's own graph, at any depth.
_WITHOUT_EFFECT = frozenset(
    {
        *("description", "docs", "tags", "owner", "label", "group", "access", "persist_docs", "grants"),
        *("data_tests", "tests", "freshness", "loaded_at_field", "loader"),
        "personal",  # hides values in messages (failing_rows.py)
        *("send_anonymous_usage_stats", "use_colors", "cache_selected_only", "printer_width"),
    }
)
#: Of a whole file: resources that write nothing, and the format's own version.
_NOT_WRITTEN = frozenset(
    {"version", "unit_tests", "exposures", "metrics", "macros", "groups", "analyses", "semantic_models"}
)
#: Of `dbt_project.yml`: names, folders that are digested as they are, and how dbt prints.
_OF_THE_TOOL = frozenset(
    {
        "version",
        "config-version",
        "profile",
        "flags",
        "test-paths",
        "docs-paths",
        "target-path",
        "clean-targets",
        "tests",
        "data_tests",
    }
)
_HOOKS = frozenset({"pre-hook", "post-hook", "pre_hook", "post_hook", "on-run-start", "on-run-end"})


def effective_properties(project_dir: Path) -> Iterator[tuple[str, Any]]:
    """What is left of each property file that has an effect, by its name in the project, in a canonical form.

    Raises yaml.YAMLError when a file is not YAML.
    """
    yield "dbt_project.yml", _effective(_without(_read(project_dir / "dbt_project.yml"), _OF_THE_TOOL))
    paths = [path for folder in ("models", "macros") for path in (project_dir / folder).rglob("*.y*ml")]
    for path in sorted(paths):
        if written := _effective(_without(_read(path), _NOT_WRITTEN)):
            yield str(path.relative_to(project_dir)), written


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}


def _without(mapping: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


def _effective(value: Any) -> Any:
    """The value without what has no effect and without what then says nothing."""
    if isinstance(value, Mapping):
        plain = {str(name).removeprefix("+"): inner for name, inner in value.items()}
        kept = {name: _of_key(name, inner) for name, inner in plain.items() if name not in _WITHOUT_EFFECT}
        return {name: inner for name, inner in kept.items() if not _says_nothing(inner)}
    if isinstance(value, list):
        return [item for item in map(_effective, value) if not _says_nothing(item)]
    return value if isinstance(value, str | int | float | bool | None) else str(value)  # YAML has dates


def _of_key(name: str, value: Any) -> Any:
    if name == "vars":
        return json.loads(json.dumps(value, default=str))  # a variable may have any name
    if name in _HOOKS:
        return _hooks(value)
    if name == "data_type":
        return "".join(str(value).split()).lower()
    return _effective(value)


def _says_nothing(value: Any) -> bool:
    """Nothing, or a model or column that is only named: dbt needs no properties for it to exist."""
    return value in ({}, [], None) or (isinstance(value, dict) and value.keys() == {"name"})


def _hooks(value: Any) -> list[Any]:
    hooks = value if isinstance(value, list) else [value]
    return [statement_tokens(hook) if isinstance(hook, str) else _effective(hook) for hook in hooks]
