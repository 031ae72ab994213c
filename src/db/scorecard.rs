//! A read model over `batches`, `batch_findings`, `obligations`, `delistings` and `identity_reviews`: what the scorecard
//! counts, by contributor and month.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

use crate::domain::calendar::{CalendarState, WorkingDays};
use crate::domain::obligations::{ObligationState, month_end};
use crate::domain::scorecard::{PeriodFacts, answered_in_time};
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};

use super::holidays;
use super::obligations::Obligation;

/// Which contributors and months to count: first and last day.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// `None`: all of them.
    pub contributor: Option<ContributorId>,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// Facts by contributor and month end.
pub type FactsByPeriod = BTreeMap<(ContributorId, NaiveDate), PeriodFacts>;

#[derive(FromRow)]
struct Row {
    contributor_id: ContributorId,
    month: NaiveDate,
    records_received: i64,
    records_rejected: i64,
    records_accepted: i64,
    accounts_reported: i64,
    fields_expected: i64,
    fields_missing: i64,
    accounts_missing: i64,
    history_warnings: i64,
    late_listings: i64,
}

/// What judged batches add up to. Rehearsals do not count, nor what was recalled, replaced or cancelled.
pub async fn batch_facts(ex: impl PgExecutor<'_>, span: &Span) -> Result<FactsByPeriod> {
    let rows: Vec<Row> = sqlx::query_as(
        "/* scorecard.batch_facts */
        SELECT b.contributor_id, date_trunc('month', b.period_end)::date AS month,
            sum(b.received_records)::bigint AS records_received,
            sum(b.rejected_records)::bigint AS records_rejected,
            coalesce(sum(b.accepted_records) FILTER (WHERE p.published), 0)::bigint AS records_accepted,
            coalesce(sum(b.accepted_records) FILTER (WHERE p.published AND b.mode <> 'DELTA'
                AND b.dataset = 'account_snapshot'), 0)::bigint AS accounts_reported,
            coalesce(sum((b.quality ->> 'expected_fields')::bigint) FILTER (WHERE p.published), 0)::bigint
                AS fields_expected,
            coalesce(sum((b.quality ->> 'missing_fields')::bigint) FILTER (WHERE p.published), 0)::bigint
                AS fields_missing,
            coalesce(sum(f.missing) FILTER (WHERE p.published), 0)::bigint AS accounts_missing,
            coalesce(sum(f.warnings) FILTER (WHERE p.published), 0)::bigint AS history_warnings,
            coalesce(sum(f.late_listings) FILTER (WHERE p.published), 0)::bigint AS late_listings
        FROM batches b
        CROSS JOIN LATERAL (SELECT b.state IN ('published', 'curated') AS published) p
        LEFT JOIN LATERAL (
            SELECT sum(records) FILTER (WHERE code = 'P009') AS missing,
                sum(records) FILTER (WHERE code LIKE 'P%' AND code <> 'P009' AND severity <> 'R') AS warnings,
                sum(records) FILTER (WHERE code = 'L005' AND severity <> 'R') AS late_listings
            FROM batch_findings WHERE batch_id = b.batch_id AND (code LIKE 'P%' OR code = 'L005')) f ON true
        WHERE ($1::uuid IS NULL OR b.contributor_id = $1) AND b.period_end BETWEEN $2 AND $3 AND NOT b.dry_run
          AND b.state IN ('published', 'curated', 'on_hold', 'rejected')
        GROUP BY b.contributor_id, date_trunc('month', b.period_end)",
    )
    .bind(span.contributor)
    .bind(span.from)
    .bind(span.to)
    .fetch_all(ex)
    .await?;
    rows.into_iter().map(|row| Ok(((row.contributor_id, month_end(row.month)), row.facts()?))).collect()
}

impl Row {
    fn facts(&self) -> Result<PeriodFacts> {
        let count = |value: i64, column| {
            u64::try_from(value).map_err(|_| Error::Inconsistent {
                table: "batches",
                column,
                row: format!("{} {}", self.contributor_id, self.month),
            })
        };
        Ok(PeriodFacts {
            records_received: count(self.records_received, "received_records")?,
            records_rejected: count(self.records_rejected, "rejected_records")?,
            records_accepted: count(self.records_accepted, "accepted_records")?,
            accounts_reported: count(self.accounts_reported, "accepted_records")?,
            fields_expected: count(self.fields_expected, "quality")?,
            fields_missing: count(self.fields_missing, "quality")?,
            accounts_missing: count(self.accounts_missing, "(findings)")?,
            history_warnings: count(self.history_warnings, "(findings)")?,
            // Still to be listed though settled days ago: each is a listing that was not taken back in time.
            corrections_due: count(self.late_listings, "(findings)")?,
            ..PeriodFacts::default()
        })
    }
}

