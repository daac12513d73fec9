"""What mkdocs calls while it builds the site: the place of dbt's documentation is always there, so that links to it hold.

`make docs` writes docs/reference/dbt/index.html beforehand (scripts/dbt_docs.py). `make check` builds the site without it.
"""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DBT_DOCS = "reference/dbt/index.html"
NOT_BUILT = (
    "<!doctype html><title>dbt</title><p>dbt's documentation is part of the site that <code>make docs</code> builds."
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    if files.get_file_from_path(DBT_DOCS) is None:
        files.append(File.generated(config, DBT_DOCS, content=NOT_BUILT))
    return files
