//! Attributes of many persons as of a day, as it was known at an instant: the statements of `gold/` over the silver tables,
//! for the persons asked for alone, as a file.
//!
//! Rows of the file stand in the order of the request and name the question that a person was asked about in; the person's own id
//! stays here. The same request gives the same bytes for as long as the past is the past.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array,
    new_null_array,
};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::Lake;
use super::gold::{self, Moment};
use super::query::{Budget, Session};
use super::silver::{ACCOUNT_SNAPSHOTS, APPLICATIONS, BATCHES, REPAYMENT_EVENTS};
use super::tables::TableSpec;
use super::withheld::Withheld;
use crate::config::S3Config;
use crate::db::archive_queries::Subject;
use crate::domain::archive::Format;
use crate::domain::profile::catalogue::ATTRIBUTES;
use crate::domain::profile::{Unit, Value, attributes};
use crate::error::{Error, Result};

/// What one query may use: the schedule runs one of them at a time, beside everything else that a worker does.
const BUDGET: Budget = Budget { memory_bytes: 512 << 20, partitions: 2, questions: 1 };
/// Compression level of the file, as of the tables.
const ZSTD_LEVEL: i32 = 3;
/// What is told besides the attributes, after them.
const FRESHNESS: [(&str, DataType); 3] = [
    ("newest_as_of", DataType::Date32),
    ("oldest_as_of", DataType::Date32),
    ("stale_accounts", DataType::Int64),
];

/// A query that is being answered.
pub struct Archive {
    session: Session,
    as_of: NaiveDate,
    file: Encoder,
    /// The snapshot of each table that is read, by its full name.
    pub snapshots: BTreeMap<String, i64>,
}

impl Archive {
    /// Pins a snapshot of each table and prepares what is asked of everybody at once.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn open(
        lake: &Lake,
        s3: &S3Config,
        moment: Moment,
        format: Format,
        withheld: &Withheld,
    ) -> Result<Archive> {
        let engine = super::engine(&lake.config, s3, BUDGET)?;
        let session = engine.session().await?;
        let mut snapshots = BTreeMap::new();
        for (spec, also) in [
            (&ACCOUNT_SNAPSHOTS, Some("all_account_snapshots")),
            (&APPLICATIONS, Some("all_applications")),
            (&REPAYMENT_EVENTS, None),
            (&BATCHES, None),
        ] {
            let names = [Some(spec.name), also];
            if let Some(snapshot) = register(lake, &session, spec, names.into_iter().flatten()).await? {
                snapshots.insert(spec.full_name(), snapshot);
            }
        }
        withheld.register(&session)?;
        gold::prepare(&session, moment).await?;
        Ok(Archive { session, as_of: moment.as_of, file: Encoder::new(format)?, snapshots })
    }

    /// The next subjects' part of the file.
    ///
    /// # Errors
    /// When a statement fails, or its rows lack an attribute.
    pub async fn portion(&mut self, subjects: &[Subject]) -> Result<Vec<u8>> {
        let schema = Arc::new(Schema::new(vec![Field::new("subject_id", DataType::Utf8, false)]));
        let known = subjects.iter().filter_map(|subject| subject.subject_id).map(|id| id.to_string());
        let members = table(&schema, vec![Arc::new(StringArray::from_iter_values(known))])?;
        self.session.register_rows("portion", vec![members], &schema)?;
        for (name, all) in
            [(ACCOUNT_SNAPSHOTS.name, "all_account_snapshots"), (APPLICATIONS.name, "all_applications")]
        {
            self.session.register_members(name, all, "portion", "subject_id").await?;
        }
        let told = gold::attributes(&self.session).await?;
        gold::forget_persons(&self.session)?;
        self.file.encode(&in_order(subjects, &told, self.as_of)?)
    }

    /// The end of the file.
    ///
    /// # Errors
    /// None that is known of.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.file.finish()
    }
}

/// Gives the newest snapshot of a table its names; no rows while nothing has landed.
async fn register(
    lake: &Lake,
    session: &Session,
    spec: &TableSpec,
    names: impl Iterator<Item = &'static str>,
) -> Result<Option<i64>> {
    let snapshot = lake.snapshot(spec).await?;
    let files = snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.files);
    let schema = spec.arrow_schema()?;
    for name in names {
        session.register_files(name, &schema, files)?;
    }
    Ok(snapshot.map(|snapshot| snapshot.snapshot_id))
}

fn texts(of: impl IntoIterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(of))
}

