"""What the scripts of the tests share: how they are asked, how they answer, and the lake as others open it."""

import importlib.util
import json
import pathlib
import sys
from urllib.parse import parse_qs, unquote, urlsplit

import duckdb
import sqlalchemy
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table


def question() -> dict:
    """What the test wants to know: one JSON document on standard input."""
    return json.load(sys.stdin)


def answer(value: object) -> None:
    """The one JSON document on standard output."""
    json.dump(value, sys.stdout)


def properties(asked: dict) -> dict[str, str]:
    """A catalog and its store in the words of PyIceberg."""
    catalog, store = asked["catalog"], asked["store"]
    common = {
        "type": catalog["type"],
        "s3.endpoint": store["endpoint"],
        "s3.access-key-id": store["access_key_id"],
        "s3.secret-access-key": store["secret_access_key"],
        "s3.region": store["region"],
    }
    if catalog["type"] == "sql":
        return common | {"uri": sqlalchemy_uri(catalog["uri"])}
    if catalog["type"] == "glue":
        return common | {
            "glue.endpoint": catalog["uri"],
            "glue.region": store["region"],
            "glue.access-key-id": store["access_key_id"],
            "glue.secret-access-key": store["secret_access_key"],
        }
    return common | {
        "uri": catalog["uri"],
        "warehouse": catalog["warehouse"],
        "credential": catalog["credential"],
    }


def sqlalchemy_uri(uri: str) -> str:
    """An address as libpq reads it, with a socket for a host, in the words of SQLAlchemy."""
    parts = urlsplit(uri)
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    host, _, port = place.partition(":")
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if host:
        query["host"] = unquote(host)
    if port:
        query["port"] = port
    url = sqlalchemy.URL.create(
        "postgresql+psycopg2",
        username=name or None,
        password=unquote(password) or None,
        database=parts.path.lstrip("/"),
        query=query,
    )
    return url.render_as_string(hide_password=False)


def tables(asked: dict) -> dict[str, Table]:
    """The tables that are asked for, by their names."""
    catalog: Catalog = load_catalog(asked["catalog"]["name"], **properties(asked))
    return {name: catalog.load_table(name) for name in asked["tables"]}


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


def duck_with(asked: dict, found: dict[str, Table]) -> duckdb.DuckDBPyConnection:
    """A connection in which the tables have their own names: attached where the catalog is a service that DuckDB
    speaks with, by the place of their metadata elsewhere."""
    catalog, store = asked["catalog"], asked["store"]
    connection = duck()
    endpoint = urlsplit(store["endpoint"])
    secret(
        connection,
        "store",
        TYPE="s3",
        KEY_ID=store["access_key_id"],
        SECRET=store["secret_access_key"],
        REGION=store["region"],
        ENDPOINT=endpoint.netloc,
        URL_STYLE="path",
        USE_SSL=str(endpoint.scheme == "https").lower(),
    )
    if catalog["type"] == "rest":
        name, _, password = catalog["credential"].partition(":")
        token = f"{catalog['uri']}/v1/oauth/tokens"
        secret(connection, "catalog", TYPE="iceberg", CLIENT_ID=name, CLIENT_SECRET=password, OAUTH2_SERVER_URI=token)
        # The store's secret opens the files: none is asked for.
        connection.execute(
            f"ATTACH '{catalog['warehouse']}' AS lake (TYPE iceberg, SECRET catalog, ENDPOINT '{catalog['uri']}',"
            " ACCESS_DELEGATION_MODE 'none')"
        )
        connection.execute("USE lake.silver")
        return connection
    for name, table in found.items():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM iceberg_scan('{table.metadata_location}')")
    return connection


def secret(connection: duckdb.DuckDBPyConnection, name: str, **options: str) -> None:
    """Secrets have no parameters; the values are the tests' own."""
    listed = ", ".join(f"{key} '{value}'" for key, value in options.items())
    connection.execute(f"CREATE SECRET {name} ({listed})")
