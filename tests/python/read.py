"""Reads tables with PyIceberg and with DuckDB: all rows, or how many there are and the sums of their numbers."""

import pyarrow as pa
import pyarrow.compute as pc

from lake import answer, duck_with, question, tables


def plain(rows: pa.Table) -> pa.Table:
    """Instants as microseconds since 1970, days as text: what JSON has no word for."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            instants = rows.column(place).cast(pa.timestamp("us", field.type.tz)).cast(pa.int64())
            rows = rows.set_column(place, field.name, instants)
        elif pa.types.is_date(field.type):
            rows = rows.set_column(place, field.name, pc.strftime(rows.column(place), "%Y-%m-%d"))
    return rows


def sums(rows: pa.Table) -> dict:
    """How many rows, and of each column of whole numbers how many are filled and what they add up to."""
    columns = {}
    for field in rows.schema:
        if pa.types.is_integer(field.type):
            column = rows.column(field.name)
            columns[field.name] = [len(column) - column.null_count, pc.sum(column).as_py()]
    return {"rows": rows.num_rows, "columns": columns}


def main() -> None:
    asked = question()
    found = tables(asked)
    duck = duck_with(asked, found)
    told = (lambda rows: plain(rows).to_pylist()) if asked["rows"] else sums
    answer(
        {
            name: {
                "pyiceberg": told(table.scan().to_arrow()),
                "duckdb": told(duck.execute(f"SELECT * FROM {name}").fetch_arrow_table()),
            }
            for name, table in found.items()
        }
    )


main()