fn table(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| mismatch(&error))
}

/// The columns of the file: the question, the kind of answer, every attribute in the order of the catalogue, freshness.
fn schema() -> SchemaRef {
    let texts = ["query_id", "hit_status"].map(|name| Field::new(name, DataType::Utf8, false));
    let facts = ATTRIBUTES.iter().map(|attribute| {
        let kind = if attribute.unit == Unit::Bool { DataType::Boolean } else { DataType::Int64 };
        Field::new(attribute.name, kind, true)
    });
    let freshness = FRESHNESS.map(|(name, kind)| Field::new(name, kind, true));
    Arc::new(Schema::new(texts.into_iter().chain(facts).chain(freshness).collect::<Vec<_>>()))
}

/// What a profile says of somebody of whom nothing is known, for the columns behind the first.
fn nobody(schema: &Schema, as_of: NaiveDate) -> Vec<ArrayRef> {
    let profile = attributes(&[], &[], as_of);
    let column = |field: &Field| -> ArrayRef {
        let value = profile.attributes.iter().find(|attribute| attribute.name == field.name());
        match value.and_then(|attribute| attribute.value) {
            Some(Value::Number(number)) => Arc::new(Int64Array::from(vec![number])),
            Some(Value::Flag(flag)) => Arc::new(BooleanArray::from(vec![flag])),
            None if field.name() == "hit_status" => texts([profile.hit_status.as_str().to_owned()]),
            None if field.name() == "stale_accounts" => Arc::new(Int64Array::from(vec![0])),
            None => new_null_array(field.data_type(), 1),
        }
    };
    schema.fields().iter().skip(1).map(|field| column(field)).collect()
}

/// One row for each subject in their order, whoever of them the statements told of.
fn in_order(subjects: &[Subject], told: &[RecordBatch], as_of: NaiveDate) -> Result<RecordBatch> {
    let schema = schema();
    let mut places = HashMap::new();
    let mut rows = 0_u32;
    for batch in told {
        let ids = told_column(batch, "subject_id", &DataType::Utf8)?;
        for id in ids.as_string::<i32>().iter() {
            places.insert(id.unwrap_or_default().to_owned(), rows);
            rows += 1;
        }
    }
    // Nobody stands behind everybody.
    let place = |subject: &Subject| {
        subject.subject_id.and_then(|id| places.get(&id.to_string()).copied()).unwrap_or(rows)
    };
    let order = UInt32Array::from_iter_values(subjects.iter().map(place));
    let mut columns = vec![texts(subjects.iter().map(|subject| subject.query_id.to_string()))];
    for (field, absent) in schema.fields().iter().skip(1).zip(nobody(&schema, as_of)) {
        let mut parts = Vec::with_capacity(told.len() + 1);
        for batch in told {
            parts.push(told_column(batch, field.name(), field.data_type())?);
        }
        parts.push(absent);
        let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
        let column = concat(&parts).and_then(|column| take(&column, &order, None));
        columns.push(column.map_err(|error| mismatch(&error))?);
    }
    table(&schema, columns)
}

fn told_column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<ArrayRef> {
    let column = batch.column_by_name(name);
    let column =
        column.ok_or_else(|| Error::Internal(format!("archive: the statements do not tell {name}")))?;
    cast(column, kind).map_err(|error| mismatch(&error))
}

/// Writes rows in one form or the other; bytes leave as they are complete.
enum Encoder {
    Parquet { writer: Box<ArrowWriter<Spool>>, spool: Spool },
    Csv { header: bool },
}

impl Encoder {
    fn new(format: Format) -> Result<Encoder> {
        if format == Format::Csv {
            return Ok(Encoder::Csv { header: true });
        }
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(|error| written(&error))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let spool = Spool::default();
        let writer = ArrowWriter::try_new(spool.clone(), schema(), Some(properties));
        Ok(Encoder::Parquet { writer: Box::new(writer.map_err(|error| written(&error))?), spool })
    }

    /// A portion is a row group.
    fn encode(&mut self, rows: &RecordBatch) -> Result<Vec<u8>> {
        match self {
            Encoder::Parquet { writer, spool } => {
                writer.write(rows).and_then(|()| writer.flush()).map_err(|error| written(&error))?;
                Ok(spool.take())
            }
            Encoder::Csv { header } => lines(rows, std::mem::take(header)),
        }
    }

    fn finish(self) -> Result<Vec<u8>> {
        match self {
            Encoder::Parquet { writer, spool } => {
                writer.close().map_err(|error| written(&error))?;
                Ok(spool.take())
            }
            Encoder::Csv { .. } => Ok(Vec::new()),
        }
    }
}

