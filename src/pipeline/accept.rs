//! Taking a submission: the contract sentence of the product lives here.
//!
//! A 2xx means that the exact bytes, digest checked, are durable in the object store and that the batch, its
//! key, lineage and audit rows are committed in one transaction. Everything else is not acknowledged.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};

use super::fixes;
use super::pack::{DeclaredDigest, Digests, Packer};
use crate::access::ReceiptClaims;
use crate::app::App;
use crate::db::answered;
use crate::db::batches::{self, Batch, NewBatch, Reception};
use crate::domain::batch::State;
use crate::domain::contract::Mode;
use crate::domain::envelope::Envelope;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, ContributorId, JobId, ObligationId};
use crate::privacy::random;
use crate::store::{StorageKey, Upload};

/// Signs of life in the time of one upload lease ([`crate::config::Config::upload_lease`]).
const HEARTBEATS: u32 = 3;
/// How much is hashed and packed in one go, off the async threads.
const CHUNK_BYTES: usize = 1 << 20;
/// A key that changes hands this often in one request is being fought over.
const KEY_ATTEMPTS: usize = 3;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncoding {
    Identity,
    Gzip,
    Zstd,
}

impl ContentEncoding {
    pub fn as_str(self) -> &'static str {
        match self {
            ContentEncoding::Identity => "identity",
            ContentEncoding::Gzip => "gzip",
            ContentEncoding::Zstd => "zstd",
        }
    }

    /// A packed file sent without its header is taken for what it is: no text of ours begins like this.
    fn or_by_magic(self, body: &[u8]) -> ContentEncoding {
        match (self, body) {
            (ContentEncoding::Identity, [0x1F, 0x8B, 0x08, ..]) => ContentEncoding::Gzip,
            (ContentEncoding::Identity, [0x28, 0xB5, 0x2F, 0xFD, ..]) => ContentEncoding::Zstd,
            (declared, _) => declared,
        }
    }
}

/// What a contributor's system wants to submit, headers and envelope read, body still to come.
#[derive(Clone, Debug)]
pub struct Submission {
    pub contributor_id: ContributorId,
    pub client_id: ClientId,
    pub envelope: Envelope,
    /// Else the version is what the contributor meant when it sent this; it may mean another one by the next try.
    pub schema_version_declared: bool,
    pub idempotency_key: String,
    pub content_type: String,
    pub content_encoding: ContentEncoding,
    /// Digests that the contributor stated (RFC 9530); any that differs refuses the body.
    pub digests: Vec<DeclaredDigest>,
    pub content_length: Option<u64>,
    /// The body is made of rejected records of the batch that it fixes: their numbers there, in order.
    pub replayed: Vec<i64>,
}

/// A submission that stands.
#[derive(Clone, Debug)]
pub enum Accepted {
    New(Batch),
    /// The key and the content were seen before: the original batch and receipt.
    Replayed(Batch),
}

impl Accepted {
    pub fn batch(&self) -> &Batch {
        match self {
            Accepted::New(batch) | Accepted::Replayed(batch) => batch,
        }
    }
}

/// Takes a submission or says why not.
///
/// # Errors
/// `Conflict` for a key in flight or bytes that came before under another key, `Unprocessable` for a key used
/// with other content, `BadRequest` for a digest or length that differs, `PayloadTooLarge`, and transient
/// errors of Postgres or the store; after every error nothing of this call is left standing.
pub async fn accept<S>(app: &App, mut submission: Submission, body: S) -> Result<Accepted>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    let limit = app.config.limits.max_batch_bytes;
    if submission.content_length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    check_replaced(app, &submission).await?;
    fixes::check(app, &submission).await?;
    let mut body = Body { stream: body, first: None, ended: false, received: 0, limit };
    let first = body.next_chunk().await?;
    submission.content_encoding =
        submission.content_encoding.or_by_magic(first.as_deref().unwrap_or_default());
    body.first = first;
    for _ in 0..KEY_ATTEMPTS {
        // Nearly every key is new: it is claimed first and looked up only when somebody has it.
        let new = open(app, &submission);
        if answered(batches::insert_receiving(&app.db.system, &new, app.config.upload_lease)).await? {
            return receive(app, &submission, new, body).await.map(Accepted::New);
        }
        let known = answered(find_by_key(app, &submission)).await?;
        match known {
            Some((batch, true)) => take_over(app, &batch).await?,
            Some((batch, false)) if batch.state == State::Receiving => return Err(in_flight()),
            Some((batch, false)) => return replay(&submission, batch, body).await,
            // Swept in between: the key is free again.
            None => {}
        }
    }
    Err(in_flight())
}

