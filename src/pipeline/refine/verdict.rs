//! From a reading to a verdict: row-set rules, file rules, counts, and where the batch goes.

use chrono::NaiveDate;
use serde_json::json;

use super::judge::Reading;
use super::ledger::Ledger;
use super::snapshots::Rows;
use super::stage::Stage;
use super::tally::Sample;
use super::{applications, book, events, history, late, timed};
use crate::db::batch_findings::{self, RuleCount};
use crate::db::batches::Batch;
use crate::db::obligations;
use crate::db::overrides::Leniency;
use crate::domain::batch::{Counts, State};
use crate::domain::contract::{Dataset, MoneyUnit, Terms};
use crate::domain::dates;
use crate::domain::finding::{Finding, Severity};
use crate::domain::rules::{BookFacts, Declared, FileFacts, RulePolicy, check_file};
use crate::error::{Error, Result};

/// What transaction C writes.
#[derive(Debug)]
pub struct Judgement {
    pub state: State,
    pub counts: Counts,
    pub findings: Vec<RuleCount>,
    pub totals: serde_json::Value,
    /// What a whole book adds up to.
    pub book: Option<BookFacts>,
    pub reason: Option<String>,
    /// The records with a warning, a bit each.
    pub warned: Vec<u8>,
    /// How mild the rules were.
    pub policy: RulePolicy,
    /// Under which overrides and with how many constants.
    pub leniency: Leniency,
    /// What the scorecard counts.
    pub quality: serde_json::Value,
}

/// Ends the reading of a batch: what the whole file shows, and what follows.
pub async fn reach(batch: &Batch, terms: &Terms, reading: Reading, stage: &mut Stage) -> Result<Judgement> {
    let Reading { mut ledger, totals, money, rows, imputed, quality, file_fault } = reading;
    let policy = terms.policy(received_on(batch));
    let (mut fullest, mut most_snapshots, mut standing) = (Vec::new(), 0, Vec::new());
    match (batch.dataset, rows) {
        (Dataset::RepaymentEvent, _) => events::settle(batch, &policy, &mut ledger, stage).await?,
        (Dataset::Application, _) => applications::settle(batch, &policy, &mut ledger, stage).await?,
        (Dataset::AccountSnapshot, Some(Rows { row_set, concentration })) => {
            (fullest, most_snapshots) = (concentration.fullest(), row_set.most_snapshots);
            standing = late::settle(row_set, &policy, &mut ledger, stage).await?;
        }
        (Dataset::AccountSnapshot, None) => return Err(Error::Internal("a book was read as none".into())),
    }
    let comparison = match file_fault {
        Some(_) => {
            late::conclude(&[], standing, &mut ledger, stage).await?;
            book::Comparison::default()
        }
        None => {
            let past = Box::pin(async {
                history::compare(batch, terms, &policy, most_snapshots, standing, &mut ledger, stage).await?;
                book::compare(batch, &policy, &mut ledger, stage).await
            });
            timed("history", past).await?
        }
    };

    let facts = FileFacts {
        received: ledger.received,
        rejected: ledger.rejected,
        rejected_by_identity: ledger.rejected_by_identity,
        duplicate: ledger.duplicate,
        sum_outstanding: totals.sum_outstanding,
        sum_overdue: totals.sum_overdue,
        sum_amount: totals.sum_amount,
        count_by_status: totals.count_by_status(),
        due_on: due_on(batch, stage).await?,
        fullest,
        // Where a unit was declared, the forms say nothing.
        money_forms_mixed: batch.envelope.money_unit() == MoneyUnit::ByDecimalPoint && money.is_mixed(),
    };
    let mut file_findings = match file_fault {
        // Whatever was agreed, half a file is no file.
        Some(fault) => vec![fault],
        None => {
            let declared = Declared::from(&batch.envelope);
            let mut findings = check_file(&facts, &declared, terms, received_on(batch));
            policy.apply_to(&mut findings);
            findings
        }
    };
    file_findings.extend(comparison.findings);
    file_findings.sort_by_key(|finding| finding.code);
    for finding in &file_findings {
        ledger.tally.add(finding, || Sample::of_file(finding));
    }
    let findings = ledger.tally.counts();
    let holds = ledger.tally.holds() && !is_confirmed(batch, &findings, stage).await?;
    let state = match file_findings.iter().any(Finding::rejects) {
        true => State::Rejected,
        false if holds => State::OnHold,
        false => State::Published,
    };
    Ok(Judgement {
        state,
        counts: count(&facts, state, &ledger),
        findings,
        totals: report_totals(batch, &facts, totals.payments_late),
        warned: ledger.warned_bits(),
        book: comparison.book,
        reason: reason(&file_findings),
        leniency: Leniency {
            softened: (!policy.softened().is_empty()).then(|| json!(policy.softened())),
            imputed: imputed.to_json(),
        },
        policy,
        quality: json!(quality),
    })
}

