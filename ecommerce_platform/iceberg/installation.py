"""A warehouse knows its installation: the same id lies in the warehouse and in the catalog.

What belongs here: making the id, comparing it, and what a difference means. What does not: the tables' own metadata
(metadata_files.py).

The id lies in the file `installation.<namespace>.json` at the root of the warehouse, beside the address of the catalog that made
it, and as a property of the namespace of events in the catalog. The file decides: it is written only where none lies, so that of
two that start at once one makes it and the other takes it over. The catalog gets its id before any table is made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from ecommerce_platform.iceberg.catalog import ensure_namespace
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import REGISTER, tables_lying, tables_of
from ecommerce_platform.iceberg.warehouse_files import read_file, replace_file, write_new_file

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

PROPERTY = "ecommerce.installation-id"


class ForeignWarehouseError(RuntimeError):
    """The warehouse belongs to another installation, or the catalog that belongs to it is lost."""


@dataclass(frozen=True)
class Marker:
    """What lies in the warehouse: the installation's id, the address of its catalog without user and password, and the ids that
    this lake had before it was registered again."""

    id: str
    catalog: str
    previous: tuple[str, ...] = ()


def marker_address(lake: Lake) -> str | None:
    root = lake.root
    return f"{root}/installation.{lake.section.namespace}.json" if root else None


def read_marker(lake: Lake) -> Marker | None:
    """The warehouse's id; None where it has none yet. Raises ForeignWarehouseError for a file that is none of the platform's."""
    address = marker_address(lake)
    content = read_file(lake.s3, address) if address else None
    if content is None:
        return None
    try:
        fields = json.loads(content)
        return Marker(str(fields["id"]), str(fields["catalog"]), tuple(map(str, fields.get("previous", ()))))
    except (ValueError, KeyError, TypeError) as error:
        raise ForeignWarehouseError(
            f"{address} is not what the platform writes there ({error!r}): restore it, or run `{REGISTER}`, which writes it again"
        ) from error


def recorded_id(lake: Lake, catalog: Catalog) -> str | None:
    """The id in the catalog; None where it has none yet."""
    from pyiceberg.exceptions import NoSuchNamespaceError

    try:
        return catalog.load_namespace_properties(lake.section.namespace).get(PROPERTY)
    except NoSuchNamespaceError:
        return None


def _record(lake: Lake, catalog: Catalog, installation: str) -> None:
    """Writes the id into the catalog; a catalog that keeps no properties of namespaces goes without."""
    from pyiceberg.exceptions import BadRequestError, ForbiddenError
    from sqlalchemy.exc import DBAPIError

    namespace = lake.section.namespace
    ensure_namespace(catalog, namespace)
    try:
        catalog.update_namespace_properties(namespace, updates={PROPERTY: installation})
    except (NotImplementedError, BadRequestError, ForbiddenError):
        return
    except DBAPIError:
        # The same of two that write it at once: what the faster one wrote is the marker's id, too.
        if recorded_id(lake, catalog) != installation:
            raise


def claim(lake: Lake, catalog: Catalog) -> None:
    """Makes sure that catalog and warehouse belong together before anything is written or removed; makes the id on first use,
    and gives it to an installation that is older than ids.

    Raises ForeignWarehouseError when tables lie in the warehouse and the catalog knows none of them, or when catalog and
    warehouse have ids that differ.
    """
    address = marker_address(lake)
    if address is None:
        return
    marker, recorded = refuse_foreign(lake, catalog)
    if marker is not None and marker.id == recorded:
        return
    if marker is None:
        made = Marker(recorded or str(uuid4()), lake.address)
        write_new_file(lake.s3, address, _content(made))
        # Another process, of this or of another installation, may have made it meanwhile.
        marker, recorded = refuse_foreign(lake, catalog)
    if marker is None:
        raise ForeignWarehouseError(f"{address} cannot be read right after it was written: is the store consistent?")
    if recorded is None:
        _record(lake, catalog, marker.id)


def refuse_foreign(lake: Lake, catalog: Catalog) -> tuple[Marker | None, str | None]:
    """What lies in the warehouse, and the catalog's id. Changes nothing; raises as `claim` does."""
    marker = read_marker(lake)
    recorded = recorded_id(lake, catalog)
    if recorded is None:
        _refuse_unknown_tables(lake, catalog, marker)
    elif marker is not None and marker.id != recorded:
        raise ForeignWarehouseError(_two_ids(lake, marker))
    return marker, recorded


