//! `repayment_event`: its records under the V and E rules, and what their accounts say to them.
//!
//! The judge's half reads and stages. After the last row the staged events pass by in the order in which they count
//! for their accounts, a chunk of look-ups at a time: each is a repetition, is refused, waits for its account (E002),
//! or is posted to its account, where the next one finds it.

use aws_lc_rs::digest;
use futures::{StreamExt as _, TryStreamExt as _};

use super::judge::{Judge, Output, Records};
use super::ledger::Ledger;
use super::posting::Accounts;
use super::rejects::RejectLine;
use super::stage::Stage;
use crate::db::batches::Batch;
use crate::db::copy::{TupleWriter, copy_in};
use crate::db::replacements;
use crate::db::staged_events::{self, StagedEvent};
use crate::domain::contract::row::Row;
use crate::domain::contract::{EventType, Field, RepaymentEvent};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::marks::Marks;
use crate::domain::rules::events::{Reuse, check_event, reuse};
use crate::domain::rules::field::read_event;
use crate::domain::rules::{Code, RulePolicy, is_summable, l007};
use crate::error::Result;
use crate::pipeline::decode::Fault;

/// Events that are sent to staging together.
const ROWS: usize = 8192;
/// Staged events whose accounts are looked up together.
const PASS_ROWS: usize = 4096;

/// Events on their way to staging, encoded.
#[derive(Debug, Default)]
pub struct EventChunk {
    events: Vec<u8>,
    /// What rejected records name.
    refused: Vec<u8>,
}

/// The events of one batch while they are read.
pub struct Events {
    received_on: chrono::NaiveDate,
    events: TupleWriter,
    refused: TupleWriter,
    rows: usize,
}

impl Events {
    pub fn new(batch: &Batch) -> Events {
        Events {
            received_on: dates::business_date(batch.received_at.unwrap_or(batch.created_at)),
            events: TupleWriter::default(),
            refused: TupleWriter::default(),
            rows: 0,
        }
    }

    fn flush(&mut self, judge: &Judge<'_>) -> Result<(), Fault> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let events = std::mem::take(&mut self.events.bytes);
        let refused = std::mem::take(&mut self.refused.bytes);
        judge.send(Output::Events(EventChunk { events, refused }))
    }
}

impl Records for Events {
    fn record(&mut self, judge: &mut Judge<'_>, record_no: u64, row: &Row<'_>) -> Result<(), Fault> {
        let mut findings = judge.blank();
        let event = read_event(row, &judge.field_context(), &mut findings);
        check_event(&event, self.received_on, &mut findings);
        for (field, text) in [(Field::AccountRef, event.account_ref), (Field::EventId, event.event_id)] {
            findings.extend(text.and_then(|text| l007(field, text)));
        }
        judge.policy.apply_where(&mut findings, || is_storable(&event));
        judge.totals.add_event(&event);
        let named = event.account_ref.filter(|_| !findings.iter().any(breaks_reference));
        if judge.weigh(record_no, row, event.account_ref, findings)? {
            let content = digest::digest(&digest::SHA256, event.content().as_bytes());
            if staged_events::write(&mut self.events, record_no, &event, content.as_ref()).is_none() {
                return Err(Fault::Ours(format!(
                    "record {record_no} passed every rule without its required fields"
                )));
            }
        } else if let Some(account_ref) = named {
            staged_events::write_refused(&mut self.refused, record_no, account_ref);
        }
        self.rows += 1;
        if self.rows >= ROWS { self.flush(judge) } else { Ok(()) }
    }

    fn end(&mut self, judge: &mut Judge<'_>) -> Result<(), Fault> {
        self.flush(judge)
    }
}

fn breaks_reference(finding: &Finding) -> bool {
    finding.rejects() && finding.field == Some(Field::AccountRef)
}

/// Whether the tables can hold the event: an override makes rules milder, not records complete.
fn is_storable(event: &RepaymentEvent<'_>) -> bool {
    let moves = event.event_type.is_some_and(EventType::moves_money);
    event.event_id.is_some()
        && event.account_ref.is_some()
        && event.event_type.is_some()
        && event.value_date.is_some()
        && (!moves || event.amount.is_some_and(|sen| sen.is_positive() && is_summable(sen)))
}

