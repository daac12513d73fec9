"""What a model's or macro's file says to dbt and Snowflake, without its comments and its layout.

What belongs here: reading Jinja and SQL as tokens. What does not: which files make the definition (manifest.py).

Two files with the same tokens run the same statements. Jinja is read by Jinja's own lexer, which also applies `-%}`; what stands
between its tags is SQL in Snowflake's spelling: comments `--`, `//` and `/* */`, strings in `'` with doubled quotes and
backslashes, strings in `$$`, names in `"`. Strings and names are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from jinja2 import Environment

#: Marks a tag or a word that touches the one before it: `a{{ b }}` is one name, `a {{ b }}` is two.
_TOUCHES = "\x00"
_TAG_BEGINS = {"variable_begin": "{{", "block_begin": "{%"}
_TAG_ENDS = {"variable_end": "}}", "block_end": "%}"}
#: What a comment in SQL may name without any effect: dbt's hints to its graph.
_HINTS = ("ref", "source")
#: Blocks that are rendered when they are called.
_BODIES = ("macro", "materialization", "test", "call")

_OPEN = {"'": "'", '"': '"', "$$": "$$", "--": "\n", "//": "\n", "/*": "*/"}
_COMMENTS = ("--", "//", "/*")
_SQL = re.compile(
    r"(?P<open>'|\"|\$\$|--|//|/\*)|(?P<space>\s+)|(?P<word>[\w$]+)|(?P<sign><=>|<=|>=|<>|!=|\|\||::|=>|->>|->|:=|\S)"
)


class _Piece(NamedTuple):
    """Text between Jinja's tags, or the tokens of one tag."""

    text: str
    tag: tuple[str, ...] = ()


def statement_tokens(source: str) -> list[str]:
    """The tokens of a file, in order. Raises jinja2.TemplateSyntaxError when Jinja cannot read it."""
    reader = _SqlReader()
    for piece in _pieces(source):
        if piece.tag:
            reader.read_tag(piece.tag)
        else:
            reader.read_text(piece.text)
    return reader.finished()


def _pieces(source: str) -> Iterator[_Piece]:
    tag: list[str] | None = None
    for _, kind, value in _jinja().lex(source):
        if kind in _TAG_BEGINS:
            tag = [_TAG_BEGINS[kind]]
        elif kind in _TAG_ENDS and tag is not None:
            yield _Piece("", (*tag, _TAG_ENDS[kind]))
            tag = None
        elif tag is not None:
            if kind != "whitespace":
                tag.append(value)
        elif kind == "data":
            yield _Piece(value)
        # What is left are comments of Jinja, and the marks of `raw`, whose content is data.


@cache
def _jinja() -> Environment:
    return Environment(extensions=["jinja2.ext.do"])  # noqa: S701 - reads tokens, renders nothing


class _SqlReader:
    """Tokens of SQL that tags interrupt: a string or a comment goes on behind a tag."""

    def __init__(self) -> None:
        self._tokens: list[str] = []
        self._open = ""  # what began the string or the comment that is being read
        self._literal = ""
        self._touching = False  # no space since the last word or tag

    def read_tag(self, tag: tuple[str, ...]) -> None:
        if tag[0] == "{%" and tag[1].removeprefix("end") in _BODIES:
            # A body is rendered by itself: what is open outside stays outside.
            self._tokens = self.finished()
            self._open, self._literal, self._touching = "", "", False
        if self._open in _COMMENTS:
            if not _is_hint(tag):
                self._tokens.append(" ".join(tag))
        elif self._open:
            self._literal += "\x01".join(tag)
        else:
            self._add(" ".join(tag), joins=True)

    def read_text(self, text: str) -> None:
        position = 0
        while position < len(text):
            position = self._read_open(text, position) if self._open else self._read_code(text, position)

    def finished(self) -> list[str]:
        return [*self._tokens, self._literal] if self._literal else self._tokens

    def _read_code(self, text: str, position: int) -> int:
        match = _SQL.match(text, position)
        assert match is not None  # the last alternative takes any character
        kind, token = match.lastgroup, match.group()
        if kind == "open":
            self._open = token
            if token not in _COMMENTS:
                self._literal = (_TOUCHES if self._touching else "") + token
            self._touching = False
        elif kind == "space":
            self._touching = False
        else:
            self._add(token, joins=kind == "word")
        return match.end()

    def _read_open(self, text: str, position: int) -> int:
        """Reads on in a string or a comment, to its end or to the end of the text; where to go on."""
        begin, end = self._open, _OPEN[self._open]
        if begin in _COMMENTS:
            closing = text.find(end, position)
            if closing < 0:
                return len(text)
            self._open = ""
            return closing + len(end)
        stop = position
        while stop < len(text):
            if begin == "'" and text[stop] == "\\":
                stop += 2
            elif text.startswith(end, stop):
                if begin != "$$" and text.startswith(end, stop + 1):
                    stop += 2  # a doubled quote is a quote
                    continue
                self._tokens.append(self._literal + text[position : stop + len(end)])
                self._open, self._literal = "", ""
                return stop + len(end)
            else:
                stop += 1
        self._literal += text[position:]
        return len(text)

    def _add(self, token: str, *, joins: bool) -> None:
        self._tokens.append((_TOUCHES if joins and self._touching else "") + token)
        self._touching = joins


def _is_hint(tag: tuple[str, ...]) -> bool:
    """`{{ ref(…) }}` or `{{ source(…) }}` and nothing else: in a comment, it names a parent to dbt."""
    called = tag[0] == "{{" and tag[1] in _HINTS and tag[2:3] == ("(",) and tag[-2] == ")"
    return called and not any(left == ")" for left, _ in pairwise(tag[:-1]))
