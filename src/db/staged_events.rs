//! `staged_events`: one batch's events between the judge and the journal, in a temporary table as accounts are.

use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::BoxStream;
use sqlx::{FromRow, PgConnection};

use super::columns::event_columns;
use super::copy::TupleWriter;
use crate::domain::contract::{EventType, PaymentChannel, RepaymentEvent};
use crate::domain::money::Sen;
use crate::error::{Error, Result};

/// Makes the table at first use of a connection and empties it afterwards.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "/* staged_events.create */ CREATE TEMPORARY TABLE IF NOT EXISTS staged_events (
            record_no bigint NOT NULL,
            event_at timestamptz,
            amount_sen bigint,
            value_date date NOT NULL,
            instalment_due_date date,
            new_due_date date,
            instalment_no integer,
            event_type smallint NOT NULL,
            channel smallint,
            -- Its account is not known.
            parked boolean NOT NULL DEFAULT false,
            event_id text NOT NULL,
            account_ref text NOT NULL,
            reverses_event_id text,
            content bytea NOT NULL
        ) ON COMMIT PRESERVE ROWS",
    )
    .execute(&mut *connection)
    .await?;
    // What a record that is rejected already names: whether that account exists is told, too.
    sqlx::query(
        "/* staged_events.create_refused */ CREATE TEMPORARY TABLE IF NOT EXISTS refused_events (
            record_no bigint NOT NULL, account_ref text NOT NULL) ON COMMIT PRESERVE ROWS",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("/* staged_events.clear */ TRUNCATE staged_events, refused_events")
        .execute(connection)
        .await?;
    Ok(())
}

pub const COPY: &str = concat!("COPY staged_events (", event_columns!(""), ") FROM STDIN (FORMAT binary)");
const FIELDS: i16 = 13;

pub const COPY_REFUSED: &str = "COPY refused_events FROM STDIN (FORMAT binary)";

/// Writes an event that passed its rules. `None` when a required value is missing, which the rules exclude.
pub fn write(
    tuple: &mut TupleWriter,
    record_no: u64,
    event: &RepaymentEvent<'_>,
    content: &[u8],
) -> Option<()> {
    tuple.tuple(FIELDS);
    tuple.bigint(Some(record_no as i64));
    tuple.instant(event.event_at);
    tuple.bigint(
        event.amount.filter(|_| event.event_type.is_some_and(EventType::moves_money)).map(|sen| sen.0),
    );
    tuple.date(Some(event.value_date?));
    tuple.date(event.instalment_due_date);
    tuple.date(event.new_due_date);
    tuple.integer(event.instalment_no.map(i32::from));
    tuple.smallint(Some(event.event_type? as i16));
    tuple.smallint(event.channel.map(|channel| channel as i16));
    tuple.text(event.event_id?);
    tuple.text(event.account_ref?);
    tuple.optional_text(event.reverses_event_id);
    tuple.bytea(Some(content));
    Some(())
}

/// Writes which account a rejected record names.
pub fn write_refused(tuple: &mut TupleWriter, record_no: u64, account_ref: &str) {
    tuple.tuple(2);
    tuple.bigint(Some(record_no as i64));
    tuple.text(account_ref);
}

/// An event as tables keep it.
#[derive(Clone, Debug, FromRow)]
pub struct EventRow {
    pub record_no: i64,
    pub event_at: Option<DateTime<Utc>>,
    pub amount_sen: Option<i64>,
    pub value_date: NaiveDate,
    pub instalment_due_date: Option<NaiveDate>,
    pub new_due_date: Option<NaiveDate>,
    pub instalment_no: Option<i32>,
    pub event_type: i16,
    pub channel: Option<i16>,
    pub event_id: String,
    pub account_ref: String,
    pub reverses_event_id: Option<String>,
    pub content: Vec<u8>,
}

impl EventRow {
    /// The row as the rules know it.
    pub fn event(&self) -> Result<RepaymentEvent<'_>> {
        let wrong =
            |column| Error::Inconsistent { table: "repayment_events", column, row: self.event_id.clone() };
        let instalment_no = self.instalment_no.map(u16::try_from).transpose();
        let channel = self.channel.map(|n| word(PaymentChannel::ALL, n).ok_or_else(|| wrong("channel")));
        Ok(RepaymentEvent {
            event_id: Some(&self.event_id),
            account_ref: Some(&self.account_ref),
            event_type: Some(word(EventType::ALL, self.event_type).ok_or_else(|| wrong("event_type"))?),
            event_at: self.event_at,
            value_date: Some(self.value_date),
            amount: self.amount_sen.map(Sen),
            instalment_no: instalment_no.map_err(|_| wrong("instalment_no"))?,
            instalment_due_date: self.instalment_due_date,
            new_due_date: self.new_due_date,
            reverses_event_id: self.reverses_event_id.as_deref(),
            channel: channel.transpose()?,
            ..RepaymentEvent::default()
        })
    }
}

/// The word at a stored position of its list.
pub(super) fn word<T: Copy>(list: &[T], position: i16) -> Option<T> {
    usize::try_from(position).ok().and_then(|position| list.get(position)).copied()
}

/// A staged event and what the file itself says of its name.
#[derive(Clone, Debug, FromRow)]
pub struct StagedEvent {
    #[sqlx(flatten)]
    pub event: EventRow,
    /// An earlier record of the file has the same event_id.
    pub repeated: bool,
    /// Records of the file have this event_id with different contents.
    pub contested: bool,
}

/// All staged events in the order in which they count for their accounts: by day, a reversal after what it may take
/// back, then as they stand in the file.
pub fn in_order(connection: &mut PgConnection) -> BoxStream<'_, sqlx::Result<StagedEvent>> {
    sqlx::query_as(concat!(
        "/* staged_events.in_order */ SELECT ",
        event_columns!(""),
        ", place > 1 AS repeated, bool_or(content <> first_content) OVER (PARTITION BY event_id) AS contested
        FROM (SELECT s.*, row_number() OVER named AS place, first_value(content) OVER named AS first_content
              FROM staged_events s WINDOW named AS (PARTITION BY event_id ORDER BY record_no)) s
        ORDER BY account_ref, value_date, event_type = 2, record_no"
    ))
    .fetch(connection)
}

/// The rejected records whose account is none of the contributor's.
pub fn refused_without_account(
    connection: &mut PgConnection,
    contributor: crate::ids::ContributorId,
) -> BoxStream<'_, sqlx::Result<super::staging::StagedRef>> {
    sqlx::query_as(
        "/* staged_events.refused_without_account */ SELECT record_no, account_ref FROM refused_events r
        WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.contributor_id = $1 AND a.account_ref = r.account_ref)
        ORDER BY record_no",
    )
    .bind(contributor)
    .fetch(connection)
}

/// Takes the events out whose bits are set (see `Marks::to_bits`).
pub async fn remove(connection: &mut PgConnection, bits: Vec<u8>) -> Result<()> {
    sqlx::query("/* staged_events.remove */ DELETE FROM staged_events WHERE get_bit($1, record_no) = 1")
        .bind(bits)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets the events aside whose bits are set: their accounts are not known.
pub async fn park(connection: &mut PgConnection, bits: Vec<u8>) -> Result<()> {
    sqlx::query(
        "/* staged_events.park */ UPDATE staged_events SET parked = true WHERE get_bit($1, record_no) = 1",
    )
    .bind(bits)
    .execute(connection)
    .await?;
    Ok(())
}
