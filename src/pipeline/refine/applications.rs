//! `application`: its records under the V, I and A rules, and what was told of them before.

use std::collections::HashMap;

use futures::{StreamExt as _, TryStreamExt as _};

use super::chunk::{ChunkBuilder, Contradicted, Person};
use super::judge::{Judge, Output, Records};
use super::ledger::Ledger;
use super::rejects::RejectLine;
use super::stage::Stage;
use crate::db::batches::Batch;
use crate::db::staged_applications::ApplicationRow;
use crate::db::{applications, replacements, staged_applications};
use crate::domain::contract::row::Row;
use crate::domain::contract::{Application, Field};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::marks::Marks;
use crate::domain::rules::applications::{
    A006_APPLICATIONS, A006_WINDOW_HOURS, Filed, Standing, a006, check_against_known, check_application,
};
use crate::domain::rules::field::read_application;
use crate::domain::rules::identity::{IdentityContext, check_applicant};
use crate::domain::rules::{Code, RulePolicy, is_summable, l007};
use crate::error::Result;
use crate::ids::{BatchId, SubjectId};
use crate::pipeline::decode::Fault;

/// Staged applications that are looked up together.
const PASS_ROWS: usize = 4096;

/// The applications of one batch while they are read.
pub struct Applications {
    context: IdentityContext,
    chunk: ChunkBuilder,
}

impl Applications {
    pub fn new(batch: &Batch) -> Applications {
        let today = dates::business_date(batch.received_at.unwrap_or(batch.created_at));
        Applications { context: IdentityContext { today }, chunk: ChunkBuilder::applications() }
    }

    fn flush(&mut self, judge: &Judge<'_>) -> Result<(), Fault> {
        self.chunk.take().map_or(Ok(()), |chunk| judge.send(Output::Chunk(chunk)))
    }
}

impl Records for Applications {
    fn record(&mut self, judge: &mut Judge<'_>, record_no: u64, row: &Row<'_>) -> Result<(), Fault> {
        let mut findings = judge.blank();
        let application = read_application(row, &judge.field_context(), &mut findings);
        let applied_on = application.applied_at.map(dates::business_date);
        let checked = check_applicant(&application.subject, applied_on, &self.context, &mut findings);
        check_application(&application, &mut findings);
        let texts = [
            (Field::ApplicationRef, application.application_ref),
            (Field::AccountRef, application.account_ref),
        ];
        for (field, text) in texts {
            findings.extend(text.and_then(|text| l007(field, text)));
        }
        judge.policy.apply_where(&mut findings, || checked.is_some() && is_storable(&application));
        judge.totals.add_application(&application);
        if !judge.weigh(record_no, row, application.application_ref, findings)? {
            return Ok(());
        }
        let Some(identity) = checked else {
            return Err(Fault::Ours(format!("record {record_no} passed every rule without an identity")));
        };
        let person = Person::new(judge.keys, &application.subject, &identity);
        if !self.chunk.add_application(record_no, &application, &person) {
            return Err(Fault::Ours(format!(
                "record {record_no} passed every rule without its required fields"
            )));
        }
        if self.chunk.is_full() { self.flush(judge) } else { Ok(()) }
    }

    fn end(&mut self, judge: &mut Judge<'_>) -> Result<(), Fault> {
        self.flush(judge)
    }
}

/// Whether the tables can hold the application: an override makes rules milder, not records complete.
fn is_storable(application: &Application<'_>) -> bool {
    application.application_ref.is_some()
        && application.applied_at.is_some()
        && application.product_type.is_some()
        && application.amount_requested.is_some_and(is_summable)
        && application.amount_approved.is_none_or(is_summable)
        && application.decision.is_some()
        && application.holder_role.is_some()
}

