//! The line back and forth: what came of what, as a graph of a batch ([`graph`]) and as OpenLineage events about runs
//! ([`event`], [`refine`], [`curate`]). Pure: whoever has read the facts builds, whoever holds the transaction writes.
//!
//! Nothing here names a person or an account: batches, files, tables, columns, rules and counts.

pub mod curate;
pub mod event;
pub mod graph;
pub mod places;
pub mod refine;
