"""What settings must not say together: places that several installations would share, secrets in the open.

What belongs here: rules that read several settings; pure, each gives one sentence a problem, and never repeats a value that may
be secret. What does not: names, types and defaults (settings/sections.py) and when the rules are asked (__init__.py, doctor).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ecommerce_platform.settings.addresses import is_s3, store_path
from ecommerce_platform.settings.secret import problems_of_secrets

if TYPE_CHECKING:
    from ecommerce_platform.settings import Settings


def problems_of_places(settings: Settings) -> Iterator[str]:
    """Scratch is a place of its own: whoever may write landing files must not write what steps and launchers hand each other."""
    for variable, other in (
        ("ECOMMERCE_LANDING_URI", settings.landing_uri),
        ("ECOMMERCE_LAKEHOUSE__WAREHOUSE", settings.lakehouse.warehouse or ""),
    ):
        if _inside(settings.scratch_uri, other) or _inside(other, settings.scratch_uri):
            yield (
                f"ECOMMERCE_SCRATCH_URI is {settings.scratch_uri} and {variable} is {other}: one lies in the other; expected a "
                "place of its own, which only Dagster's runs and their Spark drivers may write"
            )


def problems_of_production(settings: Settings) -> Iterator[str]:
    """What the production profile refuses beside missing settings."""
    yield from problems_of_secrets(settings)
    yield from _problems_of_encryption(settings)
    scratch, landing = urlsplit(settings.scratch_uri), urlsplit(settings.landing_uri)
    if is_s3(settings.scratch_uri) and is_s3(settings.landing_uri) and scratch.netloc == landing.netloc:
        yield (
            f"ECOMMERCE_SCRATCH_URI lies in the bucket {scratch.netloc} of ECOMMERCE_LANDING_URI; expected a bucket of its own: "
            "the landing zone's writers must not write what steps and launchers hand each other"
        )


def verified(catalog_uri: str | None) -> str | None:
    """The address of a catalog in PostgreSQL, with TLS that verifies the server where the address says nothing of it."""
    if not catalog_uri or not catalog_uri.startswith("postgres"):
        return catalog_uri
    query = parse_qs(urlsplit(catalog_uri).query)
    if "sslmode" in query:
        return catalog_uri
    return f"{catalog_uri}{'&' if query else '?'}sslmode=verify-full"


def _problems_of_encryption(settings: Settings) -> Iterator[str]:
    """Connections that somebody on the way could read or change; `ECOMMERCE_UNENCRYPTED` allows them by name."""
    lake, snowflake = settings.lakehouse, settings.snowflake
    catalog = urlsplit(lake.catalog_uri or "")
    mode = (parse_qs(catalog.query).get("sslmode") or [""])[0]
    plain = {
        "clickhouse": ("ECOMMERCE_CLICKHOUSE__SECURE is false", not settings.clickhouse.secure),
        "s3": ("ECOMMERCE_S3__ENDPOINT is not an https:// address", _plain_http(settings.s3.endpoint)),
        "snowflake": ("ECOMMERCE_SNOWFLAKE__PROTOCOL is http", bool(snowflake.host) and snowflake.protocol == "http"),
        "catalog": (
            "ECOMMERCE_LAKEHOUSE__CATALOG_URI does not verify its server (expected https://, or sslmode=verify-full)",
            _plain_http(lake.catalog_uri) or (catalog.scheme.startswith("postgres") and mode != "verify-full"),
        ),
    }
    for system, (what, is_plain) in plain.items():
        if is_plain and system not in settings.unencrypted:
            yield f'{what}; use TLS, or say that it is not to be with ECOMMERCE_UNENCRYPTED=["{system}"]'


def _plain_http(address: str | None) -> bool:
    return bool(address) and str(address).lower().startswith("http://")


def _inside(inner: str, outer: str) -> bool:
    return f"{_place(inner)}/".startswith(f"{_place(outer)}/")


def _place(address: str) -> str:
    """The address in one form, whichever of S3's schemes it has."""
    return (f"s3://{store_path(address)}" if is_s3(address) else address).rstrip("/")
