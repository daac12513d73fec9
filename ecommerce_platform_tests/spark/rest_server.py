"""A small Iceberg REST catalog for tests: the protocol's HTTP and JSON, answered by PyIceberg's SQL catalog.

What belongs here: what Spark and PyIceberg ask when a table is created, written, read, dropped and registered. What does not:
tokens, views, staged creation, renaming. The protocol: Apache Iceberg, REST catalog specification.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, Table

_STATUS = {
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
    NamespaceAlreadyExistsError: 409,
    TableAlreadyExistsError: 409,
    CommitFailedException: 409,
}
Answer = tuple[int, dict[str, Any] | None]


class RestCatalog:
    """The answers, without HTTP."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        parts = [unquote(part) for part in path.strip("/").split("/")[1:]]
        try:
            return self._route(method, parts, body)
        except tuple(_STATUS) as error:
            status = _STATUS[type(error)]
            return status, {"error": {"message": str(error), "type": type(error).__name__, "code": status}}

    def _route(self, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
        match (method, *parts):
            case ("GET", "config"):
                return 200, {"defaults": {}, "overrides": {}}
            case ("GET", "namespaces"):
                return 200, {"namespaces": [list(name) for name in self.catalog.list_namespaces()]}
            case ("POST", "namespaces"):
                self.catalog.create_namespace(tuple(body["namespace"]), body.get("properties") or {})
                return 200, {"namespace": body["namespace"], "properties": body.get("properties") or {}}
            case ("GET" | "HEAD", "namespaces", namespace):
                return 200, {
                    "namespace": [namespace],
                    "properties": dict(self.catalog.load_namespace_properties(namespace)),
                }
            case ("POST", "namespaces", namespace, "properties"):
                done = self.catalog.update_namespace_properties(namespace, set(body["removals"]), body["updates"])
                return 200, {"removed": done.removed, "updated": done.updated, "missing": done.missing}
            case ("GET", "namespaces", namespace, "tables"):
                names = self.catalog.list_tables(namespace)
                return 200, {"identifiers": [{"namespace": [namespace], "name": name[-1]} for name in names]}
            case ("POST", "namespaces", namespace, "register"):
                name, location = (namespace, body["name"]), body["metadata-location"]
                return 200, _table(self.catalog.register_table(name, location))
            case ("DELETE", "namespaces", namespace, "tables", table):
                self.catalog.drop_table((namespace, table))
                return 204, None
            case ("POST", "namespaces", namespace, "tables"):
                return 200, _table(self._create(namespace, body))
            case ("GET" | "HEAD", "namespaces", namespace, "tables", table):
                return 200, _table(self.catalog.load_table((namespace, table)))
            case ("POST", "namespaces", namespace, "tables", table):
                return 200, self._commit(namespace, table, body)
            case ("POST", "namespaces", _, "tables", _, "metrics"):
                return 204, None
        return 404, {"error": {"message": f"{method} {parts} is not served", "type": "NotFound", "code": 404}}

    def _create(self, namespace: str, body: dict[str, Any]) -> Table:
        spec = body.get("partition-spec")
        return self.catalog.create_table(
            (namespace, body["name"]),
            Schema.model_validate(body["schema"]),
            location=body.get("location"),
            partition_spec=PartitionSpec.model_validate(spec) if spec else UNPARTITIONED_PARTITION_SPEC,
            properties=body.get("properties") or {},
        )

    def _commit(self, namespace: str, table: str, body: dict[str, Any]) -> dict[str, Any]:
        identifier = {"namespace": [namespace], "name": table}
        request = CommitTableRequest.model_validate({**body, "identifier": identifier})
        loaded = self.catalog.load_table((namespace, table))
        done = self.catalog.commit_table(loaded, request.requirements, request.updates)
        return {
            "metadata-location": done.metadata_location,
            "metadata": json.loads(done.metadata.model_dump_json()),
        }


def _table(table: Table) -> dict[str, Any]:
    metadata = json.loads(table.metadata.model_dump_json())
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}


@contextmanager
def serve(catalog: Catalog) -> Iterator[str]:
    """Serves `catalog` on a free port of this machine; its address."""
    rest = RestCatalog(catalog)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, content = rest.answer(self.command, urlsplit(self.path).path, body)
            text = b"" if content is None or self.command == "HEAD" else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
