"""Dagster's web server answers its own names and its own pages, and no page of another site."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ecommerce_platform.operations.web.door import refusal
from ecommerce_platform.settings import PROJECT_DIR, load_settings
from ecommerce_platform_tests.operations.prometheus import free_port, wait_until

QUERY = json.dumps({"query": "{ version }"}).encode()
#: A write: what a page of another site would send.
MUTATION = json.dumps({"query": "mutation { setNuxSeen }"}).encode()


def scope(
    host: str = "127.0.0.1:3000", method: str = "POST", query: str = "", kind: str = "http", **headers: str
) -> dict[str, object]:
    given = [("host", host), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return {
        "type": kind,
        "method": method,
        "path": "/graphql",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given],
    }


@pytest.mark.parametrize(
    "request_",
    [
        scope(),
        scope(host="localhost:3000", origin="http://localhost:3000"),
        scope(host="[::1]:3000", origin="http://[::1]:3000"),
        scope(kind="websocket", origin="http://127.0.0.1:3000"),
        scope(host="dagster.example", origin="https://dagster.example"),
        scope(host="shop-webserver.ecommerce.svc", origin="https://dagster.example"),
        scope(method="GET", sec_fetch_site="cross-site", sec_fetch_mode="navigate"),
        scope(method="GET", sec_fetch_site="same-origin", sec_fetch_mode="cors"),
    ],
)
def test_its_own_pages_and_names_are_answered(request_: dict[str, object]) -> None:
    assert refusal(request_, frozenset({"dagster.example", "shop-webserver.ecommerce.svc"})) == ""


@pytest.mark.parametrize(
    "request_",
    [
        scope(origin="https://evil.example"),
        scope(origin="null"),
        scope(origin="http://127.0.0.1:8080"),
        scope(origin="http://127.0.0.1:3000.evil.example"),
        scope(origin="http://evil.example:x"),
        scope(kind="websocket", origin="https://evil.example"),
        scope(host="rebound.evil.example:3000"),
        scope(host="rebound.evil.example:3000", origin="http://rebound.evil.example:3000"),
        scope(host="127.0.0.1.evil.example"),
        scope(host="localhost:3000@evil.example"),
        scope(host=""),
        {**scope(), "headers": []},
        {**scope(), "headers": [(b"host", b"127.0.0.1"), (b"host", b"evil.example")]},
        scope(method="GET", query="query=mutation{x}"),
        scope(method="HEAD", query="query=mutation{x}"),
        scope(method="GET", sec_fetch_site="cross-site", sec_fetch_mode="no-cors"),
        scope(method="POST", sec_fetch_site="same-site", sec_fetch_mode="cors"),
    ],
)
def test_everything_else_is_refused(request_: dict[str, object]) -> None:
    assert refusal(request_, frozenset({"dagster.example"}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    yield from serve(["ecommerce_platform.operations.web.server"], tmp_path_factory.mktemp("web"))


def serve(module: Sequence[str], home: Path) -> Iterator[int]:
    """The port of Dagster's web server, run as this module without any code location."""
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    port = free_port()
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, "--empty-workspace", "--port", str(port)],
            env={**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(PROJECT_DIR)},
            cwd=PROJECT_DIR,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: answers(port), 120, f"the web server answers: {(home / 'log').read_text()}")
            yield port
        finally:
            process.terminate()
            process.wait(30)


def answers(port: int) -> str:
    try:
        return str(post(port)[0])
    except OSError:
        return ""


def post(port: int, body: bytes = QUERY, path: str = "/graphql", **headers: str) -> tuple[int, str]:
    """Status and text of a POST with these headers."""
    given = {"Content-Type": "application/json", **{name.title(): value for name, value in headers.items()}}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body or None, given)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_page_of_another_site_writes_nothing(server: int) -> None:
    assert post(server, origin=f"http://127.0.0.1:{server}")[0] == 200
    for headers in ({"origin": "https://evil.example"}, {"host": f"evil.example:{server}"}):
        status, text = post(server, MUTATION, **headers)
        assert (status, text[:8]) == (403, "Refused:")
    status, _ = post(server, b"", path="/graphql?query=mutation%7BsetNuxSeen%7D", accept="image/png")
    assert status == 403, "an image of another site is a write"
    own = {"origin": f"http://127.0.0.1:{server}"}
    assert json.loads(post(server, b'{"query": "{ shouldShowNux }"}', **own)[1])["data"] == {"shouldShowNux": True}
    assert json.loads(post(server, MUTATION, **own)[1])["data"] == {"setNuxSeen": True}


@pytest.mark.parametrize(("origin", "status"), [("https://evil.example", 403), ("", 101)])
def test_a_web_socket_of_another_site_does_not_open(server: int, origin: str, status: int) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /graphql HTTP/1.1",
        f"Host: 127.0.0.1:{server}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: graphql-ws",
        f"Origin: {origin or f'http://127.0.0.1:{server}'}",
    ]
    with socket.create_connection(("127.0.0.1", server), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        first = connection.recv(4096).split(b"\r\n")[0].decode()
    assert f" {status} " in f"{first} ", first


def test_make_dev_without_data_says_how_to_get_some(tmp_path: Path) -> None:
    from ecommerce_platform.operations.web.dev import nothing_to_see

    empty = load_settings(data_dir=tmp_path)
    assert f"{tmp_path / 'landing'} has no files. `make demo`" in nothing_to_see(empty.landing_uri)
    assert "ECOMMERCE_LANDING_URI" in nothing_to_see(empty.landing_uri)
    (tmp_path / "landing" / "orders").mkdir(parents=True)
    assert nothing_to_see(empty.landing_uri)
    (tmp_path / "landing" / "orders" / "part.parquet").write_bytes(b"")
    assert nothing_to_see(empty.landing_uri) == ""
    assert nothing_to_see("s3://shop/landing") == ""


def test_make_dev_starts_the_guarded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecommerce_platform.operations.web import dev

    started: list[Sequence[str]] = []
    monkeypatch.setattr(dev, "_start", lambda parts, **_: started.append(parts))
    dev.start_guarded([sys.executable, "-m", "dagster_webserver", "--port", "3000"])
    dev.start_guarded([sys.executable, "-m", "dagster._daemon", "run"])
    assert started[0][2] == "ecommerce_platform.operations.web.server"
    assert started[1][2] == "dagster._daemon"
    source = Path(dev.dev.__file__ or "").read_text()
    assert '"-m", "dagster_webserver"]' in source, (
        "dagster dev starts its web server by another name: the door would be left out"
    )
    assert "ecommerce_platform.operations.web.dev" in (PROJECT_DIR / "Makefile").read_text()
