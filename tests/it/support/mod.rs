//! What stories share: databases, an object store.

pub mod database;
pub mod objects;
