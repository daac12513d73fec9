"""Internal stages: files kept in the data directory while the server runs, LIST and REMOVE of a path.

What belongs here: the files of stages. What does not: COPY INTO, which fakesnow does well.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import fakesnow.copy_into
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.transforms import stage
from starlette.requests import Request
from starlette.responses import Response

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import Proceed, Statement, answer, fakesnow_server

_ON_FILES = re.compile(
    r"""^\s*(?P<verb>list|ls|remove|rm)\s+'?@(?P<stage>[\w$."]+)(?:/(?P<path>[^'\s;]*))?'?\s*;?\s*$""",
    re.IGNORECASE,
)
_COPY = re.compile(r"\s*copy\s+into\b", re.IGNORECASE)
_QUOTED_STAGE = re.compile(r"(?<=\bfrom)\s+'(?P<stage>@[^'\s()]+)'", re.IGNORECASE)


def run(statement: Statement, proceed: Proceed) -> FakeSnowflakeCursor:
    """Answer LIST and REMOVE; let COPY read a stage that is written in quotes."""
    match = _ON_FILES.match(statement.sql)
    if match is None:
        is_copy = _COPY.match(statement.sql)
        return proceed(statement.with_sql(_QUOTED_STAGE.sub(r" \g<stage>", statement.sql)) if is_copy else statement)
    removes = match["verb"].lower() in ("remove", "rm")
    rows: list[tuple[Any, ...]] = []
    for name, path in _files(statement, match["stage"], match["path"] or ""):
        if removes:
            path.unlink()
            rows.append((name, "removed"))
        else:
            digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            rows.append((name, path.stat().st_size, digest, formatdate(path.stat().st_mtime, usegmt=True)))
    columns = ("name", "result") if removes else ("name", "size", "md5", "last_modified")
    return _answer_rows(statement, columns, rows)


def _files(statement: Statement, name: str, prefix: str) -> Iterator[tuple[str, Path]]:
    session: Any = statement.cursor._conn
    parts = [part.strip('"') if part.startswith('"') else part.upper() for part in name.split(".")]
    database, schema, stage_name = [session.database, session.schema, *parts][-3:] if len(parts) < 3 else parts
    if len(parts) == 2:
        database, schema, stage_name = session.database, *parts
    known = statement.duck.execute(
        "SELECT count(*) FROM _fs_global._fs_information_schema._fs_stages "
        "WHERE database_name = ? AND schema_name = ? AND name = ?",
        [database, schema, stage_name],
    ).fetchone()
    if not known or not known[0]:
        raise stage.not_found_error(f"{database}.{schema}.{stage_name}")
    bucket, root = (
        Path(stage.LOCAL_BUCKET_PATH),
        Path(stage.internal_dir(f"{database}.{schema}.{stage_name}")).resolve(),
    )
    if bucket not in root.parents:  # a stage that is named to lie elsewhere
        raise stage.not_found_error(f"{database}.{schema}.{stage_name}")
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if path.is_file() and relative.startswith(prefix):
            yield f"{stage_name.lower()}/{relative}", path


def _answer_rows(statement: Statement, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> FakeSnowflakeCursor:
    def literal(value: Any) -> str:
        return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"

    names = ", ".join(f'column{position} as "{name}"' for position, name in enumerate(columns, start=1))
    if not rows:
        return answer(
            statement, "select " + ", ".join(f'null::varchar as "{name}"' for name in columns) + " where false"
        )
    values = ", ".join("(" + ", ".join(map(literal, row)) + ")" for row in rows)
    return answer(statement, f"select {names} from values {values}")


async def upload(request: Request) -> Response:
    """Write an uploaded file piece by piece; fakesnow's own handler holds it in memory."""
    root = Path(stage.LOCAL_BUCKET_PATH)
    target = (root / request.path_params["path"]).resolve()
    if root not in target.parents:
        return Response(status_code=400)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    with draft.open("wb") as file:
        async for piece in request.stream():
            file.write(piece)
    draft.replace(target)
    return Response()


def install(folder: Path) -> None:
    """Keep staged files in the folder, emptied first: fakesnow forgets its stages when it ends, but not their files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)
    stage.LOCAL_BUCKET_PATH = str(folder)
    copy: Any = fakesnow.copy_into
    external_files = copy._source_urls

    def source_files(source: str, files: list[str]) -> list[str]:
        # fakesnow takes COPY … FILES = (…) for external stages only.
        return (
            [f"{source.rstrip('/')}/{file}" for file in files]
            if stage.is_internal(source)
            else external_files(source, files)
        )

    copy._source_urls = source_files
    for route in fakesnow_server.app.router.routes:
        if route.path.startswith("/fs_bucket/"):
            position = fakesnow_server.app.router.routes.index(route)
            fakesnow_server.app.router.routes[position] = type(route)(route.path, upload, methods=["PUT"])
