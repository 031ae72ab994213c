"""The rows of the gold benchmark, and DuckDB beside us. Asked with JSON on standard input, answers with JSON.

{"make": folder, "rows": n}: a synthetic bureau as Parquet, sorted by person in four files.
{"files": {name: path}, "steps": [{name, statement}], "threads": n}: runs the statements; seconds, CPU seconds, peak memory, rows.
"""

import json
import resource
import sys
import time

import duckdb

MONTHS = 24
CONTRIBUTORS = 35


def uuid(text: str) -> str:
    digest = f"md5({text})"
    parts = [f"substr({digest}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return " || '-' || ".join(parts)


def make(folder: str, rows: int) -> dict:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    accounts = rows // MONTHS
    known = "timestamptz '2024-01-01 00:00:00+00'"
    connection.execute(
        f"CREATE TABLE book AS SELECT i, {uuid(f"'c' || (i % {CONTRIBUTORS})")} AS contributor_id,"
        f" {uuid(f"'s' || (hash(i) % {max(accounts // 2, 1)})")} AS subject_id, (hash(i + 7) % 15)::int AS kind,"
        f" date '2022-01-01' + (hash(i + 9) % 1400)::int AS opened_date FROM range({accounts}) t(i)"
    )
    for part in range(4):
        connection.execute(
            f"""COPY (SELECT {uuid(f"'b' || (i % {CONTRIBUTORS}) || '-' || m")} AS batch_id, i AS record_no,
            (m * {CONTRIBUTORS} + i % {CONTRIBUTORS} + 1)::bigint AS publication_no, {known} AS known_from, contributor_id,
            subject_id, 'ACC-' || lpad(i::varchar, 10, '0') AS account_ref, 'PRIMARY' AS holder_role,
            last_day((date '2026-06-30' - to_months({MONTHS - 1} - m::int))::date) AS as_of_date, false AS withdrawn,
            CASE kind WHEN 0 THEN 'RENTAL' WHEN 1 THEN 'TELCO_POSTPAID' WHEN 2 THEN 'PERSONAL_LOAN' WHEN 3 THEN 'BNPL_LINE'
                ELSE 'BNPL_PLAN' END AS product_type,
            CASE WHEN kind = 3 THEN 'REVOLVING' ELSE 'INSTALMENT' END AS portfolio_type,
            CASE WHEN hash(i * 31) % 10 = 0 AND m > 20 THEN 'SETTLED' ELSE 'ACTIVE' END AS status, opened_date,
            (CASE WHEN hash(i * 24 + m) % 8 = 0 THEN hash(i * 24 + m + 5) % 120 ELSE 0 END)::int AS dpd,
            (hash(i + m) % 5000000)::bigint AS outstanding_sen,
            (CASE WHEN hash(i * 24 + m) % 8 = 0 THEN hash(i + m) % 50000 ELSE 0 END)::bigint AS overdue_sen,
            500000::bigint AS original_amount_sen, CASE WHEN kind = 3 THEN 1000000::bigint END AS credit_limit_sen,
            12345::bigint AS instalment_amount_sen, 12345::bigint AS next_due_amount_sen,
            NULL::bigint AS write_off_amount_sen, NULL::date AS closed_date, date '2026-07-15' AS next_due_date,
            NULL::date AS write_off_date, NULL::date AS settled_date, 24 AS instalments_total, 12 AS instalments_paid,
            'MONTHLY' AS payment_frequency, false AS restructured, false AS hardship, false AS legal_action,
            false AS contributor_dispute, false AS listing_requested, NULL::varchar AS evidence_ref
            FROM book, range({MONTHS}) t(m) WHERE ('0x' || substr(subject_id, 36, 1))::int % 4 = {part}
            ORDER BY subject_id, i, m) TO '{folder}/account_snapshots-{part}.parquet'
            (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 131072)"""
        )
    small = {
        "batches": f"""SELECT {uuid("'b' || n || '-' || m")} AS batch_id, 1::bigint AS transition_no, {known} AS known_from,
            {uuid("'c' || n")} AS contributor_id, 'curated' AS state, (m * {CONTRIBUTORS} + n + 1)::bigint AS publication_no
            FROM range({CONTRIBUTORS}) a(n), range({MONTHS}) b(m)""",
        # A payment of every tenth account after its last snapshot.
        "repayment_events": f"""SELECT {uuid(f"'b' || (i % {CONTRIBUTORS}) || '-{MONTHS - 1}'")} AS batch_id, i AS record_no,
            900::bigint AS publication_no, {known} AS known_from, contributor_id,
            'ACC-' || lpad(i::varchar, 10, '0') AS account_ref, 'E' || i AS event_id, 'PAYMENT' AS event_type,
            date '2026-07-02' AS value_date, 5000::bigint AS amount_sen, date '2026-07-01' AS instalment_due_date,
            NULL::date AS new_due_date, NULL::varchar AS reverses_event_id FROM book WHERE i % 10 = 3""",
        "applications": f"""SELECT {uuid(f"'b' || (i % {CONTRIBUTORS}) || '-{MONTHS - 1}'")} AS batch_id, i AS record_no,
            900::bigint AS publication_no, {known} AS known_from, contributor_id, subject_id, 'A' || i AS application_ref,
            'PRIMARY' AS holder_role, 'APPROVED' AS decision,
            timestamptz '2026-06-01 00:00:00+00' + to_hours((hash(i) % 700)::int) AS applied_at FROM book WHERE i % 10 = 7""",
        "serving_restrictions": "SELECT '' AS contributor_id, '' AS account_ref, '' AS kind, now() AS opened_at,"
        " now() AS lifted_at WHERE false",
        "delistings": "SELECT '' AS contributor_id, '' AS account_ref, current_date AS delisted_on, now() AS delisted_at"
        " WHERE false",
    }
    for name, rows_of in small.items():
        connection.execute(f"COPY ({rows_of}) TO '{folder}/{name}.parquet' (FORMAT parquet)")
    (count,) = connection.execute(f"SELECT count(*) FROM '{folder}/account_snapshots-*.parquet'").fetchone()
    return {"rows": count}


def run(asked: dict) -> dict:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET threads = {int(asked['threads'])}")
    for name, path in asked["files"].items():
        connection.read_parquet(path).create_view(name)
    begun, spent = time.perf_counter(), time.process_time()
    rows = {}
    for step in asked["steps"]:
        connection.execute(f"CREATE TEMP TABLE {step['name']} AS {step['statement']}")
        (rows[step["name"]],) = connection.execute(f"SELECT count(*) FROM {step['name']}").fetchone()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    (owed,) = connection.execute("SELECT sum(total_outstanding)::bigint FROM subject_attributes").fetchone()
    return {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - spent,
        "peak_bytes": usage.ru_maxrss * 1024,
        "people": rows["subject_attributes"],
        "total_outstanding": owed,
    }


def main() -> None:
    asked = json.load(sys.stdin)
    json.dump(make(asked["make"], asked["rows"]) if "make" in asked else run(asked), sys.stdout)


main()
