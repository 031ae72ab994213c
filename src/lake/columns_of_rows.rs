//! Accepted records as Arrow columns, straight from the rules: what a rebuild of the lake from the received bytes writes,
//! without a way through Postgres.
//!
//! [`SnapshotRows`] makes the columns of `silver.account_snapshots` as [`super::columns`] makes them of the journal's rows.
//! [`SnapshotWriter`] writes them into one Parquet file with the settings of the lake.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, ArrowPrimitiveType, BooleanArray, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, SchemaRef};
use chrono::{Datelike as _, NaiveDate};
use parquet::arrow::ArrowWriter;
use uuid::fmt::Hyphenated;

use super::columns::EPOCH_DAY;
use super::silver::ACCOUNT_SNAPSHOTS;
use super::write;
use crate::db::serving::Origin;
use crate::domain::contract::{AccountSnapshot, Field, PaymentFrequency, SettlementType};
use crate::domain::money::Sen;
use crate::error::{Error, Result};
use crate::ids::SubjectId;

/// Rows that go to a file at once.
const BATCH_ROWS: usize = 8192;

/// Columns of one type, in the order in which [`SnapshotRows::push`] fills them.
const TEXTS: [&str; 5] = ["subject_id", "account_ref", "currency", "evidence_ref", "imputed"];
const WORDS: [&str; 6] =
    ["holder_role", "product_type", "portfolio_type", "status", "payment_frequency", "settlement_type"];
const AMOUNTS: [&str; 10] = [
    "outstanding_sen",
    "overdue_sen",
    "original_amount_sen",
    "credit_limit_sen",
    "instalment_amount_sen",
    "next_due_amount_sen",
    "write_off_amount_sen",
    "fees_outstanding_sen",
    "amount_paid_period_sen",
    "last_payment_amount_sen",
];
const COUNTS: [&str; 4] = ["dpd", "instalments_total", "instalments_paid", "instalments_overdue"];
const DATES: [&str; 11] = [
    "as_of_date",
    "opened_date",
    "status_date",
    "maturity_date",
    "closed_date",
    "first_delinquency_date",
    "next_due_date",
    "write_off_date",
    "settled_date",
    "last_payment_date",
    "oldest_unpaid_due_date",
];
const FLAGS: [&str; 5] =
    ["restructured", "hardship", "legal_action", "contributor_dispute", "listing_requested"];

/// Gathers the accepted snapshots of one publication. Values wait as they are, and become columns a column at a time.
pub struct SnapshotRows {
    schema: SchemaRef,
    shared: Shared,
    record_nos: Vec<i64>,
    texts: [StringBuilder; TEXTS.len()],
    words: [Vec<Option<&'static str>>; WORDS.len()],
    amounts: [Vec<Option<Sen>>; AMOUNTS.len()],
    counts: [Vec<Option<u16>>; COUNTS.len()],
    dates: [Vec<Option<NaiveDate>>; DATES.len()],
    flags: [Vec<bool>; FLAGS.len()],
}

impl SnapshotRows {
    /// # Errors
    /// Only when the table's own description is wrong.
    pub fn new(origin: &Origin<'_>) -> Result<SnapshotRows> {
        Ok(SnapshotRows {
            schema: ACCOUNT_SNAPSHOTS.arrow_schema()?,
            shared: Shared::of(origin, BATCH_ROWS),
            record_nos: Vec::new(),
            texts: Default::default(),
            words: Default::default(),
            amounts: Default::default(),
            counts: Default::default(),
            dates: Default::default(),
            flags: Default::default(),
        })
    }

