"""A contract file as text: its YAML, the standard's own model of it, and the line of each value.

What belongs here: YAML, the standard's field names, lines. What does not: what the platform makes of them (reader.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import BaseModel, ValidationError

from ecommerce_platform.contracts.model import ContractError

#: Keys of mappings and positions in lists, from the root of the document to a value.
Place = Sequence[str | int]


@dataclass(frozen=True)
class Problem:
    """Something wrong in a contract file: where, what, and what to do. `line` counts from 1."""

    file: str
    line: int
    message: str
    remedy: str
    #: Whether the contract cannot be used; else something in it has no effect.
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}: {self.message}; {self.remedy} (line {self.line})"


@dataclass
class Document:
    """A parsed file that collects problems. `standard` is None where the file is not a document of the standard."""

    path: Path
    standard: OpenDataContractStandard | None = None
    problems: list[Problem] = field(default_factory=list)
    _root: yaml.Node | None = None

    @classmethod
    def read(cls, path: Path) -> Document:
        """Raises ContractError when there is no such file."""
        if not path.exists():
            raise ContractError(f"{path.name}: no such contract in {path.parent}")
        document = cls(path)
        document._parse(path.read_text(encoding="utf-8"))
        return document

    @property
    def is_usable(self) -> bool:
        return not any(problem.fatal for problem in self.problems)

    def report(self, place: Place, message: str, remedy: str, fatal: bool = True) -> None:
        self.problems.append(Problem(self.path.name, self.line(place), message, remedy, fatal))

    def line(self, place: Place) -> int:
        """The line of the value at `place`, or of the nearest thing around it that the file has."""
        node, line = self._root, 1
        for step in place:
            if isinstance(node, yaml.MappingNode):
                pair = next(((key, value) for key, value in node.value if key.value == step), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def place_of(self, column: str, field: str) -> Place:
        """Where a field of a column stands."""
        properties = ((self.standard.schema_ or [])[0].properties or []) if self.standard else []
        return ("schema", 0, "properties", next(at for at, item in enumerate(properties) if item.name == column), field)

    def _parse(self, text: str) -> None:
        not_one = "is not an Open Data Contract Standard document"
        try:
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
            if not isinstance(content, dict):
                self.report((), not_one, "expected a mapping: `ecommerce-platform contract init` writes one")
                return
            self.standard = OpenDataContractStandard.model_validate(content)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            what = getattr(error, "problem", None) or str(error)
            self.problems.append(
                Problem(self.path.name, line, f"{not_one}: it is not YAML: {what}", "correct the line")
            )
        except ValidationError as error:
            for item in error.errors():
                place = ".".join(map(str, item["loc"]))
                remedy = "take it out, or spell it as the standard does"
                self.report(
                    item["loc"],
                    f"{not_one}: {place}: {item['msg']}",
                    remedy if "extra" in item["type"] else "correct it",
                )
        else:
            for loc, name, known in _unknown_fields(content, OpenDataContractStandard, ()):
                close = get_close_matches(name, known, 1)
                remedy = f"did you mean {close[0]}?" if close else f"the standard knows {', '.join(sorted(known))}"
                self.report(loc, f"{name!r} has no effect: the standard has no such field here", remedy, fatal=False)


def _unknown_fields(
    content: Any, model: type[BaseModel], place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str, list[str]]]:
    """Keys that the standard's models ignore: place, key, and the keys that the model knows."""
    if not isinstance(content, dict):
        return
    fields = {item.alias or name: item.annotation for name, item in model.model_fields.items()}
    for key, value in content.items():
        if key not in fields:
            yield (*place, key), str(key), list(fields)
            continue
        inner = next(iter(_models(fields[key])), None)
        for position, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if inner is not None:
                here = (*place, key) if position is None else (*place, key, position)
                yield from _unknown_fields(item, inner, here)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for item in get_args(annotation):
        yield from _models(item)
