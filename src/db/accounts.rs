//! `accounts`, read side: everything the serving store knows of the people behind some tokens, in one query.

use std::collections::HashMap;

use chrono::NaiveDate;
use sqlx::postgres::{PgExecutor, PgRow};
use sqlx::{Postgres, Row as _};

use crate::domain::contract::{
    AccountStatus, HolderRole, PaymentFrequency, PortfolioType, ProductType, SettlementType,
};
use crate::domain::events::Standing;
use crate::domain::history::{Account, Month};
use crate::domain::money::Sen;
use crate::error::{Error, Result};
use crate::ids::SubjectId;
use crate::privacy::Token;

/// A known subject and all its accounts, of every contributor and in every role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub subject_id: SubjectId,
    pub accounts: Vec<Account>,
}

/// What was found for some tokens. A token that nobody is known by is absent. A row of ours that contradicts
/// itself is the error of its own token alone: one person's bad row is not everybody's outage.
pub type Found = HashMap<Token, Result<Subject>>;

// The columns stand in the order in which `Cursor` reads them. An account under dispute (2) is one that its contributor
// disputes itself: counted, its content not shown. One in review (1) or hidden (3) is not there.
pub const FIND_FOR_TOKENS: &str = "/* accounts.find_for_tokens */
    SELECT i.token, i.subject_id, a.account_ref,
           a.contributor_id, a.holder_role, a.product_type, a.portfolio_type, a.status, a.status_date,
           a.as_of_date, a.opened_date, a.maturity_date, a.closed_date, a.currency, a.original_amount_sen,
           a.credit_limit_sen, a.instalment_amount_sen, a.payment_frequency, a.instalments_total,
           a.instalments_paid, a.instalments_overdue, a.outstanding_sen, a.overdue_sen, a.dpd,
           a.first_delinquency_date, a.next_due_date, a.next_due_amount_sen, a.write_off_date,
           a.write_off_amount_sen, a.settled_date, a.settlement_type, a.restructured, a.hardship,
           a.legal_action, a.contributor_dispute OR a.serving_state = 2 AS contributor_dispute,
           a.listed_sen, a.month_as_of, a.month_status, a.month_dpd, a.month_outstanding_sen, a.month_overdue_sen,
           a.event_as_of, a.event_status, a.event_outstanding_sen, a.event_overdue_sen, a.event_dpd,
           a.event_next_due_date, a.event_restructured
      FROM subject_identifiers i
      LEFT JOIN accounts a ON a.subject_id = i.subject_id AND a.serving_state IN (0, 2)
     WHERE i.token = ANY($1)";

/// Finds the subjects behind the tokens, with their accounts.
pub async fn find_for_tokens(executor: impl PgExecutor<'_>, tokens: &[Token]) -> Result<Found> {
    let rows = sqlx::query(FIND_FOR_TOKENS).bind(tokens).fetch_all(executor).await?;
    let mut found = Found::with_capacity(tokens.len());
    for row in &rows {
        let token: Token = row.try_get(0)?;
        let subject_id = SubjectId(row.try_get(1)?);
        let entry = found.entry(token).or_insert_with(|| Ok(Subject { subject_id, accounts: Vec::new() }));
        if let Ok(subject) = entry {
            match read_account(row, subject_id) {
                Ok(account) => subject.accounts.extend(account),
                Err(error) => *entry = Err(error),
            }
        }
    }
    Ok(found)
}

/// The account of a row; `None` when the subject has none.
fn read_account(row: &PgRow, subject_id: SubjectId) -> Result<Option<Account>> {
    let Some(account_ref) = row.try_get::<Option<String>, _>(2)? else { return Ok(None) };
    let mut cursor = Cursor { row, next: 3, subject_id, account_ref: &account_ref };
    let account = Account { account_ref: account_ref.clone(), ..cursor.account()? };
    Ok(Some(match cursor.standing()? {
        Some(standing) => account.as_it_stands(&standing),
        None => account,
    }))
}

/// Reads the columns of a row from left to right.
struct Cursor<'a> {
    row: &'a PgRow,
    next: usize,
    subject_id: SubjectId,
    account_ref: &'a str,
}

