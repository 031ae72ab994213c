//! The half of refining that talks to Postgres and the store while the judge reads: known subjects, known
//! accounts, COPY into the staging table, the reject file.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;

use super::chunk::{Chunk, Contradicted, Known, SubjectNames};
use super::rejects::RejectFile;
use crate::app::App;
use crate::db::batches::Batch;
use crate::db::copy::copy_in;
use crate::db::identity_reviews::Contradiction;
use crate::db::jobs::Lease;
use crate::db::{
    erasure_tombstones, identity_reviews, journal, serving, staged_applications, staged_events, staging,
};
use crate::domain::contract::Dataset;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};
use crate::store::StorageKey;

/// One attempt's staging area.
pub struct Stage {
    pub app: Arc<App>,
    /// The connection that owns the temporary table; transaction C runs on it.
    pub connection: PoolConnection<Postgres>,
    /// How the dataset's records are staged.
    copy: &'static str,
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    names: Arc<SubjectNames>,
    pub rejects: RejectFile,
    /// The contributor has an account already.
    pub has_accounts: bool,
    pub contradicted: Contradicted,
}

/// A rehearsal's rejects go with its bytes, after a while.
fn rejects_key(batch: &Batch, lease: &Lease) -> StorageKey {
    if batch.envelope.dry_run {
        StorageKey::rehearsed_rejects(batch.id)
    } else {
        StorageKey::rejects(batch.id, lease.lease_token)
    }
}

impl Stage {
    pub async fn open(app: &Arc<App>, batch: &Batch, lease: &Lease) -> Result<Stage> {
        let connection = app.db.refinery.acquire().await?;
        Stage::on(app, batch, lease, connection).await
    }

    /// The same for a batch that is judged again: the accounts are what had been published before it. The connection is
    /// closed at the end.
    pub async fn open_before(app: &Arc<App>, batch: &Batch, lease: &Lease) -> Result<Stage> {
        let mut connection = app.db.refinery.acquire().await?;
        connection.close_on_drop();
        journal::stand_before_in_session(&mut connection, batch).await?;
        Stage::on(app, batch, lease, connection).await
    }

    async fn on(
        app: &Arc<App>,
        batch: &Batch,
        lease: &Lease,
        mut connection: PoolConnection<Postgres>,
    ) -> Result<Stage> {
        staging::prepare(&mut connection).await?;
        identity_reviews::prepare(&mut connection).await?;
        let has_accounts = serving::has_accounts(&mut *connection, batch.contributor_id).await?;
        let copy = match batch.dataset {
            Dataset::AccountSnapshot => staging::COPY,
            Dataset::RepaymentEvent => {
                staged_events::prepare(&mut connection).await?;
                staged_events::COPY
            }
            Dataset::Application => {
                staged_applications::prepare(&mut connection).await?;
                staged_applications::COPY
            }
        };
        Ok(Stage {
            app: Arc::clone(app),
            connection,
            copy,
            contributor_id: batch.contributor_id,
            batch_id: batch.id,
            names: Arc::new(SubjectNames::new()),
            rejects: RejectFile::new(app, rejects_key(batch, lease)),
            has_accounts,
            contradicted: Contradicted::default(),
        })
    }

    /// Stages a chunk of accepted records.
    pub async fn chunk(&mut self, chunk: Chunk) -> Result<()> {
        let known = self.known(&chunk).await?;
        let (names, app) = (Arc::clone(&self.names), Arc::clone(&self.app));
        // Encoding seals new identifiers: milliseconds of pure computation, kept off the async threads.
        let encoded = tokio::task::spawn_blocking(move || {
            let names_apart = chunk.contradicting_names(&known, &app.keys)?;
            Ok::<_, Error>((chunk.staged(&known, &names, &app.keys)?, names_apart))
        });
        let encoded = encoded.await.map_err(|error| Error::Internal(error.to_string()))?;
        let ((tuples, contradicted), names_apart) = encoded?;
        self.contradicted.add_all(&contradicted);
        copy_in(&mut self.connection, self.copy, tuples).await?;
        self.names_apart(&names_apart).await
    }

    /// Marks the records whose name contradicts the pool: those that are met for the first time hold the batch.
    async fn names_apart(&mut self, found: &[Contradiction]) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        let known = identity_reviews::known(&self.app.db.system, self.contributor_id, found).await?;
        let known: HashMap<i64, String> =
            known.into_iter().map(|known| (known.record_no, known.state)).collect();
        let state = |one: &Contradiction| known.get(&one.record_no).map(String::as_str);
        let apart: Vec<&Contradiction> =
            found.iter().filter(|one| state(one) != Some("same_person")).collect();
        for one in &apart {
            match state(one) {
                None => self.contradicted.names.set(one.record_no as u64),
                Some(_) => self.contradicted.reviewed_names.set(one.record_no as u64),
            }
        }
        identity_reviews::stage(&mut self.connection, &apart).await
    }

    async fn known(&mut self, chunk: &Chunk) -> Result<Known> {
        let pool = &self.app.db.system;
        let subjects = serving::known_subjects(pool, &chunk.tokens()).await?;
        let holders = if self.has_accounts {
            serving::primary_holders(&mut *self.connection, self.contributor_id, &chunk.account_refs())
                .await?
        } else {
            Vec::new()
        };
        let erased = erasure_tombstones::among(pool, &chunk.tokens()).await?;
        Ok(Known {
            erased: erased.into_iter().collect(),
            names: subjects
                .iter()
                .filter_map(|known| Some((known.subject_id, known.sealed_name.clone()?)))
                .collect(),
            subjects: subjects.into_iter().map(|known| (known.token, known.subject_id)).collect(),
            holders: holders.into_iter().collect(),
        })
    }
}
