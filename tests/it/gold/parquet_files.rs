//! Histories as the files of the silver tables.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Field, Schema};
use chrono::{DateTime, NaiveDate, Utc};
use etrplus::domain::contract::PaymentFrequency;
use etrplus::lake::SnapshotFile;
use etrplus::lake::gold::{self, Moment};
use etrplus::lake::query::Session;
use parquet::arrow::ArrowWriter;
use uuid::Uuid;

use super::histories::{Histories, Snapshot};

/// Writes every table that the statements name, parameters and calendar included, into a folder.
pub fn write(histories: &Histories, moment: Moment, folder: &Path) {
    let tables = [
        ("account_snapshots", account_snapshots(&histories.snapshots)),
        ("repayment_events", repayment_events(histories)),
        ("applications", applications(histories)),
        ("batches", batches(histories)),
        ("serving_restrictions", serving_restrictions(histories)),
        ("delistings", delistings(histories)),
        ("params", gold::params(moment).unwrap().1),
        ("calendar", gold::calendar().unwrap().1),
    ];
    for (name, rows) in tables {
        let file = File::create(folder.join(format!("{name}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }
}

/// Registers the silver tables of a folder.
pub fn register(session: &Session, folder: &Path) {
    for name in gold::TABLES {
        let path = folder.join(format!("{name}.parquet"));
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
            File::open(&path).unwrap(),
        );
        let reader = reader.unwrap();
        let file = SnapshotFile {
            path: format!("file://{}", path.display()),
            bytes: path.metadata().unwrap().len(),
            rows: reader.metadata().file_metadata().num_rows() as u64,
        };
        session.register_files(name, reader.schema(), &[file]).unwrap();
    }
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

fn texts<T, S: AsRef<str>>(rows: &[T], of: impl Fn(&T) -> Option<S>) -> ArrayRef {
    Arc::new(StringArray::from_iter(rows.iter().map(of)))
}

fn ids<T>(rows: &[T], of: impl Fn(&T) -> Uuid) -> ArrayRef {
    texts(rows, |row| Some(of(row).to_string()))
}

fn longs<T>(rows: &[T], of: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(rows.iter().map(of)))
}

fn ints<T>(rows: &[T], of: impl Fn(&T) -> Option<u16>) -> ArrayRef {
    Arc::new(Int32Array::from_iter(rows.iter().map(|row| of(row).map(i32::from))))
}

fn flags<T>(rows: &[T], of: impl Fn(&T) -> bool) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(of(row)))))
}

fn days<T>(rows: &[T], of: impl Fn(&T) -> Option<NaiveDate>) -> ArrayRef {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let number = |day: NaiveDate| day.signed_duration_since(epoch).num_days() as i32;
    Arc::new(Date32Array::from_iter(rows.iter().map(|row| of(row).map(number))))
}

fn instants<T>(rows: &[T], of: impl Fn(&T) -> Option<DateTime<Utc>>) -> ArrayRef {
    let micros = rows.iter().map(|row| of(row).as_ref().map(DateTime::timestamp_micros));
    Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC"))
}

fn account_snapshots(rows: &[Snapshot]) -> RecordBatch {
    table(vec![
        ("batch_id", ids(rows, |s| s.batch_id)),
        ("record_no", longs(rows, |s| Some(s.record_no))),
        ("publication_no", longs(rows, |s| Some(s.publication_no))),
        ("known_from", instants(rows, |s| Some(s.known_from))),
        ("contributor_id", ids(rows, |s| s.account.contributor_id.0)),
        ("subject_id", ids(rows, |s| s.account.subject_id.0)),
        ("account_ref", texts(rows, |s| Some(s.account.account_ref.clone()))),
        ("holder_role", texts(rows, |s| Some(s.account.holder_role.as_str()))),
        ("as_of_date", days(rows, |s| Some(s.account.as_of_date))),
        ("withdrawn", flags(rows, |s| s.withdrawn)),
        ("product_type", texts(rows, |s| Some(s.account.product_type.as_str()))),
        ("portfolio_type", texts(rows, |s| Some(s.account.portfolio_type.as_str()))),
        ("status", texts(rows, |s| Some(s.account.status.as_str()))),
        ("opened_date", days(rows, |s| Some(s.account.opened_date))),
        ("dpd", ints(rows, |s| Some(s.account.dpd))),
        ("outstanding_sen", longs(rows, |s| Some(s.account.outstanding.0))),
        ("overdue_sen", longs(rows, |s| Some(s.account.overdue.0))),
        ("original_amount_sen", longs(rows, |s| s.account.original_amount.map(|a| a.0))),
        ("credit_limit_sen", longs(rows, |s| s.account.credit_limit.map(|a| a.0))),
        ("instalment_amount_sen", longs(rows, |s| s.account.instalment_amount.map(|a| a.0))),
        ("next_due_amount_sen", longs(rows, |s| s.account.next_due_amount.map(|a| a.0))),
        ("write_off_amount_sen", longs(rows, |s| s.account.write_off_amount.map(|a| a.0))),
        ("closed_date", days(rows, |s| s.account.closed_date)),
        ("next_due_date", days(rows, |s| s.account.next_due_date)),
        ("write_off_date", days(rows, |s| s.account.write_off_date)),
        ("settled_date", days(rows, |s| s.account.settled_date)),
        ("instalments_total", ints(rows, |s| s.account.instalments_total)),
        ("instalments_paid", ints(rows, |s| s.account.instalments_paid)),
        ("payment_frequency", texts(rows, |s| s.account.payment_frequency.map(PaymentFrequency::as_str))),
        ("restructured", flags(rows, |s| s.account.restructured)),
        ("hardship", flags(rows, |s| s.account.hardship)),
        ("legal_action", flags(rows, |s| s.account.legal_action)),
        ("contributor_dispute", flags(rows, |s| s.account.contributor_dispute)),
        ("listing_requested", flags(rows, |s| s.listing_requested)),
        ("evidence_ref", texts(rows, |s| s.evidence.then_some("synthetic-evidence"))),
    ])
}

