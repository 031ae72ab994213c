//! From a reading to a verdict: row-set rules, file rules, counts, and where the batch goes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::chunk::LateFinding;
use super::judge::Reading;
use super::rejects::{RejectFinding, RejectLine};
use super::stage::Stage;
use super::tally::{SAMPLES, Sample, Tally};
use crate::db::batches::{Batch, RuleCount};
use crate::db::overrides::Leniency;
use crate::db::staging;
use crate::domain::batch::{Counts, State};
use crate::domain::contract::{MoneyUnit, Terms};
use crate::domain::dates;
use crate::domain::finding::{Finding, Severity};
use crate::domain::rules::{Code, Declared, FileFacts, check_file};
use crate::error::Result;

/// What transaction C writes.
#[derive(Debug)]
pub struct Judgement {
    pub state: State,
    pub counts: Counts,
    pub findings: Vec<RuleCount>,
    pub totals: serde_json::Value,
    /// The most snapshots of one account in this batch.
    pub waves: u32,
    pub reason: Option<String>,
    /// Under which overrides and with how many constants.
    pub leniency: Leniency,
}

/// Ends the reading of a batch: what the whole file shows, and what follows.
pub async fn reach(batch: &Batch, terms: &Terms, reading: Reading, stage: &mut Stage) -> Result<Judgement> {
    let Reading {
        received,
        rejected,
        identity_rejected,
        mut tally,
        mut warned,
        totals,
        money,
        row_set,
        imputed,
        file_fault,
    } = reading;
    let policy = terms.policy(received_on(batch));
    let set = row_set.finish();
    let mut rejected_late: BTreeMap<u64, Vec<Finding>> = set.rejected.into_iter().collect();
    let mut warnings = set.warnings;
    warnings = warnings.into_iter().filter_map(|(n, finding)| Some((n, policy.apply(finding)?))).collect();
    for (record_no, finding) in late_findings(stage).await? {
        let Some(finding) = policy.apply(finding) else { continue };
        if finding.rejects() {
            rejected_late.entry(record_no).or_default().push(finding);
        } else {
            warnings.push((record_no, finding));
        }
    }
    let duplicates: Vec<u64> =
        set.duplicates.into_iter().filter(|n| !rejected_late.contains_key(n)).collect();
    let refs = unstage(stage, rejected_late.keys().chain(&duplicates)).await?;
    let refs = name_samples(stage, refs, &warnings).await?;
    for (record_no, finding) in &warnings {
        tally.add(finding, || late_sample(*record_no, refs.get(record_no), finding));
        if finding.severity == Severity::Warning {
            warned.set(*record_no);
        }
    }
    let lines = late_lines(&rejected_late, &refs, &mut tally);
    stage.late_rejects(&lines).await?;
    for record_no in rejected_late.keys().chain(&duplicates) {
        warned.clear(*record_no);
    }

    let identity_late =
        rejected_late.values().filter(|all| all.iter().any(Finding::rejects_identity)).count() as u64;
    let facts = FileFacts {
        received,
        rejected: rejected + rejected_late.len() as u64,
        rejected_by_identity: identity_rejected + identity_late,
        duplicate: duplicates.len() as u64,
        sum_outstanding: totals.sum_outstanding,
        sum_overdue: totals.sum_overdue,
        sum_amount: 0,
        count_by_status: totals.count_by_status(),
        // Where a unit was declared, the forms say nothing.
        money_forms_mixed: batch.envelope.money_unit() == MoneyUnit::ByDecimalPoint && money.is_mixed(),
    };
    let mut file_findings = match file_fault {
        Some(fault) => vec![fault],
        None => check_file(&facts, &Declared::from(&batch.envelope), terms, received_on(batch)),
    };
    policy.apply_to(&mut file_findings);
    for finding in &file_findings {
        tally.add(finding, || file_sample(finding));
    }
    let holds = tally.holds() && batch.hold_explanation.is_none();
    let state = match file_findings.iter().any(Finding::rejects) {
        true => State::Rejected,
        false if holds => State::OnHold,
        false => State::Published,
    };
    Ok(Judgement {
        state,
        counts: count(&facts, state, warned.count()),
        findings: tally.counts(),
        totals: report_totals(batch, &facts),
        waves: set.most_snapshots,
        reason: reason(&file_findings),
        leniency: Leniency {
            softened: (!policy.softened().is_empty()).then(|| json!(policy.softened())),
            imputed: imputed.to_json(),
        },
    })
}