    /// Rows that were added since the last batch.
    pub fn len(&self) -> usize {
        self.record_nos.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no more may be added before the rows so far are taken.
    pub fn is_full(&self) -> bool {
        self.len() == BATCH_ROWS
    }

    /// Adds a record that passed its rules. `None`, and nothing is added, when a required value is missing, which the
    /// rules exclude.
    pub fn push(&mut self, record_no: u64, subject: SubjectId, record: &AccountSnapshot<'_>) -> Option<()> {
        let r = record;
        let (outstanding, overdue) = (Some(r.outstanding?), Some(r.overdue?));
        let (as_of, opened, since) = (Some(r.as_of_date?), Some(r.opened_date?), Some(r.status_date?));
        let dpd = Some(r.dpd?);
        let mut id = [0; Hyphenated::LENGTH];
        let imputed = (!r.imputed.is_empty()).then(|| names(r));
        let texts = [
            Some(&*subject.0.hyphenated().encode_lower(&mut id)),
            Some(r.account_ref?),
            Some(r.currency?),
            r.evidence_ref,
            imputed.as_deref(),
        ];
        let words = [
            Some(r.holder_role?.as_str()),
            Some(r.product_type?.as_str()),
            Some(r.portfolio_type?.as_str()),
            Some(r.status?.as_str()),
            r.payment_frequency.map(PaymentFrequency::as_str),
            r.settlement_type.map(SettlementType::as_str),
        ];
        let amounts = [
            outstanding,
            overdue,
            r.original_amount,
            r.credit_limit,
            r.instalment_amount,
            r.next_due_amount,
            r.write_off_amount,
            r.fees_outstanding,
            r.amount_paid_period,
            r.last_payment_amount,
        ];
        let dates = [
            as_of,
            opened,
            since,
            r.maturity_date,
            r.closed_date,
            r.first_delinquency_date,
            r.next_due_date,
            r.write_off_date,
            r.settled_date,
            r.last_payment_date,
            r.oldest_unpaid_due_date,
        ];
        let counts = [dpd, r.instalments_total, r.instalments_paid, r.instalments_overdue];
        let flags = [r.restructured, r.hardship, r.legal_action, r.contributor_dispute, r.listing_requested];
        self.record_nos.push(record_no as i64);
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_option(text));
        self.words.iter_mut().zip(words).for_each(|(column, word)| column.push(word));
        self.amounts.iter_mut().zip(amounts).for_each(|(column, amount)| column.push(amount));
        self.counts.iter_mut().zip(counts).for_each(|(column, count)| column.push(count));
        self.dates.iter_mut().zip(dates).for_each(|(column, date)| column.push(date));
        let said = flags.map(|flag| flag.unwrap_or(false));
        self.flags.iter_mut().zip(said).for_each(|(column, flag)| column.push(flag));
        Some(())
    }

    /// The rows so far; begins anew.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let rows = self.len();
        let mut columns: Vec<(&str, ArrayRef)> = self.shared.columns(rows);
        columns.push(("record_no", Arc::new(Int64Array::from(std::mem::take(&mut self.record_nos)))));
        let texts = self.texts.iter_mut().map(|text| Arc::new(text.finish()) as ArrayRef);
        columns.extend(TEXTS.into_iter().zip(texts));
        let words =
            self.words.iter_mut().map(|words| Arc::new(StringArray::from_iter(words.drain(..))) as ArrayRef);
        columns.extend(WORDS.into_iter().zip(words));
        let amounts = self.amounts.iter_mut().map(|all| numbers::<Int64Type, _>(all, |sen| sen.0));
        columns.extend(AMOUNTS.into_iter().zip(amounts));
        let counts = self.counts.iter_mut().map(|all| numbers::<Int32Type, _>(all, i32::from));
        columns.extend(COUNTS.into_iter().zip(counts));
        let day = |date: NaiveDate| date.num_days_from_ce() - EPOCH_DAY;
        let dates = self.dates.iter_mut().map(|all| numbers::<Date32Type, _>(all, day));
        columns.extend(DATES.into_iter().zip(dates));
        let flags =
            self.flags.iter_mut().map(|all| Arc::new(BooleanArray::from(std::mem::take(all))) as ArrayRef);
        columns.extend(FLAGS.into_iter().zip(flags));
        let wrong = |what: &str| Error::Internal(format!("lake: silver.account_snapshots: {what}"));
        let named = |name: &String| {
            columns.iter().find(|(other, _)| other == name).map(|(_, column)| Arc::clone(column))
        };
        let in_order: Option<Vec<ArrayRef>> =
            self.schema.fields().iter().map(|field| named(field.name())).collect();
        let in_order = in_order.ok_or_else(|| wrong("a column is not filled"))?;
        RecordBatch::try_new(Arc::clone(&self.schema), in_order).map_err(|error| wrong(&error.to_string()))
    }
}

