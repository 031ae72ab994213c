//! What the lake must hold by now of a contributor's journals.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgExecutor};

use crate::domain::contract::Dataset;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};

/// A publication that is entered for the lake, with its record numbers as a multiset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    pub batch_id: BatchId,
    pub publication_no: i64,
    pub rows: i64,
    pub sum: i128,
    pub squares: i128,
}

#[derive(FromRow)]
struct EnteredRow {
    batch_id: BatchId,
    publication_no: i64,
    rows: i64,
    sum: String,
    squares: String,
}

macro_rules! entered {
    ($name:literal, $journal:literal) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT g.batch_id, g.publication_no, count(r.record_no) AS rows,
                coalesce(sum(r.record_no), 0)::text AS sum,
                coalesce(sum(r.record_no::numeric * r.record_no), 0)::text AS squares
            FROM (SELECT DISTINCT e.batch_id, e.publication_no FROM lake_entries e
                  JOIN lake_commits c ON c.commit_id = e.commit_id
                  WHERE e.contributor_id = $1 AND e.table_name = 'silver.",
            $journal,
            "' AND (c.state = 'landed' OR ($2 AND c.state = 'written'))) g
            LEFT JOIN ",
            $journal,
            " r ON r.batch_id = g.batch_id AND r.publication_no = g.publication_no AND r.contributor_id = $1
            GROUP BY g.batch_id, g.publication_no"
        )
    };
}

/// The publications of a contributor in a journal that have landed; those that are about to as well (`or_written`), since the
/// catalog may have them before the ledger does.
pub async fn entered(
    ex: impl PgExecutor<'_>,
    dataset: Dataset,
    contributor: ContributorId,
    or_written: bool,
) -> Result<Vec<Entered>> {
    let statement = match dataset {
        Dataset::AccountSnapshot => entered!("reconcile.entered_snapshots", "account_snapshots"),
        Dataset::RepaymentEvent => entered!("reconcile.entered_events", "repayment_events"),
        Dataset::Application => entered!("reconcile.entered_applications", "applications"),
    };
    let rows: Vec<EnteredRow> =
        sqlx::query_as(statement).bind(contributor).bind(or_written).fetch_all(ex).await?;
    rows.into_iter().map(Entered::try_from).collect()
}

impl TryFrom<EnteredRow> for Entered {
    type Error = Error;

    fn try_from(row: EnteredRow) -> Result<Entered> {
        let number = |text: &str| text.parse().map_err(|_| Error::Internal("a sum is no number".into()));
        Ok(Entered {
            batch_id: row.batch_id,
            publication_no: row.publication_no,
            rows: row.rows,
            sum: number(&row.sum)?,
            squares: number(&row.squares)?,
        })
    }
}

/// What readers of the lake must be told of each batch by now: the state that counts, and its place in the order of
/// publications. Batches of which a change waits are left out.
pub async fn told_batches(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
) -> Result<BTreeMap<String, (String, Option<i64>)>> {
    let rows: Vec<(BatchId, String, Option<i64>)> = sqlx::query_as(
        "/* reconcile.told_batches */ SELECT b.batch_id,
            CASE WHEN b.state = 'curated' THEN 'published' ELSE b.state END, b.publication_no
        FROM batches b
        WHERE b.contributor_id = $1 AND b.published_at IS NOT NULL AND NOT b.dry_run AND NOT EXISTS (
            SELECT FROM lake_entries e LEFT JOIN lake_commits c ON c.commit_id = e.commit_id
            WHERE e.batch_id = b.batch_id AND e.table_name = 'silver.batches' AND c.state IS DISTINCT FROM 'landed')",
    )
    .bind(contributor)
    .fetch_all(ex)
    .await?;
    Ok(rows.into_iter().map(|(batch, state, place)| (batch.to_string(), (state, place))).collect())
}
