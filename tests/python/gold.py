"""Runs statements over Parquet files in DuckDB, one after the other, and gives the rows of each as texts."""

import duckdb

from lake import answer, question


def text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def main() -> None:
    asked = question()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, path in asked["files"].items():
        connection.read_parquet(path).create_view(name)
    rows = {}
    for step in asked["steps"]:
        name = step["name"]
        connection.execute(f"CREATE TEMP TABLE {name} AS {step['statement']}")
        columns = connection.execute(f"DESCRIBE {name}").fetchall()
        # An instant as text: as an object it would need a package of time zones.
        listed = ", ".join(
            f"strftime({column}, '%Y-%m-%d %H:%M:%S')" if kind.startswith("TIMESTAMP") else column
            for column, kind, *_ in columns
        )
        found = connection.execute(f"SELECT {listed} FROM {name}").fetchall()
        rows[name] = [[text(value) for value in row] for row in found]
    answer(rows)


main()
