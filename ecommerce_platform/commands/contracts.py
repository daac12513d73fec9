"""`ecommerce-platform contract …`: the data contracts, written, checked, and held against the landing files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecommerce_platform.commands.output import (
    Days,
    Format,
    ListFormat,
    Tables,
    chosen_tables,
    days_of,
    print_rows,
    say,
    settings_or_exit,
)
from ecommerce_platform.contracts import ContractError, load_contracts
from ecommerce_platform.contracts.draft import Draft, render
from ecommerce_platform.contracts.reader import SUFFIX, contract_files, contract_folders, read_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.next_commands import platform_command

contract_app = typer.Typer(no_args_is_help=True, help="The data contracts of the source tables.")


@contract_app.command("diff", epilog="Example: `ecommerce-platform contract diff --table orders`")
def contract_diff(table: Tables = None, day: Days = None, output: Format = ListFormat.TABLE) -> None:
    """Show what landing files have that the contract lacks, and the other way round; exits with 1 when a day is refused."""
    from ecommerce_platform.execution.partitions import last_partition
    from ecommerce_platform.lakehouse.arrived.arrivals import Intake
    from ecommerce_platform.lakehouse.by_hand.inspection import contract_differences

    settings, contracts = settings_or_exit(), load_contracts()
    lake, intake, first = Lake.of(settings), Intake.of(settings), settings.start_date
    unstated = [
        difference
        for name in chosen_tables(table)
        for difference in contract_differences(
            lake, intake, contracts[name], (first, last_partition(first)), days_of(day)
        )
    ]
    units = [difference for difference in unstated if difference.kind == "epoch unit"]
    print_rows([item for item in unstated if item not in units], output, "the landing files are as the contracts say")
    for item in units:
        # Beside the rows, which may be read by a program: no difference, but what to state in the contract to be sure.
        typer.echo(f"{item.table}.{item.column}, files: {item.files}, epoch unit: {item.found}", err=True)
    raise typer.Exit(1 if any(difference.kind == "refused" for difference in unstated) else 0)


@contract_app.command("check", epilog="Example: `ecommerce-platform contract check`")
def contract_check() -> None:
    """Say everything that is wrong with the contracts, by file and line, with what to do; exits with 1 when something is."""
    from ecommerce_platform.transformation.project.needs import unmet_needs

    try:
        folders = contract_folders()
        places = {path.name: path for path in contract_files(folders)}
        contracts, problems = read_contracts(folders)
    except ContractError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    for problem in sorted(problems, key=lambda item: (item.file, item.line, item.message)):
        word = "error" if problem.fatal else "warning"
        say(f"{places.get(problem.file, problem.file)}:{problem.line}: {word}: {problem.message}; {problem.remedy}")
    # Of a contract that cannot be used, nobody knows what it lacks.
    unread = {problem.file for problem in problems if problem.fatal}
    unmet = [need for need in unmet_needs(contracts) if not any(file in need for file in unread)]
    for need in unmet:
        say(f"error: the marts cannot be built: {need}")
    if problems or unmet:
        raise typer.Exit(1)
    say(f"{len(contracts)} contracts can be used: {', '.join(contracts)}")


@contract_app.command(
    "init",
    epilog="Example: `ecommerce-platform contract init payments`, or with `--postgres postgresql://reader@db/shop`",
)
def contract_init(
    tables: Annotated[list[str], typer.Argument(help="The tables to write a contract for.")],
    postgres: Annotated[
        str | None,
        typer.Option(help="Read the schema of this database instead of landing files; the password is in PGPASSWORD."),
    ] = None,
    schema: Annotated[str, typer.Option(help="The schema in PostgreSQL.")] = "public",
    key: Annotated[
        list[str] | None, typer.Option("--key", help="A column of the key, instead of a guess; repeat for several.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; by default where the platform reads contracts.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a contract that is there.")] = False,
) -> None:
    """Write a contract from landing files or a PostgreSQL schema, and say what was guessed."""
    target = folder or contract_folders()[-1]
    files = {table: target / f"{table}{SUFFIX}" for table in tables}
    for file in files.values():
        if file.exists() and not overwrite:
            say(f"error: {file} is there already; --overwrite replaces it")
            raise typer.Exit(1)
    if not target.is_dir():
        say(f"error: {target} is not a folder; make it, or name another with --folder")
        raise typer.Exit(1)
    try:
        drafts = _drafts(tables, postgres, schema, key or [])
    except ContractError as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    for table, draft in drafts.items():
        files[table].write_text(render(draft.contract), encoding="utf-8")
        columns = len(draft.contract.columns)
        say(f"wrote {files[table]}: {columns} columns, key {', '.join(draft.contract.key_names)}")
        for note in draft.notes:
            say(f"  look at: {note}")
    say(f"next: {platform_command()} contract check, then contract diff")


def _drafts(tables: list[str], postgres: str | None, schema: str, key: list[str]) -> dict[str, Draft]:
    known, _ = read_contracts(contract_folders())
    if postgres:
        from ecommerce_platform.contracts.from_postgres import drafts_from_postgres

        return drafts_from_postgres(postgres, tables, schema, known)
    from ecommerce_platform.lakehouse.arrived.drafts import draft_from_landing
    from ecommerce_platform.landing.files import LandingZone

    zone = LandingZone.of(settings_or_exit())
    return {table: draft_from_landing(zone, table, known, key) for table in tables}
