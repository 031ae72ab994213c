//! Events about runs: put into the outbox in the transaction of what they tell, and sent from there.
//!
//! Without a receiver (`ETR_OPENLINEAGE_URL`) nothing is written. With one, an event is sent at least once and never lost:
//! it stays until the receiver has said 2xx. Events of one run go in their order; a run whose event is refused holds up
//! itself alone, a receiver that cannot be reached ends the round.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::config::{Config, OpenLineage};
use crate::db::batches::{self, Batch};
use crate::db::jobs::{JobKind, Lease};
use crate::db::{Connection, lineage, lineage_lake, lineage_outbox};
use crate::domain::batch::State;
use crate::domain::rules::RULES_VERSION;
use crate::error::{Error, Result};
use crate::lake::tables::Kind;
use crate::lineage::curate::{LakeColumn, Landed};
use crate::lineage::event::{Column, Producer, RunEvent};
use crate::lineage::places::Places;
use crate::lineage::refine::{BatchFacet, BatchRun, Broken, Outcome, Reporter, Task};
use crate::pipeline::curate::FED;
use crate::pipeline::refine::Judgement;

/// How long a receiver may take to answer; it is not worth more of a worker's time.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an event belongs to whoever sends it: longer than sending may take.
const CLAIM: Duration = Duration::from_secs(30);
/// What landed in this while before there was a receiver is told of: who sets an address up is not sent all that ever was.
/// Later on as well nobody looks further back than this before the moment at which everything had been told of.
const LOOK_BACK: TimeDelta = TimeDelta::days(1);
const PORTION: i64 = 100;
/// How long one round goes on.
const ROUND: Duration = Duration::from_secs(60);

/// Builds the events of this installation; `None` when nobody wants them.
fn reporter(config: &Config) -> Option<Reporter> {
    config.openlineage.as_ref()?;
    let (database_host, database) = database_of(config.database_url());
    Some(Reporter {
        producer: Producer(format!("urn:etrplus:{}", env!("CARGO_PKG_VERSION"))),
        places: Places {
            installation: config.public_url.clone(),
            bucket: config.s3.bucket.clone(),
            database_host,
            database,
            warehouse: config.lake.warehouse.clone(),
            catalog: config.lake.name.clone(),
        },
    })
}

/// Host and name of a database. What stands before the host is a credential and is told nowhere.
fn database_of(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host {
        "" => "localhost".to_owned(),
        host if host.contains(':') => host.to_owned(),
        host => format!("{host}:5432"),
    };
    (host, database.to_owned())
}

fn run_of(batch: &Batch, lease: &Lease) -> BatchRun {
    BatchRun {
        run_id: lease.job_id.0,
        task: if lease.kind == JobKind::PromoteShadow { Task::Promote } else { Task::Refine },
        batch: BatchFacet {
            batch_id: batch.id,
            contributor_id: batch.contributor_id,
            dataset: batch.dataset,
            mode: batch.mode,
            period_end: batch.period_end,
            contract: format!("{}/{}", batch.dataset, batch.envelope.schema_version),
            object_key: batch.object_key.clone(),
            sha256: batch.sha256.as_deref().map(hex::encode).unwrap_or_default(),
        },
        bytes: batch.received_bytes,
    }
}

/// Who builds events about a batch; nobody about a rehearsal, which is no business of others.
fn reporter_for(app: &App, batch: &Batch) -> Option<Reporter> {
    reporter(&app.config).filter(|_| !batch.envelope.dry_run)
}

/// A worker begins with a batch.
pub async fn began_in_tx(app: &App, tx: &mut Connection, batch: &Batch, lease: &Lease) -> Result<()> {
    let Some(reporter) = reporter_for(app, batch) else { return Ok(()) };
    tell_in_tx(tx, Some(&reporter.began(&run_of(batch, lease), app.clock.now()))).await
}

/// What is told of a verdict; made before the transaction that brings it, because it looks the contract up.
pub async fn settled(
    app: &App,
    batch: &Batch,
    lease: &Lease,
    judgement: &Judgement,
    rejects_written: bool,
) -> Option<RunEvent> {
    let reporter = reporter_for(app, batch)?;
    let broken = judgement.findings.iter();
    let outcome = Outcome {
        state: judgement.state,
        counts: &judgement.counts,
        broken: broken
            .map(|found| Broken { code: &found.code, severity: &found.severity, records: found.records })
            .collect(),
        rules_version: RULES_VERSION,
        rejects_written,
        contract: app.contracts.contract(batch.dataset, &batch.envelope.schema_version).await.ok(),
        journal_columns: lineage::columns_of_journal(batch.dataset),
    };
    Some(reporter.settled(&run_of(batch, lease), &outcome, app.clock.now()))
}

/// A job came to its end because its batch was withdrawn.
pub async fn withdrawn_in_tx(app: &App, tx: &mut Connection, batch: &Batch, lease: &Lease) -> Result<()> {
    let Some(reporter) = reporter_for(app, batch).filter(|_| batch.state == State::Cancelled) else {
        return Ok(());
    };
    tell_in_tx(tx, Some(&reporter.aborted(&run_of(batch, lease), app.clock.now()))).await
}

/// Every attempt at a job failed.
pub async fn failed_in_tx(app: &App, tx: &mut Connection, lease: &Lease, error: &Error) -> Result<()> {
    // A promotion begins and ends in one transaction, which did not happen; a shadow changes nothing.
    if lease.kind != JobKind::RefineBatch || app.config.openlineage.is_none() {
        return Ok(());
    }
    let batch = batches::find_any(&mut *tx, lease.batch_id).await?.ok_or(Error::NotFound)?;
    let Some(reporter) = reporter_for(app, &batch) else { return Ok(()) };
    tell_in_tx(tx, Some(&reporter.failed(&run_of(&batch, lease), word(error), app.clock.now()))).await
}

