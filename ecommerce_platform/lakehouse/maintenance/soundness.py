"""Whether catalog and warehouse belong together, table by table; looks and changes nothing.

What belongs here: what `doctor` says of the catalog. What does not: mending it (iceberg/register.py).
"""

from __future__ import annotations

from pyiceberg.catalog import Catalog

from ecommerce_platform.iceberg.installation import refuse_foreign
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import LostTableError, sound_table, tables_lying
from ecommerce_platform.lakehouse.maintenance.orphans import OrphanError, refuse_foreign_history


def refuse_unsound_catalog(lake: Lake) -> None:
    """Raises ForeignWarehouseError, LostTableError or OrphanError for the first thing that is wrong: an empty or foreign catalog,
    a table that it lacks or knows in an older state, commits in a table's folder that are not the table's own.
    """
    catalog = lake.catalog
    refuse_foreign(lake, catalog)
    troubles = [trouble for table in tables_lying(lake) for trouble in _troubles(lake, catalog, table)]
    if troubles:
        more = f" ({len(troubles) - 1} more tables are so)" if len(troubles) > 1 else ""
        raise LostTableError(f"{troubles[0]}{more}")


def _troubles(lake: Lake, catalog: Catalog, identifier: str) -> list[str]:
    try:
        table = sound_table(lake, catalog, identifier)
        if table is not None:
            refuse_foreign_history(lake, table)
    except (LostTableError, OrphanError) as error:
        return [str(error)]
    return []
