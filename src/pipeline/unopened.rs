//! A005: approvals of which no account came. Found by the schedule once two reporting periods have passed, and added
//! to the findings of the batch that brought the approval.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::refine::{Sample, Tally};
use crate::app::App;
use crate::db::{applications, lineage, parked_events};
use crate::domain::contract::Dataset;
use crate::domain::dates;
use crate::domain::rules::applications::{a005, a005_decided_before};
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// Approvals that are looked at in one transaction.
const PORTION: i64 = 1000;

/// Finds them; says how many. A function of the schedule.
pub async fn find(app: &App) -> Result<u64> {
    let now = app.clock.now();
    let mut found = 0;
    loop {
        let some = find_portion(app, now).await?;
        found += some;
        if some == 0 {
            return Ok(found);
        }
    }
}

async fn find_portion(app: &App, now: DateTime<Utc>) -> Result<u64> {
    let today = dates::business_date(now);
    let mut tx = app.db.system.begin().await?;
    let decided_before = dates::start_of(a005_decided_before(today));
    let mut marked = applications::mark_unopened_in_tx(&mut tx, decided_before, now, PORTION).await?;
    // The samples of a report are its first records.
    marked.sort_by_key(|approval| approval.record_no);
    let mut batches: BTreeMap<(BatchId, ContributorId), (Tally, i64)> = BTreeMap::new();
    for approval in &marked {
        let (tally, newly_warned) = batches.entry((approval.batch_id, approval.contributor_id)).or_default();
        let Some(finding) = a005(dates::business_date(approval.decided_at), false, today) else { continue };
        let (record_no, reference) = (approval.record_no as u64, approval.application_ref.clone());
        tally.add(&finding, || Sample::of_record(Dataset::Application, record_no, Some(reference), &finding));
        *newly_warned += i64::from(!approval.warned);
    }
    for ((batch, contributor), (tally, newly_warned)) in batches {
        applications::add_warned_in_tx(&mut tx, batch, newly_warned).await?;
        parked_events::add_findings_in_tx(&mut tx, batch, contributor, &tally.counts()).await?;
        let edge = [("journal", "applications", "batch_findings", "A005")];
        lineage::insert_edges(&mut tx, contributor, batch, &edge, now).await?;
    }
    tx.commit().await?;
    Ok(marked.len() as u64)
}
