//! Events that wait for their account (E002): accepted when a snapshot brings it, rejected when their time is over.
//!
//! Either way the event leaves `parked_events`, and its batch counts it as accepted or rejected instead of
//! unprocessed, in one transaction that holds the contributor's lane: whoever comes second finds nothing left to do.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::refine::{Accounts, RejectFinding, RejectLine, Sample, Tally};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::parked_events::{self, Keys, ParkedEvent};
use crate::db::rejected_records::{self, Good, Origin as RejectOrigin};
use crate::db::serving::Origin;
use crate::db::{jobs, lineage, overlay};
use crate::domain::contract::{Dataset, Field};
use crate::domain::finding::{Finding, Severity};
use crate::domain::rules::{Code, RulePolicy};
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};

/// How long an event waits for its account.
pub const TIME: TimeDelta = TimeDelta::days(7);

/// Events that are decided about together.
const PORTION: i64 = 4096;

/// Accepts the parked events whose accounts exist now, as part of the transaction that published them; those that
/// their account refuses are rejected.
pub async fn accept_in_tx(tx: &mut PgConnection, origin: &Origin<'_>, policy: &RulePolicy) -> Result<()> {
    loop {
        let parked = parked_events::lock_with_account(tx, origin.contributor_id, PORTION).await?;
        if parked.is_empty() {
            return Ok(());
        }
        let mut accounts = Accounts::new(origin.contributor_id, Vec::new());
        accounts.load(tx, parked.iter().map(|parked| &parked.event)).await?;
        let (mut accepted, mut refused) = (Keys::default(), Keys::default());
        let mut outcomes = Outcomes::default();
        for event in &parked {
            let findings = accounts.judge(&event.event, policy)?;
            let findings = findings.ok_or_else(|| Error::Internal("an account came and went".into()))?;
            let stays = !findings.iter().any(Finding::rejects);
            if stays { &mut accepted } else { &mut refused }.push(event);
            outcomes.add(event, stays, &findings)?;
        }
        let (number, at) = (origin.publication_no, origin.known_from);
        parked_events::accept_in_tx(tx, &accepted, number, at, origin.rules_version).await?;
        parked_events::remove_in_tx(tx, &refused).await?;
        let brought = origin.batch_id.to_string();
        let deed = Deed { action: "batch.events_unparked", cause: ("batch", &brought), at };
        outcomes.write_in_tx(tx, origin.contributor_id, &deed).await?;
        let mut refs: Vec<String> = parked.into_iter().map(|parked| parked.event.account_ref).collect();
        refs.dedup();
        overlay::of_accounts_in_tx(tx, origin.contributor_id, &refs).await?;
    }
}

/// Rejects what has waited too long; says how many events. A function of the schedule.
pub async fn reject_expired(app: &App) -> Result<u64> {
    let now = app.clock.now();
    let mut rejected = 0;
    for contributor in parked_events::contributors_with_expired(&app.db.system, now).await? {
        loop {
            let some = reject_portion(app, contributor, now).await?;
            rejected += some;
            if some == 0 {
                break;
            }
        }
    }
    Ok(rejected)
}

async fn reject_portion(app: &App, contributor: ContributorId, now: DateTime<Utc>) -> Result<u64> {
    let mut tx = app.db.system.begin().await?;
    jobs::wait_for_lane_in_tx(&mut tx, contributor).await?;
    let expired = parked_events::lock_expired(&mut tx, contributor, now, PORTION).await?;
    let (mut keys, mut outcomes) = (Keys::default(), Outcomes::default());
    let too_late = Finding {
        severity: Severity::Reject,
        ..Finding::at(Code::E002, Field::AccountRef).with_detail("the account did not appear within 7 days")
    };
    for event in &expired {
        keys.push(event);
        outcomes.add(event, false, std::slice::from_ref(&too_late))?;
    }
    parked_events::remove_in_tx(&mut tx, &keys).await?;
    // Each portion at an instant of its own: what is rejected of a batch at one instant lands together.
    let at = app.clock.now();
    let deed = Deed { action: "batch.events_expired", cause: ("schedule", "reject_expired_events"), at };
    outcomes.write_in_tx(&mut tx, contributor, &deed).await?;
    tx.commit().await?;
    Ok(expired.len() as u64)
}

