//! `batch_findings`: the rules that a batch broke, with counts and samples.

use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// What one rule found in one batch.
#[derive(Clone, Debug, FromRow)]
pub struct RuleCount {
    pub code: String,
    pub severity: String,
    pub records: i64,
    pub samples: serde_json::Value,
}

/// Replaces the findings of a batch, so that a second judgement does not add to the first.
pub async fn replace_in_tx(
    connection: &mut PgConnection,
    id: BatchId,
    contributor: ContributorId,
    findings: &[RuleCount],
) -> Result<()> {
    sqlx::query("/* batch_findings.clear */ DELETE FROM batch_findings WHERE batch_id = $1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
    let severities: Vec<&str> = findings.iter().map(|f| f.severity.as_str()).collect();
    let records: Vec<i64> = findings.iter().map(|f| f.records).collect();
    let samples: Vec<serde_json::Value> = findings.iter().map(|f| f.samples.clone()).collect();
    sqlx::query(
        "/* batch_findings.insert */ INSERT INTO batch_findings (batch_id, contributor_id, code, severity, records, samples)
        SELECT $1, $2, f.code, f.severity, f.records, f.samples
        FROM unnest($3::text[], $4::text[], $5::bigint[], $6::jsonb[]) AS f (code, severity, records, samples)",
    )
    .bind(id)
    .bind(contributor)
    .bind(codes)
    .bind(severities)
    .bind(records)
    .bind(samples)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn list(ex: impl PgExecutor<'_>, id: BatchId) -> Result<Vec<RuleCount>> {
    let rows = sqlx::query_as(
        "/* batch_findings.list */ SELECT code, severity, records, samples FROM batch_findings
        WHERE batch_id = $1 ORDER BY code, severity",
    )
    .bind(id)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}