/// Whether the contributor has confirmed everything that holds the batch: what its last report, which was confirmed, did
/// not say may hold it again.
async fn is_confirmed(batch: &Batch, findings: &[RuleCount], stage: &mut Stage) -> Result<bool> {
    if batch.hold_explanation.is_none() {
        return Ok(false);
    }
    let seen = batch_findings::list(&mut *stage.connection, batch.id).await?;
    Ok(all_seen(findings, &seen))
}

/// Whether each rule that holds now held then.
fn all_seen(now: &[RuleCount], then: &[RuleCount]) -> bool {
    let mut holding = now.iter().filter(|count| count.severity == Severity::Hold.as_str());
    holding
        .all(|count| then.iter().any(|seen| (&seen.code, &seen.severity) == (&count.code, &count.severity)))
}

/// Conservation: good records of a batch that is not published are `unprocessed`, never rejected, and so are those that
/// wait for something else to appear.
fn count(facts: &FileFacts, state: State, ledger: &Ledger) -> Counts {
    let good = facts.received.saturating_sub(facts.rejected + facts.duplicate) as i64;
    let accepted = if state == State::Published { good - ledger.parked as i64 } else { 0 };
    Counts {
        received: facts.received as i64,
        accepted,
        rejected: facts.rejected as i64,
        duplicate: facts.duplicate as i64,
        unprocessed: good - accepted,
        warned: if state == State::Published { ledger.warned() as i64 } else { 0 },
    }
}

/// When the obligation is due that the batch was sent for.
async fn due_on(batch: &Batch, stage: &mut Stage) -> Result<Option<NaiveDate>> {
    let Some(id) = batch.obligation_id else { return Ok(None) };
    let obligation = obligations::find(&mut *stage.connection, id).await?;
    Ok(obligation.and_then(|obligation| obligation.facts.due_for_another()))
}

fn received_on(batch: &Batch) -> NaiveDate {
    dates::business_date(batch.received_at.unwrap_or(batch.created_at))
}

/// Declared beside recomputed, as the report shows them: what the dataset has. Sums are sen.
fn report_totals(batch: &Batch, facts: &FileFacts, payments_late: u64) -> serde_json::Value {
    let envelope = &batch.envelope;
    if batch.dataset != Dataset::AccountSnapshot {
        let mut recomputed = json!({
            "record_count": facts.received, "sum_amount_sen": i64::try_from(facts.sum_amount).ok(),
        });
        if batch.dataset == Dataset::RepaymentEvent {
            recomputed["payments_late"] = json!(payments_late);
        }
        let declared =
            json!({ "record_count": envelope.record_count, "sum_amount_sen": envelope.sum_amount });
        return json!({ "declared": declared, "recomputed": recomputed });
    }
    json!({
        "declared": {
            "record_count": envelope.record_count,
            "sum_outstanding_sen": envelope.sum_outstanding,
            "sum_overdue_sen": envelope.sum_overdue,
            "count_by_status": envelope.count_by_status,
        },
        "recomputed": {
            "record_count": facts.received,
            "sum_outstanding_sen": i64::try_from(facts.sum_outstanding).ok(),
            "sum_overdue_sen": i64::try_from(facts.sum_overdue).ok(),
            "count_by_status": facts.count_by_status,
        },
    })
}

fn reason(file_findings: &[Finding]) -> Option<String> {
    let codes: Vec<&str> = file_findings
        .iter()
        .filter(|finding| finding.rejects())
        .map(|finding| finding.code.as_str())
        .collect();
    (!codes.is_empty()).then(|| codes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, severity: &str) -> RuleCount {
        RuleCount { code: code.into(), severity: severity.into(), records: 1, samples: json!([]) }
    }

    #[test]
    fn a_confirmation_is_of_what_held_the_batch_then() {
        let then = [found("I014", "W*"), found("F021", "W"), found("X007", "W")];
        assert!(all_seen(&[found("I014", "W*"), found("X008", "W")], &then));
        assert!(all_seen(&[], &then));
        assert!(!all_seen(&[found("I014", "W*"), found("I016", "W*")], &then));
        assert!(!all_seen(&[found("F021", "W*")], &then), "it was a warning, which nobody was asked about");
    }
}
