"""Text from data made harmless for what shows it: a terminal, a spreadsheet.

What belongs here: which characters do something instead of being shown. What does not: layouts (output.py, query.py).
"""

from __future__ import annotations

import re

#: Control characters (a terminal obeys them), and those that turn the direction of what follows.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str) -> str:
    """The text with each character that a terminal would obey written as its escape."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def no_formula(text: str) -> str:
    """The text for a cell of a spreadsheet: after an apostrophe where it would be taken for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
