"""Chromium as the browser tests drive it: Debian's or the system's own, headless, with nothing fetched from outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Where `make screenshots` has the pictures of the documentation written; nowhere otherwise.
SCREENSHOTS = os.environ.get("SCREENSHOTS_DIR")


def program() -> str:
    """The browser's program; the tests fail, and do not skip, where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "the browser tests need Chromium: install chromium (Debian, Ubuntu, Fedora, Homebrew)"
    return path


@contextmanager
def page(width: int = 1600, height: int = 1000) -> Iterator[Page]:
    """An empty page in a browser with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=_ARGUMENTS)
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()


@contextmanager
def sized(shown: Page, width: int, height: int) -> Iterator[None]:
    """The window in another size, for what needs more room."""
    before = shown.viewport_size
    shown.set_viewport_size({"width": width, "height": height})
    try:
        yield
    finally:
        if before is not None:
            shown.set_viewport_size(before)


def keep(shown: Page, name: str) -> None:
    """The page as it is now, as a picture for the documentation."""
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        picture = Image.open(BytesIO(shown.screenshot()))
        # A palette is a quarter of the bytes, and of what a page of text and boxes shows nothing is lost.
        picture.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            Path(SCREENSHOTS) / f"{name}.png", optimize=True
        )