/// What the serving store contradicted. An account that belongs to somebody else (I015) is refused with all its
/// holders, as it is when the file contradicts itself.
async fn late_findings(stage: &mut Stage) -> Result<Vec<LateFinding>> {
    let mut late = std::mem::take(&mut stage.late);
    let bound: BTreeSet<i64> =
        late.iter().filter(|(_, finding)| finding.code == Code::I015).map(|(n, _)| *n as i64).collect();
    if !bound.is_empty() {
        let records: Vec<i64> = bound.iter().copied().collect();
        let rows = staging::rows_of_same_accounts(&mut stage.connection, &records).await?;
        let others = rows.into_iter().filter(|row| !bound.contains(row));
        late.extend(others.map(|row| (row as u64, Finding::whole(Code::I015))));
    }
    Ok(late)
}

/// Conservation: good records of a batch that is not published are `unprocessed`, never rejected.
fn count(facts: &FileFacts, state: State, warned: u64) -> Counts {
    let good = facts.received.saturating_sub(facts.rejected + facts.duplicate) as i64;
    let published = state == State::Published;
    Counts {
        received: facts.received as i64,
        accepted: if published { good } else { 0 },
        rejected: facts.rejected as i64,
        duplicate: facts.duplicate as i64,
        unprocessed: if published { 0 } else { good },
        warned: if published { warned as i64 } else { 0 },
    }
}

fn received_on(batch: &Batch) -> chrono::NaiveDate {
    dates::business_date(batch.received_at.unwrap_or(batch.created_at))
}

/// Takes records out of staging; gives back their account references.
async fn unstage<'n>(
    stage: &mut Stage,
    record_nos: impl Iterator<Item = &'n u64>,
) -> Result<BTreeMap<u64, String>> {
    let record_nos: Vec<i64> = record_nos.map(|n| *n as i64).collect();
    if record_nos.is_empty() {
        return Ok(BTreeMap::new());
    }
    let removed = staging::remove(&mut stage.connection, &record_nos).await?;
    Ok(removed.into_iter().map(|row| (row.record_no as u64, row.account_ref)).collect())
}

/// Adds the references of the records that the report shows as samples: the first few of each warning.
async fn name_samples(
    stage: &mut Stage,
    mut refs: BTreeMap<u64, String>,
    warnings: &[(u64, Finding)],
) -> Result<BTreeMap<u64, String>> {
    let mut shown: BTreeMap<Code, Vec<i64>> = BTreeMap::new();
    for (record_no, finding) in warnings {
        let records = shown.entry(finding.code).or_default();
        if records.len() < SAMPLES {
            records.push(*record_no as i64);
        }
    }
    let records: Vec<i64> = shown.into_values().flatten().collect();
    if !records.is_empty() {
        let rows = staging::account_refs(&mut stage.connection, &records).await?;
        refs.extend(rows.into_iter().map(|row| (row.record_no as u64, row.account_ref)));
    }
    Ok(refs)
}

fn late_lines(
    rejected: &BTreeMap<u64, Vec<Finding>>,
    refs: &BTreeMap<u64, String>,
    tally: &mut Tally,
) -> Vec<RejectLine> {
    let line = |(record_no, findings): (&u64, &Vec<Finding>)| {
        tally.record(findings, |finding| late_sample(*record_no, refs.get(record_no), finding));
        RejectLine {
            record_no: *record_no,
            account_ref: refs.get(record_no).cloned(),
            findings: findings.iter().map(|finding| RejectFinding::new(finding, None)).collect(),
        }
    };
    rejected.iter().map(line).collect()
}

fn late_sample(record_no: u64, account_ref: Option<&String>, finding: &Finding) -> Sample {
    Sample { record_no: Some(record_no), account_ref: account_ref.cloned(), ..file_sample(finding) }
}

fn file_sample(finding: &Finding) -> Sample {
    Sample {
        record_no: None,
        account_ref: None,
        field: finding.field.map(|field| field.name().to_owned()),
        value_masked: None,
        detail: finding.detail.as_ref().map(ToString::to_string),
    }
}

/// Declared beside recomputed, as the report shows them. Sums are sen.
fn report_totals(batch: &Batch, facts: &FileFacts) -> serde_json::Value {
    let envelope = &batch.envelope;
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
