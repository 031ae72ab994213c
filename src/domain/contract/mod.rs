//! What we agreed with contributors: datasets, their fields and the typed row.

mod codes;
mod field;
mod record;
mod terms;

pub use codes::*;
pub use field::Field;
pub use record::AccountSnapshot;
pub use terms::Terms;
