//! Staged rows beside what the serving store knows of their accounts, in the order in which the history rules walk
//! through them.
//!
//! One statement streams them: the staged rows are sorted by account and day, and each looks its account up in the index
//! by contributor and reference. Nothing is collected here, so a batch may have any size.

use chrono::NaiveDate;
use futures::stream::{BoxStream, StreamExt as _};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, Row as _};

use super::columns::prefixed;
use crate::domain::contract::{AccountStatus, Field, FieldSet, PortfolioType, ProductType, SettlementType};
use crate::domain::history::Month;
use crate::domain::money::Sen;
use crate::domain::rules::history::{AccountOrigin, Arriving, Facts, Known};
use crate::error::{Error, Result};
use crate::ids::{BatchId, CaseId, ContributorId};

/// A staged row, and what is known of its account.
#[derive(Clone, Debug)]
pub struct Encounter {
    pub record_no: u64,
    pub account_ref: String,
    pub row: Arriving,
    /// `None` when no snapshot of the account was accepted yet.
    pub known: Option<Known>,
    /// A dispute about the account is open.
    pub disputed: bool,
    /// What the account was on that day was deleted, and the batch does not bring it back on purpose.
    pub deleted: bool,
}

/// The facts of a snapshot, in the order in which they are read; staged rows and accounts have them alike.
macro_rules! facts {
    ($of:literal) => {
        prefixed!(
            $of,
            "as_of_date",
            "opened_date",
            "product_type",
            "portfolio_type",
            "currency",
            "original_amount_sen",
            "status",
            "dpd",
            "outstanding_sen",
            "overdue_sen",
            "fees_outstanding_sen",
            "instalments_paid",
            "first_delinquency_date",
            "write_off_amount_sen",
            "restructured"
        )
    };
}

/// What a staged row has beyond the facts.
macro_rules! staged {
    () => {
        concat!(
            "s.record_no, s.account_ref, ",
            facts!("s."),
            ", s.imputed, s.credit_limit_sen, s.amount_paid_period_sen, s.settlement_type, s.contributor_dispute, s.disputed, s.deleted"
        )
    };
}

/// Seven months reach as far back from a newer row as any rule does (P008: six months before its own); a row that comes
/// late has to find its place among all of them.
const WITH_PAST: &str = concat!(
    "/* history.with_past */ SELECT ",
    staged!(),
    ", a.account_ref IS NOT NULL, ",
    facts!("a."),
    ", a.imputed, a.month_as_of, a.month_status, a.month_dpd, a.month_outstanding_sen, a.month_overdue_sen
    FROM (SELECT s.*, d.account_ref IS NOT NULL AS disputed,
              -- Few contributors ever deleted anything.
              CASE WHEN (SELECT EXISTS (SELECT FROM deletion_tombstones WHERE contributor_id = $1)) THEN EXISTS (
                  SELECT FROM deletion_tombstones t WHERE t.contributor_id = $1 AND t.account_ref = s.account_ref
                    AND s.as_of_date BETWEEN t.as_of_from AND t.as_of_to AND t.case_id IS DISTINCT FROM $2)
                  -- A batch that is judged again does not bring back what a correction took from it.
                  AND NOT EXISTS (SELECT FROM account_snapshots j WHERE j.batch_id = $3 AND j.record_no = s.record_no)
              ELSE false END AS deleted
          FROM staged_accounts s LEFT JOIN (
              SELECT DISTINCT account_ref FROM serving_restrictions
              WHERE contributor_id = $1 AND kind = 'DISPUTED' AND lifted_at IS NULL) d USING (account_ref)
          ORDER BY s.account_ref COLLATE \"C\", s.as_of_date, s.record_no OFFSET 0) s
    LEFT JOIN LATERAL (
        SELECT a.account_ref, ",
    facts!("a."),
    ",
            -- Which of these values were a constant, where the contributor ever had one: only the journal knows.
            CASE WHEN (SELECT EXISTS (SELECT FROM contributor_constants WHERE contributor_id = $1)) THEN (
                SELECT j.imputed FROM account_snapshots j WHERE j.batch_id = a.batch_id AND j.record_no = a.record_no
                ORDER BY j.publication_no DESC LIMIT 1) END AS imputed,
            CASE WHEN a.as_of_date < s.as_of_date THEN a.month_as_of[1:7] ELSE a.month_as_of END AS month_as_of,
            CASE WHEN a.as_of_date < s.as_of_date THEN a.month_status[1:7] ELSE a.month_status END AS month_status,
            CASE WHEN a.as_of_date < s.as_of_date THEN a.month_dpd[1:7] ELSE a.month_dpd END AS month_dpd,
            CASE WHEN a.as_of_date < s.as_of_date THEN a.month_outstanding_sen[1:7]
                 ELSE a.month_outstanding_sen END AS month_outstanding_sen,
            CASE WHEN a.as_of_date < s.as_of_date THEN a.month_overdue_sen[1:7]
                 ELSE a.month_overdue_sen END AS month_overdue_sen
        FROM accounts a WHERE a.contributor_id = $1 AND a.account_ref = s.account_ref
        -- An account is its primary holder's, the latest one's where some records were moved to another person; another
        -- holder's row stands in while there is none.
        ORDER BY a.holder_role, a.as_of_date DESC LIMIT 1) a ON true
    ORDER BY s.account_ref COLLATE \"C\", s.as_of_date, s.record_no"
);

/// A first load has no past and each account once: the few rules that speak without one (P015, P018) look at rows that
/// were opened a while before, or are in dispute. Two whole calendar months take 59 days at least.
const FIRST_LOAD: &str = concat!(
    "/* history.first_load */ SELECT ",
    staged!(),
    ", false FROM (SELECT *, false AS disputed, false AS deleted FROM staged_accounts) s
    WHERE s.contributor_dispute OR s.as_of_date - s.opened_date >= 59"
);

/// Tells the planner what was staged; nobody else does it for a temporary table.
pub async fn analyze_staged(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* history.analyze_staged */ ANALYZE staged_accounts").execute(connection).await?;
    Ok(())
}

/// Every staged row with its account's past, by account and day. `case` is the deletion whose records may come again.
pub fn with_past(
    connection: &mut PgConnection,
    contributor: ContributorId,
    (batch, case): (BatchId, Option<CaseId>),
) -> BoxStream<'_, Result<Encounter>> {
    let rows = sqlx::query(WITH_PAST).bind(contributor).bind(case).bind(batch).fetch(connection);
    rows.map(|row| read(&row?)).boxed()
}