/// Lines of CSV (RFC 4180); what is null is empty.
fn lines(rows: &RecordBatch, header: bool) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let trouble = |error: csv::Error| Error::Internal(format!("archive: {error}"));
    if header {
        writer.write_record(rows.schema().fields().iter().map(|field| field.name())).map_err(trouble)?;
    }
    let options = FormatOptions::default();
    let columns = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|error| mismatch(&error))?;
    for row in 0..rows.num_rows() {
        for (column, values) in rows.columns().iter().zip(&columns) {
            let value = if column.is_null(row) { String::new() } else { values.value(row).to_string() };
            writer.write_field(value).map_err(trouble)?;
        }
        writer.write_record(None::<&[u8]>).map_err(trouble)?;
    }
    writer.into_inner().map_err(|error| Error::Internal(format!("archive: {error}")))
}

/// Where a writer puts bytes that somebody else takes away.
#[derive(Clone, Default)]
struct Spool(Arc<Mutex<Vec<u8>>>);

impl Spool {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn mismatch(error: &ArrowError) -> Error {
    Error::Internal(format!("archive: {error}"))
}

fn written(error: &parquet::errors::ParquetError) -> Error {
    Error::Internal(format!("archive: {error}"))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::QueryId;

    fn subject(subject_no: i32, subject_id: Option<u128>) -> Subject {
        let query_id = QueryId(Uuid::from_u128(900 + subject_no as u128));
        Subject { subject_no, query_id, subject_id: subject_id.map(Uuid::from_u128) }
    }

    /// Two persons, told with everything that nobody has, and with one of their own.
    fn told(as_of: NaiveDate) -> RecordBatch {
        let nobody = in_order(&[subject(1, None), subject(2, None)], &[], as_of).unwrap();
        let fields = nobody.schema().fields().iter().skip(1).cloned().collect::<Vec<_>>();
        let mut columns = nobody.columns()[1..].to_vec();
        let place = fields.iter().position(|field| field.name() == "applications_7d").unwrap();
        columns[place] = Arc::new(Int64Array::from(vec![41, 42]));
        let ids = texts([1, 2].map(|id| Uuid::from_u128(id).to_string()));
        let fields = [Arc::new(Field::new("subject_id", DataType::Utf8, false))].into_iter().chain(fields);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        table(&schema, [vec![ids], columns].concat()).unwrap()
    }

    #[test]
    fn rows_stand_in_the_order_of_the_request_and_name_no_person() {
        let as_of = NaiveDate::from_ymd_opt(2026, 6, 30).unwrap();
        let subjects = [subject(1, Some(2)), subject(2, None), subject(3, Some(1)), subject(4, Some(7))];
        let rows = in_order(&subjects, &[told(as_of)], as_of).unwrap();
        let numbers = rows.column_by_name("applications_7d").unwrap();
        let numbers: Vec<_> =
            numbers.as_primitive::<arrow::datatypes::Int64Type>().iter().map(Option::unwrap).collect();
        assert_eq!(numbers, [42, 0, 41, 0]);
        let csv = String::from_utf8(lines(&rows, true).unwrap()).unwrap();
        assert_eq!(csv.lines().count(), 5);
        assert!(csv.starts_with("query_id,hit_status,active_account_count,"), "{csv}");
        let second = format!("{},NO_HIT,,", subjects[1].query_id);
        assert!(csv.lines().nth(2).unwrap().starts_with(&second), "{csv}");
        assert!(!csv.contains(&Uuid::from_u128(2).to_string()), "the person is not named: {csv}");
    }

    #[test]
    fn the_same_rows_are_the_same_parquet_in_portions() {
        let as_of = NaiveDate::from_ymd_opt(2026, 6, 30).unwrap();
        let encoded = || {
            let mut encoder = Encoder::new(Format::Parquet).unwrap();
            let mut bytes = Vec::new();
            for n in 1..4 {
                let rows = in_order(&[subject(n, Some(1))], &[told(as_of)], as_of).unwrap();
                bytes.extend(encoder.encode(&rows).unwrap());
            }
            bytes.extend(encoder.finish().unwrap());
            bytes
        };
        let bytes = encoded();
        assert_eq!(bytes, encoded());
        let file = bytes::Bytes::from(bytes);
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 3);
        assert_eq!(reader.metadata().num_row_groups(), 3);
    }
}
