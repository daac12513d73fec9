"""Holds code and pages to the words of CONTRIBUTING.md, and their pointers to files that exist.

Three rules over all files under version control: no word of `BANNED` in comments, texts and pages; no identifier of
`IDENTIFIERS`, which say what happened to a value instead of what it holds; no pointer to a file that does not exist. Spelling is
codespell's (pyproject.toml).
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).resolve().parent.parent
#: A pattern, and what to write instead.
BANNED = {
    r"anew": "again, or a verb with re-",
    r"in vain": "say what did not happen",
    r"dearest": "most expensive, highest",
    r"told|told_\w+|\w+_told": "reported, notified, given, distinguished",
    r"aloud": "leave it out",
    r"to be had": "available",
    r"as ever": "as before",
    r"for ever": "forever",
    r"without a word": "silently, without an error message",
    r"under (?:its|their|the job's) feet": "while it was running",
    r"lest|whence|thence|thither|hitherto|whereof|thereof|unto": "the present-day word",
    r"(?<!there\s)(?:is|are|was|were) no (?!longer\b|more\b|\w+er\b|such\b|one\b)": "is not a …",
}
IDENTIFIERS = {"told", "found", "said", "wanted", "there"}
#: Words in the names of tests.
IN_TESTS = {"told", "said", "wanted", "anew"}
#: Names that users, or what earlier releases stored, have.
STORED = {
    ("ecommerce_platform/lakehouse/by_hand/inspection.py", "found"),
    ("ecommerce_platform/operations/notifications/outbox.py", "told"),
    ("ecommerce_platform_tests/operations/test_delivery.py", "told"),
}
#: Written by programs, by others, or about these words.
SKIPPED = re.compile(
    r"^(benchmarks/results/|docs/performance(?:\.md|/quick\.md)$|docs/reference/|LICENSE$|scripts/check_words\.py$|.*/test_check_words\.py$)"
    r"|\.(lock|svg|png|json|parquet|sum|mod)$"
)
_TEXTS = re.compile(r"\.(md|sql|ya?ml|sh|html|toml|c|go|in)$|(^|/)(Makefile|Dockerfile)$")
_BANNED = {
    re.compile(rf"\b(?:{pattern})\b" if pattern[-1] != ")" else rf"\b{pattern}", re.I): pattern for pattern in BANNED
}
#: In Jinja and in shell.
_ASSIGNED = re.compile(rf"(?:\bset |\blocal |^\s*)\b({'|'.join(sorted(IDENTIFIERS))})(?: = |=\S)")
_POINTER = re.compile(r"(?<![\w/.<>{}$*\\-])((?:[\w-]+/)*[\w-]+\.(?:py|md|sql|sh))(?![\w/*]|\.\w)")


def tracked(project: Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=project, capture_output=True, text=True, check=True)  # noqa: S607
    return [name for name in listed.stdout.splitlines() if (project / name).is_file()]


def problems(project: Path, files: Sequence[str]) -> Iterator[str]:
    """One line for each problem: file, line, what, and what to do."""
    places = _Places(files)
    for name in files:
        if SKIPPED.search(name):
            continue
        if name.endswith(".py"):
            source = (project / name).read_text()
            nodes = list(ast.walk(ast.parse(source)))
            yield from (f"{name}:{line}: {what}" for line, what in identifiers(name, nodes))
            remarks = list(comments(source))
            prose, pointers = [*remarks, *texts(nodes)], [*remarks, *docstrings(nodes)]
        elif _TEXTS.search(name):
            prose = list(enumerate((project / name).read_text().splitlines(), 1))
            pointers = prose if name.endswith(".md") else []
        else:
            continue
        for line, text in prose:
            yield from (f"{name}:{line}: {what}" for what in words(name, text))
            if not name.endswith(".py") and (bound := _ASSIGNED.search(text)):
                yield f"{name}:{line}: identifier {bound[1]}: say what it holds"
        for line, text in pointers:
            yield from (
                f"{name}:{line}: points to {pointer}, which does not exist: name the file that is meant"
                for pointer in _POINTER.findall(_about_the_repository(text))
                if not places.has(name, pointer)
            )


def words(name: str, text: str) -> Iterator[str]:
    for pattern, key in _BANNED.items():
        for match in pattern.finditer(text):
            if (name, match[0]) not in STORED:
                yield f"'{match[0].strip()}': write {BANNED[key]}"


def identifiers(name: str, nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Names that the module binds: variables, parameters, attributes, functions, classes, imports."""
    for node in nodes:
        match node:
            case ast.Name(id=bound, ctx=ast.Store()) | ast.Attribute(attr=bound, ctx=ast.Store()) | ast.arg(arg=bound):
                pass
            case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound) | ast.ClassDef(name=bound):
                if bound.startswith("test_") and (bad := IN_TESTS & set(bound.split("_"))):
                    yield node.lineno, f"test {bound}: '{min(bad)}': say it in the words of scripts/check_words.py"
            case ast.alias(asname=str(bound)):
                pass
            case _:
                continue
        if bound.strip("_").lower() in IDENTIFIERS and (name, bound) not in STORED:
            yield node.lineno, f"identifier {bound}: say what it holds"


def comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def texts(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def docstrings(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def _about_the_repository(text: str) -> str:
    """Without URLs, the two sides of a diff, and files that the reader is to create."""
    return re.sub(r"\w+://\S+|^(---|\+\+\+) [ab]/\S+|Create `[^`]+`", "", text)


class _Places:
    """Where a pointer may lead: a path from the project's root or from the file's own folders, or a name within its room;
    in pages, any file's name."""

    def __init__(self, files: Sequence[str]) -> None:
        self._endings: set[str] = set()
        self._in_rooms: dict[tuple[str, ...], set[str]] = {}
        for name in files:
            parts = PurePosixPath(name).parts
            self._endings |= {"/".join(parts[start:]) for start in range(len(parts))}
            self._in_rooms.setdefault(parts[:2] if len(parts) > 2 else parts[:-1], set()).add(parts[-1])

    def has(self, name: str, pointer: str) -> bool:
        if "/" in pointer or name.endswith(".md"):
            return pointer in self._endings
        parts = PurePosixPath(name).parts
        rooms = (parts[:2] if len(parts) > 2 else parts[:-1], parts[:1], ())
        return any(pointer in self._in_rooms.get(room, ()) for room in rooms)


def main() -> int:
    lines = sorted(set(problems(PROJECT, tracked(PROJECT))))
    print("\n".join(lines), file=sys.stderr) if lines else None
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
