//! Wake-up calls: polling is the truth, these only make it quick.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::db::jobs;

/// The channel on which processes that receive batches call processes that refine them.
const CHANNEL: &str = "etr_jobs";
/// NOTIFY takes a lock that all notifying commits share, so calls are gathered and sent from a transaction of
/// their own: the commits that receive batches must not queue up behind each other.
const GATHER: Duration = Duration::from_millis(10);
const RECONNECT: Duration = Duration::from_secs(2);

/// Signals inside one process, and between processes through Postgres.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    work: Arc<Notify>,
    announce: Arc<Notify>,
    settled: Arc<Notify>,
}

impl Wake {
    /// There is work: wakes a worker here and, soon after, the other processes.
    pub fn work(&self) {
        self.work.notify_one();
        self.announce.notify_one();
    }

    /// There is work, and it need not be told elsewhere.
    pub fn work_here(&self) {
        self.work.notify_one();
    }

    /// A batch got its verdict: wakes the requests that wait for one.
    pub fn settled(&self) {
        self.settled.notify_waiters();
    }

    pub async fn until_work(&self) {
        self.work.notified().await;
    }

    /// Hears every verdict from the moment of this call on, also before it is awaited.
    pub fn until_settled(&self) -> Notified<'_> {
        self.settled.notified()
    }

    /// Passes calls on to other processes until the task is dropped.
    pub async fn announce_to_others(&self, pool: PgPool) {
        loop {
            self.announce.notified().await;
            tokio::time::sleep(GATHER).await;
            if let Err(error) = jobs::notify(&pool, CHANNEL).await {
                tracing::debug!(%error, "workers elsewhere will find the work by polling");
            }
        }
    }

    /// Hears the calls of other processes until the task is dropped.
    pub async fn listen_to_others(&self, pool: PgPool) {
        loop {
            if let Err(error) = self.listen_once(&pool).await {
                tracing::debug!(%error, "not listening; polling goes on");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            listener.recv().await?;
            self.work.notify_one();
        }
    }
}
