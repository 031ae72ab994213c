//! What a risk engine is told about a person: attributes at a date, computed from account histories.
//!
//! [`attributes`] is a pure function of accounts and a date. The list of everything it tells is
//! [`catalogue::ATTRIBUTES`], each entry with its unit, its definition in words and its function; the
//! functions stand in one file per family. [`Population`] decides which accounts count and what of them was
//! known at the date. A profile states facts; it never decides about anybody.
//!
//! Source: `domain.md` 6.3. Applications are counted; questions that were asked about a person are not (ADR 27), so that a
//! profile is a function of what contributors sent.

#![cfg_attr(
    test,
    expect(
        clippy::inconsistent_digit_grouping,
        reason = "examples write sen as people read them: 500_00 is RM500"
    )
)]

mod arrears;
pub mod catalogue;
mod conduct;
mod depth;
mod evidence;
mod exposure;
mod freshness;
mod grid;
pub mod inquiry;
mod instalments;
mod outcome;
mod population;
mod velocity;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contract::{AccountStatus, PortfolioType, ProductType};
use super::history::Account;
use super::money::Sen;
pub use catalogue::Definition;
pub use evidence::{Behind, Evidence, Looked, evidence};
pub use freshness::{Freshness, STALE_AFTER_DAYS};
pub use grid::GRID_MONTHS;
pub use population::{Population, Seen};
pub use velocity::{APPLICATION_DAYS, Applied};

/// The shape of the answer. Changes when fields come or go.
pub const PROFILE_VERSION: &str = "1.0";
/// The set of attributes and their meaning. Changes with any definition in the catalogue.
pub const ATTRIBUTE_SET_VERSION: &str = "2026.11.1";

/// What an attribute is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Count,
    Sen,
    Days,
    Months,
    /// Basis points: 10 000 is the whole.
    Bps,
    Bool,
}

/// Why an attribute has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NullReason {
    /// Nothing is known that the attribute could speak of.
    NoRecord,
    /// There are accounts, but none of the kind is open.
    NoOpenAccount,
    /// The months that the attribute looks at are not known.
    InsufficientHistory,
    /// Every account is in dispute and hidden.
    AllDisputed,
    /// What is known is too old to speak of the date.
    Stale,
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Value {
    Number(i64),
    Flag(bool),
}

/// One fact about a subject. Exactly one of `value` and `null_reason` is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub value: Option<Value>,
    pub unit: Unit,
    pub null_reason: Option<NullReason>,
}

/// What happened to the question (`domain.md` 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HitStatus {
    Hit,
    /// Nobody is known by this identifier, or nothing was known of them at the date.
    NoHit,
    /// Known, with less than three months of history; perhaps only because of applications.
    Thin,
    /// Known, but items are hidden (in dispute); the aggregates leave them out.
    Partial,
    /// More than one person could be meant.
    Ambiguous,
    /// The person has restricted access.
    Restricted,
}

impl HitStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            HitStatus::Hit => "HIT",
            HitStatus::NoHit => "NO_HIT",
            HitStatus::Thin => "THIN",
            HitStatus::Partial => "PARTIAL",
            HitStatus::Ambiguous => "AMBIGUOUS",
            HitStatus::Restricted => "RESTRICTED",
        }
    }
}

/// One account as it stood at the date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLine {
    pub product_type: ProductType,
    pub portfolio_type: PortfolioType,
    pub status: AccountStatus,
    pub opened_date: NaiveDate,
    pub outstanding: Sen,
    pub overdue: Sen,
    pub dpd: u16,
    /// 24 characters, newest month first (see [`Seen::grid`]).
    pub grid: String,
    pub as_of_date: NaiveDate,
}

/// A subject at a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub as_of: NaiveDate,
    pub hit_status: HitStatus,
    /// In the order of the catalogue, always all of them.
    pub attributes: Vec<Attribute>,
    /// Most recently opened first.
    pub accounts: Vec<AccountLine>,
    pub freshness: Freshness,
    /// Distinct contributors behind the accounts that are told.
    pub contributors_reporting: u32,
}

/// Computes a subject's profile as it could be told at the end of the day `as_of`.
///
/// Only months reported as of that day or before count; an account first reported later is not seen. Facts
/// without a date (limits, flags) come from the current snapshot. Of `applications` those of the
/// [`APPLICATION_DAYS`] days that end with `as_of` are looked at.
pub fn attributes(accounts: &[Account], applications: &[Applied], as_of: NaiveDate) -> Profile {
    let population = Population::at(accounts, applications, as_of);
    Profile {
        as_of,
        hit_status: hit_status(&population),
        attributes: catalogue::ATTRIBUTES.iter().map(|definition| definition.evaluate(&population)).collect(),
        accounts: population.seen.iter().map(|account| line(account, as_of)).collect(),
        freshness: Freshness::of(&population),
        contributors_reporting: population.contributors() as u32,
    }
}

fn hit_status(population: &Population<'_>) -> HitStatus {
    if population.disputed > 0 {
        HitStatus::Partial
    } else if population.seen.is_empty() && !velocity::has_applied(population) {
        HitStatus::NoHit
    } else if depth::is_thin(population) {
        HitStatus::Thin
    } else {
        HitStatus::Hit
    }
}

fn line(seen: &Seen<'_>, as_of: NaiveDate) -> AccountLine {
    AccountLine {
        product_type: seen.account.product_type,
        portfolio_type: seen.account.portfolio_type,
        status: seen.now.status,
        opened_date: seen.account.opened_date,
        outstanding: seen.now.outstanding,
        overdue: seen.now.overdue,
        dpd: seen.now.dpd,
        grid: seen.grid(as_of),
        as_of_date: seen.now.as_of_date,
    }
}
