//! Work that outlives a request. The queue is in Postgres ([`crate::db::jobs`]); this runs it.
//!
//! One kind of job: `refine_batch`. What runs at an interval is the list in [`schedule`].

pub mod gauges;
pub mod runner;
pub mod schedule;
mod wake;

pub use wake::Wake;