/// Settles what only the end of the file can tell: what was said of the same application before, in the file or
/// earlier, and how many one person made. What stays in staging afterwards is accepted.
pub async fn settle(
    batch: &Batch,
    policy: &RulePolicy,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<()> {
    let Stage { app, connection, rejects, contradicted, .. } = stage;
    let replaced = replacements::replaced_by(&app.db.system, batch).await?;
    let replaced: Vec<BatchId> = replaced.into_iter().map(|replaced| replaced.batch_id).collect();
    let contradicted = std::mem::take(contradicted);
    let mut pass = Pass { policy, contradicted, known: HashMap::new(), gone: Marks::default() };
    let mut staged = staged_applications::in_order(connection).try_chunks(PASS_ROWS);
    while let Some(rows) = staged.next().await {
        let rows = rows.map_err(|broken| broken.1)?;
        let refs: Vec<&str> = rows.iter().map(|row| row.application_ref.as_str()).collect();
        let known = applications::latest(&app.db.system, batch.contributor_id, &refs, &replaced).await?;
        pass.know(known, &rows)?;
        for row in &rows {
            if let Some(line) = pass.row(row, ledger)? {
                rejects.line(&line).await?;
            }
        }
    }
    drop(staged);
    staged_applications::remove(connection, pass.gone.to_bits(ledger.received)).await?;
    let most = i64::from(A006_APPLICATIONS);
    let crowded =
        staged_applications::crowded(connection, batch.contributor_id, A006_WINDOW_HOURS, most).await?;
    for (record_no, application_ref, count) in crowded {
        let mut findings: Vec<Finding> = a006(u32::try_from(count).unwrap_or(u32::MAX)).into_iter().collect();
        policy.apply_to(&mut findings);
        ledger.keep_staged(record_no as u64, Some(&application_ref), &findings);
    }
    Ok(())
}

type Key = (String, Option<SubjectId>);

/// The staged applications passing by.
struct Pass<'p> {
    policy: &'p RulePolicy,
    /// What the serving store says of the persons.
    contradicted: Contradicted,
    /// The latest word on each application.
    known: HashMap<Key, Filed>,
    /// Repeated or rejected: they do not stay.
    gone: Marks,
}

impl Pass<'_> {
    /// Takes up what was accepted before of the rows' applications. What this file said of the first of them already
    /// is newer and stays; of all others nothing comes any more.
    fn know(&mut self, accepted: Vec<ApplicationRow>, rows: &[ApplicationRow]) -> Result<()> {
        let first = rows.first().map(|row| row.application_ref.as_str());
        self.known.retain(|(application_ref, _), _| Some(application_ref.as_str()) == first);
        for row in accepted {
            let filed = row.filed()?;
            self.known.entry(row.key()).or_insert(filed);
        }
        Ok(())
    }

    /// Decides about one record; gives back the line of one that is rejected.
    fn row(&mut self, row: &ApplicationRow, ledger: &mut Ledger) -> Result<Option<RejectLine>> {
        let (record_no, key, arriving) = (row.record_no as u64, row.key(), row.filed()?);
        let mut findings = self.about_person(record_no);
        match check_against_known(self.known.get(&key), &arriving) {
            Standing::Repeated => {
                self.gone.set(record_no);
                ledger.repeat_staged(record_no);
                return Ok(None);
            }
            Standing::Refused(finding) => findings.push(finding),
            Standing::New => {}
        }
        self.policy.apply_to(&mut findings);
        if findings.iter().any(Finding::rejects) {
            self.gone.set(record_no);
            return Ok(Some(ledger.reject_staged(record_no, Some(row.application_ref.clone()), &findings)));
        }
        ledger.keep_staged(record_no, Some(&row.application_ref), &findings);
        self.known.insert(key, arriving);
        Ok(None)
    }

    /// I017 and L009, as for the holders of accounts.
    fn about_person(&self, record_no: u64) -> Vec<Finding> {
        let (erased, linked) = (&self.contradicted.erased, &self.contradicted.identities);
        let erased = erased.contains(record_no).then(|| Finding::at(Code::L009, Field::IdNumber));
        let linked = linked.contains(record_no).then(|| Finding::whole(Code::I017));
        erased.into_iter().chain(linked).collect()
    }
}
