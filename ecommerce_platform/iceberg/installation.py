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

from ecommerce_platform.iceberg.catalog import warehouse_root
from ecommerce_platform.iceberg.metadata_files import REGISTER, tables_lying, tables_of
from ecommerce_platform.iceberg.warehouse_files import read_file, replace_file, write_new_file
from ecommerce_platform.settings import LakehouseSettings, Settings

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


def catalog_address(lake: LakehouseSettings) -> str:
    """Kind, address and name of the catalog, without user and password."""
    scheme, separator, rest = (lake.catalog_uri or "").partition("://")
    host, slash, path = rest.partition("/")
    return f"{lake.catalog_type} {scheme}{separator}{host.rpartition('@')[2]}{slash}{path.partition('?')[0]} {lake.catalog_name}"


def marker_address(settings: Settings) -> str | None:
    root = warehouse_root(settings)
    return f"{root}/installation.{settings.lakehouse.namespace}.json" if root else None


def read_marker(settings: Settings) -> Marker | None:
    """The warehouse's id; None where it has none yet. Raises ForeignWarehouseError for a file that is none of the platform's."""
    address = marker_address(settings)
    content = read_file(settings.s3, address) if address else None
    if content is None:
        return None
    try:
        fields = json.loads(content)
        return Marker(str(fields["id"]), str(fields["catalog"]), tuple(map(str, fields.get("previous", ()))))
    except (ValueError, KeyError, TypeError) as error:
        raise ForeignWarehouseError(
            f"{address} is not what the platform writes there ({error!r}): restore it, or run `{REGISTER}`, which writes it again"
        ) from error


def recorded_id(settings: Settings, catalog: Catalog) -> str | None:
    """The id in the catalog; None where it has none yet."""
    from pyiceberg.exceptions import NoSuchNamespaceError

    try:
        return catalog.load_namespace_properties(settings.lakehouse.namespace).get(PROPERTY)
    except NoSuchNamespaceError:
        return None


def _record(settings: Settings, catalog: Catalog, installation: str) -> None:
    """Writes the id into the catalog; a catalog that keeps no properties of namespaces goes without."""
    from pyiceberg.exceptions import BadRequestError, ForbiddenError
    from sqlalchemy.exc import DBAPIError

    namespace = settings.lakehouse.namespace
    try:
        catalog.create_namespace_if_not_exists(namespace)
    except DBAPIError:
        # A SQL catalog's answer to the slower of two that create it at once.
        if not catalog.namespace_exists(namespace):
            raise
    try:
        catalog.update_namespace_properties(namespace, updates={PROPERTY: installation})
    except (NotImplementedError, BadRequestError, ForbiddenError):
        return
    except DBAPIError:
        # The same of two that write it at once: what the faster one wrote is the marker's id, too.
        if recorded_id(settings, catalog) != installation:
            raise


def claim(settings: Settings, catalog: Catalog) -> None:
    """Makes sure that catalog and warehouse belong together before anything is written or removed; makes the id on first use,
    and gives it to an installation that is older than ids.

    Raises ForeignWarehouseError when tables lie in the warehouse and the catalog knows none of them, or when catalog and
    warehouse have ids that differ.
    """
    address = marker_address(settings)
    if address is None:
        return
    marker, recorded = refuse_foreign(settings, catalog)
    if marker is not None and marker.id == recorded:
        return
    if marker is None:
        made = Marker(recorded or str(uuid4()), catalog_address(settings.lakehouse))
        write_new_file(settings.s3, address, _content(made))
        # Another process, of this or of another installation, may have made it meanwhile.
        marker, recorded = refuse_foreign(settings, catalog)
    if marker is None:
        raise ForeignWarehouseError(f"{address} cannot be read right after it was written: is the store consistent?")
    if recorded is None:
        _record(settings, catalog, marker.id)


def refuse_foreign(settings: Settings, catalog: Catalog) -> tuple[Marker | None, str | None]:
    """What lies in the warehouse, and the catalog's id. Changes nothing; raises as `claim` does."""
    marker = read_marker(settings)
    recorded = recorded_id(settings, catalog)
    if recorded is None:
        _refuse_unknown_tables(settings, catalog, marker)
    elif marker is not None and marker.id != recorded:
        raise ForeignWarehouseError(_two_ids(settings, marker))
    return marker, recorded


def _content(marker: Marker) -> bytes:
    return (json.dumps(asdict(marker), indent=1) + "\n").encode()


def take_over(settings: Settings, catalog: Catalog) -> Marker:
    """Gives warehouse and catalog a new id: any other catalog that knew the old one is refused from now on. Snowflake knows the
    lake by its earlier ids.
    """
    address = marker_address(settings)
    marker = Marker(str(uuid4()), catalog_address(settings.lakehouse), _ids_before(settings))
    if address is not None:
        replace_file(settings.s3, address, _content(marker))
    _record(settings, catalog, marker.id)
    return marker


def _ids_before(settings: Settings) -> tuple[str, ...]:
    try:
        marker = read_marker(settings)
    except ForeignWarehouseError:
        return ()  # what lies there is none of the platform's, and is replaced
    return (*marker.previous, marker.id) if marker else ()


def _refuse_unknown_tables(settings: Settings, catalog: Catalog, marker: Marker | None) -> None:
    """For a catalog without an id. Raises ForeignWarehouseError when it knows none of the tables that lie in the warehouse, or
    when another catalog has made the warehouse its own and no table yet.
    """
    lying = tables_lying(settings)
    namespaces = {table.partition(".")[0] for table in lying}
    known = set(lying) & {table for namespace in namespaces for table in tables_of(catalog, namespace)}
    address = catalog_address(settings.lakehouse)
    foreign = marker is not None and marker.catalog != address
    if known or not (lying or foreign):
        return
    # It may have been given its id while the folders were read; its tables came after that.
    if marker is not None and recorded_id(settings, catalog) == marker.id:
        return
    if marker is None and recorded_id(settings, catalog) is not None:
        return
    raise ForeignWarehouseError(_empty_catalog(settings, sorted(lying), marker))


def _empty_catalog(settings: Settings, lying: list[str], marker: Marker | None) -> str:
    here, root = catalog_address(settings.lakehouse), warehouse_root(settings)
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


def _two_ids(settings: Settings, marker: Marker) -> str:
    return (
        f"the warehouse {warehouse_root(settings)} and the catalog {catalog_address(settings.lakehouse)} belong to two "
        f"installations; the warehouse is that of the catalog {marker.catalog}. The catalog was put back from a copy older than "
        f"a `{REGISTER}`, or one of ECOMMERCE_LAKEHOUSE__CATALOG_URI and ECOMMERCE_LAKEHOUSE__WAREHOUSE is wrong. Mend the "
        f"setting; if this catalog is to have the warehouse, run `{REGISTER} --take-over`"
    )
