"""Text from data made harmless for what shows it: a terminal, a spreadsheet, Markdown.

What belongs here: which characters do something instead of being shown. What does not: layouts
(commands/output.py, warehouse/sql/query.py).
"""

from __future__ import annotations

import re

#: Control characters (a terminal obeys them), and those that turn the direction of what follows.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: What Markdown, or HTML within it, takes for its own; an underscore within a word is none of it.
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~&!@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
#: Bare addresses become links without any mark around them.
_ADDRESS = re.compile(r"(?i)(://)|(?<=www)(\.)|(?<=mailto)(:)|(?<=xmpp)(:)")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str) -> str:
    """The text with each character that a terminal would obey written as its escape."""
    return _OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def no_formula(text: str) -> str:
    """The text for a cell of a spreadsheet: after an apostrophe where it would be taken for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def markdown_cell(text: str) -> str:
    """The text for a cell of a Markdown table: it shows as it is, and is not a link, image, HTML or end of the cell."""
    return _ADDRESS.sub(r"\\\g<0>", _MARKDOWN.sub(r"\\\1", visible(text)))
