//! The half of refining that talks to Postgres and the store while the judge reads: known subjects, known
//! accounts, COPY into the staging table, the reject file.

use std::sync::Arc;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;

use super::chunk::{Chunk, Known, LateFinding, SubjectNames};
use super::rejects::{RejectLine, RejectWriter};
use crate::app::App;
use crate::db::batches::Batch;
use crate::db::jobs::Lease;
use crate::db::{copy, serving, staging};
use crate::error::{Error, Result};
use crate::store::{StorageKey, Upload};

/// One attempt's staging area.
pub struct Stage {
    app: Arc<App>,
    /// The connection that owns the temporary table; transaction C runs on it.
    pub connection: PoolConnection<Postgres>,
    batch: BatchRef,
    names: Arc<SubjectNames>,
    rejects_key: StorageKey,
    rejects: Option<Upload>,
    has_accounts: bool,
    /// What the serving store contradicted, by record.
    pub late: Vec<LateFinding>,
    pub staged_rows: u64,
}

#[derive(Clone, Copy)]
struct BatchRef {
    contributor_id: crate::ids::ContributorId,
}

impl Stage {
    pub async fn open(app: &Arc<App>, batch: &Batch, lease: &Lease) -> Result<Stage> {
        let mut connection = app.db.refinery.acquire().await?;
        staging::prepare(&mut connection).await?;
        Ok(Stage {
            app: Arc::clone(app),
            connection,
            batch: BatchRef { contributor_id: batch.contributor_id },
            names: Arc::new(SubjectNames::new()),
            rejects_key: StorageKey::rejects(batch.id, lease.lease_token),
            rejects: None,
            has_accounts: serving::has_accounts(&app.db.system, batch.contributor_id).await?,
            late: Vec::new(),
            staged_rows: 0,
        })
    }

    /// Stages a chunk of accepted records.
    pub async fn chunk(&mut self, chunk: Chunk) -> Result<()> {
        let known = self.known(&chunk).await?;
        let (names, app) = (Arc::clone(&self.names), Arc::clone(&self.app));
        let rows = chunk.len();
        // Encoding seals new identifiers: milliseconds of pure computation, kept off the async threads.
        let encoded = tokio::task::spawn_blocking(move || chunk.staged(&known, &names, &app.keys)).await;
        let (tuples, late) = encoded.map_err(|error| Error::Internal(error.to_string()))??;
        self.late.extend(late);
        let mut copy = self.connection.copy_in_raw(staging::COPY).await?;
        copy.send(copy::HEADER).await?;
        copy.send(tuples).await?;
        copy.send(copy::TRAILER).await?;
        copy.finish().await?;
        self.staged_rows += rows;
        Ok(())
    }

    async fn known(&self, chunk: &Chunk) -> Result<Known> {
        let pool = &self.app.db.system;
        let subjects = serving::known_subjects(pool, &chunk.tokens()).await?;
        let holders = if self.has_accounts {
            serving::primary_holders(pool, self.batch.contributor_id, &chunk.account_refs()).await?
        } else {
            Vec::new()
        };
        Ok(Known {
            subjects: subjects.into_iter().map(|known| (known.token, known.subject_id)).collect(),
            holders: holders.into_iter().collect(),
        })
    }

    /// Appends a packed frame to the reject file.
    pub async fn rejects(&mut self, frame: &[u8]) -> Result<()> {
        let upload = self.rejects.get_or_insert_with(|| self.app.store.upload(&self.rejects_key));
        upload.write(frame).await
    }

    /// Appends the lines that only the end of the file could tell.
    pub async fn late_rejects(&mut self, lines: &[RejectLine]) -> Result<()> {
        let mut writer = RejectWriter::default();
        let packed = |error: std::io::Error| Error::Internal(error.to_string());
        for line in lines {
            if let Some(frame) = writer.add(line).map_err(packed)? {
                self.rejects(&frame).await?;
            }
        }
        if let Some(frame) = writer.take().map_err(packed)? {
            self.rejects(&frame).await?;
        }
        Ok(())
    }

    /// Completes the reject file; its key, if there is one.
    pub async fn finish_rejects(&mut self) -> Result<Option<String>> {
        match self.rejects.take() {
            None => Ok(None),
            Some(upload) => {
                upload.finish().await?;
                Ok(Some(self.rejects_key.to_string()))
            }
        }
    }
}
