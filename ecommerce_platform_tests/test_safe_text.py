"""Text from data does nothing where it is shown."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from ecommerce_platform.reconciliation.present.report import markdown_table
from ecommerce_platform.safe_text import markdown_cell

HARMFUL = [
    "![x](https://evil.example/pixel.png)",
    "[click](https://evil.example)",
    "[click][1]",
    "<img src=https://evil.example/x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "https://evil.example/a",
    "HTTP://evil.example",
    "www.evil.example",
    "<https://evil.example>",
    "me@evil.example",
    "a | b | c",
    "`code`",
    "**bold** _emphasis_ __strong__ ~~gone~~",
    "&lt;b&gt;",
    "line\nbreak\rand\x1b[31mcolour",
    "\\[click](https://evil.example)",
    "\\",
]


@pytest.mark.parametrize("text", HARMFUL)
def test_a_markdown_cell_shows_its_text_and_does_nothing(text: str) -> None:
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    html = renderer.render(markdown_table(("a", "b"), [(text, "end")]))
    inside = html.partition("<tbody>")[2]
    tags = {part.split(">")[0].split(" ")[0] for part in inside.split("<")[1:]}
    assert tags <= {"tr", "/tr", "td", "/td", "/tbody", "/table"}, html
    assert inside.count("<td>") == 2, html
    assert not re.search(r"(?<!\\)://", markdown_cell(text)), "a bare address is a link"
    assert "www." not in markdown_cell(text)


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("missing_in_speed", "12.50", "2026-01-01", "orders/date=2026-01-01/part-1.parquet", "Ana (Berlin)"):
        assert markdown_cell(text) == text
