//! V rules: each cell of a row, read by the type that the contract gives its field (`domain.md` 6.2, Format).
//!
//! A value that cannot be read leaves its field empty and is noted as unreadable; a value that can be read but
//! breaks a rule stays, because other rules still have something true to say about it.

mod application;
mod cells;
mod event;
mod money;
mod shape;
mod snapshot;
#[cfg(test)]
mod tests;

pub use application::read_application;
pub use event::read_event;
pub use money::MoneyForms;
pub use snapshot::read_snapshot;

use crate::domain::contract::{MoneyUnit, Terms};

/// What the V rules need to know beside the row.
#[derive(Clone, Copy, Debug)]
pub struct FieldContext<'c> {
    pub terms: &'c Terms,
    /// What an amount in a CSV cell counts; JSON amounts are sen whatever this says.
    pub money: MoneyUnit,
    /// Counts how amounts are written, over all rows that are read with this context.
    pub money_forms: &'c MoneyForms,
}
