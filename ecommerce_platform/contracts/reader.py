"""The contracts of an installation: which folders, which tables, in which order, and what they must have in common.

What belongs here: finding the files, errors across files. What does not: one file (parsing.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path

from ecommerce_platform.contracts.document import Document, Problem
from ecommerce_platform.contracts.model import Contract, ContractError, Relationship
from ecommerce_platform.contracts.parsing import parse
from ecommerce_platform.contracts.types import WHOLE_NUMBERS

CONTRACTS_DIR = Path(__file__).parent / "sources"
SUFFIX = ".odcs.yaml"
#: Where the contracts lie: a folder instead of the package's own, and one beside it, whose files win.
FOLDER_VARIABLE, EXTRA_FOLDER_VARIABLE = "ECOMMERCE_CONTRACTS_DIR", "ECOMMERCE_EXTRA_CONTRACTS_DIR"


def contract_folders() -> tuple[Path, ...]:
    """The folders that the environment names, else the package's own; of a table in two of them the later file counts."""
    extra = os.environ.get(EXTRA_FOLDER_VARIABLE)
    return (Path(os.environ.get(FOLDER_VARIABLE) or CONTRACTS_DIR), *((Path(extra),) if extra else ()))


def load_contracts(directory: Path | None = None) -> Mapping[str, Contract]:
    """All contracts of `directory`, by default of `contract_folders()`; a table comes after those that it has foreign keys to.

    Raises ContractError when one cannot be used, or when there is none.
    """
    return _load_all((directory,) if directory else contract_folders())


def source_tables() -> tuple[str, ...]:
    """The source tables of the installation: those that have a contract."""
    return tuple(load_contracts())


@cache
def _load_all(folders: tuple[Path, ...]) -> Mapping[str, Contract]:
    contracts, problems = read_contracts(folders)
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        raise ContractError("\n".join(map(str, fatal)))
    return contracts


def read_contracts(folders: Sequence[Path]) -> tuple[dict[str, Contract], list[Problem]]:
    """The contracts that can be used, and everything that is wrong in the folders' files."""
    documents = [Document.read(path) for path in contract_files(folders)]
    parsed = [(document, parse(document)) for document in documents]
    read = {contract.table: contract for _, contract in parsed if contract}
    problems = [problem for document in documents for problem in document.problems]
    if not documents:
        where = " or ".join(map(str, folders))
        return {}, [
            Problem(
                where, 1, f"no contract lies here as <table>{SUFFIX}", "`ecommerce-platform contract init` writes one"
            )
        ]
    broken = {document.path.name for document in documents if not document.is_usable}
    for document, contract in parsed:
        if contract:
            problems += _across(document, contract, read, {item.path.name for item in documents}, broken)
    contracts = {contract.table: contract for document, contract in parsed if contract and document.is_usable}
    return {table: contracts[table] for table in in_order(contracts)}, problems


def contract_files(folders: Sequence[Path]) -> list[Path]:
    """The files of the folders, of files of one name the last. Raises ContractError for a folder that is not there."""
    paths: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ContractError(f"{folder} is not a folder; expected the data contracts: see {FOLDER_VARIABLE}")
        paths.update({path.name: path for path in folder.glob(f"*{SUFFIX}")})
    return [paths[name] for name in sorted(paths)]


def in_order(contracts: Mapping[str, Contract]) -> list[str]:
    """Tables after those that they have foreign keys to; else by name. Circles are cut where they are entered."""
    placed: dict[str, None] = {}

    def place(table: str, above: frozenset[str]) -> None:
        for parent in sorted({item.parent for item in contracts[table].relationships}):
            if parent in contracts and parent not in above:
                place(parent, above | {parent})
        placed.setdefault(table)

    for table in sorted(contracts):
        place(table, frozenset({table}))
    return list(placed)


def _across(
    document: Document, contract: Contract, contracts: Mapping[str, Contract], files: set[str], broken: set[str]
) -> Iterator[Problem]:
    """Relationships whose other end is missing, or of another type."""
    for relationship in contract.relationships:
        parent = contracts.get(relationship.parent)
        if parent is None:
            if f"{relationship.parent}{SUFFIX}" in files:
                continue  # that file has problems of its own
            message, remedy = f"there is no contract of {relationship.parent}", "take the relationship out, or add one"
        elif missing := [name for name in relationship.parent_columns if name not in parent.column_names]:
            if parent.source in broken:
                continue
            message, remedy = f"{parent.table} has no column {missing[0]}", f"it has {', '.join(parent.column_names)}"
        elif contract.source not in broken and not same_types(contract, relationship, parent):
            message, remedy = "the two have different types", "give them one type"
        else:
            continue
        names = ", ".join(relationship.columns)
        to = ", ".join(f"{relationship.parent}.{name}" for name in relationship.parent_columns)
        place = document.place_of(relationship.columns[0], "relationships")
        yield Problem(document.path.name, document.line(place), f"{names} relates to {to}: {message}", remedy)


def same_types(contract: Contract, relationship: Relationship, parent: Contract) -> bool:
    """Whether each column can hold the value of the one that it stands for; whole numbers are one type."""
    for name, other in zip(relationship.columns, relationship.parent_columns, strict=True):
        kinds = {contract.column(name).type, parent.column(other).type}
        if len(kinds) > 1 and not kinds <= WHOLE_NUMBERS:
            return False
    return True


def tables_of_day(day: date, contracts: Mapping[str, Contract] | None = None) -> tuple[str, ...]:
    """The source tables that a landing day needs before anything may join them: all but those that joined later."""
    contracts = contracts or load_contracts()
    return tuple(table for table, contract in contracts.items() if contract.counts_on(day))


def load_contract(path: Path) -> Contract:
    """One contract. Raises ContractError that names the file and everything that is wrong in it."""
    document = Document.read(path)
    contract = parse(document)
    if contract is None or not document.is_usable:
        raise ContractError("\n".join(str(problem) for problem in document.problems if problem.fatal))
    return contract