/// Frees the key of an upload that was given up by everyone.
async fn take_over(app: &App, abandoned: &Batch) -> Result<()> {
    if batches::sweep(&app.db.system, abandoned.id, "upload abandoned; the key was sent again").await? {
        forget_object(app, &abandoned.object_key).await;
    }
    Ok(())
}

/// F027: a replacement names a batch of the same contributor, dataset and period.
async fn check_replaced(app: &App, submission: &Submission) -> Result<()> {
    let Some(replaced) = submission.envelope.replaces else { return Ok(()) };
    let mut tx = app.db.as_contributor(submission.contributor_id).await?;
    let batch = batches::find(&mut *tx, submission.contributor_id, replaced).await?;
    tx.commit().await?;
    let envelope = &submission.envelope;
    let fits = batch.is_some_and(|b| {
        b.dataset == envelope.dataset && b.period_end == envelope.period_end && !b.envelope.dry_run
    });
    if fits {
        return Ok(());
    }
    Err(Error::unprocessable(
        "validation-failed",
        "replaces must name a batch of yours with the same dataset and period_end (F027)",
    ))
}

/// The live submission under this one's key, and whether its upload was given up by everyone.
async fn find_by_key(app: &App, submission: &Submission) -> Result<Option<(Batch, bool)>> {
    let (client, key) = (submission.client_id, &submission.idempotency_key);
    batches::find_by_key(&app.db.system, client, key, submission.envelope.dry_run).await
}

/// Where the bytes go: those of a rehearsal are not kept for good.
fn object_key(submission: &Submission, id: BatchId) -> StorageKey {
    if submission.envelope.dry_run {
        StorageKey::rehearsal(submission.contributor_id, id)
    } else {
        StorageKey::bronze(submission.contributor_id, id)
    }
}

fn open(app: &App, submission: &Submission) -> NewBatch {
    let now = app.clock.now();
    let id = BatchId(random::uuid_v7(now));
    NewBatch {
        id,
        contributor_id: submission.contributor_id,
        client_id: submission.client_id,
        envelope: submission.envelope.clone(),
        idempotency_key: submission.idempotency_key.clone(),
        content_type: submission.content_type.clone(),
        content_encoding: submission.content_encoding.as_str(),
        stored_encoding: match submission.content_encoding {
            ContentEncoding::Identity => "zstd",
            ContentEncoding::Gzip | ContentEncoding::Zstd => "identity",
        },
        object_key: object_key(submission, id).to_string(),
        created_at: now,
    }
}

/// The key was used before: the same content gets the original answer, any other is refused.
async fn replay<S>(submission: &Submission, batch: Batch, mut body: Body<S>) -> Result<Accepted>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    let mut packer = Packer::hashing(&submission.digests);
    while let Some(chunk) = body.next_chunk().await? {
        packer = off_thread(move || packer.hash(&chunk)).await?;
    }
    let digests = packer.finish();
    let mut envelope = submission.envelope.clone();
    if !submission.schema_version_declared {
        envelope.schema_version.clone_from(&batch.envelope.schema_version);
    }
    let same = batch.sha256.as_deref() == Some(digests.sha256.as_slice()) && batch.envelope == envelope;
    if !same {
        return Err(Error::unprocessable(
            "idempotency-key-reused",
            "this Idempotency-Key belongs to a submission with other content or another envelope; send new content under a new key (F012)",
        ));
    }
    Ok(Accepted::Replayed(batch))
}

/// Streams the body to bronze and acknowledges it. On any failure the row is swept and the object removed.
async fn receive<S>(app: &App, submission: &Submission, new: NewBatch, mut body: Body<S>) -> Result<Batch>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    let outcome = tokio::select! {
        outcome = store_and_acknowledge(app, submission, &new, &mut body) => outcome,
        never = keep_receiving(app, new.id) => match never {},
    };
    if let Err(error) = &outcome {
        give_up(app, &new, error).await;
    }
    outcome
}

async fn store_and_acknowledge<S>(
    app: &App,
    submission: &Submission,
    new: &NewBatch,
    body: &mut Body<S>,
) -> Result<Batch>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    let mut upload = app.store.upload(&object_key(submission, new.id));
    let digests = match stream_to_bronze(submission, &mut upload, body).await {
        Ok(digests) => digests,
        Err(error) => {
            upload.abort().await;
            return Err(error);
        }
    };
    let stored = upload.finish().await?;
    acknowledge(app, submission, new, &digests, body.received, stored).await
}

