//! (being written)

mod code;
pub mod field;
pub mod identity;

pub use code::{Code, Level};