/// A column of numbers; the values are taken.
fn numbers<T: ArrowPrimitiveType, V: Copy>(
    values: &mut Vec<Option<V>>,
    number: impl Fn(V) -> T::Native,
) -> ArrayRef {
    let present = BooleanBuffer::collect_bool(values.len(), |row| values[row].is_some());
    let numbers: Vec<T::Native> =
        values.drain(..).map(|value| value.map_or_else(Default::default, &number)).collect();
    let nulls = NullBuffer::new(present);
    Arc::new(PrimitiveArray::<T>::new(numbers.into(), Some(nulls).filter(|nulls| nulls.null_count() > 0)))
}

/// The columns that are the same in all rows of a publication, of so many rows as a file takes at once.
struct Shared(Vec<(&'static str, ArrayRef)>);

impl Shared {
    fn of(origin: &Origin<'_>, rows: usize) -> Shared {
        let text =
            |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))) as ArrayRef;
        let known_from = TimestampMicrosecondArray::from_value(origin.known_from.timestamp_micros(), rows);
        Shared(vec![
            ("batch_id", text(&origin.batch_id.to_string())),
            ("contributor_id", text(&origin.contributor_id.to_string())),
            ("contract", text(origin.contract)),
            ("rules_version", text(origin.rules_version)),
            ("publication_no", Arc::new(Int64Array::from_value(origin.publication_no, rows))),
            ("known_from", Arc::new(known_from.with_timezone("+00:00"))),
            ("withdrawn", Arc::new(BooleanArray::from(vec![false; rows]))),
        ])
    }

    fn columns(&self, rows: usize) -> Vec<(&'static str, ArrayRef)> {
        self.0.iter().map(|(name, column)| (*name, column.slice(0, rows.min(column.len())))).collect()
    }
}

/// The fields that a constant filled, as the table lists them.
fn names(record: &AccountSnapshot<'_>) -> String {
    record.imputed.iter().map(Field::name).collect::<Vec<_>>().join(",")
}

