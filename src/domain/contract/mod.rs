//! What we agreed with contributors: datasets, their fields and the typed row.
//!
//! [`spec`] says what each field of a dataset may hold and is the one source for the V rules and for [`schema`]. A
//! line becomes a [`row`] in [`ndjson`] or [`csv`]; `rules::field` makes an [`AccountSnapshot`], a [`RepaymentEvent`]
//! or an [`Application`] of it.

mod codes;
mod constant;
pub mod csv;
mod field;
pub mod ndjson;
mod record;
pub mod row;
pub mod schema;
pub mod spec;
mod terms;
pub mod version;

pub use codes::*;
pub use constant::{Constant, impute, supplied};
pub use field::{Field, FieldSet};
pub use record::{AccountSnapshot, Application, RepaymentEvent, SubjectBlock};
pub use terms::Terms;
