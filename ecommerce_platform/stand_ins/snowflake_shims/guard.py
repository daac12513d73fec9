"""What fakesnow lets anybody do: log in without a password, upload without a session, open any file through DuckDB.

What belongs here: refusing that. What does not: which password and which names (stand_ins/access.py).
"""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ecommerce_platform.stand_ins.access import Gate
from ecommerce_platform.stand_ins.snowflake_shims.pipeline import fakesnow_server
from ecommerce_platform.stand_ins.snowflake_shims.sessions import Application, Scope

#: Snowflake's "incorrect username or password was specified".
_WRONG_PASSWORD = 390100
_LOGIN = "/session/v1/login-request"
_UPLOADS = "/fs_bucket/"
_PING = "/ping"
_PING_SECONDS = 4.0


def guarded(application: Application, gate: Gate) -> Application:
    """The application for those who know the password: a login asks for it, an upload for the key in its signed address.

    All other paths of fakesnow ask for the token of a session, which a login gives.
    """
    upload_key = secrets.token_urlsafe(32)
    _sign_uploads(upload_key)

    async def handle(scope: Scope, receive: Any, send: Any) -> None:
        response, body = await _refusal(scope, receive, gate, upload_key)
        if response is not None:
            await response(scope, receive, send)
        elif body is None:
            await application(scope, receive, send)
        else:
            await application(scope, _replayed(body, receive), send)

    return handle


async def _refusal(scope: Scope, receive: Any, gate: Gate, upload_key: str) -> tuple[Response | None, bytes | None]:
    """Why the request is refused, and the body where it had to be read."""
    path = scope.get("path", "")
    if scope["type"] != "http" or path == _PING:
        return None, None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if reason := gate.refusal(headers.get("host"), headers.get("origin")):
        return PlainTextResponse(f"{reason}\n", status_code=403), None
    if path.startswith(_UPLOADS):
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("key", [""])[0]
        signed = hmac.compare_digest(given.encode(), upload_key.encode())
        return (None if signed else PlainTextResponse("the address is not signed\n", status_code=403)), None
    if path != _LOGIN:
        return None, None
    body = await Request(scope, receive).body()
    try:
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        data = json.loads(content)["data"]
        password, parameters = data.get("PASSWORD"), data.get("SESSION_PARAMETERS") or {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return PlainTextResponse("a login is a JSON object with data\n", status_code=400), None
    if not gate.admits(password) or "FAKESNOW_DB_PATH" in parameters:
        message = (
            "Incorrect username or password was specified: the stand-in's password is in the file run/token of the data "
            "directory (any user name will do)."
        )
        return JSONResponse({"data": None, "code": str(_WRONG_PASSWORD), "message": message, "success": False}), None
    return None, body


def _replayed(body: bytes, receive: Any) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return messages.pop() if messages else await receive()

    return replay


def _sign_uploads(key: str) -> None:
    """Put the key into the addresses that a PUT command hands out."""
    stage_info = fakesnow_server.gcs_stage_info

    def signed(*arguments: Any) -> dict[str, Any]:
        info: dict[str, Any] = stage_info(*arguments)
        return info | {"presignedUrl": f"{info['presignedUrl']}?key={key}"}

    fakesnow_server.gcs_stage_info = signed


def close_files(duck: Any, folders: Iterable[Path]) -> None:
    """DuckDB opens no file outside these folders, installs nothing, and nobody can change that."""
    listed = ", ".join("'" + f"{folder}/".replace("'", "''") + "'" for folder in folders)
    duck.execute(f"SET GLOBAL allowed_directories = [{listed}]")
    duck.execute("SET GLOBAL enable_external_access = false")
    duck.execute("SET GLOBAL lock_configuration = true")


async def ping(duck: Any) -> Response:
    """Whether DuckDB answers a statement of its own."""
    try:
        asked = asyncio.to_thread(lambda: duck.cursor().execute("select 1").fetchone())
        await asyncio.wait_for(asked, _PING_SECONDS)
    except Exception as error:  # noqa: BLE001 (whatever it is, the server is not well)
        return PlainTextResponse(f"DuckDB does not answer ({type(error).__name__})\n", status_code=503)
    return PlainTextResponse("Ok.\n")
