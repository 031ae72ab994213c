//! (being written)

mod code;
pub use code::{Code, Level};