impl Cursor<'_> {
    fn read<'r, T>(&'r mut self) -> Result<T>
    where
        T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        self.next += 1;
        Ok(self.row.try_get(self.next - 1)?)
    }

    /// The struct's fields are evaluated in the order written, which is the order of the columns.
    fn account(&mut self) -> Result<Account> {
        Ok(Account {
            subject_id: self.subject_id,
            account_ref: String::new(),
            contributor_id: self.read()?,
            holder_role: self.code("holder_role", HolderRole::ALL)?,
            product_type: self.code("product_type", ProductType::ALL)?,
            portfolio_type: self.code("portfolio_type", PortfolioType::ALL)?,
            status: self.code("status", AccountStatus::ALL)?,
            status_date: self.read()?,
            as_of_date: self.read()?,
            opened_date: self.read()?,
            maturity_date: self.read()?,
            closed_date: self.read()?,
            currency: self.read()?,
            original_amount: self.sen()?,
            credit_limit: self.sen()?,
            instalment_amount: self.sen()?,
            payment_frequency: self.optional_code("payment_frequency", PaymentFrequency::ALL)?,
            instalments_total: self.count("instalments_total")?,
            instalments_paid: self.count("instalments_paid")?,
            instalments_overdue: self.count("instalments_overdue")?,
            outstanding: Sen(self.read()?),
            overdue: Sen(self.read()?),
            dpd: self.days("dpd")?,
            first_delinquency_date: self.read()?,
            next_due_date: self.read()?,
            next_due_amount: self.sen()?,
            write_off_date: self.read()?,
            write_off_amount: self.sen()?,
            settled_date: self.read()?,
            settlement_type: self.optional_code("settlement_type", SettlementType::ALL)?,
            restructured: self.read()?,
            hardship: self.read()?,
            legal_action: self.read()?,
            contributor_dispute: self.read()?,
            listed: self.sen()?,
            months: self.months()?,
        })
    }

    /// How the account stands after the events since its snapshot; `None` when there are none.
    fn standing(&mut self) -> Result<Option<Standing>> {
        let Some(as_of_date) = self.read()? else { return Ok(None) };
        Ok(Some(Standing {
            as_of_date,
            status: self.code("event_status", AccountStatus::ALL)?,
            outstanding: Sen(self.read()?),
            overdue: Sen(self.read()?),
            dpd: self.days("event_dpd")?,
            next_due_date: self.read()?,
            restructured: self.read()?,
        }))
    }

    fn sen(&mut self) -> Result<Option<Sen>> {
        Ok(self.read::<Option<i64>>()?.map(Sen))
    }

    fn code<T: Copy>(&mut self, column: &'static str, list: &[T]) -> Result<T> {
        let position: i16 = self.read()?;
        self.word(column, list, position)
    }

    fn optional_code<T: Copy>(&mut self, column: &'static str, list: &[T]) -> Result<Option<T>> {
        let position: Option<i16> = self.read()?;
        position.map(|position| self.word(column, list, position)).transpose()
    }

    /// The word at a stored position of its list.
    fn word<T: Copy>(&self, column: &'static str, list: &[T], position: i16) -> Result<T> {
        let word = usize::try_from(position).ok().and_then(|position| list.get(position));
        word.copied().ok_or_else(|| self.inconsistent(column))
    }

    fn count(&mut self, column: &'static str) -> Result<Option<u16>> {
        let stored: Option<i32> = self.read()?;
        stored.map(|n| u16::try_from(n).map_err(|_| self.inconsistent(column))).transpose()
    }

    fn days(&mut self, column: &'static str) -> Result<u16> {
        let stored: i16 = self.read()?;
        u16::try_from(stored).map_err(|_| self.inconsistent(column))
    }

    /// The five parallel arrays as months. The profile relies on their order, so it is checked here.
    fn months(&mut self) -> Result<Vec<Month>> {
        let (as_of, status): (Vec<NaiveDate>, Vec<i16>) = (self.read()?, self.read()?);
        let (dpd, outstanding, overdue): (Vec<i16>, Vec<i64>, Vec<i64>) =
            (self.read()?, self.read()?, self.read()?);
        let lengths = [status.len(), dpd.len(), outstanding.len(), overdue.len()];
        if lengths.iter().any(|length| *length != as_of.len()) {
            return Err(self.inconsistent("month_as_of"));
        }
        if !as_of.is_sorted_by(|newer, older| newer > older) {
            return Err(self.inconsistent("month_as_of"));
        }
        let month = |n: usize| {
            Ok(Month {
                as_of_date: as_of[n],
                status: self.word("month_status", AccountStatus::ALL, status[n])?,
                dpd: u16::try_from(dpd[n]).map_err(|_| self.inconsistent("month_dpd"))?,
                outstanding: Sen(outstanding[n]),
                overdue: Sen(overdue[n]),
            })
        };
        (0..as_of.len()).map(month).collect()
    }

    fn inconsistent(&self, column: &'static str) -> Error {
        let row = format!("subject {} account {}", self.subject_id, self.account_ref);
        Error::Inconsistent { table: "accounts", column, row }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::{IdType, SubjectType};

    /// Stored positions keep their meaning for ever: a list may grow at its end and change nowhere else.
    #[test]
    fn the_order_of_every_stored_list_is_pinned() {
        assert_eq!(SubjectType::WORDS, ["INDIVIDUAL", "BUSINESS"]);
        assert_eq!(IdType::WORDS, ["NRIC", "OLD_IC", "PASSPORT", "ARMY", "POLICE", "BRN", "BRN_OLD"]);
        assert_eq!(HolderRole::WORDS, ["PRIMARY", "JOINT", "GUARANTOR"]);
        assert_eq!(
            ProductType::WORDS,
            [
                "BNPL_PLAN",
                "BNPL_LINE",
                "PERSONAL_LOAN",
                "HIRE_PURCHASE",
                "CREDIT_SALE",
                "LEASING",
                "FACTORING",
                "TRADE_CREDIT",
                "TELCO_POSTPAID",
                "TELCO_DEVICE",
                "UTILITY_POWER",
                "UTILITY_WATER",
                "UTILITY_OTHER",
                "RENTAL",
                "OTHER",
            ]
        );
        assert_eq!(PortfolioType::WORDS, ["INSTALMENT", "REVOLVING", "OPEN", "LEASE"]);
        assert_eq!(
            AccountStatus::WORDS,
            ["ACTIVE", "SETTLED", "SETTLED_SHORT", "WRITTEN_OFF", "SOLD", "CLOSED", "CANCELLED"]
        );
        assert_eq!(
            PaymentFrequency::WORDS,
            ["WEEKLY", "BIWEEKLY", "SEMI_MONTHLY", "MONTHLY", "QUARTERLY", "ONE_OFF"]
        );
        assert_eq!(SettlementType::WORDS, ["FULL", "SHORT", "REFUND"]);
    }
}