/// One Parquet file of accepted snapshots, with the columns and settings of `silver.account_snapshots`.
pub struct SnapshotWriter<W: Write + Send> {
    rows: SnapshotRows,
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> SnapshotWriter<W> {
    /// `expected`: about how many rows there will be, for the size of the bloom filter.
    ///
    /// # Errors
    /// When nothing can be written to `file`.
    pub fn begin(file: W, origin: &Origin<'_>, expected: u64) -> Result<SnapshotWriter<W>> {
        let rows = SnapshotRows::new(origin)?;
        let properties = write::properties(&ACCOUNT_SNAPSHOTS, expected)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&rows.schema), Some(properties))
            .map_err(|error| unwritten(&error))?;
        Ok(SnapshotWriter { rows, writer })
    }

    /// Adds a record that passed its rules; see [`SnapshotRows::push`].
    ///
    /// # Errors
    /// When nothing can be written, or the record lacks a required value.
    pub fn push(&mut self, record_no: u64, subject: SubjectId, record: &AccountSnapshot<'_>) -> Result<()> {
        let pushed = self.rows.push(record_no, subject, record);
        pushed.ok_or_else(|| Error::Internal(format!("record {record_no} lacks a required value")))?;
        if !self.rows.is_full() {
            return Ok(());
        }
        self.writer.write(&self.rows.finish()?).map_err(|error| unwritten(&error))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn finish(mut self) -> Result<W> {
        if !self.rows.is_empty() {
            self.writer.write(&self.rows.finish()?).map_err(|error| unwritten(&error))?;
        }
        self.writer.into_inner().map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &parquet::errors::ParquetError) -> Error {
    Error::Internal(format!("lake: a Parquet file: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow::array::cast::AsArray as _;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use uuid::Uuid;

    use super::*;
    use crate::domain::contract::{AccountStatus, FieldSet, HolderRole, PortfolioType, ProductType};
    use crate::ids::{BatchId, ContributorId};

    fn origin() -> Origin<'static> {
        Origin {
            contributor_id: ContributorId(Uuid::from_u128(1)),
            batch_id: BatchId(Uuid::from_u128(2)),
            known_from: chrono::DateTime::UNIX_EPOCH,
            rules_version: "2026-11",
            publication_no: 7,
            contract: "account_snapshot/1",
        }
    }

    fn record() -> AccountSnapshot<'static> {
        let day = NaiveDate::from_ymd_opt(1970, 1, 11);
        AccountSnapshot {
            outstanding: Some(Sen(120_000)),
            overdue: Some(Sen(0)),
            as_of_date: day,
            opened_date: day,
            status_date: day,
            dpd: Some(3),
            holder_role: Some(HolderRole::Joint),
            product_type: Some(ProductType::BnplLine),
            portfolio_type: Some(PortfolioType::Revolving),
            status: Some(AccountStatus::Active),
            account_ref: Some("ACC-1"),
            currency: Some("MYR"),
            hardship: Some(true),
            imputed: FieldSet::EMPTY.with(Field::OpenedDate).with(Field::Overdue),
            ..AccountSnapshot::default()
        }
    }

    /// More rows than a file takes at once, and read by others than who wrote them.
    #[test]
    fn what_is_written_is_read_again() {
        let mut file = SnapshotWriter::begin(Vec::new(), &origin(), 10).unwrap();
        let (usual, limited) = (record(), AccountSnapshot { credit_limit: Some(Sen(9)), ..record() });
        for n in 1..=BATCH_ROWS as u64 + 1 {
            let subject = SubjectId(Uuid::from_u128(n.into()));
            file.push(n, subject, if n == 2 { &limited } else { &usual }).unwrap();
        }
        let bytes = bytes::Bytes::from(file.finish().unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().with_batch_size(BATCH_ROWS);
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [BATCH_ROWS, 1]);
        let column = |name: &str| Arc::clone(batches[0].column_by_name(name).unwrap());
        let text = |name: &str, row: usize| column(name).as_string::<i32>().value(row).to_owned();
        assert_eq!(text("batch_id", 8191), "00000000-0000-0000-0000-000000000002");
        assert_eq!(text("subject_id", 2), "00000000-0000-0000-0000-000000000003");
        let words = ["contract", "holder_role", "product_type", "portfolio_type", "status", "imputed"];
        assert_eq!(
            words.map(|name| text(name, 0)),
            ["account_snapshot/1", "JOINT", "BNPL_LINE", "REVOLVING", "ACTIVE", "opened_date,overdue"]
        );
        assert_eq!(column("as_of_date").as_primitive::<Date32Type>().value(0), 10);
        assert_eq!(column("dpd").as_primitive::<Int32Type>().value(5), 3);
        assert_eq!(column("outstanding_sen").as_primitive::<Int64Type>().value(5), 120_000);
        let limits = column("credit_limit_sen");
        assert_eq!((limits.null_count(), limits.as_primitive::<Int64Type>().value(1)), (BATCH_ROWS - 1, 9));
        assert!(column("hardship").as_boolean().value(0) && !column("withdrawn").as_boolean().value(0));
        let last = batches[1].column_by_name("record_no").unwrap();
        assert_eq!(last.as_primitive::<Int64Type>().value(0), BATCH_ROWS as i64 + 1);
    }

    #[test]
    fn a_record_without_a_required_value_adds_nothing() {
        let mut rows = SnapshotRows::new(&origin()).unwrap();
        let subject = SubjectId(Uuid::nil());
        assert!(rows.push(1, subject, &AccountSnapshot { currency: None, ..record() }).is_none());
        assert!(rows.is_empty());
        assert!(rows.push(1, subject, &record()).is_some());
        assert_eq!(rows.finish().unwrap().num_rows(), 1);
        assert!(rows.is_empty());
    }
}
