"""Where fakesnow differs from Snowflake, and we need it not to: one module a concern.

What belongs here: corrections to fakesnow 0.12.1 (with DuckDB 2.0 and the sqlglot that it pins), each held by a test that
fails without it. What does not: the server process (snowflake_server.py). What stays different is listed in
docs/stand-in.md.
"""

from __future__ import annotations


def install() -> None:
    """Put the corrections of statements and results in place; to be called once, before the first connection.

    Stages, sessions and DuckDB macros need the running server and are installed by it.
    """
    from ecommerce_platform.stand_ins.snowflake_shims import (
        comments,
        errors,
        functions,
        merge,
        numbers,
        pipeline,
        protection,
        results,
        stages,
        statements,
        tables,
        transactions,
    )

    results.install()
    numbers.install()
    errors.install()
    comments.install()
    tables.install()
    # Outermost first: an error of any later step becomes a SQL error; MERGE and CREATE see the text after the skips.
    pipeline.install(
        steps=(
            errors.run,
            protection.run,
            statements.run,
            transactions.run,
            stages.run,
            comments.run,
            tables.run,
            merge.run,
        ),
        rewrites=(
            results.headings,  # before the others change the text
            functions.joined_texts,
            functions.trimmed_spaces,
            functions.md5_numbers,
            functions.formatted_times,
            functions.asof_joins,
            functions.session_functions,
            numbers.exact_average,
            numbers.exact_quotient,
        ),
    )