/// Why parked events are decided about.
struct Deed<'a> {
    action: &'a str,
    /// The batch that brought their accounts, or the schedule, as lineage names it.
    cause: (&'a str, &'a str),
    at: DateTime<Utc>,
}

impl Deed<'_> {
    /// What was made of the parked events of one batch.
    fn edges(&self, accepted: bool, rejected: bool) -> Vec<lineage::Edge<'_>> {
        let mut edges = vec![(self.cause.0, self.cause.1, "parked_events", "parked_events")];
        if accepted {
            edges.push(("parked_events", "parked_events", "journal", "repayment_events"));
            edges.push(("journal", "repayment_events", "serving_store", "accounts"));
        }
        if rejected {
            edges.push(("parked_events", "parked_events", "quarantine", "rejected_records"));
        }
        edges
    }
}

/// What became of parked events, by the batch that they came in.
#[derive(Default)]
struct Outcomes(BTreeMap<BatchId, Outcome>);

struct Outcome {
    period_end: NaiveDate,
    accepted: i64,
    rejected: i64,
    tally: Tally,
    lines: Vec<serde_json::Value>,
    /// The batch whose rejected records this one was sent to fix, and the records that now do.
    fixes: Option<BatchId>,
    good: Good,
}

impl Outcomes {
    fn add(&mut self, parked: &ParkedEvent, stays: bool, findings: &[Finding]) -> Result<()> {
        let outcome = self.0.entry(parked.batch_id).or_insert_with(|| Outcome {
            period_end: parked.period_end,
            accepted: 0,
            rejected: 0,
            tally: Tally::default(),
            lines: Vec::new(),
            fixes: parked.fixes,
            good: Good::default(),
        });
        let record_no = parked.event.record_no as u64;
        let reference = || Some(parked.event.account_ref.clone());
        outcome.tally.record(findings, |finding| {
            Sample::of_record(Dataset::RepaymentEvent, record_no, reference(), finding)
        });
        if stays {
            outcome.accepted += 1;
            outcome.good.push(parked.event.record_no, &parked.event.account_ref);
        } else {
            outcome.rejected += 1;
            let findings = findings.iter().map(|finding| RejectFinding::new(finding, None)).collect();
            let line = RejectLine::new(Dataset::RepaymentEvent, record_no, reference(), findings);
            outcome
                .lines
                .push(serde_json::to_value(line).map_err(|error| Error::Internal(error.to_string()))?);
        }
        Ok(())
    }

    /// Moves the counts, adds the findings and the rejected records, and says so in audit and lineage.
    async fn write_in_tx(
        self,
        tx: &mut PgConnection,
        contributor: ContributorId,
        deed: &Deed<'_>,
    ) -> Result<()> {
        let Deed { action, at, .. } = *deed;
        for (batch, outcome) in self.0 {
            let Outcome { accepted, rejected, .. } = outcome;
            parked_events::move_counts_in_tx(tx, batch, accepted, rejected).await?;
            parked_events::add_findings_in_tx(tx, batch, contributor, &outcome.tally.counts()).await?;
            let origin = RejectOrigin {
                batch_id: batch,
                contributor_id: contributor,
                dataset: Dataset::RepaymentEvent,
                period_end: outcome.period_end,
                at,
            };
            rejected_records::append_in_tx(tx, &origin, &outcome.lines).await?;
            if let Some(fixed) = outcome.fixes {
                rejected_records::resolve_by_in_tx(tx, fixed, batch, &outcome.good, at).await?;
            }
            let entry = Entry {
                at,
                actor_client: None,
                actor: "worker",
                action,
                object_kind: "batch",
                object_id: &batch.to_string(),
                outcome: "done",
                detail: json!({ "accepted": accepted, "rejected": rejected }),
            };
            audit::record(&mut *tx, &entry).await?;
            let edges = deed.edges(accepted > 0, rejected > 0);
            lineage::insert_edges(tx, contributor, batch, &edges, at).await?;
        }
        Ok(())
    }
}
