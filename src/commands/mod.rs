//! (being written)

pub mod client;
pub mod contributor;
mod registry_access;
pub mod signing_key;
