//! `shadows`: batches judged again, what would change, and the writing of it when it is promoted.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::batch_findings::RuleCount;
use super::batches::Batch;
use super::columns::{journal_columns, snapshot_columns};
use super::lake_entries;
use super::serving::Origin;
use crate::domain::batch::Counts;
use crate::error::Result;
use crate::ids::{BatchId, ClientId, ContributorId, JobId, ShadowId};

/// How many record numbers are named of each kind of difference.
const NAMED: i32 = 100;

/// How often a rule was broken, at one severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuleHits {
    pub code: String,
    pub severity: String,
    pub records: i64,
}

/// One judgement of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Judged {
    pub counts: Option<Counts>,
    pub rules: Vec<RuleHits>,
}

impl Judged {
    pub fn new(counts: Option<Counts>, findings: &[RuleCount]) -> Judged {
        let hits = |found: &RuleCount| RuleHits {
            code: found.code.clone(),
            severity: found.severity.clone(),
            records: found.records,
        };
        let mut rules: Vec<RuleHits> = findings.iter().map(hits).collect();
        rules.sort_by(|a, b| (&a.code, &a.severity).cmp(&(&b.code, &b.severity)));
        Judged { counts, rules }
    }
}

/// Records that differ in one way: how many, and the first hundred numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Differing {
    pub records: i64,
    pub record_nos: Vec<i64>,
}

/// What would change in the journal. Records that were corrected out of cycle are left out: they keep their correction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// Accepted now, and not any more.
    pub newly_rejected: Differing,
    /// Not accepted now.
    pub newly_accepted: Differing,
    /// Accepted both times, with other content.
    pub changed: Differing,
}

/// A shadow as far as it has come.
#[derive(Clone, Debug, FromRow)]
pub struct Shadow {
    pub shadow_id: ShadowId,
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    /// `queued`, `judged`, `promoting`, `promoted`, `outdated` or `failed`.
    pub state: String,
    pub requested_by: ClientId,
    pub requested_at: DateTime<Utc>,
    pub judged_at: Option<DateTime<Utc>>,
    pub batch_state: Option<String>,
    pub rules_version: Option<String>,
    pub verdict: Option<String>,
    pub before: Option<Json<Judged>>,
    pub after: Option<Json<Judged>>,
    pub difference: Option<Json<Difference>>,
    pub promoted_by: Option<ClientId>,
    pub promoted_at: Option<DateTime<Utc>>,
    pub failure: Option<String>,
}

/// Enters a request and its job, behind what waits in the contributor's lane.
pub async fn insert_in_tx(
    connection: &mut PgConnection,
    (id, job): (ShadowId, JobId),
    batch: &Batch,
    by: ClientId,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* shadows.insert */
        INSERT INTO shadows (shadow_id, contributor_id, batch_id, state, requested_by, requested_at)
        VALUES ($1, $2, $3, 'queued', $4, $5)",
    )
    .bind(id)
    .bind(batch.contributor_id)
    .bind(batch.id)
    .bind(by)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    queue_in_tx(connection, (id, job), "judge_shadow").await
}

async fn queue_in_tx(connection: &mut PgConnection, (id, job): (ShadowId, JobId), kind: &str) -> Result<()> {
    let queued = sqlx::query(
        "/* shadows.queue */
        INSERT INTO jobs (job_id, kind, contributor_id, batch_id, shadow_id, state, run_at, created_at)
        SELECT $2, $3, contributor_id, batch_id, shadow_id, 'queued', clock_timestamp(), clock_timestamp()
        FROM shadows WHERE shadow_id = $1",
    )
    .bind(id)
    .bind(job)
    .bind(kind)
    .execute(connection)
    .await?;
    super::ensure_one_row("jobs", &queued)
}

