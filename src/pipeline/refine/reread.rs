//! A batch's accepted records, read again from its bytes by the contract and the constants of their day. No rule is asked:
//! which records were accepted is decided, and only what they say is read.

use std::sync::Arc;

use aws_lc_rs::digest;
use chrono::NaiveDate;
use tokio::sync::mpsc::{self, Sender};

use super::chunk::{Chunk, ChunkBuilder, Known, Person, SubjectNames};
use super::{FEED_DEPTH, OUTPUT_DEPTH, feed_from_store};
use crate::app::App;
use crate::db::batches::Batch;
use crate::db::copy::{TupleWriter, copy_in};
use crate::db::{Connection, serving, staged_applications, staged_events, staging};
use crate::domain::contract::row::Row;
use crate::domain::contract::spec::Contract;
use crate::domain::contract::{Dataset, Terms, impute, supplied};
use crate::domain::dates;
use crate::domain::marks::Marks;
use crate::domain::rules::field::{FieldContext, MoneyForms, read_application, read_event, read_snapshot};
use crate::domain::rules::identity::{IdentityContext, check_applicant, check_identity};
use crate::error::{Error, Result};
use crate::pipeline::decode::{self, Fault, Feed, Source};
use crate::privacy::Keyring;

/// Events that are sent to staging together.
const EVENT_ROWS: usize = 8192;

/// How reading a batch again ended.
#[derive(Debug)]
pub enum Reread {
    /// The records are staged; so many records there are, and so many of the accepted ones do not give a whole record.
    Staged { received: u64, unreadable: u64 },
    /// The object is not what was received, in words.
    Differs(String),
}

/// Stages the accepted records of a batch on a connection, with the subjects that their identifiers lead to now. What was
/// staged on it before is gone.
///
/// # Errors
/// Trouble of ours that may pass.
pub async fn stage_accepted(
    app: &Arc<App>,
    batch: &Arc<Batch>,
    terms: Terms,
    accepted: Marks,
    connection: &mut Connection,
) -> Result<Reread> {
    let contract = app.contracts.contract(batch.dataset, &batch.envelope.schema_version).await?;
    let Some(object) = app.store.get(&batch.object_key).await? else {
        return Ok(Reread::Differs("no object".to_owned()));
    };
    let copy = prepare(connection, batch.dataset).await?;
    let (send_feed, feed) = mpsc::channel(FEED_DEPTH);
    let (output, mut pieces) = mpsc::channel(OUTPUT_DEPTH);
    let feeder = tokio::spawn(feed_from_store(object, send_feed));
    let reader = {
        let (app, batch) = (Arc::clone(app), Arc::clone(batch));
        tokio::task::spawn_blocking(move || {
            let reader = Reader::new(&batch, &terms, &app, output);
            reader.read(contract, &accepted, feed)
        })
    };
    let names = Arc::new(SubjectNames::new());
    let staged = async {
        while let Some(piece) = pieces.recv().await {
            let tuples = match piece {
                Piece::Chunk(chunk) => encode(app, &names, chunk).await?,
                Piece::Events(tuples) => tuples,
            };
            copy_in(connection, copy, tuples).await?;
        }
        Ok::<_, Error>(())
    }
    .await;
    // Closing the channel ends the reader if staging failed; whichever error came first is told.
    drop(pieces);
    let read = reader.await.map_err(|panic| Error::Internal(format!("reading again panicked: {panic}")));
    feeder.abort();
    staged?;
    match read? {
        Ok((received, unreadable)) => Ok(Reread::Staged { received, unreadable }),
        Err(Fault::Ours(cause)) => Ok(Reread::Differs(cause)),
        Err(Fault::File { code, detail }) => Ok(Reread::Differs(format!("{code}: {detail}"))),
        Err(Fault::BrokenOff(cause)) => Err(Error::Store(cause)),
        Err(Fault::Disk(cause)) => Err(Error::Disk(cause)),
    }
}

async fn prepare(connection: &mut Connection, dataset: Dataset) -> Result<&'static str> {
    match dataset {
        Dataset::AccountSnapshot => staging::prepare(connection).await.map(|()| staging::COPY),
        Dataset::RepaymentEvent => staged_events::prepare(connection).await.map(|()| staged_events::COPY),
        Dataset::Application => {
            staged_applications::prepare(connection).await.map(|()| staged_applications::COPY)
        }
    }
}

/// The staged tuples of a chunk. Somebody whom no identifier leads to any more gets a name that nobody knows.
async fn encode(app: &Arc<App>, names: &Arc<SubjectNames>, chunk: Chunk) -> Result<Vec<u8>> {
    let subjects = serving::known_subjects(&app.db.system, &chunk.tokens()).await?;
    let known = Known {
        subjects: subjects.into_iter().map(|known| (known.token, known.subject_id)).collect(),
        ..Known::default()
    };
    let (names, app) = (Arc::clone(names), Arc::clone(app));
    let encoded = tokio::task::spawn_blocking(move || chunk.staged(&known, &names, &app.keys));
    let (tuples, _) = encoded.await.map_err(|error| Error::Internal(error.to_string()))??;
    Ok(tuples)
}

