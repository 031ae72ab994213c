//! (being written)

pub mod combiner;
pub mod footprints;