/// Says every few seconds that bytes still flow.
async fn keep_receiving(app: &App, id: BatchId) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(app.config.upload_lease / HEARTBEATS).await;
        if let Err(error) = batches::extend_receiving(&app.db.system, id, app.config.upload_lease).await {
            tracing::warn!(batch.id = %id, %error, "could not say that the upload lives");
        }
    }
}

async fn stream_to_bronze<S>(
    submission: &Submission,
    upload: &mut Upload,
    body: &mut Body<S>,
) -> Result<Digests>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    let mut packer = if submission.content_encoding == ContentEncoding::Identity {
        Packer::packing(&submission.digests)?
    } else {
        Packer::hashing(&submission.digests)
    };
    while let Some(chunk) = body.next_chunk().await? {
        let (next, stored) = off_thread(move || packer.pack(chunk)).await?;
        packer = next;
        upload.write(&stored?).await?;
    }
    let digests = packer.finish();
    digests.check(&submission.digests)?;
    if submission.content_length.is_some_and(|length| length != body.received) {
        return Err(Error::bad_request(
            "bad-request",
            "the body is not as long as Content-Length says (F003)",
        ));
    }
    Ok(digests)
}

/// Transaction B.
async fn acknowledge(
    app: &App,
    submission: &Submission,
    new: &NewBatch,
    digests: &Digests,
    received_bytes: u64,
    stored_bytes: u64,
) -> Result<Batch> {
    let received_at = app.clock.now();
    let receipt = app.issuer.sign_receipt(&ReceiptClaims {
        batch_id: new.id,
        sha256: hex::encode(digests.sha256),
        bytes: received_bytes,
        dataset: new.envelope.dataset,
        contributor_id: new.contributor_id,
        idempotency_key: Some(new.idempotency_key.clone()),
        received_at,
    })?;
    let envelope = &new.envelope;
    let reception = Reception {
        id: new.id,
        contributor_id: new.contributor_id,
        client_id: new.client_id,
        job_id: JobId(random::uuid_v7(received_at)),
        dataset: envelope.dataset,
        period_end: envelope.period_end,
        sha256: &digests.sha256,
        received_bytes: received_bytes as i64,
        stored_bytes: stored_bytes as i64,
        receipt: &receipt,
        received_at,
        // An empty body says nothing by itself: nil returns of two periods are not the same submission.
        refuse_same_bytes: received_bytes > 0 && !envelope.allow_duplicate && envelope.replaces.is_none(),
        alone_in_period: matches!(envelope.mode, Mode::Full | Mode::Replace),
    };
    let committed = answered(commit_reception(app, submission, new, &reception)).await;
    let obligation_id = match committed {
        Ok(obligation_id) => obligation_id,
        Err(error) => {
            // The answer to COMMIT may have been lost: what the database says now is the truth.
            let found = answered(find_by_key(app, submission)).await;
            return match found {
                Ok(Some((batch, _))) if batch.id == new.id && batch.state != State::Receiving => Ok(batch),
                _ => Err(error),
            };
        }
    };
    app.wake.work();
    metrics::counter!("etr_batches_received_total", "dataset" => envelope.dataset.as_str()).increment(1);
    metrics::counter!("etr_received_bytes_total").increment(received_bytes);
    let batch = received_batch(submission, new, digests, received_bytes, receipt, received_at);
    Ok(Batch { obligation_id, ..batch })
}

/// The batch as transaction B left it; spares a look-up.
fn received_batch(
    submission: &Submission,
    new: &NewBatch,
    digests: &Digests,
    received_bytes: u64,
    receipt: String,
    received_at: chrono::DateTime<chrono::Utc>,
) -> Batch {
    Batch {
        id: new.id,
        contributor_id: new.contributor_id,
        client_id: new.client_id,
        dataset: new.envelope.dataset,
        mode: new.envelope.mode,
        period_end: new.envelope.period_end,
        envelope: submission.envelope.clone(),
        state: State::Received,
        idempotency_key: new.idempotency_key.clone(),
        content_type: new.content_type.clone(),
        content_encoding: new.content_encoding.to_owned(),
        stored_encoding: new.stored_encoding.to_owned(),
        object_key: new.object_key.clone(),
        sha256: Some(digests.sha256.to_vec()),
        received_bytes: Some(received_bytes as i64),
        receipt: Some(receipt),
        created_at: new.created_at,
        received_at: Some(received_at),
        settled_at: None,
        published_at: None,
        counts: None,
        totals: None,
        rules_version: None,
        rejects_key: None,
        hold_explanation: None,
        failure: None,
        files_removed_at: None,
        superseded_by: None,
        obligation_id: None,
    }
}

