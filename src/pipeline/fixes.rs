//! Fixing what a batch left rejected: a correction is a DELTA that names its origin, made by the contributor from the
//! reject file, or here, of exactly the lines that were rejected, when the rules or the terms have changed since.

use bytes::Bytes;
use futures::stream;
use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::accept::{self, Accepted, ContentEncoding, Submission};
use super::decode::{self, Fault, Source};
use super::refine::feed_from_store;
use crate::app::App;
use crate::db::batches::{self, Batch, NewBatch};
use crate::db::{answered, lineage, rejected_records, transitions};
use crate::domain::batch::State;
use crate::domain::contract::Mode;
use crate::domain::envelope::{Envelope, Format};
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, ContributorId};

/// Most records that are replayed in one go; their numbers are kept in memory and bound to one statement, which has to
/// end well within what a request may take.
const MAX_RECORDS: usize = 100_000;
/// Pieces between the store, the thread that picks lines, and the upload: what bounds memory.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 64 << 10;

/// F027: mended records belong to a batch of the same contributor, dataset and period that left some.
pub async fn check(app: &App, submission: &Submission) -> Result<()> {
    let Some(fixed) = submission.envelope.fixes else { return Ok(()) };
    let mut tx = app.db.as_contributor(submission.contributor_id).await?;
    let batch = batches::find(&mut *tx, submission.contributor_id, fixed).await?;
    tx.commit().await?;
    let envelope = &submission.envelope;
    let fits = batch.is_some_and(|b| {
        b.dataset == envelope.dataset
            && b.period_end == envelope.period_end
            && !b.envelope.dry_run
            && matches!(b.state, State::Published | State::Curated | State::Rejected)
    });
    if fits {
        return Ok(());
    }
    Err(Error::unprocessable(
        "validation-failed",
        "fixes must name a batch of yours with the same dataset and period_end that is published or rejected (F027)",
    ))
}

