"""What settings must not say together: places that are no one's own, secrets in the open.

What belongs here: rules that read several settings; pure, each gives one sentence a problem, and never repeats a value that may
be secret. What does not: names, types and defaults (settings_sections.py) and when the rules are asked (settings.py, doctor).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
    scratch, landing = urlsplit(settings.scratch_uri), urlsplit(settings.landing_uri)
    if scratch.scheme == landing.scheme == "s3" and scratch.netloc == landing.netloc:
        yield (
            f"ECOMMERCE_SCRATCH_URI lies in the bucket {scratch.netloc} of ECOMMERCE_LANDING_URI; expected a bucket of its own: "
            "the landing zone's writers must not write what steps and launchers hand each other"
        )


def _inside(inner: str, outer: str) -> bool:
    return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")