/// Commits transaction B; says which obligation the batch was sent for.
async fn commit_reception(
    app: &App,
    submission: &Submission,
    new: &NewBatch,
    reception: &Reception<'_>,
) -> Result<Option<ObligationId>> {
    let mut tx = app.db.system.begin().await?;
    for lock in look_back_locks(reception) {
        crate::db::advisory_lock_in_tx(&mut tx, lock).await?;
    }
    let outcome = batches::receive_in_tx(&mut tx, reception).await?;
    if let Some(earlier) = outcome.same_bytes {
        return Err(Error::conflict(
            "duplicate-content",
            format!(
                "batch {earlier} has the same bytes; if they are meant, send them with allow_duplicate=true or replaces={earlier} (F012)"
            ),
        ));
    }
    if let Some(flying) = outcome.in_flight {
        return Err(Error::conflict(
            "period-in-flight",
            format!(
                "batch {flying} for the same dataset and period is not settled yet; wait for it or cancel it (F015)"
            ),
        ));
    }
    if !outcome.received {
        return Err(Error::Overloaded("the upload took too long and was given up"));
    }
    if let Some(fixed) = submission.envelope.fixes {
        fixes::link_in_tx(&mut tx, submission, new, fixed, reception.received_at).await?;
    }
    tx.commit().await?;
    Ok(outcome.obligation_id)
}

/// What two submissions must not do at once: the same bytes, or two whole books for one period.
fn look_back_locks(reception: &Reception<'_>) -> Vec<i64> {
    let mut locks = Vec::new();
    if reception.refuse_same_bytes {
        locks.push(lock_number(&[reception.contributor_id.0.as_bytes(), reception.sha256]));
    }
    if reception.alone_in_period {
        let period = reception.period_end.to_string();
        let parts: [&[u8]; 3] =
            [reception.contributor_id.0.as_bytes(), reception.dataset.as_str().as_bytes(), period.as_bytes()];
        locks.push(lock_number(&parts));
    }
    // One order for everybody, so that two transactions never wait for each other.
    locks.sort_unstable();
    locks
}

fn lock_number(parts: &[&[u8]]) -> i64 {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let digest = context.finish();
    let first: [u8; 8] = std::array::from_fn(|i| digest.as_ref()[i]);
    i64::from_be_bytes(first)
}

/// Undoes a submission that was not acknowledged. If this fails, the sweeper does it later.
async fn give_up(app: &App, new: &NewBatch, cause: &Error) {
    let reason = match cause {
        Error::BadRequest { code, .. } | Error::Conflict { code, .. } => *code,
        Error::PayloadTooLarge { .. } => "payload-too-large",
        _ => "not acknowledged",
    };
    match batches::sweep(&app.db.system, new.id, reason).await {
        Ok(true) => forget_object(app, &new.object_key).await,
        Ok(false) => {}
        Err(error) => tracing::warn!(batch.id = %new.id, %error, "left to the sweeper"),
    }
}

async fn forget_object(app: &App, key: &str) {
    if let Err(error) = app.store.delete(key).await {
        tracing::warn!(%error, "an object without a batch is left in bronze/");
    }
}

fn too_large(limit: u64) -> Error {
    Error::PayloadTooLarge {
        public: format!(
            "a batch may have at most {limit} bytes as sent; split it into several DELTA batches (F016)"
        )
        .into(),
    }
}

fn in_flight() -> Error {
    Error::conflict(
        "idempotency-key-in-flight",
        "a submission with this Idempotency-Key is still being received; ask again after Retry-After",
    )
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))
}

/// A body with its counter. The pace of the sender is the HTTP layer's to guard.
struct Body<S> {
    stream: S,
    /// Read ahead, to see how the body begins.
    first: Option<Bytes>,
    /// A stream that has ended is not asked again: what it would answer is undefined.
    ended: bool,
    received: u64,
    limit: u64,
}

impl<S> Body<S>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    /// The next piece of about [`CHUNK_BYTES`], or `None` at the end.
    async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let mut chunk = BytesMut::new();
        while chunk.len() < CHUNK_BYTES && !self.ended {
            let Some(piece) = self.stream.next().await else {
                self.ended = true;
                break;
            };
            let piece = piece?;
            self.received += piece.len() as u64;
            if self.received > self.limit {
                return Err(too_large(self.limit));
            }
            chunk.extend_from_slice(&piece);
        }
        Ok((!chunk.is_empty()).then(|| chunk.freeze()))
    }
}
