"""The dbt project as it lies on disk: its digests, and the manifest that is kept so that nothing parses twice.

What belongs here: finding out whether the kept manifest still fits, and parsing when not. What does not: running dbt
(runner.py), what a run may apply (applied.py), what is rendered from the contracts (sources.py).

dbt reads a copy of the project with the files that the contracts make, below the target folder: a checkout is never written by a
run, and installations with different contracts can share one.

A parse takes several seconds, reading a kept manifest tenths: definitions load and each run use the kept one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.contracts.reader import CONTRACTS_DIR, contract_folders
from ecommerce_platform.metrics import dbt_vars
from ecommerce_platform.settings import PROJECT_DIR, SHIPPED_DBT_PROJECT, Settings, load_settings
from ecommerce_platform.transformation.project.needs import require_needed
from ecommerce_platform.transformation.project.profile import environment
from ecommerce_platform.transformation.project.properties import effective_properties
from ecommerce_platform.transformation.project.statements import statement_tokens
from ecommerce_platform.transformation.sources import PARSED_FOLDERS, own_files, rendered_files, write_rendered

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_KEPT, _PROJECTS = "parsed", "projects"
#: So many contents are kept: enough for every installation of a checkout while its files change now and then.
_MOST_KEPT = 16
_MANIFEST_FILE = "manifest.json"
_PARSED_FILE = "partial_parse.msgpack"


class DbtProjectError(RuntimeError):
    """The dbt project is missing or cannot be parsed; the message has dbt's own words and the folder."""


@dataclass(frozen=True)
class DbtProject:
    """A dbt project and what an installation makes of it."""

    folder: Path
    #: Where dbt's artefacts of this project lie.
    target: Path
    #: The database that its tables are in.
    database: str
    #: The variables that the platform hands to dbt: definitions, thresholds and the span of business dates.
    variables: Mapping[str, object]

    @classmethod
    def of(cls, settings: Settings) -> DbtProject:
        """The project that the settings name."""
        folder = settings.dbt.project_dir
        target = settings.data_dir / "dbt" if _is_packaged(folder) else folder / "target"
        variables = dbt_vars(settings.business) | BusinessSpan.of(settings).dbt_vars()
        return cls(folder, settings.dbt.target_path or target, settings.snowflake.database, variables)


def _is_packaged(folder: Path) -> bool:
    """Whether the project is that of an installed package, which is not written to."""
    return folder == SHIPPED_DBT_PROJECT and PROJECT_DIR not in SHIPPED_DBT_PROJECT.parents


def project_digest(project_dir: Path, database: str) -> str:
    """Digest of all that a parse reads: the project's files, the versions of dbt, and the database that it names tables in."""
    files = list(project_dir.glob("*.yml"))
    for folder in PARSED_FOLDERS:
        files += [path for path in (project_dir / folder).rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(str(path.relative_to(project_dir)).encode() + b"\0" + path.read_bytes() + b"\0")
    for text in (version("dbt-core"), version("dbt-snowflake"), database):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:32]


def definition_digest(project: DbtProject) -> str:
    """Digest of all that decides a row's values: the statements of models and macros, their properties and types, the types of
    the sources, and the settings that they use.

    When it changes, what incremental models hold was computed by other rules, and everything is computed again. Comments,
    descriptions, tests and layout are left out: they change no statement that writes.
    """
    project_dir = rendered_project(project)
    digest = hashlib.sha256(json.dumps(project.variables, sort_keys=True).encode())
    for path in sorted(path for folder in ("models", "macros") for path in (project_dir / folder).rglob("*.sql")):
        tokens = statement_tokens(path.read_text(encoding="utf-8"))
        digest.update(json.dumps([str(path.relative_to(project_dir)), tokens]).encode())
    for name, properties in effective_properties(project_dir):
        digest.update(json.dumps([name, properties], sort_keys=True).encode())
    return digest.hexdigest()[:32]


