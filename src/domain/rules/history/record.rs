//! Who and what the account is, and whether a row about it may be told at all.

use chrono::NaiveDate;

use crate::domain::contract::{AccountStatus, Field, ProductType};
use crate::domain::dates::month_number;
use crate::domain::finding::Finding;
use crate::domain::rules::Code;

use super::{Arriving, HistoryContext, Known, Past};

/// Calendar months between opening and the first report that are nothing unusual (P015).
const USUAL_PERIODS_TO_FIRST_REPORT: i32 = 2;

/// P001: what an account is never changes: opened_date, original_amount, currency, portfolio_type, product_type.
/// An amount that only one of the two states is no change. A batch that takes the place of another may, where the account was
/// never reported but for its period, state everything anew, since nothing else vouches for the old values.
pub fn p001(past: &Past, row: &Arriving, context: &HistoryContext<'_>) -> Option<Finding> {
    let known = past.known.as_ref()?;
    if context.restates(row.facts.as_of_date) && rests_on_one_period(known, row.facts.as_of_date) {
        return None;
    }
    let (was, is) = (&known.latest, &row.facts);
    let amounts_differ = matches!((was.original_amount, is.original_amount), (Some(a), Some(b)) if a != b);
    let changed = [
        (Field::OpenedDate, was.opened_date != is.opened_date),
        (Field::OriginalAmount, amounts_differ),
        (Field::Currency, was.currency != is.currency),
        (Field::PortfolioType, was.portfolio_type != is.portfolio_type),
        (Field::ProductType, was.product_type != is.product_type),
    ];
    let told = |field| !was.imputed.contains(field) && !is.imputed.contains(field);
    let (field, _) = changed.into_iter().find(|(field, changed)| *changed && told(*field))?;
    Some(Finding::at(Code::P001, field))
}

/// Whether everything known of the account was reported for the calendar month of the day.
fn rests_on_one_period(known: &Known, day: NaiveDate) -> bool {
    known.months.iter().all(|month| month.number() == month_number(day))
}

/// What tells two accounts of a contributor apart when their reference is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountOrigin {
    pub opened_date: NaiveDate,
    pub product_type: ProductType,
}

/// P002 or I015, for a row whose account_ref was accepted before with another primary holder. The same opening day
/// and product: it is the same account with its subject swapped, which only a correction may do (P002). Anything
/// else: the reference belongs to somebody else's account and was used again (I015).
pub fn bound_to_somebody_else(known: AccountOrigin, row: AccountOrigin) -> Finding {
    match known == row {
        true => Finding::at(Code::P002, Field::IdNumber),
        false => Finding::at(Code::I015, Field::AccountRef),
    }
}

/// P002, for a row of whatever holder that repeats a person from whom a correction took the account: what was moved to the
/// right person does not move back by itself.
pub fn taken_from_this_person() -> Finding {
    Finding::at(Code::P002, Field::IdNumber).with_detail("a correction moved the account to another person")
}

/// P003: what has ended is not active again. An account that is truly reopened is corrected with the reason
/// REOPENED; a row alone never does it. A row of the same day as the terminal one cannot undo it either, unless its
/// batch takes the place of another.
pub fn p003(past: &Past, row: &Arriving, context: &HistoryContext<'_>) -> Option<Finding> {
    let day = row.facts.as_of_date;
    let state = match context.restates(day) {
        true => past.before(day)?,
        false => past.known.as_ref()?.months.iter().find(|month| month.as_of_date <= day)?,
    };
    (state.status.is_terminal() && row.facts.status == AccountStatus::Active)
        .then(|| Finding::at(Code::P003, Field::Status))
}

/// P012: what was deleted as wrong, or disputed out, stays out, unless its batch names the deletion's case.
pub fn p012(past: &Past, _: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    past.deleted.then(|| Finding::at(Code::P012, Field::AccountRef))
}

/// P015: an account is first reported no later than in the second calendar month after the one it was opened in.
pub fn p015(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let facts = &row.facts;
    if past.known.is_some() || facts.imputed.contains(Field::OpenedDate) {
        return None;
    }
    let periods = month_number(facts.as_of_date) - month_number(facts.opened_date);
    (periods > USUAL_PERIODS_TO_FIRST_REPORT).then(|| Finding::at(Code::P015, Field::OpenedDate))
}

/// P017: a row is not older than the latest accepted one of its account. The past is changed by a correction, by a
/// batch that takes the place of another of the same month, or under a back-fill grant that covers the row's day.
pub fn p017(past: &Past, row: &Arriving, context: &HistoryContext<'_>) -> Option<Finding> {
    let day = row.facts.as_of_date;
    (day < past.known.as_ref()?.latest.as_of_date && !context.may_look_back(day))
        .then(|| Finding::at(Code::P017, Field::AsOfDate))
}

/// P018: the account is under dispute, by a case of ours or because the row itself says so: the row is stored and
/// not served until that ends.
pub fn p018(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    (past.disputed || row.contributor_dispute).then(|| Finding::at(Code::P018, Field::ContributorDispute))
}
