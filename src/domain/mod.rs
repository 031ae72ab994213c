//! What the bureau knows, as pure values and functions: no I/O, no clock, no keys, no async.
//!
//! Start at [`contract`] (what a row may contain), then [`rules`] (what is wrong with a row, a file or a
//! set of rows), then [`profile`] (what a risk engine is told about a person).

pub mod aggregates;
pub mod archive;
pub mod batch;
pub mod calendar;
pub mod contract;
pub mod correction;
pub mod dates;
pub mod envelope;
pub mod events;
pub mod finding;
pub mod history;
pub mod identity;
pub mod listings;
pub mod marks;
pub mod money;
pub mod obligations;
pub mod profile;
pub mod rules;
pub mod scorecard;