def rendered_project(project: DbtProject) -> Path:
    """A folder with the project's files and those that the contracts make: dbt's project folder in all that the platform runs.

    A folder for each content, which appears complete and is never written again: installations that share a checkout, and
    processes before and after a change of a file or contract, read their own. Raises DbtProjectError when there is no project,
    and ContractError when a contract cannot be used or the marts need what no contract has.
    """
    project_dir = project.folder
    if not (project_dir / "dbt_project.yml").exists():
        raise DbtProjectError(
            f"no dbt project in {project_dir}: ECOMMERCE_DBT__PROJECT_DIR must name the folder that holds dbt_project.yml"
        )
    contracts = load_contracts()
    require_needed(contracts)
    rendered = rendered_files(project_dir, contracts)
    own = contract_folders() == (CONTRACTS_DIR,) and not _is_packaged(project_dir)
    if own and os.access(project_dir, os.W_OK):
        write_rendered(project_dir, rendered)  # for dbt by hand
    files = {name: (project_dir / name).read_bytes() for name in own_files(project_dir)}
    files |= {name: text.encode() for name, text in rendered.items()}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return _kept_whole(project.target / _PROJECTS / digest.hexdigest()[:32], partial(_write_project, files))


def _write_project(files: Mapping[Path, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def prepare_manifest(project: DbtProject) -> Path:
    """Path of a manifest.json that fits the project's files; parses when none does. Needs no connection.

    Raises DbtProjectError when there is no project or dbt cannot parse it, and what `rendered_project` raises.
    """
    project_dir, database = rendered_project(project), project.database
    kept = project.target / _KEPT / project_digest(project_dir, database)
    return _kept_whole(kept, lambda folder: _parse(project_dir, folder, database)) / _MANIFEST_FILE


def _kept_whole(kept: Path, write: Callable[[Path], None]) -> Path:
    """`kept`, written by one process into a folder beside it that takes its name when it is complete; removes the oldest."""
    if kept.is_dir():
        return kept
    with exclusive(kept.parent.parent / f".{kept.parent.name}.lock"):
        # Another process may have written while this one waited.
        if kept.is_dir():
            return kept
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=kept.parent) as folder:
            written = Path(folder) / "whole"
            write(written)
            written.rename(kept)
        folders = [path for path in kept.parent.iterdir() if path.is_dir() and not path.name.startswith(".")]
        for old in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[_MOST_KEPT:]:
            shutil.rmtree(old)
    return kept


def _parse(project_dir: Path, target: Path, database: str) -> None:
    from dbt.cli.main import dbtRunner

    # A cache of another version of the files saves nothing: parse from scratch.
    arguments = ["--quiet", "--no-partial-parse", "--log-level-file", "none"]
    folders = [
        *("--project-dir", str(project_dir), "--profiles-dir", str(project_dir)),
        *("--target-path", str(target), "--log-path", str(target)),
    ]
    with environment({"ECOMMERCE_DBT_DATABASE": database, "ECOMMERCE_DBT_SOURCE_DATABASE": database}):
        outcome = dbtRunner().invoke([*arguments, "parse", *folders])
    if not outcome.success:
        raise DbtProjectError(f"dbt cannot parse the project in {project_dir}: {outcome.exception}")


def load_manifest(project: DbtProject) -> Mapping[str, Any]:
    """The manifest as dagster-dbt reads it."""
    path = prepare_manifest(project)
    return _read_json(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read_json(path: Path, _modified: int) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def load_parsed(project: DbtProject) -> Manifest:
    """The manifest as dbt runs it; a new object each time, because a run leaves its compiled SQL in it."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    path = prepare_manifest(project).with_name(_PARSED_FILE)
    manifest = Manifest.from_msgpack(path.read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    return manifest


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Waits for, and holds, a lock between the processes of this machine."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    # As the image and benchmarks do before the first run; the last line is the path, as JSON.
    print(json.dumps(str(prepare_manifest(DbtProject.of(load_settings())))))