fn repayment_events(histories: &Histories) -> RecordBatch {
    let rows = &histories.events[..];
    table(vec![
        ("batch_id", ids(rows, |e| e.batch_id)),
        ("record_no", longs(rows, |e| Some(e.record_no))),
        ("publication_no", longs(rows, |e| Some(e.publication_no))),
        ("known_from", instants(rows, |e| Some(e.known_from))),
        ("contributor_id", ids(rows, |e| e.contributor_id.0)),
        ("account_ref", texts(rows, |e| Some(e.account_ref.clone()))),
        ("event_id", texts(rows, |e| Some(e.event_id.clone()))),
        ("event_type", texts(rows, |e| Some(e.event_type.as_str()))),
        ("value_date", days(rows, |e| Some(e.value_date))),
        ("amount_sen", longs(rows, |e| e.amount)),
        ("instalment_due_date", days(rows, |e| e.instalment_due_date)),
        ("new_due_date", days(rows, |e| e.new_due_date)),
        ("reverses_event_id", texts(rows, |e| e.reverses.clone())),
    ])
}

fn applications(histories: &Histories) -> RecordBatch {
    let rows = &histories.applications[..];
    table(vec![
        ("batch_id", ids(rows, |a| a.batch_id)),
        ("record_no", longs(rows, |a| Some(a.record_no))),
        ("publication_no", longs(rows, |a| Some(a.publication_no))),
        ("known_from", instants(rows, |a| Some(a.known_from))),
        ("contributor_id", ids(rows, |a| a.contributor_id.0)),
        ("subject_id", ids(rows, |a| a.subject_id.0)),
        ("application_ref", texts(rows, |a| Some(a.application_ref.clone()))),
        ("holder_role", texts(rows, |a| Some(a.holder_role.as_str()))),
        ("decision", texts(rows, |a| Some(a.decision.as_str()))),
        ("applied_at", instants(rows, |a| Some(a.applied_at))),
    ])
}

fn batches(histories: &Histories) -> RecordBatch {
    let rows = &histories.changes[..];
    table(vec![
        ("batch_id", ids(rows, |c| c.batch_id)),
        ("transition_no", longs(rows, |c| Some(c.transition_no))),
        ("known_from", instants(rows, |c| Some(c.known_from))),
        ("contributor_id", ids(rows, |c| c.contributor_id.0)),
        ("state", texts(rows, |c| Some(c.state))),
        ("publication_no", longs(rows, |c| Some(c.place))),
    ])
}

fn serving_restrictions(histories: &Histories) -> RecordBatch {
    let rows = &histories.restrictions[..];
    table(vec![
        ("contributor_id", ids(rows, |r| r.contributor_id.0)),
        ("account_ref", texts(rows, |r| Some(r.account_ref.clone()))),
        ("kind", texts(rows, |r| Some(r.kind))),
        ("opened_at", instants(rows, |r| Some(r.opened_at))),
        ("lifted_at", instants(rows, |r| r.lifted_at)),
    ])
}

fn delistings(histories: &Histories) -> RecordBatch {
    let rows = &histories.delistings[..];
    table(vec![
        ("contributor_id", ids(rows, |d| d.contributor_id.0)),
        ("account_ref", texts(rows, |d| Some(d.account_ref.clone()))),
        ("delisted_on", days(rows, |d| Some(d.delisted_on))),
        ("delisted_at", instants(rows, |d| Some(d.delisted_at))),
    ])
}
