#!/usr/bin/env python3
"""Made-up tables of the lake as Parquet files, as large as asked: for trials of gold.py. Nobody in them exists.

    python3 sample.py --rows 10000000 --out /tmp/lake
"""

import argparse
import pathlib

import duckdb

SNAPSHOTS = """
    select b.batch_id, s.n // {months} + 1 as record_no, cast(s.month + 1 as bigint) as publication_no, b.known_from,
        'account_snapshot/1' as contract, 'sample' as rules_version, b.contributor_id,
        'person-' || lpad(cast(s.account % {people} as varchar), 9, '0') as subject_id,
        'A-' || lpad(cast(s.account as varchar), 9, '0') as account_ref,
        'PRIMARY' as holder_role, b.period_end as as_of_date, false as withdrawn,
        case s.account % 4 when 0 then 'BNPL_PLAN' when 1 then 'PERSONAL_LOAN' when 2 then 'BNPL_LINE' else 'TELCO_POSTPAID' end
            as product_type,
        case s.account % 4 when 2 then 'REVOLVING' when 3 then 'OPEN' else 'INSTALMENT' end as portfolio_type,
        'ACTIVE' as status, 'MYR' as currency,
        cast('2024-01-01' as date) + cast(s.account % 600 as integer) as opened_date,
        cast('2024-01-01' as date) + cast(s.account % 600 as integer) as status_date,
        cast(case when s.late < 4 then 0 else s.late * 9 end as integer) as dpd,
        cast(100000 + s.account % 90000 - s.month * 1000 as bigint) as outstanding_sen,
        cast(case when s.late < 4 then 0 else s.late * 1700 end as bigint) as overdue_sen,
        cast(200000 as bigint) as original_amount_sen,
        cast(case when s.account % 4 = 2 then 300000 end as bigint) as credit_limit_sen,
        cast(25000 as bigint) as instalment_amount_sen, cast(25000 as bigint) as next_due_amount_sen,
        cast(null as bigint) as write_off_amount_sen, cast(null as bigint) as fees_outstanding_sen,
        cast(null as bigint) as amount_paid_period_sen, cast(null as bigint) as last_payment_amount_sen,
        cast(null as date) as maturity_date, cast(null as date) as closed_date,
        cast(case when s.late >= 4 then b.period_end - cast(s.late * 9 as integer) end as date) as first_delinquency_date,
        b.period_end + 14 as next_due_date, cast(null as date) as write_off_date, cast(null as date) as settled_date,
        cast(null as date) as last_payment_date, cast(null as date) as oldest_unpaid_due_date,
        cast(12 as integer) as instalments_total, cast(s.month % 12 as integer) as instalments_paid,
        cast(null as integer) as instalments_overdue, 'MONTHLY' as payment_frequency,
        cast(null as varchar) as settlement_type, false as restructured, false as hardship, false as legal_action,
        false as contributor_dispute, false as listing_requested, cast(null as varchar) as evidence_ref,
        cast(null as varchar) as imputed
    from (select n, n % {months} as month, n // {months} as account, hash(n) % 10 as late from range({rows}) t (n)) s
    join batches b on b.month = s.month
"""
BATCHES = """
    select 'batch-' || m as batch_id, cast(m + 1 as bigint) as transition_no,
        cast(last_day(cast('2026-01-15' as date) + cast(m * 30 as integer)) + interval 3 days as timestamptz) as known_from,
        'contributor-1' as contributor_id, 'account_snapshot' as dataset, 'FULL' as mode,
        cast(last_day(cast('2026-01-15' as date) + cast(m * 30 as integer)) as date) as period_end, 'published' as state,
        cast(m + 1 as bigint) as publication_no, cast(null as varchar) as superseded_by,
        cast('2026-01-01' as timestamptz) as received_at, '' as content_sha256, 'account_snapshot/1' as contract,
        'sample' as rules_version, m as month
    from range({months}) t (m)
"""
EVENTS = """
    select 'batch-e' as batch_id, n + 1 as record_no, cast(1 as bigint) as publication_no,
        cast('2026-01-01' as timestamptz) as known_from, 'repayment_event/1' as contract, 'sample' as rules_version,
        'contributor-1' as contributor_id, 'A-' || lpad(cast(n as varchar), 9, '0') as account_ref, 'E-' || n as event_id,
        'PAYMENT' as event_type, cast(null as timestamptz) as event_at, cast('2026-05-10' as date) as value_date,
        cast(25000 as bigint) as amount_sen, 'FPX' as channel, cast(1 as integer) as instalment_no,
        cast('2026-05-09' as date) as instalment_due_date, cast(null as date) as new_due_date,
        cast(null as varchar) as reverses_event_id
    from range({events}) t (n)
"""
APPLICATIONS = """
    select 'batch-p' as batch_id, n + 1 as record_no, cast(1 as bigint) as publication_no,
        cast('2026-01-01' as timestamptz) as known_from, 'application/1' as contract, 'sample' as rules_version,
        'contributor-1' as contributor_id, 'person-' || lpad(cast(n as varchar), 9, '0') as subject_id,
        'P-' || n as application_ref, cast(null as varchar) as account_ref, 'PRIMARY' as holder_role,
        'BNPL_PLAN' as product_type, 'APPROVED' as decision, 'APP' as channel,
        cast('2026-06-20' as timestamptz) as applied_at, cast(null as timestamptz) as decision_at,
        cast(50000 as bigint) as amount_requested_sen, cast(50000 as bigint) as amount_approved_sen,
        cast(90 as integer) as tenor_days
    from range({events}) t (n)
"""

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="account snapshots, over six months")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    numbers = {"rows": args.rows, "months": 6, "people": max(args.rows // 12, 1), "events": max(args.rows // 100, 1)}
    out = pathlib.Path(args.out)
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
    database.execute(f"create table batches as {BATCHES.format(**numbers)}")
    write(database, out, "account_snapshots", SNAPSHOTS.format(**numbers))
    write(database, out, "repayment_events", EVENTS.format(**numbers))
    write(database, out, "applications", APPLICATIONS.format(**numbers))
    names = ", ".join(f"'{name}'" for name in ("batch-e", "batch-p"))
    write(database, out, "batches", f"""
        select * exclude (month) from batches
        union all
        select * exclude (month, name) replace (name as batch_id, cast('2026-01-01' as timestamptz) as known_from)
        from batches, unnest([{names}]) t (name) where month = 0
    """)


def write(database, out, name, query):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    database.execute(f"copy ({query}) to '{folder}/rows.parquet' (format parquet, compression zstd, row_group_size 131072)")


if __name__ == "__main__":
    main()
