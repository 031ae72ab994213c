//! What stories share: databases, an object store, a whole app.

pub mod app;
pub mod aws;
pub mod database;
pub mod fleet;
pub mod lake;
pub mod objects;
pub mod packed;
pub mod proxy;
pub mod python;
pub mod records;
pub mod seaweedfs;
pub mod shape;
pub mod wire;

/// A migrated database of the caller's own, in system scope.
pub async fn database() -> sqlx::PgPool {
    // Leaked on purpose: the pool outlives the handle, and the private server goes with the process.
    Box::leak(Box::new(database::fresh_database().await)).pool.clone()
}
