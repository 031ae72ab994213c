//! `jobs` and `lanes`: work in Postgres. A lane is one contributor's queue; whoever leases the lane works on
//! its oldest job, and the lease token is the fence that every effect of the work checks in its transaction.
//!
//! Lease times are the database's clock, so that nodes whose clocks disagree never hold one lane twice.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId, JobId, ShadowId};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum JobKind {
    /// A received batch to its verdict.
    RefineBatch,
    /// A batch judged again, beside what it is.
    JudgeShadow,
    /// What that found, applied.
    PromoteShadow,
}

/// What a lease holder holds. Without it nothing about the lane's batches may be changed.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Lease {
    pub contributor_id: ContributorId,
    pub lease_token: Uuid,
    pub job_id: JobId,
    pub batch_id: BatchId,
    pub kind: JobKind,
    /// The shadow that is judged or promoted.
    pub shadow_id: Option<ShadowId>,
    /// How often the job has been taken up, this time included.
    pub attempts: i32,
    /// How many attempts in a row, this one included, nobody has reported the end of.
    pub unreported_attempts: i32,
}

/// Leases the lane that waited longest among those with work, and takes its oldest job. A job that waits for
/// another try keeps its place: what arrived after it must not be judged and merged before it.
pub async fn lease(ex: impl PgExecutor<'_>, lease_token: Uuid, length: Duration) -> Result<Option<Lease>> {
    let lease = sqlx::query_as(
        "/* jobs.lease */
        WITH lane AS (
            SELECT l.contributor_id
            FROM lanes l
            WHERE (l.lease_expires_at IS NULL OR l.lease_expires_at < clock_timestamp())
              AND (SELECT j.run_at FROM jobs j WHERE j.contributor_id = l.contributor_id AND j.state = 'queued'
                   ORDER BY j.job_no LIMIT 1) <= clock_timestamp()
            ORDER BY l.last_leased_at NULLS FIRST
            LIMIT 1
            FOR UPDATE SKIP LOCKED),
        leased AS (
            UPDATE lanes
            SET lease_token = $1, lease_expires_at = clock_timestamp() + make_interval(secs => $2),
                last_leased_at = clock_timestamp()
            FROM lane WHERE lanes.contributor_id = lane.contributor_id
            RETURNING lanes.contributor_id, lanes.lease_token),
        job AS (
            SELECT j.job_id FROM jobs j JOIN leased USING (contributor_id)
            WHERE j.state = 'queued' ORDER BY j.job_no LIMIT 1)
        UPDATE jobs SET attempts = attempts + 1, unreported_attempts = unreported_attempts + 1
        FROM job, leased WHERE jobs.job_id = job.job_id
        RETURNING leased.contributor_id, leased.lease_token, jobs.job_id, jobs.batch_id, jobs.kind,
            jobs.shadow_id, jobs.attempts, jobs.unreported_attempts",
    )
    .bind(lease_token)
    .bind(length.as_secs_f64())
    .fetch_optional(ex)
    .await?;
    Ok(lease)
}

/// Holds the lane for longer. `false` means that somebody else has it now: stop.
pub async fn extend(ex: impl PgExecutor<'_>, lease: &Lease, length: Duration) -> Result<bool> {
    let extended = sqlx::query(
        "/* jobs.extend */ UPDATE lanes
        SET lease_expires_at = clock_timestamp() + make_interval(secs => $3)
        WHERE contributor_id = $1 AND lease_token = $2",
    )
    .bind(lease.contributor_id)
    .bind(lease.lease_token)
    .bind(length.as_secs_f64())
    .execute(ex)
    .await?;
    Ok(extended.rows_affected() == 1)
}

/// The fence: locks the lane for the rest of the transaction, or fails when the lease is no longer ours. New jobs may
/// still be put into the lane (their foreign key wants no more than that it stays).
pub async fn fence_in_tx(connection: &mut PgConnection, lease: &Lease) -> Result<()> {
    let held: Option<i32> = sqlx::query_scalar(
        "/* jobs.fence */ SELECT 1 FROM lanes WHERE contributor_id = $1 AND lease_token = $2 FOR NO KEY UPDATE",
    )
    .bind(lease.contributor_id)
    .bind(lease.lease_token)
    .fetch_optional(connection)
    .await?;
    held.map(|_| ()).ok_or(Error::Overloaded("the lease on this contributor's lane was lost"))
}

/// Waits until no publication of the contributor is under way, and keeps new ones from beginning for the rest of the
/// transaction. The work that leads to one goes on.
pub async fn wait_for_lane_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    sqlx::query("/* jobs.wait_for_lane */ SELECT 1 FROM lanes WHERE contributor_id = $1 FOR NO KEY UPDATE")
        .bind(contributor)
        .fetch_optional(connection)
        .await?;
    Ok(())
}