/// The staged rows of a first load that a rule may find fault with, in any order.
pub fn first_load(connection: &mut PgConnection) -> BoxStream<'_, Result<Encounter>> {
    sqlx::query(FIRST_LOAD).fetch(connection).map(|row| read(&row?)).boxed()
}

/// A staged row and the account of its reference that another primary holder has.
#[derive(Clone, Copy, Debug)]
pub struct Origins {
    pub record_no: u64,
    pub staged: AccountOrigin,
    pub known: AccountOrigin,
}

/// What the staged rows whose bits are set, and the known accounts of their references, began as. A batch that is judged
/// again does not contradict what a correction made of its own records.
pub fn origins(
    connection: &mut PgConnection,
    (contributor, batch): (ContributorId, BatchId),
    bits: Vec<u8>,
) -> BoxStream<'_, Result<Origins>> {
    let rows = sqlx::query(
        "/* history.origins */
        SELECT s.record_no, s.opened_date, s.product_type, a.opened_date, a.product_type FROM staged_accounts s
        CROSS JOIN LATERAL (
            SELECT a.opened_date, a.product_type FROM accounts a
            WHERE a.contributor_id = $1 AND a.account_ref = s.account_ref AND a.holder_role = 0
            ORDER BY a.as_of_date DESC LIMIT 1) a
        WHERE get_bit($2, s.record_no) = 1
          AND NOT EXISTS (SELECT FROM account_snapshots j WHERE j.batch_id = $3 AND j.record_no = s.record_no)",
    );
    let rows = rows.bind(contributor).bind(bits).bind(batch).fetch(connection);
    let read = |row: &PgRow| {
        let mut columns = Columns { row, next: 0 };
        let record_no = columns.read::<i64>()? as u64;
        Ok(Origins { record_no, staged: columns.origin()?, known: columns.origin()? })
    };
    rows.map(move |row| read(&row?)).boxed()
}

fn read(row: &PgRow) -> Result<Encounter> {
    let mut columns = Columns { row, next: 0 };
    let record_no = columns.read::<i64>()? as u64;
    let account_ref = columns.read()?;
    let arriving = Arriving {
        facts: columns.facts()?,
        credit_limit: columns.sen()?,
        amount_paid_period: columns.sen()?,
        settlement_type: columns.optional_code("settlement_type", SettlementType::ALL)?,
        contributor_dispute: columns.read()?,
    };
    let (disputed, deleted) = (columns.read()?, columns.read()?);
    let known = match columns.read()? {
        true => Some(Known { latest: columns.facts()?, months: columns.months()? }),
        false => None,
    };
    Ok(Encounter { record_no, account_ref, row: arriving, known, disputed, deleted })
}