/// Stages a chunk.
pub async fn stage(stage: &mut Stage, chunk: EventChunk) -> Result<()> {
    copy_in(&mut stage.connection, staged_events::COPY, chunk.events).await?;
    copy_in(&mut stage.connection, staged_events::COPY_REFUSED, chunk.refused).await
}

/// Settles what only the end of the file can tell: repetitions, and what the accounts say to their events. What stays
/// in staging afterwards is accepted or parked.
pub async fn settle(
    batch: &Batch,
    policy: &RulePolicy,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<()> {
    let mut pass = Pass { policy, gone: Marks::default(), parked: Marks::default() };
    let Stage { app, connection, rejects, .. } = stage;
    let mut lookups = app.db.system.acquire().await?;
    let replaced = replacements::replaced_by(&mut *lookups, batch).await?;
    let replaced = replaced.into_iter().map(|replaced| replaced.batch_id).collect();
    let mut accounts = Accounts::new(batch.contributor_id, replaced);
    let mut staged = staged_events::in_order(connection).try_chunks(PASS_ROWS);
    while let Some(rows) = staged.next().await {
        let rows = rows.map_err(|broken| broken.1)?;
        accounts.load(&mut lookups, rows.iter().map(|row| &row.event)).await?;
        for row in &rows {
            if let Some(line) = pass.row(row, &mut accounts, ledger)? {
                rejects.line(&line).await?;
            }
        }
    }
    drop(staged);
    let Pass { gone, parked, .. } = pass;
    let mut strangers = staged_events::refused_without_account(connection, batch.contributor_id);
    while let Some(row) = strangers.try_next().await? {
        ledger.mention(row.record_no as u64, Some(&row.account_ref), &unknown_account(policy));
    }
    drop(strangers);
    staged_events::remove(connection, gone.to_bits(ledger.received)).await?;
    staged_events::park(connection, parked.to_bits(ledger.received)).await
}

/// E002, as far as the contributor's overrides leave it.
fn unknown_account(policy: &RulePolicy) -> Vec<Finding> {
    let mut findings = vec![Finding::at(Code::E002, Field::AccountRef)];
    policy.apply_to(&mut findings);
    findings
}

/// The staged events passing by.
struct Pass<'p> {
    policy: &'p RulePolicy,
    /// Repeated or rejected: they do not stay.
    gone: Marks,
    /// They stay, and wait.
    parked: Marks,
}

impl Pass<'_> {
    /// Decides about one event; gives back the line of one that is rejected.
    fn row(
        &mut self,
        staged: &StagedEvent,
        accounts: &mut Accounts,
        ledger: &mut Ledger,
    ) -> Result<Option<RejectLine>> {
        let record_no = staged.event.record_no as u64;
        let account_ref = &staged.event.account_ref;
        let named_before = match staged.contested {
            true => Reuse::Taken,
            false => reuse(accounts.known_content(&staged.event.event_id), &staged.event.content),
        };
        let findings = match named_before {
            Reuse::Taken => vec![Finding::at(Code::E001, Field::EventId)],
            Reuse::New if !staged.repeated => match accounts.judge(&staged.event, self.policy)? {
                Some(findings) => findings,
                None => {
                    self.parked.set(record_no);
                    ledger.park_staged(record_no, Some(account_ref), &unknown_account(self.policy));
                    return Ok(None);
                }
            },
            Reuse::Repeated | Reuse::New => {
                self.gone.set(record_no);
                ledger.repeat_staged(record_no);
                return Ok(None);
            }
        };
        if findings.iter().any(Finding::rejects) {
            self.gone.set(record_no);
            return Ok(Some(ledger.reject_staged(record_no, Some(account_ref.clone()), &findings)));
        }
        ledger.keep_staged(record_no, Some(account_ref), &findings);
        Ok(None)
    }
}
