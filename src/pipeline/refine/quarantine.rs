//! Rejected records on their way into their table: read back from the reject file that was just completed, so that
//! file and table can never differ, and staged before transaction C, so that it stays short.

use std::io::{BufRead as _, BufReader};

use sqlx::PgConnection;
use tokio::sync::mpsc;
use tokio_util::io::SyncIoBridge;

use crate::app::App;
use crate::db::batches::Batch;
use crate::db::copy::{self, TupleWriter};
use crate::db::lake_entries;
use crate::db::rejected_records::{self, Origin};
use crate::domain::batch::State;
use crate::error::{Error, Result};

/// Tuples that are sent in one go, and how many such pieces wait: what bounds memory.
const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 4;

/// Stages the lines of the reject file, if there is one.
pub async fn stage(app: &App, connection: &mut PgConnection, rejects_key: Option<&str>) -> Result<()> {
    rejected_records::prepare(connection).await?;
    let Some(key) = rejects_key else { return Ok(()) };
    let object = app.store.get(key).await?;
    let object = object.ok_or_else(|| Error::Store("the reject file is missing".into()))?;
    let packed = SyncIoBridge::new(object.into_async_read());
    let (send, mut pieces) = mpsc::channel(PIECES);
    let reader = tokio::task::spawn_blocking(move || read_lines(packed, &send));
    let mut copy = connection.copy_in_raw(rejected_records::COPY).await?;
    copy.send(copy::HEADER).await?;
    while let Some(piece) = pieces.recv().await {
        copy.send(piece).await?;
    }
    copy.send(copy::TRAILER).await?;
    let read = reader.await.map_err(|panic| Error::Internal(format!("reading rejects panicked: {panic}")))?;
    match read {
        Ok(()) => copy.finish().await.map(|_| ()).map_err(Error::from),
        Err(error) => {
            copy.abort("the reject file broke off").await?;
            Err(Error::Store(format!("reading the reject file: {error}")))
        }
    }
}

fn read_lines(packed: impl std::io::Read, send: &mpsc::Sender<Vec<u8>>) -> std::io::Result<()> {
    let mut tuples = TupleWriter::default();
    let mut reader = BufReader::new(zstd::stream::read::Decoder::new(packed)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        rejected_records::write_line(&mut tuples, line.trim_ascii_end());
        line.clear();
        if tuples.bytes.len() >= PIECE_BYTES && send.blocking_send(std::mem::take(&mut tuples.bytes)).is_err()
        {
            return Ok(());
        }
    }
    // Nobody waits for the rest when the copy has failed already; its error is the one that is told.
    let _ = send.blocking_send(tuples.bytes);
    Ok(())
}

/// Part of transaction C: the staged lines become rows, and what the batch was sent to fix is fixed.
pub async fn write_in_tx(
    connection: &mut PgConnection,
    batch: &Batch,
    state: State,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<()> {
    if batch.counts.is_some() {
        rejected_records::clear_in_tx(connection, batch.id).await?;
    }
    let origin = Origin {
        batch_id: batch.id,
        contributor_id: batch.contributor_id,
        dataset: batch.dataset,
        period_end: batch.period_end,
        at,
    };
    rejected_records::insert_staged_in_tx(connection, &origin).await?;
    // Held, the batch is judged once more, and only then are its rejects for good.
    if state != State::OnHold {
        lake_entries::enter_rejects_in_tx(connection, batch.id, at).await?;
    }
    if state != State::Published {
        return Ok(());
    }
    if let Some(fixed) = batch.envelope.fixes {
        rejected_records::resolve_in_tx(connection, batch.dataset, fixed, batch.id, at).await?;
    }
    Ok(())
}