def _content(marker: Marker) -> bytes:
    return (json.dumps(asdict(marker), indent=1) + "\n").encode()


def take_over(lake: Lake, catalog: Catalog) -> Marker:
    """Gives warehouse and catalog a new id: any other catalog that knew the old one is refused from now on. Snowflake knows the
    lake by its earlier ids.
    """
    address = marker_address(lake)
    marker = Marker(str(uuid4()), lake.address, _ids_before(lake))
    if address is not None:
        replace_file(lake.s3, address, _content(marker))
    _record(lake, catalog, marker.id)
    return marker


def _ids_before(lake: Lake) -> tuple[str, ...]:
    try:
        marker = read_marker(lake)
    except ForeignWarehouseError:
        return ()  # what lies there is none of the platform's, and is replaced
    return (*marker.previous, marker.id) if marker else ()


def _refuse_unknown_tables(lake: Lake, catalog: Catalog, marker: Marker | None) -> None:
    """For a catalog without an id. Raises ForeignWarehouseError when it knows none of the tables that lie in the warehouse, or
    when another catalog has made the warehouse its own and no table yet.
    """
    lying = tables_lying(lake)
    namespaces = {table.partition(".")[0] for table in lying}
    known = set(lying) & {table for namespace in namespaces for table in tables_of(catalog, namespace)}
    address = lake.address
    foreign = marker is not None and marker.catalog != address
    if known or not (lying or foreign):
        return
    # It may have been given its id while the folders were read; its tables came after that.
    if marker is not None and recorded_id(lake, catalog) == marker.id:
        return
    if marker is None and recorded_id(lake, catalog) is not None:
        return
    raise ForeignWarehouseError(_empty_catalog(lake, sorted(lying), marker))


def _empty_catalog(lake: Lake, lying: list[str], marker: Marker | None) -> str:
    here, root = lake.address, lake.root
    names = ", ".join(lying[:3]) + (", …" if len(lying) > 3 else "")
    tables = f"{len(lying)} tables lie there ({names})" if lying else "no table lies there yet"
    if marker is not None and marker.catalog != here:
        return (
            f"the warehouse {root} belongs to the installation with the catalog {marker.catalog}, and this one has {here}, which "
            f"knows nothing of it; {tables}. Set ECOMMERCE_LAKEHOUSE__CATALOG_URI, __CATALOG_TYPE and __CATALOG_NAME to that "
            f"catalog, or ECOMMERCE_LAKEHOUSE__WAREHOUSE to a warehouse of your own; if that catalog is gone for good, run "
            f"`{REGISTER} --take-over`"
        )
    return (
        f"the catalog {here} knows no table of the warehouse {root}, and {tables}: the catalog was lost, or is another one. "
        f"Restore it from a backup, or run `{REGISTER}`, which brings the tables back from their newest metadata files"
    )


def _two_ids(lake: Lake, marker: Marker) -> str:
    return (
        f"the warehouse {lake.root} and the catalog {lake.address} belong to two "
        f"installations; the warehouse is that of the catalog {marker.catalog}. The catalog was put back from a copy older than "
        f"a `{REGISTER}`, or one of ECOMMERCE_LAKEHOUSE__CATALOG_URI and ECOMMERCE_LAKEHOUSE__WAREHOUSE is wrong. Mend the "
        f"setting; if this catalog is to have the warehouse, run `{REGISTER} --take-over`"
    )
