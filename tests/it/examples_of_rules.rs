//! The example of every rule, sent to the real API and judged by the real worker: what should break the rule breaks
//! it, what should pass passes. Each of the two has a contributor and a person of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use etrplus::access::Scope;
use etrplus::domain::contract::{Dataset, Terms};
use etrplus::domain::rules::{Code, ExampleStep, ExampleSubmission, ExampleTerms, base_record, example};
use etrplus::jobs::{runner, schedule};
use etrplus::pipeline::unopened;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{csv, ndjson, nric};

/// Requests under way at once, and workers. Fewer than connections: nobody is shed on a busy machine.
const CALLERS: usize = 4;
const WORKERS: usize = 3;

/// One of the two submissions of an example, and what is known of it so far.
struct Case {
    code: Code,
    breaks: bool,
    before: &'static [ExampleStep],
    submission: &'static ExampleSubmission,
    caller: Caller,
    /// Tells its people from everybody else's.
    number: u32,
    /// The batch sent last.
    batch: Option<String>,
    /// What a refusal at the door said.
    refusal: Option<String>,
}

impl Case {
    fn name(&self) -> String {
        format!(
            "{}, {}",
            self.code,
            if self.breaks { "the one that breaks it" } else { "the one that passes" }
        )
    }

    /// Sends a submission; a refusal is kept when it may be the point.
    async fn send(&mut self, submission: &ExampleSubmission) {
        if self.refusal.is_some() {
            return;
        }
        let sent = self.sent(submission);
        let mut answer = self.caller.send(&sent).await;
        // On a busy machine a connection may be waited for too long: told so, a caller sends the same again.
        for _ in 0..5 {
            if answer.status.as_u16() != 503 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer = self.caller.send(&sent).await;
        }
        match answer.status.as_u16() {
            202 => self.batch = Some(answer.json()["batch"]["id"].as_str().unwrap().to_owned()),
            _ => self.refusal = Some(answer.text()),
        }
    }

