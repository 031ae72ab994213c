"""What the scripts of the tests share: how they are asked, how they answer, and a DuckDB that fetches nothing."""

import importlib.util
import json
import pathlib
import sys

import duckdb


def question() -> dict:
    """What the test wants to know: one JSON document on standard input."""
    return json.load(sys.stdin)


def answer(value: object) -> None:
    """The one JSON document on standard output."""
    json.dump(value, sys.stdout)


def duck() -> duckdb.DuckDBPyConnection:
    """A connection with the extensions that read Iceberg on S3, from the installed packages."""
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    # In this order: iceberg reads its manifests with avro.
    for name in ("avro", "httpfs", "iceberg"):
        package = importlib.util.find_spec(f"duckdb_extension_{name}")
        folder = pathlib.Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}"
        connection.load_extension(str(folder / f"{name}.duckdb_extension"))
    connection.execute("SET TimeZone = 'UTC'")
    return connection