pub async fn find(ex: impl PgExecutor<'_>, id: ShadowId) -> Result<Option<Shadow>> {
    let shadow = sqlx::query_as(
        "/* shadows.find */ SELECT shadow_id, contributor_id, batch_id, state, requested_by, requested_at, judged_at,
            batch_state, rules_version, verdict, before, after, difference, promoted_by, promoted_at, failure
        FROM shadows WHERE shadow_id = $1",
    )
    .bind(id)
    .fetch_optional(ex)
    .await?;
    Ok(shadow)
}

/// What a judgement of a shadow found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub batch_state: &'static str,
    pub rules_version: &'static str,
    pub verdict: &'static str,
    pub before: Judged,
    pub after: Judged,
    pub difference: Difference,
}

/// Keeps what was found. The caller holds the lane.
pub async fn set_judged_in_tx(
    connection: &mut PgConnection,
    id: ShadowId,
    outcome: &Outcome,
    at: DateTime<Utc>,
) -> Result<()> {
    let updated = sqlx::query(
        "/* shadows.set_judged */ UPDATE shadows SET state = 'judged', judged_at = $2, batch_state = $3,
            rules_version = $4, verdict = $5, before = $6, after = $7, difference = $8
        WHERE shadow_id = $1 AND state = 'queued'",
    )
    .bind(id)
    .bind(at)
    .bind(outcome.batch_state)
    .bind(outcome.rules_version)
    .bind(outcome.verdict)
    .bind(Json(&outcome.before))
    .bind(Json(&outcome.after))
    .bind(Json(&outcome.difference))
    .execute(connection)
    .await?;
    super::ensure_one_row("shadows", &updated)
}

/// Queues the promotion. `false` when the shadow does not wait for one.
pub async fn begin_promotion_in_tx(
    connection: &mut PgConnection,
    (id, job): (ShadowId, JobId),
    by: ClientId,
    at: DateTime<Utc>,
) -> Result<bool> {
    let begun = sqlx::query(
        "/* shadows.begin_promotion */ UPDATE shadows SET state = 'promoting', promoted_by = $2, promoted_at = $3
        WHERE shadow_id = $1 AND state = 'judged'",
    )
    .bind(id)
    .bind(by)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    if begun.rows_affected() == 1 {
        queue_in_tx(connection, (id, job), "promote_shadow").await?;
    }
    Ok(begun.rows_affected() == 1)
}

/// Keeps which versions the promotion wrote.
pub async fn set_promoted_in_tx(
    connection: &mut PgConnection,
    id: ShadowId,
    publication_no: i64,
) -> Result<()> {
    let updated = sqlx::query(
        "/* shadows.set_promoted */ UPDATE shadows SET state = 'promoted', publication_no = $2
        WHERE shadow_id = $1 AND state = 'promoting'",
    )
    .bind(id)
    .bind(publication_no)
    .execute(connection)
    .await?;
    super::ensure_one_row("shadows", &updated)
}

/// Ends a shadow that comes to nothing: `outdated` or `failed`, and why.
pub async fn end_in_tx(connection: &mut PgConnection, id: ShadowId, state: &str, why: &str) -> Result<()> {
    sqlx::query(
        "/* shadows.end */ UPDATE shadows SET state = $2, failure = $3
        WHERE shadow_id = $1 AND state IN ('queued', 'judged', 'promoting')",
    )
    .bind(id)
    .bind(state)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(())
}

/// The newest version of each record of a batch ($1), and whether a judgement wrote it: when the batch was published
/// ($2), or when a shadow of it was promoted.
macro_rules! latest {
    () => {
        "(SELECT DISTINCT ON (record_no) *, publication_no <> $2 AND publication_no NOT IN (
              SELECT publication_no FROM shadows WHERE batch_id = $1 AND publication_no IS NOT NULL) AS corrected
          FROM account_snapshots WHERE batch_id = $1 ORDER BY record_no, publication_no DESC)"
    };
}

/// Whether a staged row says something else than a version of the same record.
macro_rules! differs {
    () => {
        concat!(
            "ROW(",
            snapshot_columns!("s."),
            ", ",
            journal_columns!("s."),
            ") IS DISTINCT FROM ROW(",
            snapshot_columns!("l."),
            ", ",
            journal_columns!("l."),
            ")"
        )
    };
}

