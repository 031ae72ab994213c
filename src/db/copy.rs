//! Postgres' binary COPY format, as far as we write it (PostgreSQL documentation, "COPY", binary format).

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;

/// What a binary COPY starts with: signature, flags, header extension length.
pub const HEADER: &[u8] = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub const TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// Sends tuples into the table of a COPY statement. Nothing is sent for none.
pub async fn copy_in(connection: &mut PgConnection, statement: &'static str, tuples: Vec<u8>) -> Result<()> {
    if tuples.is_empty() {
        return Ok(());
    }
    let mut copy = connection.copy_in_raw(statement).await?;
    copy.send(HEADER).await?;
    copy.send(tuples).await?;
    copy.send(TRAILER).await?;
    copy.finish().await?;
    Ok(())
}

/// Appends fields to a buffer. The order and types are the caller's contract with its column list.
#[derive(Debug, Default)]
pub struct TupleWriter {
    pub bytes: Vec<u8>,
}

impl TupleWriter {
    /// Starts a tuple of so many fields.
    pub fn tuple(&mut self, fields: i16) {
        self.bytes.extend_from_slice(&fields.to_be_bytes());
    }

    fn field(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
        self.bytes.extend_from_slice(value);
    }

    pub fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1i32).to_be_bytes());
    }

    fn optional<const N: usize>(&mut self, value: Option<[u8; N]>) {
        match value {
            Some(value) => self.field(&value),
            None => self.null(),
        }
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.field(value.as_bytes());
    }

    pub fn bigint(&mut self, value: Option<i64>) {
        self.optional(value.map(i64::to_be_bytes));
    }

    pub fn integer(&mut self, value: Option<i32>) {
        self.optional(value.map(i32::to_be_bytes));
    }

    pub fn smallint(&mut self, value: Option<i16>) {
        self.optional(value.map(i16::to_be_bytes));
    }

    pub fn boolean(&mut self, value: bool) {
        self.field(&[u8::from(value)]);
    }

    /// Days since 2000-01-01.
    pub fn date(&mut self, value: Option<NaiveDate>) {
        const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a real day");
        self.integer(value.map(|date| date.signed_duration_since(EPOCH).num_days() as i32));
    }

    /// Microseconds since the beginning of 2000-01-01 UTC.
    pub fn instant(&mut self, value: Option<DateTime<Utc>>) {
        const EPOCH_MICROS: i64 = 946_684_800_000_000;
        self.bigint(value.map(|instant| instant.timestamp_micros() - EPOCH_MICROS));
    }

    pub fn text(&mut self, value: &str) {
        self.field(value.as_bytes());
    }

    /// The text of a JSON value; Postgres reads it as `jsonb`.
    pub fn jsonb(&mut self, json: &[u8]) {
        const VERSION: u8 = 1;
        self.bytes.extend_from_slice(&(json.len() as i32 + 1).to_be_bytes());
        self.bytes.push(VERSION);
        self.bytes.extend_from_slice(json);
    }

    pub fn optional_text(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A one-dimensional `text[]` without nulls; NULL when it is empty.
    pub fn texts(&mut self, values: &[&str]) {
        const TEXT_OID: i32 = 25;
        if values.is_empty() {
            return self.null();
        }
        // Dimensions, whether there are nulls, the element's type; then the dimension's length and first index.
        let header = [1, 0, TEXT_OID, values.len() as i32, 1];
        let elements: usize = values.iter().map(|value| size_of::<i32>() + value.len()).sum();
        let length = size_of_val(&header) + elements;
        self.bytes.extend_from_slice(&(length as i32).to_be_bytes());
        header.iter().for_each(|word| self.bytes.extend_from_slice(&word.to_be_bytes()));
        values.iter().for_each(|value| self.text(value));
    }

    pub fn bytea(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.field(value),
            None => self.null(),
        }
    }
}