/// Takes the lane away from whoever works on it and locks it for the rest of the transaction: what changes the past of a
/// contributor's accounts comes between two refinements. The one under way finds its lease lost, changes nothing, and
/// is begun again by the next worker.
pub async fn seize_lane_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    let seized = sqlx::query(
        "/* jobs.seize_lane */ UPDATE lanes SET lease_token = NULL, lease_expires_at = NULL WHERE contributor_id = $1",
    )
    .bind(contributor)
    .execute(connection)
    .await?;
    super::ensure_one_row("lanes", &seized)
}

/// Puts a batch back into its contributor's lane, behind what is there.
pub async fn queue_batch_in_tx(
    connection: &mut PgConnection,
    job: JobId,
    contributor: ContributorId,
    batch: BatchId,
) -> Result<()> {
    sqlx::query(
        "/* jobs.queue_batch */ INSERT INTO jobs (job_id, kind, contributor_id, batch_id, state, run_at, created_at)
        VALUES ($1, 'refine_batch', $2, $3, 'queued', clock_timestamp(), clock_timestamp())",
    )
    .bind(job)
    .bind(contributor)
    .bind(batch)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the job, in the transaction of its effect.
pub async fn complete_in_tx(connection: &mut PgConnection, lease: &Lease) -> Result<()> {
    sqlx::query(
        "/* jobs.complete */ UPDATE jobs SET state = 'done', finished_at = clock_timestamp(), last_error = NULL
        WHERE job_id = $1 AND state = 'queued'",
    )
    .bind(lease.job_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts the job back for a later try; says why.
pub async fn retry_in_tx(
    connection: &mut PgConnection,
    lease: &Lease,
    delay_seconds: i32,
    error: &str,
) -> Result<()> {
    sqlx::query(
        "/* jobs.retry */ UPDATE jobs
        SET run_at = clock_timestamp() + make_interval(secs => $2), last_error = $3, unreported_attempts = 0
        WHERE job_id = $1 AND state = 'queued'",
    )
    .bind(lease.job_id)
    .bind(f64::from(delay_seconds))
    .bind(error)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives the job up after its last try: the dead letter, with its cause.
pub async fn bury_in_tx(connection: &mut PgConnection, lease: &Lease, error: &str) -> Result<()> {
    sqlx::query(
        "/* jobs.bury */ UPDATE jobs SET state = 'dead', finished_at = clock_timestamp(), last_error = $2
        WHERE job_id = $1 AND state = 'queued'",
    )
    .bind(lease.job_id)
    .bind(error)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets go of the lane; does nothing when it is no longer ours.
pub async fn release(ex: impl PgExecutor<'_>, lease: &Lease) -> Result<()> {
    sqlx::query(
        "/* jobs.release */ UPDATE lanes SET lease_token = NULL, lease_expires_at = NULL
        WHERE contributor_id = $1 AND lease_token = $2",
    )
    .bind(lease.contributor_id)
    .bind(lease.lease_token)
    .execute(ex)
    .await?;
    Ok(())
}

/// Queued work and the age of the oldest lease, for the metrics.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct QueueStats {
    pub queued: i64,
    pub dead: i64,
    pub leased_lanes: i64,
    pub oldest_lease_seconds: f64,
    pub oldest_queued_seconds: f64,
}

pub async fn stats(ex: impl PgExecutor<'_>) -> Result<QueueStats> {
    let stats = sqlx::query_as(
        "/* jobs.stats */ SELECT
            (SELECT count(*) FROM jobs WHERE state = 'queued') AS queued,
            (SELECT count(*) FROM jobs WHERE state = 'dead') AS dead,
            (SELECT count(*) FROM lanes WHERE lease_expires_at > clock_timestamp()) AS leased_lanes,
            (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - last_leased_at)), 0)::float8
             FROM lanes WHERE lease_expires_at > clock_timestamp()) AS oldest_lease_seconds,
            (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - created_at)), 0)::float8
             FROM jobs WHERE state = 'queued') AS oldest_queued_seconds",
    )
    .fetch_one(ex)
    .await?;
    Ok(stats)
}

/// Tells every connection that listens on the channel. NOTIFY takes a lock that all notifying commits share: callers
/// gather their calls.
pub async fn notify(ex: impl PgExecutor<'_>, channel: &str) -> Result<()> {
    sqlx::query("/* jobs.notify */ SELECT pg_notify($1, '')").bind(channel).execute(ex).await?;
    Ok(())
}