enum Piece {
    Chunk(Chunk),
    Events(Vec<u8>),
}

/// The blocking half: decodes, reads by type, encodes.
struct Reader<'a> {
    batch: &'a Batch,
    terms: &'a Terms,
    keys: &'a Keyring,
    limits: &'a crate::config::Limits,
    money: MoneyForms,
    today: NaiveDate,
    chunk: ChunkBuilder,
    events: TupleWriter,
    event_rows: usize,
    unreadable: u64,
    output: Sender<Piece>,
}

impl<'a> Reader<'a> {
    fn new(batch: &'a Batch, terms: &'a Terms, app: &'a App, output: Sender<Piece>) -> Reader<'a> {
        Reader {
            batch,
            terms,
            keys: &app.keys,
            limits: &app.config.limits,
            money: MoneyForms::default(),
            today: dates::business_date(batch.received_at.unwrap_or(batch.created_at)),
            chunk: match batch.dataset {
                Dataset::Application => ChunkBuilder::applications(),
                Dataset::AccountSnapshot | Dataset::RepaymentEvent => ChunkBuilder::snapshots(),
            },
            events: TupleWriter::default(),
            event_rows: 0,
            unreadable: 0,
            output,
        }
    }

    /// Reads the whole batch; says how many records there are and how many accepted ones are not whole.
    fn read(
        mut self,
        contract: &'static Contract,
        accepted: &Marks,
        feed: mpsc::Receiver<Feed>,
    ) -> Result<(u64, u64), Fault> {
        let batch = self.batch;
        let source = Source::new(feed, &batch.stored_encoding, &batch.content_encoding)?;
        let constants = self.terms.constants_of(batch.dataset);
        let (format, limits) = (batch.envelope.format, self.limits);
        let received = decode::for_each_row(
            &source,
            contract,
            supplied(&constants),
            format,
            limits,
            |record_no, row| {
                if !accepted.contains(record_no) {
                    return Ok(());
                }
                let Ok(mut row) = row else {
                    self.unreadable += 1;
                    return Ok(());
                };
                impute(&mut row, &constants);
                if !self.record(record_no, &row) {
                    self.unreadable += 1;
                }
                self.flush(false)
            },
        )?;
        let digest = batch.sha256.as_deref().unwrap_or_default();
        source.verify(digest, batch.received_bytes.unwrap_or_default() as u64)?;
        self.flush(true)?;
        Ok((received, self.unreadable))
    }

    /// Encodes one record; `false` when it is not whole.
    fn record(&mut self, record_no: u64, row: &Row<'_>) -> bool {
        let context = FieldContext {
            terms: self.terms,
            money: self.batch.envelope.money_unit(),
            money_forms: &self.money,
        };
        let (mut findings, identity) = (Vec::new(), IdentityContext { today: self.today });
        match self.batch.dataset {
            Dataset::AccountSnapshot => {
                let record = read_snapshot(row, &context, &mut findings);
                let checked = check_identity(&record, &identity, &mut findings);
                checked.is_some_and(|checked| {
                    let person = Person::new(self.keys, &record.subject(), &checked);
                    self.chunk.add(record_no, &record, &person)
                })
            }
            Dataset::RepaymentEvent => {
                let event = read_event(row, &context, &mut findings);
                let content = digest::digest(&digest::SHA256, event.content().as_bytes());
                self.event_rows += 1;
                staged_events::write(&mut self.events, record_no, &event, content.as_ref()).is_some()
            }
            Dataset::Application => {
                let application = read_application(row, &context, &mut findings);
                let applied_on = application.applied_at.map(dates::business_date);
                let checked = check_applicant(&application.subject, applied_on, &identity, &mut findings);
                checked.is_some_and(|checked| {
                    let person = Person::new(self.keys, &application.subject, &checked);
                    self.chunk.add_application(record_no, &application, &person)
                })
            }
        }
    }

    /// Sends what is full, or everything at the end.
    fn flush(&mut self, end: bool) -> Result<(), Fault> {
        if end || self.chunk.is_full() {
            self.chunk.take().map_or(Ok(()), |chunk| self.send(Piece::Chunk(chunk)))?;
        }
        if (end && self.event_rows > 0) || self.event_rows >= EVENT_ROWS {
            self.event_rows = 0;
            let tuples = std::mem::take(&mut self.events.bytes);
            self.send(Piece::Events(tuples))?;
        }
        Ok(())
    }

    fn send(&self, piece: Piece) -> Result<(), Fault> {
        self.output.blocking_send(piece).map_err(|_| Fault::BrokenOff("the work was given up".into()))
    }
}
