"""`ecommerce-platform spark …`: steps that ran elsewhere, looked after by hand."""

from __future__ import annotations

import typer

from ecommerce_platform.commands.output import say, settings_or_exit

spark_app = typer.Typer(no_args_is_help=True, help="Spark steps that run in processes or pods of their own.")


@spark_app.callback()
def _spark() -> None:
    """Keeps `sweep` a command of its own while it is the only one."""


@spark_app.command("sweep", epilog="Example: `ecommerce-platform spark sweep`")
def spark_sweep() -> None:
    """Remove what steps of finished runs left on the cluster and in the scratch location."""
    settings = settings_or_exit()

    from ecommerce_platform.operations.first_use import open_instance
    from ecommerce_platform.spark.launchers.handover.scratch import Scratch, ScratchError
    from ecommerce_platform.spark.launchers.kubernetes.cluster import ClusterAwayError, ClusterRefusedError
    from ecommerce_platform.spark.launchers.kubernetes.sweep import sweep

    try:
        with open_instance() as instance:
            lines = sweep(settings.spark, Scratch(settings.scratch_uri, settings.s3), instance)
    except (ClusterAwayError, ClusterRefusedError, ScratchError) as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    for line in lines or ["no orphans"]:
        say(line)
