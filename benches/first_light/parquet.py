"""Runs the statement of parquet.sql once and says how many rows it wrote, in how many seconds, of how much CPU.

Arguments: statement file, NDJSON file, Parquet file, last day of the period, threads.
"""

import json
import sys
import time

import duckdb

statement, ndjson, parquet, period_end, threads = sys.argv[1:]
connection = duckdb.connect()
connection.execute(f"SET threads = {int(threads)}")
connection.execute("SET VARIABLE ndjson = ?", [ndjson])
connection.execute("SET VARIABLE period_end = ?", [period_end])
with open(statement, encoding="utf-8") as file:
    # COPY takes no variable for its target.
    text = file.read().replace("{parquet}", parquet.replace("'", "''"))
cpu, wall = time.process_time(), time.perf_counter()
[(rows,)] = connection.execute(text).fetchall()
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps({"rows": rows, "seconds": wall, "cpu_seconds": cpu}))
