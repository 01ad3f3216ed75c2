"""Parquet from a file of JSON lines, by DuckDB, with bounded memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb

from swarm.archive import sql
from swarm.archive.duckdb_archive import copy_options, quoted

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_LINE = 64 * 1024 * 1024


def parquet_of_lines(lines: Path, path: Path) -> None:
    """Write the rows of `lines`, one JSON document each with the archive's columns, into a Parquet file.

    Raises:
        duckdb.Error: the lines do not have the columns.
    """
    types = sql.column_types(postgres=False) | {"data": "JSON", "unknown_fields": "JSON"}
    with duckdb.connect(":memory:", config={"memory_limit": "512MB", "threads": 2}) as connection:
        columns = json.dumps(types).replace('"', "'")
        connection.execute(
            f"COPY (SELECT * FROM read_json({quoted(lines)}, format = 'newline_delimited', "
            f"columns = {columns}, maximum_object_size = {_LARGEST_LINE})) "
            f"TO {quoted(path)} ({copy_options('parquet')})"
        )
