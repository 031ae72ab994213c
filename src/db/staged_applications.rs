//! `staged_applications`: one batch's applications between the judge and the journal, in a temporary table as accounts
//! are.

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use sqlx::{FromRow, PgConnection};

use super::columns::application_columns;
use super::copy::TupleWriter;
use super::staged_events::word;
use crate::domain::contract::{Application, ApplicationChannel, Decision, HolderRole, ProductType};
use crate::domain::money::Sen;
use crate::domain::rules::applications::Filed;
use crate::error::{Error, Result};
use crate::ids::{ContributorId, SubjectId};

/// Fields of a staged tuple, in the order of the table.
pub const FIELDS: i16 = 22;

/// Makes the table at first use of a connection and empties it afterwards.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "/* staged_applications.create */ CREATE TEMPORARY TABLE IF NOT EXISTS staged_applications (
            subject_id uuid NOT NULL,
            record_no bigint NOT NULL,
            applied_at timestamptz NOT NULL,
            decision_at timestamptz,
            amount_requested_sen bigint NOT NULL,
            amount_approved_sen bigint,
            tenor_days integer,
            holder_role smallint NOT NULL,
            product_type smallint NOT NULL,
            decision smallint NOT NULL,
            channel smallint,
            application_ref text NOT NULL,
            account_ref text,
            -- The person, as far as this batch is the first to name them: null when the subject is known.
            token bytea NOT NULL,
            new_subject boolean NOT NULL,
            id_type smallint NOT NULL,
            subject_type smallint NOT NULL,
            sealed_number bytea,
            sealed_name bytea,
            secondary_token bytea,
            secondary_id_type smallint,
            secondary_sealed bytea
        ) ON COMMIT PRESERVE ROWS",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "/* staged_applications.create_index */ CREATE INDEX IF NOT EXISTS staged_applications_subject
        ON staged_applications (subject_id, applied_at)",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("/* staged_applications.clear */ TRUNCATE staged_applications").execute(connection).await?;
    Ok(())
}

pub const COPY: &str = "COPY staged_applications FROM STDIN (FORMAT binary)";

/// Writes the application's own columns (all between `subject_id` and `token`) of a record that passed its rules.
/// `None` when a required value is missing, which the rules exclude.
pub fn write(tuple: &mut TupleWriter, record_no: u64, application: &Application<'_>) -> Option<()> {
    tuple.bigint(Some(record_no as i64));
    tuple.instant(Some(application.applied_at?));
    tuple.instant(application.decision_at);
    tuple.bigint(Some(application.amount_requested?.0));
    tuple.bigint(application.amount_approved.map(|sen| sen.0));
    tuple.integer(application.tenor_days.map(i32::from));
    tuple.smallint(Some(application.holder_role? as i16));
    tuple.smallint(Some(application.product_type? as i16));
    tuple.smallint(Some(application.decision? as i16));
    tuple.smallint(application.channel.map(|channel| channel as i16));
    tuple.text(application.application_ref?);
    tuple.optional_text(application.account_ref);
    Some(())
}

/// An application as tables keep it.
#[derive(Clone, Debug, FromRow)]
pub struct ApplicationRow {
    pub subject_id: SubjectId,
    pub record_no: i64,
    pub applied_at: DateTime<Utc>,
    pub decision_at: Option<DateTime<Utc>>,
    pub amount_requested_sen: i64,
    pub amount_approved_sen: Option<i64>,
    pub tenor_days: Option<i32>,
    pub holder_role: i16,
    pub product_type: i16,
    pub decision: i16,
    pub channel: Option<i16>,
    pub application_ref: String,
    pub account_ref: Option<String>,
}

impl ApplicationRow {
    /// What the row is known by: its reference, and for others than the first applicant their person.
    pub fn key(&self) -> (String, Option<SubjectId>) {
        let others = (self.holder_role != HolderRole::Primary as i16).then_some(self.subject_id);
        (self.application_ref.clone(), others)
    }

    /// The row as the rules know it.
    pub fn filed(&self) -> Result<Filed> {
        let wrong =
            |column| Error::Inconsistent { table: "applications", column, row: self.application_ref.clone() };
        let channel = self.channel.map(|n| word(ApplicationChannel::ALL, n).ok_or_else(|| wrong("channel")));
        let tenor_days = self.tenor_days.map(u16::try_from).transpose();
        Ok(Filed {
            subject: *self.subject_id.0.as_bytes(),
            applied_at: self.applied_at,
            product_type: word(ProductType::ALL, self.product_type).ok_or_else(|| wrong("product_type"))?,
            amount_requested: Sen(self.amount_requested_sen),
            tenor_days: tenor_days.map_err(|_| wrong("tenor_days"))?,
            decision: word(Decision::ALL, self.decision).ok_or_else(|| wrong("decision"))?,
            decision_at: self.decision_at,
            amount_approved: self.amount_approved_sen.map(Sen),
            account_ref: self.account_ref.clone(),
            channel: channel.transpose()?,
        })
    }
}

/// All staged applications, the words on one reference together and in the order of the file.
pub fn in_order(connection: &mut PgConnection) -> BoxStream<'_, sqlx::Result<ApplicationRow>> {
    sqlx::query_as(concat!(
        "/* staged_applications.in_order */ SELECT ",
        application_columns!(""),
        " FROM staged_applications ORDER BY application_ref, record_no"
    ))
    .fetch(connection)
}

/// Takes the applications out whose bits are set (see `Marks::to_bits`).
pub async fn remove(connection: &mut PgConnection, bits: Vec<u8>) -> Result<()> {
    sqlx::query(
        "/* staged_applications.remove */ DELETE FROM staged_applications WHERE get_bit($1, record_no) = 1",
    )
    .bind(bits)
    .execute(connection)
    .await?;
    Ok(())
}

/// The staged applications that are too many of one person (A006): their record, and how many the contributor has of
/// that person in the hours before, this one included.
pub async fn crowded(
    connection: &mut PgConnection,
    contributor: ContributorId,
    hours: i32,
    most: i64,
) -> Result<Vec<(i64, String, i64)>> {
    let crowded = sqlx::query_as(
        "/* staged_applications.crowded */ SELECT s.record_no, s.application_ref, n.applications
        FROM staged_applications s
        CROSS JOIN LATERAL (
            SELECT count(*) AS applications FROM (
                SELECT o.application_ref FROM staged_applications o
                WHERE o.subject_id = s.subject_id AND o.applied_at <= s.applied_at
                  AND o.applied_at > s.applied_at - make_interval(hours => $2)
                UNION
                SELECT a.application_ref FROM applications a
                WHERE a.subject_id = s.subject_id AND a.contributor_id = $1 AND a.withdrawn_at IS NULL
                  AND a.applied_at <= s.applied_at AND a.applied_at > s.applied_at - make_interval(hours => $2)) w) n
        WHERE n.applications > $3 ORDER BY s.record_no",
    )
    .bind(contributor)
    .bind(hours)
    .bind(most)
    .fetch_all(connection)
    .await?;
    Ok(crowded)
}
