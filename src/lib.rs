//! eTR+: contributors send credit data, risk engines ask what a person already owes.
//!
//! Read in this order: [`domain`] is what the bureau knows, without I/O; [`pipeline`] is the way of a batch;
//! [`http`] is what callers see; [`db`] and [`store`] keep state and bytes; [`jobs`] lets work outlive a
//! process; [`lake`] is where curated rows go, [`lineage`] how they came there; [`access`] and [`privacy`] decide who
//! may do what and keep identifiers unreadable;
//! [`embedded`] is the private Postgres and S3 behind `etrplus dev`.

pub mod access;
pub mod app;
pub mod audit;
pub mod clock;
pub mod commands;
pub mod config;
pub mod db;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod lake;
pub mod lineage;
pub mod pipeline;
pub mod privacy;
pub mod store;
pub mod telemetry;
