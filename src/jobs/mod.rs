//! Work that outlives a request. The queue is in Postgres ([`crate::db::jobs`]); this runs it.
//!
//! One kind of job: `refine_batch`. Schedules: [`runner::run`] also sweeps abandoned uploads.

pub mod gauges;
pub mod runner;
mod wake;

pub use wake::Wake;
