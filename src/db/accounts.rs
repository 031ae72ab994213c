//! `accounts`, read side: everything the serving store knows of the people behind some tokens, in one query.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::{PgExecutor, PgRow};
use sqlx::{Postgres, Row as _};

use crate::domain::contract::{
    AccountStatus, HolderRole, PaymentFrequency, PortfolioType, ProductType, SettlementType,
};
use crate::domain::events::{Instalment, Standing};
use crate::domain::history::{Account, Month};
use crate::domain::money::Sen;
use crate::domain::profile::Applied;
use crate::error::{Error, Result};
use crate::ids::{ContributorId, SubjectId};
use crate::privacy::Token;

/// A known subject: all its accounts, of every contributor and in every role, and what it applied for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub subject_id: SubjectId,
    pub accounts: Vec<Account>,
    pub applications: Vec<Applied>,
}

/// What was found for some tokens. A token that nobody is known by is absent. A row of ours that contradicts
/// itself is the error of its own token alone: one person's bad row is not everybody's outage.
pub type Found = HashMap<Token, Result<Subject>>;

// The columns stand in the order in which `Cursor` reads them. An account under dispute (2) is one that its contributor
// disputes itself: counted, its content not shown. One in review (1) or hidden (3) is not there. Applications are looked
// up once per subject, whatever the number of its accounts: the latest word on each, unless it is WITHDRAWN (4), of
// applicants and joint applicants.
pub const FIND_FOR_TOKENS: &str = "/* accounts.find_for_tokens */
    SELECT s.token, s.subject_id, s.applied_with, s.applied_on, a.account_ref,
           a.contributor_id, a.holder_role, a.product_type, a.portfolio_type, a.status, a.status_date,
           a.as_of_date, a.opened_date, a.maturity_date, a.closed_date, a.currency, a.original_amount_sen,
           a.credit_limit_sen, a.instalment_amount_sen, a.payment_frequency, a.instalments_total,
           a.instalments_paid, a.instalments_overdue, a.outstanding_sen, a.overdue_sen, a.dpd,
           a.first_delinquency_date, a.next_due_date, a.next_due_amount_sen, a.write_off_date,
           a.write_off_amount_sen, a.settled_date, a.settlement_type, a.restructured, a.hardship,
           a.legal_action, a.contributor_dispute OR a.serving_state = 2 AS contributor_dispute,
           a.listed_sen, a.month_as_of, a.month_status, a.month_dpd, a.month_outstanding_sen, a.month_overdue_sen,
           a.event_as_of, a.event_status, a.event_outstanding_sen, a.event_overdue_sen, a.event_dpd,
           a.event_next_due_date, a.event_restructured, a.instalment_due_dates, a.instalment_days_late
      FROM (SELECT i.token, i.subject_id, p.applied_with, p.applied_on
              FROM subject_identifiers i
             CROSS JOIN LATERAL (
                   SELECT array_agg(w.contributor_id) AS applied_with,
                          array_agg((w.applied_at AT TIME ZONE 'Asia/Kuala_Lumpur')::date) AS applied_on
                     FROM (SELECT DISTINCT ON (contributor_id, application_ref) contributor_id, applied_at, decision
                             FROM applications
                            WHERE subject_id = i.subject_id AND applied_at >= $2 AND withdrawn_at IS NULL
                              AND holder_role IN (0, 1)
                            ORDER BY contributor_id, application_ref, publication_no DESC, record_no DESC) w
                    WHERE w.decision <> 4) p
             WHERE i.token = ANY($1) OFFSET 0) s
      LEFT JOIN accounts a ON a.subject_id = s.subject_id AND a.serving_state IN (0, 2)";

/// Finds the subjects behind the tokens, with their accounts and what they applied for since an instant.
pub async fn find_for_tokens(
    executor: impl PgExecutor<'_>,
    tokens: &[Token],
    applied_since: DateTime<Utc>,
) -> Result<Found> {
    let rows = sqlx::query(FIND_FOR_TOKENS).bind(tokens).bind(applied_since).fetch_all(executor).await?;
    let mut found = Found::with_capacity(tokens.len());
    for row in &rows {
        let token: Token = row.try_get(0)?;
        let subject_id = SubjectId(row.try_get(1)?);
        let entry = found.entry(token).or_insert_with(|| {
            let applications = read_applications(row, subject_id)?;
            Ok(Subject { subject_id, accounts: Vec::new(), applications })
        });
        if let Ok(subject) = entry {
            match read_account(row, subject_id) {
                Ok(account) => subject.accounts.extend(account),
                Err(error) => *entry = Err(error),
            }
        }
    }
    Ok(found)
}

/// What the subject of a row applied for: the same in each of its rows.
fn read_applications(row: &PgRow, subject_id: SubjectId) -> Result<Vec<Applied>> {
    let with: Vec<ContributorId> = row.try_get::<Option<_>, _>(2)?.unwrap_or_default();
    let on: Vec<NaiveDate> = row.try_get::<Option<_>, _>(3)?.unwrap_or_default();
    if with.len() != on.len() {
        let row = format!("subject {subject_id}");
        return Err(Error::Inconsistent { table: "applications", column: "applied_at", row });
    }
    let applied = with.into_iter().zip(on);
    Ok(applied.map(|(contributor_id, applied_on)| Applied { contributor_id, applied_on }).collect())
}

/// The account of a row; `None` when the subject has none.
fn read_account(row: &PgRow, subject_id: SubjectId) -> Result<Option<Account>> {
    let Some(account_ref) = row.try_get::<Option<String>, _>(4)? else { return Ok(None) };
    let mut cursor = Cursor { row, next: 5, subject_id, account_ref: &account_ref };
    let account = Account { account_ref: account_ref.clone(), ..cursor.account()? };
    let account = match cursor.standing()? {
        Some(standing) => account.as_it_stands(&standing),
        None => account,
    };
    Ok(Some(Account { instalments: cursor.instalments()?, ..account }))
}

/// Columns that tell how the account stands after events.
const EVENT_COLUMNS: usize = 7;

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
            instalments: Vec::new(),
        })
    }

    /// How the account stands after the events since its snapshot; `None` when there are none.
    fn standing(&mut self) -> Result<Option<Standing>> {
        let Some(as_of_date) = self.read()? else {
            self.next += EVENT_COLUMNS - 1;
            return Ok(None);
        };
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

    /// Two parallel arrays, absent when payments told of no instalment. Newest due date first, as the profile relies on.
    fn instalments(&mut self) -> Result<Vec<Instalment>> {
        let due_dates: Vec<NaiveDate> = self.read::<Option<_>>()?.unwrap_or_default();
        let days_late: Vec<i16> = self.read::<Option<_>>()?.unwrap_or_default();
        if due_dates.len() != days_late.len() || !due_dates.is_sorted_by(|newer, older| newer > older) {
            return Err(self.inconsistent("instalment_due_dates"));
        }
        let instalment = |(due_date, days_late)| {
            let days_late =
                u16::try_from(days_late).map_err(|_| self.inconsistent("instalment_days_late"))?;
            Ok(Instalment { due_date, days_late })
        };
        due_dates.into_iter().zip(days_late).map(instalment).collect()
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