/// Counts obligations into the facts, by where they stand today. What is not decided, not due or waived counts for
/// nothing.
pub fn count_obligations(facts: &mut FactsByPeriod, obligations: &[Obligation], today: NaiveDate) {
    for obligation in obligations {
        let on_time = match obligation.facts.state(today) {
            ObligationState::Met => 1,
            ObligationState::Late => 0,
            _ => continue,
        };
        let period = (obligation.contributor_id, month_end(obligation.facts.period_end));
        let counted = facts.entry(period).or_default();
        counted.obligations_due += 1;
        counted.obligations_on_time += on_time;
    }
}

/// Something that a contributor had to take back or correct.
#[derive(FromRow)]
struct Demand {
    contributor_id: ContributorId,
    calendar_state: String,
    asked_on: NaiveDate,
    answered_on: Option<NaiveDate>,
    /// Where that was decided when it was answered.
    in_time: Option<bool>,
}

/// Counts into the facts what a contributor had to take back or correct: listings of debts that were settled in the month,
/// and records that were found in the month to be about somebody else. Such a record is answered when a correction moves
/// the account away, or when no record of that name counts any more.
pub async fn count_answers(
    pool: &PgPool,
    facts: &mut FactsByPeriod,
    span: &Span,
    today: NaiveDate,
) -> Result<()> {
    let demands: Vec<Demand> = sqlx::query_as(
        "/* scorecard.demands */
        SELECT d.contributor_id, c.calendar_state, d.settled_on AS asked_on, d.delisted_on AS answered_on,
            NOT d.breached AS in_time
        FROM delistings d JOIN contributors c ON c.contributor_id = d.contributor_id
        WHERE ($1::uuid IS NULL OR d.contributor_id = $1) AND d.settled_on BETWEEN $2 AND $3
        UNION ALL
        SELECT i.contributor_id, c.calendar_state, asked.day,
            (least(k.applied_at, r.lifted_at) AT TIME ZONE 'Asia/Kuala_Lumpur')::date, NULL
        FROM identity_reviews i JOIN contributors c ON c.contributor_id = i.contributor_id
        CROSS JOIN LATERAL (SELECT (i.decided_at AT TIME ZONE 'Asia/Kuala_Lumpur')::date AS day) asked
        LEFT JOIN corrections k ON k.correction_id = i.correction_id
        LEFT JOIN LATERAL (
            SELECT r.lifted_at FROM serving_restrictions r
            WHERE r.contributor_id = i.contributor_id AND r.account_ref = i.account_ref AND r.kind = 'IN_REVIEW'
              AND r.case_id = i.case_id
            ORDER BY r.restriction_no DESC LIMIT 1) r ON true
        WHERE i.state = 'other_person' AND ($1::uuid IS NULL OR i.contributor_id = $1) AND asked.day BETWEEN $2 AND $3",
    )
    .bind(span.contributor)
    .bind(span.from)
    .bind(span.to)
    .fetch_all(pool)
    .await?;
    let calendar = holidays::calendar(pool).await?;
    for demand in demands {
        let state = CalendarState::parse(&demand.calendar_state).ok_or_else(|| Error::Inconsistent {
            table: "contributors",
            column: "calendar_state",
            row: demand.contributor_id.to_string(),
        })?;
        let days = WorkingDays { calendar: calendar.clone(), state };
        let answer =
            demand.in_time.or_else(|| answered_in_time(demand.asked_on, demand.answered_on, &days, today));
        let Some(in_time) = answer else { continue };
        let counted = facts.entry((demand.contributor_id, month_end(demand.asked_on))).or_default();
        counted.corrections_due += 1;
        counted.corrections_in_time += u64::from(in_time);
    }
    Ok(())
}

/// A rule and how many records of a contributor's month broke it.
#[derive(Clone, Debug, FromRow)]
pub struct RuleRank {
    pub code: String,
    pub severity: String,
    pub records: i64,
}

/// The rules that most records broke, the most first.
pub async fn top_rules(ex: impl PgExecutor<'_>, span: &Span, limit: i64) -> Result<Vec<RuleRank>> {
    Ok(sqlx::query_as(
        "/* scorecard.top_rules */
        SELECT f.code, f.severity, sum(f.records)::bigint AS records
        FROM batches b JOIN batch_findings f ON f.batch_id = b.batch_id
        WHERE ($1::uuid IS NULL OR b.contributor_id = $1) AND b.period_end BETWEEN $2 AND $3 AND NOT b.dry_run
          AND b.state IN ('published', 'curated', 'on_hold', 'rejected')
        GROUP BY f.code, f.severity ORDER BY 3 DESC, 1, 2 LIMIT $4",
    )
    .bind(span.contributor)
    .bind(span.from)
    .bind(span.to)
    .bind(limit)
    .fetch_all(ex)
    .await?)
}

/// Keeps what the judge counted beyond the batch's counts.
pub async fn set_quality_in_tx(
    connection: &mut PgConnection,
    id: BatchId,
    quality: &serde_json::Value,
) -> Result<()> {
    let updated =
        sqlx::query("/* scorecard.set_quality */ UPDATE batches SET quality = $2 WHERE batch_id = $1")
            .bind(id)
            .bind(quality)
            .execute(connection)
            .await?;
    super::ensure_one_row("batches", &updated)
}
