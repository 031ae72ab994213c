"""Runs what a page of the documentation says, block by block: the settings and the Python of PyIceberg, and SQL in DuckDB.

A block is chosen by the word after its language, and the kind of catalog says by which words. A block with a name answers
with its rows, and what Python prints is an answer as well. In the page, values stand in angle brackets; every one that a
chosen block has must be given, but for where the metadata of a table is, which PyIceberg tells.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile

FENCE = re.compile(r"^```(\w+) ?([\w-]*) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOLE = re.compile(r"<([^<>=\n]+)>")
PLACE = "metadata location of "


def blocks(asked: dict) -> list[tuple[str, str, str]]:
    """Language, name and text of what is to run, in the page's order, but for what needs the tables of some engine."""
    kind = asked["catalog"]["type"]
    words = {f"pyiceberg-{kind}", "duckdb", "duckdb-rest" if kind == "rest" else "duckdb-files", "any"}
    page = pathlib.Path(asked["page"]).read_text(encoding="utf-8")
    chosen = [block for block in FENCE.findall(page) if block[1] in words or block[0] == "python"]
    chosen.sort(key=lambda block: block[1] == "any")
    return [
        (language, name, HOLE.sub(lambda hole: value(asked["values"], hole), text))
        for language, _, name, text in chosen
    ]


def value(given: dict[str, str], hole: re.Match) -> str:
    return hole[0] if hole[1].startswith(PLACE) else given[hole[1]]


def run(chosen: list[tuple[str, str, str]]) -> dict:
    # Only now: PyIceberg reads its settings when it is imported.
    from lake import duck
    from pyiceberg.catalog import load_catalog

    catalog, connection, told = load_catalog("etrplus"), duck(), {}

    def place(hole: re.Match) -> str:
        return catalog.load_table(hole[1].removeprefix(PLACE)).metadata_location

    for language, name, text in chosen:
        if language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(text, "the page", "exec"), {})
            told["printed"] = printed.getvalue()
        elif language == "sql":
            rows = connection.execute(HOLE.sub(place, text))
            if name:
                told[name] = sorted(list(row) for row in rows.fetchall())
    return told


def main() -> None:
    asked = json.load(sys.stdin)
    chosen = blocks(asked)
    with tempfile.TemporaryDirectory() as settings:
        os.environ["PYICEBERG_HOME"] = settings
        for language, _, text in chosen:
            if language == "yaml":
                pathlib.Path(settings, ".pyiceberg.yaml").write_text(text, encoding="utf-8")
        json.dump(run(chosen), sys.stdout)


main()