/// Compares what was staged with what the journal has of the batch. Nothing that was staged counts when the batch
/// would not be published.
pub async fn difference(
    connection: &mut PgConnection,
    batch: &Batch,
    publication_no: i64,
    published: bool,
) -> Result<Difference> {
    let rows: Vec<(String, i64, Vec<i64>)> = sqlx::query_as(concat!(
        "/* shadows.difference */
        SELECT kind, count(*), (array_agg(record_no ORDER BY record_no))[1:$4] FROM (
            SELECT record_no, CASE
                WHEN s.record_no IS NULL AND NOT l.withdrawn THEN 'newly_rejected'
                WHEN s.record_no IS NOT NULL AND coalesce(l.withdrawn, true) THEN 'newly_accepted'
                WHEN ",
        differs!(),
        " THEN 'changed' END AS kind
            FROM (SELECT * FROM staged_accounts WHERE $3) s FULL JOIN ",
        latest!(),
        " l USING (record_no) WHERE NOT coalesce(l.corrected, false)) d
        WHERE kind IS NOT NULL GROUP BY kind"
    ))
    .bind(batch.id)
    .bind(publication_no)
    .bind(published)
    .bind(NAMED)
    .fetch_all(connection)
    .await?;
    let mut difference = Difference::default();
    for (kind, records, record_nos) in rows {
        let differing = Differing { records, record_nos };
        match kind.as_str() {
            "newly_rejected" => difference.newly_rejected = differing,
            "newly_accepted" => difference.newly_accepted = differing,
            _ => difference.changed = differing,
        }
    }
    Ok(difference)
}

/// Writes the versions that a promotion makes: of records that are newly accepted or changed, as staged; of records that
/// are no longer accepted, withdrawn ones. `origin` has the promotion's number, `published` the batch's own.
pub async fn record_versions_in_tx(
    connection: &mut PgConnection,
    origin: &Origin<'_>,
    published: i64,
) -> Result<()> {
    let mut entered = 0;
    for statement in [ADD_VERSIONS, WITHDRAW_VERSIONS] {
        let versions = sqlx::query(statement)
            .bind(origin.batch_id)
            .bind(published)
            .bind(origin.publication_no)
            .bind(origin.known_from)
            .bind(origin.rules_version)
            .bind(origin.contract)
            .bind(origin.contributor_id)
            .execute(&mut *connection)
            .await?;
        entered += versions.rows_affected();
    }
    lake_entries::enter_publication_in_tx(connection, "silver.account_snapshots", origin, entered).await
}

macro_rules! insert_versions {
    ($name:literal) => {
        concat!(
            "/* ",
            $name,
            " */ INSERT INTO account_snapshots (batch_id, publication_no, known_from, rules_version, contract,
                contributor_id, withdrawn, subject_id, account_ref, ",
            snapshot_columns!(""),
            ", ",
            journal_columns!(""),
            ") SELECT $1, $3, $4, $5, $6, $7, "
        )
    };
}

const ADD_VERSIONS: &str = concat!(
    insert_versions!("shadows.add_versions"),
    "false, s.subject_id, s.account_ref, ",
    snapshot_columns!("s."),
    ", ",
    journal_columns!("s."),
    " FROM staged_accounts s LEFT JOIN ",
    latest!(),
    " l ON l.record_no = s.record_no
    WHERE NOT coalesce(l.corrected, false) AND (coalesce(l.withdrawn, true) OR ",
    differs!(),
    ")"
);

const WITHDRAW_VERSIONS: &str = concat!(
    insert_versions!("shadows.withdraw_versions"),
    "true, l.subject_id, l.account_ref, ",
    snapshot_columns!("l."),
    ", ",
    journal_columns!("l."),
    " FROM ",
    latest!(),
    " l WHERE NOT l.corrected AND NOT l.withdrawn
      AND NOT EXISTS (SELECT FROM staged_accounts s WHERE s.record_no = l.record_no)"
);
