//! The edges of a judgement: what it was made of, and what came of it. Written in its transaction.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::verdict::Judgement;
use crate::db::batches::Batch;
use crate::db::lineage;
use crate::domain::batch::State;
use crate::domain::contract::Dataset;
use crate::domain::rules::RULES_VERSION;
use crate::error::Result;
use crate::lineage::places::journal_of;

/// Writes the edges of a batch that was judged; `what` is the node that the judgement is: a verdict, or a shadow.
pub async fn record_in_tx(
    tx: &mut PgConnection,
    batch: &Batch,
    judgement: &Judgement,
    what: (&str, &str),
    rejects_key: Option<&str>,
    at: DateTime<Utc>,
) -> Result<()> {
    let contract = format!("{}/{}", batch.dataset, batch.envelope.schema_version);
    let bronze = ("bronze_object", batch.object_key.as_str());
    let sources = judgement.leniency.sources();
    let mut edges = vec![
        (bronze.0, bronze.1, what.0, what.1),
        ("contract", contract.as_str(), what.0, what.1),
        ("rules", RULES_VERSION, what.0, what.1),
    ];
    edges.extend(sources.iter().map(|(kind, name)| (*kind, name.as_str(), what.0, what.1)));
    let kept_out = judgement.findings.iter().filter_map(|found| kept_out(&found.code));
    edges.extend(kept_out.map(|(kind, code)| (kind, code, what.0, what.1)));
    let counts = !batch.envelope.dry_run;
    if let Some(key) = rejects_key {
        edges.push((bronze.0, bronze.1, "reject_file", key));
        if counts {
            edges.push(("reject_file", key, "quarantine", "rejected_records"));
        }
    }
    if judgement.state == State::Published && counts {
        let journal = journal_of(batch.dataset);
        edges.push((bronze.0, bronze.1, "journal", journal));
        if batch.dataset != Dataset::Application {
            edges.push(("journal", journal, "serving_store", "accounts"));
        }
        // Good events that are not accepted wait for their accounts.
        if batch.dataset == Dataset::RepaymentEvent && judgement.counts.unprocessed > 0 {
            edges.push((bronze.0, bronze.1, "parked_events", "parked_events"));
        }
    }
    lineage::insert_edges(tx, batch.contributor_id, batch.id, &edges, at).await
}

/// What kept records out that had been taken away before.
fn kept_out(code: &str) -> Option<(&'static str, &'static str)> {
    match code {
        "L009" => Some(("erasure_tombstones", "L009")),
        "P012" => Some(("deletion_tombstones", "P012")),
        _ => None,
    }
}