/// What kind of fault it was. The text may name a row.
fn word(error: &Error) -> &'static str {
    match error {
        Error::DatabaseUnavailable(_) => "database unavailable",
        Error::Database(_) => "database",
        Error::Store(_) => "object store",
        Error::Disk(_) => "temporary files",
        Error::Overloaded(_) => "overloaded",
        Error::Inconsistent { .. } => "inconsistent row",
        _ => "internal",
    }
}

/// Puts an event into the outbox, where there is one to tell.
pub async fn tell_in_tx(tx: &mut Connection, event: Option<&RunEvent>) -> Result<()> {
    let Some(event) = event else { return Ok(()) };
    let written = serde_json::to_value(event).map_err(|error| Error::Internal(error.to_string()))?;
    lineage_outbox::insert_in_tx(tx, event.run.run_id, &written).await
}

/// Sends what waits; says how many events the receiver took. A function of the schedule.
///
/// # Errors
/// When the receiver cannot be reached; what is left waits for the next round.
pub async fn send(app: &App) -> Result<u64> {
    let Some(receiver) = &app.config.openlineage else { return Ok(0) };
    while tell_landed(app).await? > 0 {}
    let (started, mut sent) = (Instant::now(), 0);
    let mut client = None;
    while started.elapsed() < ROUND {
        let Some(claimed) = lineage_outbox::claim(&app.db.system, CLAIM).await? else { break };
        let client = match &client {
            Some(client) => client,
            None => client.insert(connect()?),
        };
        match post(client, receiver, claimed.event.to_string()).await {
            Ok(()) => {
                lineage_outbox::remove(&app.db.system, claimed.event_no).await?;
                metrics::counter!("etr_lineage_events_total", "outcome" => "sent").increment(1);
                sent += 1;
            }
            Err(refusal) => {
                metrics::counter!("etr_lineage_events_total", "outcome" => "failed").increment(1);
                lineage_outbox::put_off(&app.db.system, claimed.event_no, &refusal.cause).await?;
                if refusal.ends_round {
                    return Err(Error::Internal(format!("lineage events were not taken: {}", refusal.cause)));
                }
            }
        }
    }
    Ok(sent)
}

/// Puts events of appends to the lake into the outbox that nobody has been told of; says how many appends. The ledger holds
/// what there is to tell, written with the append itself.
async fn tell_landed(app: &App) -> Result<usize> {
    let Some(reporter) = reporter(&app.config) else { return Ok(0) };
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let since = lineage_lake::told_up_to_in_tx(&mut tx, now - LOOK_BACK).await?;
    let commits = lineage_lake::untold_in_tx(&mut tx, since, PORTION).await?;
    for commit in &commits {
        if lineage_lake::set_told_in_tx(&mut tx, commit.commit_id, now).await? {
            for event in reporter.landed(&landed(commit)) {
                tell_in_tx(&mut tx, Some(&event)).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(commits.len())
}

fn landed(commit: &lineage_lake::Commit) -> Landed<'_> {
    let fed = FED.iter().find(|fed| fed.table.full_name() == commit.table_name);
    let columns = fed.map_or(&[][..], |fed| fed.table.columns).iter().map(|column| LakeColumn {
        column: Column {
            name: column.name.to_owned(),
            kind: String::new(),
            meaning: column.meaning.to_owned(),
        },
        spelt_out: matches!(column.kind, Kind::Word(_)),
    });
    Landed {
        run_id: commit.commit_id,
        table: &commit.table_name,
        columns: columns.collect(),
        began_at: commit.created_at,
        landed_at: commit.landed_at.unwrap_or(commit.created_at),
        snapshot_id: commit.snapshot_id,
        rows: commit.rows,
        bytes: commit.bytes,
        files: commit.file_paths.as_ref().map(|paths| paths.len() as i64),
    }
}

fn connect() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(SEND_TIMEOUT)
        // Where events go is said in one place; a token is sent nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|_| Error::Internal("no client for lineage events could be made".into()))
}

/// Why an event was not taken.
struct Refusal {
    cause: String,
    /// The receiver takes nothing at all, as far as can be told.
    ends_round: bool,
}

/// Posts one event. What the receiver says beside its status is not read: it may be long, and nobody would act on it.
async fn post(client: &reqwest::Client, receiver: &OpenLineage, event: String) -> Result<(), Refusal> {
    let mut request = client
        .post(&receiver.url)
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(event);
    if let Some(token) = &receiver.token {
        request = request.bearer_auth(token.expose_secret());
    }
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        // Told off for this event, or for all of them: a wrong token will be wrong for the next one as well.
        Ok(answer) => Err(Refusal {
            cause: format!("the receiver answered {}", answer.status().as_u16()),
            ends_round: !answer.status().is_client_error()
                || matches!(answer.status().as_u16(), 401 | 403 | 404 | 429),
        }),
        Err(error) => Err(Refusal { cause: cause_of(&error).to_owned(), ends_round: true }),
    }
}

/// The error's own text holds the address, which may be nobody's business.
fn cause_of(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "the receiver did not answer in time"
    } else if error.is_connect() {
        "the receiver cannot be reached"
    } else {
        "the receiver broke off"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_credentials() {
        let named = |url: &str| {
            let (host, database) = database_of(url);
            format!("{host} {database}")
        };
        assert_eq!(
            named("postgres://etr:se@cret@db.example:6432/etrplus?sslmode=require"),
            "db.example:6432 etrplus"
        );
        assert_eq!(named("postgres://db.example/etrplus"), "db.example:5432 etrplus");
        assert_eq!(named("postgres:///etrplus?host=/run/pg"), "localhost etrplus");
    }
}