/// Reads the columns of a row from left to right.
struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    fn read<T>(&mut self) -> Result<T>
    where
        T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        self.next += 1;
        Ok(self.row.try_get(self.next - 1)?)
    }

    /// The struct's fields are evaluated in the order written, which is the order of the columns.
    fn facts(&mut self) -> Result<Facts> {
        Ok(Facts {
            as_of_date: self.read()?,
            opened_date: self.read()?,
            product_type: self.code("product_type", ProductType::ALL)?,
            portfolio_type: self.code("portfolio_type", PortfolioType::ALL)?,
            currency: self.currency()?,
            original_amount: self.sen()?,
            status: self.code("status", AccountStatus::ALL)?,
            dpd: self.days()?,
            outstanding: Sen(self.read()?),
            overdue: Sen(self.read()?),
            fees_outstanding: self.sen()?,
            instalments_paid: self.count("instalments_paid")?,
            first_delinquency_date: self.read()?,
            write_off_amount: self.sen()?,
            restructured: self.read()?,
            imputed: self.fields()?,
        })
    }

    fn origin(&mut self) -> Result<AccountOrigin> {
        Ok(AccountOrigin {
            opened_date: self.read()?,
            product_type: self.code("product_type", ProductType::ALL)?,
        })
    }

    fn months(&mut self) -> Result<Vec<Month>> {
        let (as_of, status): (Vec<NaiveDate>, Vec<i16>) = (self.read()?, self.read()?);
        let (dpd, outstanding, overdue): (Vec<i16>, Vec<i64>, Vec<i64>) =
            (self.read()?, self.read()?, self.read()?);
        let month = |n: usize| {
            let same =
                |value: Option<&i64>| value.copied().map(Sen).ok_or_else(|| wrong("month_outstanding_sen"));
            Ok(Month {
                as_of_date: as_of[n],
                status: word("month_status", AccountStatus::ALL, status.get(n).copied())?,
                dpd: dpd
                    .get(n)
                    .and_then(|days| u16::try_from(*days).ok())
                    .ok_or_else(|| wrong("month_dpd"))?,
                outstanding: same(outstanding.get(n))?,
                overdue: same(overdue.get(n))?,
            })
        };
        (0..as_of.len()).map(month).collect()
    }

    fn sen(&mut self) -> Result<Option<Sen>> {
        Ok(self.read::<Option<i64>>()?.map(Sen))
    }

    fn count(&mut self, column: &'static str) -> Result<Option<u16>> {
        let stored: Option<i32> = self.read()?;
        stored.map(|n| u16::try_from(n).map_err(|_| wrong(column))).transpose()
    }

    fn days(&mut self) -> Result<u16> {
        let stored: i16 = self.read()?;
        u16::try_from(stored).map_err(|_| wrong("dpd"))
    }

    fn currency(&mut self) -> Result<[u8; 3]> {
        let stored: &str = self.read()?;
        stored.as_bytes().try_into().map_err(|_| wrong("currency"))
    }

    fn code<T: Copy>(&mut self, column: &'static str, list: &[T]) -> Result<T> {
        let position: i16 = self.read()?;
        word(column, list, Some(position))
    }

    fn optional_code<T: Copy>(&mut self, column: &'static str, list: &[T]) -> Result<Option<T>> {
        let position: Option<i16> = self.read()?;
        position.map(|position| word(column, list, Some(position))).transpose()
    }

    fn fields(&mut self) -> Result<FieldSet> {
        let names: Option<Vec<String>> = self.read()?;
        let field = |name: &str| Field::from_name(name).ok_or_else(|| wrong("imputed"));
        names.unwrap_or_default().iter().map(|name| field(name)).collect()
    }
}

/// The word at a stored position of its list.
fn word<T: Copy>(column: &'static str, list: &[T], position: Option<i16>) -> Result<T> {
    let word = position.and_then(|position| list.get(usize::try_from(position).ok()?));
    word.copied().ok_or_else(|| wrong(column))
}

/// Which row it was is not said: staged rows live for one attempt, and the account's own reader names it.
fn wrong(column: &'static str) -> Error {
    Error::Inconsistent { table: "accounts", column, row: "one that a batch was compared with".into() }
}