    fn sent(&self, submission: &ExampleSubmission) -> Submission {
        let body = body_of(submission, self.number);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        let mut query = BTreeMap::from([("mode", "DELTA"), ("period_end", "2026-10-31")]);
        query.extend(submission.query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let query = query.iter().fold(format!("dataset={}", submission.dataset), |query, (name, value)| {
            let value = value.replace("{sha256}", &hex::encode(digest.as_ref()));
            let value = value.replace("{batch}", self.batch.as_deref().unwrap_or_default());
            format!("{query}&{name}={value}")
        });
        let sent = if submission.csv { Submission::csv(body) } else { Submission::ndjson(body) };
        let sent = Submission { query, ..sent };
        match &submission.key {
            Some(key) => sent.key(key),
            None => sent,
        }
    }

    async fn confirm_if_held(&mut self) {
        let Some(id) = &self.batch else { return };
        let state = self.caller.batch(id).await["state"].as_str().unwrap().to_owned();
        match state.as_str() {
            "published" | "curated" => {}
            "on_hold" => {
                let path = format!("/v1/batches/{id}/confirm");
                let explanation = json!({"explanation": "Made up, and meant so for this example."});
                self.caller.post_json(&path, &explanation).await.expect(200);
            }
            state => self.refusal = Some(format!("what was sent before is {state}")),
        }
    }

    /// Compares what became of the submission with what the example promises.
    async fn fault(&self) -> Option<String> {
        let (state, codes) = match (&self.refusal, &self.batch) {
            (Some(problem), _) => ("refused".to_owned(), vec![problem.clone()]),
            (None, Some(id)) => {
                let report = Report(self.caller.report(id).await);
                (report.state().to_owned(), report.rules().into_keys().map(str::to_owned).collect())
            }
            (None, None) => ("not sent".to_owned(), Vec::new()),
        };
        let found = codes.iter().any(|told| told.contains(self.code.as_str()));
        let as_promised =
            if self.breaks { found } else { !found && ["published", "curated"].contains(&state.as_str()) };
        (!as_promised).then(|| format!("{} is {state} with {codes:?}", self.name()))
    }
}

fn body_of(submission: &ExampleSubmission, case: u32) -> Vec<u8> {
    if let Some(body) = &submission.body {
        return body.clone().into_bytes();
    }
    let records = records_of(submission, case);
    match submission.line_bytes {
        None if submission.csv => csv(&records),
        None => ndjson(&records),
        Some(bytes) => {
            let line = records[0].to_string();
            let spaces = " ".repeat(bytes - line.len());
            format!("{}{spaces}}}\n", line.strip_suffix('}').unwrap()).into_bytes()
        }
    }
}

/// The rows as they are sent: the base record with the changes, about a person of the case's own where no other is
/// named. Copies have a reference and a person each.
fn records_of(submission: &ExampleSubmission, case: u32) -> Vec<Value> {
    let reference = match submission.dataset {
        Dataset::AccountSnapshot => "account_ref",
        Dataset::RepaymentEvent => "event_id",
        Dataset::Application => "application_ref",
    };
    let mut records = Vec::new();
    for _ in 0..submission.copies.unwrap_or(1) {
        for row in &submission.rows {
            let number = if submission.copies.is_some() { records.len() as u32 + 1 } else { 0 };
            let mut record = base_record(submission.dataset);
            let fields = record.as_object_mut().unwrap();
            if fields.contains_key("id_number") {
                fields.insert("id_number".to_owned(), json!(nric(case + 1000 * number)));
            }
            fields.extend(submission.each.clone());
            fields.extend(row.clone());
            fields.retain(|_, value| !value.is_null());
            if number > 0 {
                let numbered = format!("{}-{number}", fields[reference].as_str().unwrap());
                fields.insert(reference.to_owned(), json!(numbered));
            }
            records.push(record);
        }
    }
    records
}

fn terms_of(terms: &ExampleTerms) -> Terms {
    let defaults = patient();
    Terms {
        datasets: terms.datasets.clone().unwrap_or(defaults.datasets),
        products: terms.products.clone(),
        reject_threshold_bps: terms.reject_threshold_bps.unwrap_or(defaults.reject_threshold_bps),
        identity_threshold_bps: terms.identity_threshold_bps.unwrap_or(defaults.identity_threshold_bps),
        notice_attested_until: terms.notice_attested_until,
        ..defaults
    }
}

/// Two cases for each rule.
async fn cases(eyes: &TestApp) -> Vec<Case> {
    let both = Code::ALL.iter().flat_map(|code| [(*code, true), (*code, false)]);
    let case = async |(n, (code, breaks)): (usize, (Code, bool))| {
        let example = example(code).unwrap();
        let submission = if breaks { &example.breaks } else { &example.passes };
        let slug = format!("{}-{}", code.as_str().to_lowercase(), if breaks { "breaks" } else { "passes" });
        let caller = eyes.contributor(&slug, terms_of(&submission.terms)).await;
        let number = n as u32;
        Case { code, breaks, before: &example.before, submission, caller, number, batch: None, refusal: None }
    };
    stream::iter(both.enumerate()).map(case).buffered(CALLERS).collect().await
}

/// Does something for each case, a few at once.
async fn each(cases: &mut [Case], deed: impl AsyncFn(&mut Case)) {
    stream::iter(cases).for_each_concurrent(CALLERS, async |case| deed(case).await).await;
}

async fn erase(operator: &Caller, nric: &str) {
    let erased = json!({"id_type": "NRIC", "id_number": nric, "case_id": "CASE-2026-000017"});
    operator.post_json("/v1/operations/erasure-tombstones", &erased).await.expect(201);
}

/// Everything that the contributor ever sent of an account, and what it could still send.
async fn delete(operator: &Caller, contributor: &Caller, account_ref: &str) {
    let deleted = json!({
        "account_ref": account_ref, "as_of_from": "2026-01-01", "as_of_to": "2026-12-31", "delete": true,
        "reason": "DATA_ERROR",
    });
    let asked = contributor.post_json("/v1/corrections", &deleted).await.expect(201).json();
    let id = asked["correction_id"].as_str().unwrap();
    operator.post(&format!("/v1/operations/corrections/{id}/approve")).await.expect(200);
}

async fn work(eyes: &TestApp) {
    let work = async || while runner::work_once(&eyes.app).await.unwrap() {};
    let app = Arc::clone(&eyes.app);
    let elsewhere: Vec<_> = (1..WORKERS)
        .map(|_| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { while runner::work_once(&app).await.unwrap() {} })
        })
        .collect();
    work().await;
    for worker in elsewhere {
        worker.await.unwrap();
    }
    eyes.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_broken_and_kept_as_its_example_says() {
    let eyes = TestApp::start_with(|config| config.db_connections = 36).await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let mut cases = cases(&eyes).await;
    let steps = cases.iter().map(|case| case.before.len()).max().unwrap_or(0);
    for step in 0..steps {
        each(&mut cases, async |case| match case.before.get(step) {
            Some(ExampleStep::Sent(submission)) => case.send(submission).await,
            Some(ExampleStep::Erased(id_number)) => erase(&operator, id_number).await,
            Some(ExampleStep::Deleted(account_ref)) => delete(&operator, &case.caller, account_ref).await,
            _ => {}
        })
        .await;
        work(&eyes).await;
        each(&mut cases, async |case| case.confirm_if_held().await).await;
        work(&eyes).await;
    }
    // Process rules speak when the schedule has run.
    schedule::run_due(&eyes.app).await.unwrap();
    let days: BTreeSet<_> = cases.iter().map(|case| case.submission.sent_on).collect();
    for day in days {
        if let Some(day) = day {
            let noon = day.and_hms_opt(4, 0, 0).unwrap().and_utc();
            eyes.advance(noon - eyes.app.clock.now());
        }
        // Nobody works until everything is sent: what is in flight stays so.
        each(&mut cases, async |case| {
            if case.submission.sent_on != day {
                return;
            }
            if day.is_some() {
                case.caller.renew_token().await;
            }
            if let Some(ExampleStep::InFlight(submission)) = case.before.last() {
                case.send(submission).await;
            }
            case.send(case.submission).await;
        })
        .await;
        work(&eyes).await;
    }
    each(&mut cases, async |case| case.caller.renew_token().await).await;
    // It ran within the hour by the database's clock, so that the schedule would let it wait.
    unopened::find(&eyes.app).await.unwrap();
    schedule::run_due(&eyes.app).await.unwrap();
    let faults = stream::iter(&cases).map(Case::fault).buffered(CALLERS).filter_map(async |fault| fault);
    let faults: Vec<String> = faults.collect().await;
    assert!(faults.is_empty(), "{} examples lie:\n{}", faults.len(), faults.join("\n"));
}
