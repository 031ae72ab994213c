//! What a contributor published before a batch, and what a whole book leaves out, as the file rules ask for it
//! (F013, F014, F020 to F023, F026, P009).

use chrono::NaiveDate;
use sqlx::{Connection as _, FromRow, PgConnection, PgExecutor};

use super::batches::Batch;
use crate::domain::contract::Mode;
use crate::domain::rules::{ARREARS_DPD, Absences, BookFacts, Precedents, PublishedBook};
use crate::error::{Error, Result};
use crate::ids::BatchId;

#[derive(FromRow)]
struct Row {
    period_end: Option<NaiveDate>,
    book_records: Option<i64>,
    book_outstanding_sen: Option<i64>,
    book_in_arrears: Option<i64>,
    book_active: Option<i64>,
    period_is_committed: bool,
    last_sequence_no: Option<String>,
}

impl Row {
    fn facts(&self) -> Option<BookFacts> {
        Some(BookFacts {
            records: self.book_records? as u64,
            sum_outstanding: i128::from(self.book_outstanding_sen?),
            in_arrears: self.book_in_arrears? as u64,
            active: self.book_active? as u64,
        })
    }
}

/// What the batch follows. The batch itself does not count, so that judging it again gives the same answer; nor do
/// what it replaces and what was superseded or recalled, but for sequence numbers, which stay used.
pub async fn find(ex: impl PgExecutor<'_>, batch: &Batch) -> Result<Precedents> {
    let row: Row = sqlx::query_as(
        "/* precedents.find */
        SELECT last.*,
            EXISTS (
                SELECT FROM batches b
                WHERE b.contributor_id = $1 AND b.dataset = $2 AND b.period_end = $3 AND b.batch_id <> $4
                  AND b.batch_id IS DISTINCT FROM $5 AND b.mode IN ('FULL', 'REPLACE') AND b.state IN ('published', 'curated') AND NOT b.dry_run
            ) AS period_is_committed,
            (SELECT max((b.envelope ->> 'sequence_no')::numeric)::text FROM batches b
             WHERE b.contributor_id = $1 AND b.dataset = $2 AND b.batch_id <> $4 AND b.mode = 'DELTA'
               AND b.state IN ('published', 'curated', 'superseded', 'recalled') AND NOT b.dry_run
            ) AS last_sequence_no
        FROM (SELECT 1) AS one LEFT JOIN LATERAL (
            SELECT b.period_end, b.book_records, b.book_outstanding_sen, b.book_in_arrears, b.book_active
            FROM batches b
            WHERE b.contributor_id = $1 AND b.dataset = $2 AND b.period_end < $3 AND b.batch_id <> $4
              AND b.mode IN ('FULL', 'REPLACE') AND b.state IN ('published', 'curated') AND NOT b.dry_run
            ORDER BY b.period_end DESC, b.publication_no DESC LIMIT 1) AS last ON true",
    )
    .bind(batch.contributor_id)
    .bind(batch.dataset.as_str())
    .bind(batch.period_end)
    .bind(batch.id)
    .bind(batch.envelope.replaces)
    .fetch_one(ex)
    .await?;
    let wrong = || Error::Inconsistent { table: "batches", column: "envelope", row: batch.id.to_string() };
    let last_sequence_no = row.last_sequence_no.as_ref().map(|number| number.parse().map_err(|_| wrong()));
    Ok(Precedents {
        last_book: row.period_end.map(|period_end| PublishedBook { period_end, facts: row.facts() }),
        period_is_committed: row.period_is_committed,
        last_sequence_no: last_sequence_no.transpose()?,
    })
}

/// What the staged rows add up to.
pub async fn staged_book(connection: &mut PgConnection) -> Result<BookFacts> {
    let (records, outstanding, in_arrears, active): (i64, i64, i64, i64) = sqlx::query_as(
        // A sum beyond the range of a bigint takes amounts that no rule lets in.
        "/* precedents.staged_book */
        SELECT count(*), coalesce(sum(outstanding_sen), 0)::bigint, count(*) FILTER (WHERE dpd >= $1),
               count(*) FILTER (WHERE status = 0) FROM staged_accounts",
    )
    .bind(ARREARS_DPD as i16)
    .fetch_one(connection)
    .await?;
    Ok(BookFacts {
        records: records as u64,
        sum_outstanding: i128::from(outstanding),
        in_arrears: in_arrears as u64,
        active: active as u64,
    })
}

/// Keeps what a published book adds up to.
pub async fn set_book_in_tx(connection: &mut PgConnection, id: BatchId, book: &BookFacts) -> Result<()> {
    let updated = sqlx::query(
        "/* precedents.set_book */ UPDATE batches
        SET book_records = $2, book_outstanding_sen = $3, book_in_arrears = $4, book_active = $5 WHERE batch_id = $1",
    )
    .bind(id)
    .bind(book.records as i64)
    .bind(book.sum_outstanding as i64)
    .bind(book.in_arrears as i64)
    .bind(book.active as i64)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &updated)
}

/// Accounts that a whole book of a period has to name ($1 to $3): active as of the period's end or before. Of a REPLACE,
/// only those that were known before the period: what the replaced batch alone had told is not missed.
macro_rules! expected_accounts {
    () => {
        "a.contributor_id = $1 AND a.holder_role = 0 AND a.status = 0 AND a.serving_state <> 3 AND a.as_of_date <= $2
         AND ($3 OR a.month_as_of[cardinality(a.month_as_of)] < date_trunc('month', $2::timestamp)::date)"
    };
}

/// How many active accounts there are, how many of them no staged row names, and the first few of these.
pub async fn absences(
    connection: &mut PgConnection,
    batch: &Batch,
    limit: usize,
) -> Result<(Absences, Vec<String>)> {
    let mut tx = connection.begin().await?;
    // Just after a first load the statistics say nothing, and a plan that compares every account with every row takes
    // hours; a join by hash or order is never far from the best one.
    sqlx::query("/* precedents.join_whole */ SET LOCAL enable_nestloop = off").execute(&mut *tx).await?;
    let (active, missing): (i64, i64) = sqlx::query_as(concat!(
        "/* precedents.absences */
        SELECT count(*), count(*) FILTER (WHERE s.account_ref IS NULL)
        FROM accounts a LEFT JOIN (SELECT DISTINCT account_ref FROM staged_accounts) s USING (account_ref)
        WHERE ",
        expected_accounts!()
    ))
    .bind(batch.contributor_id)
    .bind(batch.period_end)
    .bind(batch.mode == Mode::Full)
    .fetch_one(&mut *tx)
    .await?;
    let shown = match missing {
        0 => Vec::new(),
        _ => some_absent(&mut tx, batch, limit).await?,
    };
    tx.commit().await?;
    Ok((Absences { active: active as u64, missing: missing as u64 }, shown))
}

async fn some_absent(connection: &mut PgConnection, batch: &Batch, limit: usize) -> Result<Vec<String>> {
    let refs = sqlx::query_scalar(concat!(
        "/* precedents.some_absent */
        SELECT a.account_ref
        FROM accounts a LEFT JOIN (SELECT DISTINCT account_ref FROM staged_accounts) s USING (account_ref)
        WHERE s.account_ref IS NULL AND ",
        expected_accounts!(),
        " ORDER BY a.account_ref LIMIT $4"
    ))
    .bind(batch.contributor_id)
    .bind(batch.period_end)
    .bind(batch.mode == Mode::Full)
    .bind(limit as i64)
    .fetch_all(connection)
    .await?;
    Ok(refs)
}
