"""The lake as one value: its catalog, its tables by name, and where their files lie.

What belongs here: names and ways to a table. What does not: how each library's catalog is configured (catalog.py), and whether
catalog and files belong together (installation.py, metadata_files.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecommerce_platform.iceberg.catalog import needs_s3, pyiceberg_catalog, warehouse_root, warehouse_uri
from ecommerce_platform.iceberg.s3_options import pyiceberg_s3_options
from ecommerce_platform.settings import LakehouseSettings, S3Settings, Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


@dataclass(frozen=True)
class Lake:
    """The Iceberg tables of one installation: `section` of the settings says where they are, what they are called and how long
    old states are kept; `s3` is how a store is reached, and `on_s3` whether anything lies in one.
    """

    section: LakehouseSettings
    s3: S3Settings
    on_s3: bool

    @classmethod
    def of(cls, settings: Settings) -> Lake:
        return cls(settings.lakehouse, settings.s3, needs_s3(settings))

    @property
    def catalog(self) -> Catalog:
        """The catalog for PyIceberg, opened when it is asked for. Raises CatalogError as `pyiceberg_catalog` does."""
        return pyiceberg_catalog(self.section, self.s3, self.on_s3)

    @property
    def address(self) -> str:
        """Kind, address and name of the catalog, without user and password."""
        scheme, separator, rest = (self.section.catalog_uri or "").partition("://")
        host, slash, path = rest.partition("/")
        place = f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
        return f"{self.section.catalog_type} {place} {self.section.catalog_name}"

    @property
    def root(self) -> str | None:
        """The folder of all tables; None where it is only a name that the catalog's service knows."""
        return warehouse_root(self.section)

    @property
    def namespaces(self) -> tuple[str, str, str]:
        """Of the change events, the quarantine, and the analytics."""
        return self.section.namespace, self.section.quarantine_namespace, self.section.analytics_namespace

    def events(self, table: str) -> str:
        """The name of a source table's change events, `namespace.table`."""
        return f"{self.section.namespace}.{table}"

    def quarantine(self, table: str) -> str:
        """The name of a source table's quarantine."""
        return f"{self.section.quarantine_namespace}.{table}"

    def analytics(self, table: str) -> str:
        """The name of a table that Spark computes of them."""
        return f"{self.section.analytics_namespace}.{table}"

    def latest(self, table: str) -> str:
        """The name of the table in which Spark keeps the latest state of a source table."""
        return self.analytics(f"latest_{table}")

    def in_spark(self, identifier: str) -> str:
        """The table in Spark's SQL: with the catalog's name."""
        return f"`{self.section.catalog_name}`.{identifier}"

    def load(self, identifier: str) -> Table:
        """A table for PyIceberg to read, `namespace.table`; with a hadoop catalog read-only, by its folder.

        Raises NoSuchTableError (or NoSuchNamespaceError) for one that does not exist, whatever the catalog; FileNotFoundError
        means that a file of its metadata is lost, LostTableError that the catalog lacks a table whose metadata lies in the
        warehouse.
        """
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
        from pyiceberg.table import StaticTable

        if self.section.catalog_type != "hadoop":
            catalog = self.catalog
            try:
                return catalog.load_table(identifier)
            except (NoSuchTableError, NoSuchNamespaceError):
                from ecommerce_platform.iceberg.metadata_files import refuse_lost_table

                refuse_lost_table(self, catalog, identifier)
                raise

        folder = f"{warehouse_uri(self.section)}/{identifier.replace('.', '/')}"
        try:
            return StaticTable.from_metadata(folder, pyiceberg_s3_options(self.s3) if self.on_s3 else {})
        except FileNotFoundError as error:
            if "version-hint.text" not in str(error):
                raise
            raise NoSuchTableError(f"table {identifier} does not exist: {folder} has no metadata") from error

    def find(self, identifier: str) -> Table | None:
        """As `load`, and None for a table that does not exist yet."""
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        try:
            return self.load(identifier)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