/// Writes down that a batch is made to fix another, and which of its records are which.
pub async fn link_in_tx(
    tx: &mut PgConnection,
    submission: &Submission,
    new: &NewBatch,
    fixed: BatchId,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<()> {
    if !submission.replayed.is_empty() {
        // Two replays of one batch come one after the other: a statement that waited for the other's rows would still see the
        // batches as they were before it waited.
        transitions::lock_batch_in_tx(tx, fixed).await?;
        let linked = rejected_records::link_replay_in_tx(tx, fixed, new.id, &submission.replayed).await?;
        if linked != submission.replayed.len() as u64 {
            return Err(Error::conflict(
                "conflict",
                "some of the rejected records were fixed meanwhile, or are in a replay that is not settled; wait for it or \
                 cancel it, and ask again",
            ));
        }
    }
    let fixed = fixed.to_string();
    let edge = ("rejected_records", fixed.as_str(), "bronze_object", new.object_key.as_str());
    lineage::insert_edges(tx, new.contributor_id, new.id, &[edge], at).await
}

/// A wish to have the rejected records of a batch judged again.
#[derive(Clone, Debug)]
pub struct Replay {
    pub contributor_id: ContributorId,
    pub client_id: ClientId,
    pub origin: BatchId,
    pub idempotency_key: String,
}

/// Submits the open rejected records of a batch again, as they came, in the name of their contributor.
///
/// # Errors
/// `NotFound` for a batch of somebody else, `Conflict` when there is nothing to replay, `Unprocessable` for more than
/// a hundred thousand records, and whatever [`accept::accept`] says.
pub async fn replay(app: &App, wish: Replay) -> Result<Accepted> {
    if let Some(before) = replayed_before(app, &wish).await? {
        return Ok(Accepted::Replayed(before));
    }
    let mut tx = app.db.as_contributor(wish.contributor_id).await?;
    let origin = batches::find(&mut *tx, wish.contributor_id, wish.origin).await?.ok_or(Error::NotFound)?;
    let numbers = rejected_records::open_record_nos(&mut *tx, origin.id, MAX_RECORDS as i64 + 1).await?;
    tx.commit().await?;
    if numbers.is_empty() {
        return Err(Error::conflict("conflict", "no record of the batch is rejected and waits to be fixed"));
    }
    if numbers.len() > MAX_RECORDS {
        return Err(Error::unprocessable(
            "validation-failed",
            "more than 100000 records are rejected; send them as a DELTA with fixes=<batch id>",
        ));
    }
    let object = app.store.get(&origin.object_key).await?;
    let object = object.ok_or_else(|| Error::Internal("the stored object is missing".into()))?;
    let body = pick(app, &origin, object, numbers.clone());
    let submission = Submission {
        schema_version_declared: true,
        contributor_id: wish.contributor_id,
        client_id: wish.client_id,
        envelope: envelope_of(&origin),
        idempotency_key: wish.idempotency_key,
        content_type: match origin.envelope.format {
            Format::Csv => "text/csv",
            Format::Ndjson => "application/x-ndjson",
        }
        .to_owned(),
        content_encoding: ContentEncoding::Identity,
        digests: Vec::new(),
        content_length: None,
        replayed: numbers,
    };
    accept::accept(app, submission, body).await
}

/// The answer to a key that was used for the same wish before. What is rejected may have changed since, so that the
/// content says nothing.
async fn replayed_before(app: &App, wish: &Replay) -> Result<Option<Batch>> {
    let known =
        answered(batches::find_by_key(&app.db.system, wish.client_id, &wish.idempotency_key, false)).await?;
    Ok(known
        .map(|(batch, _)| batch)
        .filter(|batch| batch.state != State::Receiving && batch.envelope.fixes == Some(wish.origin)))
}

/// The lines keep the meaning that they were sent with; what was declared about the whole file is not repeated.
fn envelope_of(origin: &Batch) -> Envelope {
    let declared = &origin.envelope;
    Envelope {
        schema_version: declared.schema_version.clone(),
        environment: declared.environment,
        money_unit: declared.money_unit,
        fixes: Some(origin.id),
        // The same lines may be replayed more than once.
        allow_duplicate: true,
        ..Envelope::new(declared.dataset, Mode::Delta, declared.period_end, declared.format)
    }
}

/// Streams the wanted records of a batch out of its bronze object.
fn pick(
    app: &App,
    origin: &Batch,
    object: aws_sdk_s3::primitives::ByteStream,
    numbers: Vec<i64>,
) -> impl futures::Stream<Item = Result<Bytes>> + Unpin + Send + use<> {
    let (send_feed, feed) = mpsc::channel(PIECES);
    let (send, receive) = mpsc::channel::<Result<Bytes>>(PIECES);
    tokio::spawn(feed_from_store(object, send_feed));
    let (limits, origin) = (app.config.limits.clone(), origin.clone());
    tokio::task::spawn_blocking(move || {
        let done = Source::new(feed, &origin.stored_encoding, &origin.content_encoding).and_then(|source| {
            let mut piece = Vec::new();
            decode::pick_records(&source, origin.envelope.format, &limits, &numbers, |record| {
                piece.extend_from_slice(record);
                if piece.len() < PIECE_BYTES { Ok(()) } else { send_on(&send, std::mem::take(&mut piece)) }
            })?;
            send_on(&send, piece)
        });
        if let Err(fault) = done {
            // The upload fails and is swept; a body that only seems whole would lose records.
            let _ = send.blocking_send(Err(error_of(&fault)));
        }
    });
    Box::pin(stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    }))
}

fn send_on(send: &mpsc::Sender<Result<Bytes>>, piece: Vec<u8>) -> Result<(), Fault> {
    send.blocking_send(Ok(piece.into())).map_err(|_| Fault::BrokenOff("the upload was given up".into()))
}

fn error_of(fault: &Fault) -> Error {
    match fault {
        Fault::BrokenOff(cause) => Error::Store(cause.clone()),
        fault => Error::Internal(format!("picking rejected records: {fault}")),
    }
}
