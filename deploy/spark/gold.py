#!/usr/bin/env python3
"""Gold on Spark: the statements of gold/*.sql over the lake, beyond one machine.

The same files that the server runs on DataFusion run here, in the same order, over the same tables, either by a Spark
catalog (Iceberg) or over folders of Parquet files. Money is exact in both, so the results are compared by control sums:
rows, the sum of every number, and a hash over whole rows that does not depend on their order.

    spark-submit gold.py --catalog etrplus --as-of 2026-10-31 --known-at 2026-11-24T00:00:00Z --work s3a://…/steps/ --out s3a://…/gold/
    spark-submit gold.py --tables /lake --as-of … --known-at … --out /gold --sums /gold.json
    spark-submit gold.py --sums-of /gold-of-datafusion --sums /other.json
    python3 gold.py --compare /gold.json /other.json
"""

import argparse
import datetime
import json
import pathlib
import sys
import time

# Asked of everybody at once, then what can be asked person by person; the last one is the answer.
STEPS = [
    "clock", "known_batches", "revisions", "counting_events", "event_effects", "instalments",
    "snapshot_months", "account_standings", "account_months", "payments_due", "bnpl_peaks", "applications_made",
    "subject_attributes",
]
TABLES = ["account_snapshots", "repayment_events", "applications", "batches"]
# What Postgres withholds; empty where nothing was exported.
WITHHELD = {
    "serving_restrictions":
        "contributor_id string, account_ref string, kind string, opened_at timestamp, lifted_at timestamp",
    "delistings": "contributor_id string, account_ref string, delisted_on date, delisted_at timestamp",
}
FIRST_DAY, LAST_DAY = datetime.date(1900, 1, 1), datetime.date(2199, 12, 31)


def session(name):
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        # Overflow and bad casts are errors, not nulls.
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        # The answer has some seventy columns: its plan as text would fill the driver.
        .config("spark.sql.maxPlanStringLength", "20000")
        .getOrCreate()
    )


def calendar(spark):
    """Every day of three centuries, numbered: the table that the statements count days by."""
    return spark.sql(f"""
        select day,
            cast(datediff(day, date'1970-01-01') as bigint) as day_no,
            cast((year(day) * 12 + month(day) - 1) as bigint) as month_no,
            cast(day(day) as bigint) as day_of_month,
            day = last_day(day) as last_of_month,
            cast(unix_seconds(cast(day as timestamp)) - 8 * 3600 as timestamp) as starts_at,
            cast(unix_seconds(cast(day as timestamp)) + 16 * 3600 as timestamp) as ends_at
        from (select explode(sequence(date'{FIRST_DAY}', date'{LAST_DAY}')) as day)
    """)


def register(spark, args):
    for name in TABLES:
        if args.catalog:
            table = spark.table(f"{args.catalog}.silver.{name}")
        else:
            table = spark.read.parquet(str(pathlib.Path(args.tables) / name))
        table.createOrReplaceTempView(name)
    for name, schema in WITHHELD.items():
        folder = pathlib.Path(args.tables or "/nowhere") / name
        found = spark.read.parquet(str(folder)) if folder.exists() else spark.createDataFrame([], schema)
        found.createOrReplaceTempView(name)
    known_at = args.known_at.replace("Z", "+00:00")
    instant = datetime.datetime.fromisoformat(known_at)
    day = datetime.date.fromisoformat(args.as_of)
    spark.createDataFrame([(day, instant)], "as_of date, known_at timestamp").createOrReplaceTempView("params")
    days = calendar(spark).cache()
    days.createOrReplaceTempView("calendar")


def compute(spark, sql, work):
    """Each step is written and read back: later ones ask it several times, and a plan of all of them together would be
    endless. What is written survives the loss of an executor."""
    for step in STEPS:
        began = time.monotonic()
        folder = f"{work.rstrip('/')}/{step}"
        spark.sql((pathlib.Path(sql) / f"{step}.sql").read_text()).write.mode("overwrite").parquet(folder)
        result = spark.read.parquet(folder)
        result.createOrReplaceTempView(step)
        print(f"{step}: {result.count()} rows, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return result


def control_sums(frame):
    """Rows, sums of numbers, and a sum of row hashes: equal results have equal ones, whatever the order."""
    from pyspark.sql import functions as f
    from pyspark.sql.types import BooleanType, DateType, NumericType, StringType

    sums, texts = [f.count(f.lit(1)).alias("rows")], []
    for field in sorted(frame.schema.fields, key=lambda field: field.name):
        column = f.col(field.name)
        if isinstance(field.dataType, (NumericType, BooleanType)):
            number = column.cast("decimal(38, 6)")
            sums.append(f.sum(number).alias(field.name))
            sums.append(f.count(column).alias(f"{field.name} (not null)"))
            texts.append(f.coalesce(number.cast("string"), f.lit("-")))
        elif isinstance(field.dataType, (DateType, StringType)):
            texts.append(f.coalesce(column.cast("string"), f.lit("-")))
    row = f.conv(f.substring(f.sha2(f.concat_ws("|", *texts), 256), 1, 12), 16, 10).cast("decimal(38, 0)")
    sums.append(f.sum(row).alias("sum of row hashes"))
    found = frame.agg(*sums).first().asDict()
    return {name: None if value is None else format(value, "f") if name != "rows" else value
            for name, value in found.items()}


def compare(ours, theirs):
    ours, theirs = (json.loads(pathlib.Path(path).read_text()) for path in (ours, theirs))
    wrong = [f"{name}: {ours.get(name)} and {theirs.get(name)}"
             for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    print("\n".join(wrong) if wrong else f"equal: {ours['rows']} rows, {len(ours)} control sums")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", help="Spark catalog with the Iceberg tables; it must bear ETR_LAKE_NAME")
    parser.add_argument("--tables", help="folder with a folder of Parquet files per table")
    parser.add_argument("--as-of", help="the valid day")
    parser.add_argument("--known-at", help="the known instant, RFC 3339")
    parser.add_argument("--sql", default=str(pathlib.Path(__file__).resolve().parents[2] / "gold"))
    parser.add_argument("--work", default="/tmp/etrplus-gold", help="folder for what the steps leave to each other; every executor must reach it")
    parser.add_argument("--out", help="where the attributes are written as Parquet; left out: only control sums")
    parser.add_argument("--sums", help="file for the control sums")
    parser.add_argument("--sums-of", help="only the control sums of Parquet files that another engine wrote")
    parser.add_argument("--compare", nargs=2, metavar="SUMS", help="compare two files of control sums")
    args = parser.parse_args()
    if args.compare:
        return compare(*args.compare)
    spark = session("etrplus-gold")
    if args.sums_of:
        result = spark.read.parquet(args.sums_of)
    elif (args.catalog or args.tables) and args.as_of and args.known_at:
        register(spark, args)
        result = compute(spark, args.sql, args.work)
    else:
        parser.error("say --as-of, --known-at and one of --catalog and --tables")
    sums = control_sums(result)
    if args.out:
        result.write.mode("errorifexists").parquet(args.out)
    text = json.dumps(sums, indent=1)
    if args.sums:
        pathlib.Path(args.sums).write_text(text)
    print(text)
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
