//! `corrections`, `deletion_tombstones`: changes to published records out of cycle, as new versions in the journal.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::lake_entries;
use crate::domain::contract::Field;
use crate::domain::contract::spec::{self, Kind};
use crate::domain::correction::Sent;
use crate::domain::correction::history::{Counting, HistoryFinding};
use crate::error::Result;
use crate::ids::{BatchId, CaseId, ClientId, ContributorId};
use crate::privacy::Token;

/// A correction and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Correction {
    pub correction_id: CaseId,
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub as_of_from: NaiveDate,
    pub as_of_to: NaiveDate,
    /// `CHANGE`, `DELETE_ERROR`, `DELETE_FRAUD` or `REKEY`.
    pub kind: String,
    pub changes: Value,
    pub reason: String,
    pub evidence_ref: Option<String>,
    pub adverse: bool,
    pub records: i64,
    /// `requested`, `applied` or `refused`.
    pub state: String,
    pub requested_by: ClientId,
    pub requested_at: DateTime<Utc>,
    /// The first of the two operators that a rekey needs.
    pub agreed_by: Option<ClientId>,
    pub agreed_at: Option<DateTime<Utc>>,
    pub decided_by: Option<ClientId>,
    pub decided_at: Option<DateTime<Utc>>,
    pub applied_at: Option<DateTime<Utc>>,
    /// What the history rules find that they did not find before.
    pub history: Json<Vec<HistoryFinding>>,
    /// Why it was applied although one of them rejects.
    pub override_reason: Option<String>,
}

macro_rules! correction_columns {
    () => {
        "correction_id, contributor_id, account_ref, as_of_from, as_of_to, kind, changes, reason, evidence_ref, adverse, \
         records, state, requested_by, requested_at, agreed_by, agreed_at, decided_by, decided_at, applied_at, history, \
         override_reason"
    };
}

/// Enters a request. `false` when the same one waits already.
pub async fn insert(ex: impl PgExecutor<'_>, new: &Correction) -> Result<bool> {
    let inserted = sqlx::query(
        "/* corrections.insert */
        INSERT INTO corrections (correction_id, contributor_id, account_ref, as_of_from, as_of_to, kind, changes, reason,
            evidence_ref, adverse, records, state, requested_by, requested_at, agreed_by, agreed_at, history)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'requested', $12, $13, $14, $15, $16)
        ON CONFLICT (contributor_id, account_ref, as_of_from, as_of_to, kind) WHERE state = 'requested' DO NOTHING",
    )
    .bind(new.correction_id)
    .bind(new.contributor_id)
    .bind(&new.account_ref)
    .bind(new.as_of_from)
    .bind(new.as_of_to)
    .bind(&new.kind)
    .bind(&new.changes)
    .bind(&new.reason)
    .bind(&new.evidence_ref)
    .bind(new.adverse)
    .bind(new.records)
    .bind(new.requested_by)
    .bind(new.requested_at)
    .bind(new.agreed_by)
    .bind(new.agreed_at)
    .bind(&new.history)
    .execute(ex)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The newest correction that asks for the same and was not refused; of a rekey, for the same person.
pub async fn find_same(
    ex: impl PgExecutor<'_>,
    new: &Correction,
    person: Option<Token>,
) -> Result<Option<Correction>> {
    let found = sqlx::query_as(concat!(
        "/* corrections.find_same */ SELECT ",
        correction_columns!(),
        " FROM corrections
        WHERE contributor_id = $1 AND account_ref = $2 AND as_of_from = $3 AND as_of_to = $4 AND kind = $5
          AND changes = $6 AND reason = $7 AND state <> 'refused'
          AND ($8::bytea IS NULL OR EXISTS (
              SELECT FROM rekeys r WHERE r.correction_id = corrections.correction_id AND r.token = $8))
        ORDER BY correction_id DESC LIMIT 1"
    ))
    .bind(new.contributor_id)
    .bind(&new.account_ref)
    .bind(new.as_of_from)
    .bind(new.as_of_to)
    .bind(&new.kind)
    .bind(&new.changes)
    .bind(&new.reason)
    .bind(person)
    .fetch_optional(ex)
    .await?;
    Ok(found)
}

pub async fn find(ex: impl PgExecutor<'_>, id: CaseId) -> Result<Option<Correction>> {
    let found = sqlx::query_as(concat!(
        "/* corrections.find */ SELECT ",
        correction_columns!(),
        " FROM corrections WHERE correction_id = $1"
    ))
    .bind(id)
    .fetch_optional(ex)
    .await?;
    Ok(found)
}

/// A page of corrections, the newest first, after the given one; of one contributor, or of all.
pub async fn list(
    ex: impl PgExecutor<'_>,
    contributor: Option<ContributorId>,
    state: Option<&str>,
    after: Option<CaseId>,
    limit: i64,
) -> Result<Vec<Correction>> {
    let found = sqlx::query_as(concat!(
        "/* corrections.list */ SELECT ",
        correction_columns!(),
        " FROM corrections
        WHERE ($1::uuid IS NULL OR contributor_id = $1) AND ($2::text IS NULL OR state = $2)
          AND ($3::uuid IS NULL OR correction_id < $3)
        ORDER BY correction_id DESC LIMIT $4"
    ))
    .bind(contributor)
    .bind(state)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(found)
}

/// Who decided, and when.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub by: Option<ClientId>,
    pub at: DateTime<Utc>,
}

/// Refuses a request. `false` when it does not wait any more.
pub async fn refuse_in_tx(connection: &mut PgConnection, id: CaseId, decision: Decision) -> Result<bool> {
    let refused = sqlx::query(
        "/* corrections.refuse */ UPDATE corrections SET state = 'refused', decided_by = $2, decided_at = $3
        WHERE correction_id = $1 AND state = 'requested'",
    )
    .bind(id)
    .bind(decision.by)
    .bind(decision.at)
    .execute(connection)
    .await?;
    Ok(refused.rows_affected() == 1)
}

/// Notes that a first operator agrees. `false` when the request does not wait for one any more.
pub async fn agree_in_tx(
    connection: &mut PgConnection,
    id: CaseId,
    by: ClientId,
    at: DateTime<Utc>,
) -> Result<bool> {
    let agreed = sqlx::query(
        "/* corrections.agree */ UPDATE corrections SET agreed_by = $2, agreed_at = $3
        WHERE correction_id = $1 AND state = 'requested' AND agreed_by IS NULL",
    )
    .bind(id)
    .bind(by)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(agreed.rows_affected() == 1)
}

/// Notes what the history rules find now, and why they are overridden, of a request that still waits.
pub async fn set_history_in_tx(connection: &mut PgConnection, of: &Correction) -> Result<()> {
    sqlx::query(
        "/* corrections.set_history */ UPDATE corrections SET history = $2, override_reason = $3
        WHERE correction_id = $1 AND state = 'requested'",
    )
    .bind(of.correction_id)
    .bind(&of.history)
    .bind(&of.override_reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a request is applied. `false` when it does not wait any more.
pub async fn set_applied_in_tx(
    connection: &mut PgConnection,
    id: CaseId,
    publication_no: i64,
    decision: Decision,
) -> Result<bool> {
    let applied = sqlx::query(
        "/* corrections.set_applied */ UPDATE corrections
        SET state = 'applied', publication_no = $2, decided_by = $3, applied_at = $4,
            decided_at = CASE WHEN $3::uuid IS NULL THEN NULL ELSE $4 END
        WHERE correction_id = $1 AND state = 'requested'",
    )
    .bind(id)
    .bind(publication_no)
    .bind(decision.by)
    .bind(decision.at)
    .execute(connection)
    .await?;
    Ok(applied.rows_affected() == 1)
}

/// The records of an account that count, of days within a range: the newest version of each.
macro_rules! records_in_range {
    () => {
        "WITH counting AS (
            SELECT batch_id FROM batches
            WHERE contributor_id = $1 AND state IN ('published', 'curated') AND NOT dry_run
            UNION SELECT '00000000-0000-0000-0000-000000000000'),
        newest AS (
            SELECT DISTINCT ON (s.batch_id, s.record_no) s.*
            FROM account_snapshots s JOIN counting c ON c.batch_id = s.batch_id
            WHERE s.contributor_id = $1 AND s.account_ref = $2
            ORDER BY s.batch_id, s.record_no, s.publication_no DESC),
        targets AS (SELECT * FROM newest WHERE NOT withdrawn AND as_of_date BETWEEN $3 AND $4)"
    };
}

pub(super) use records_in_range;

/// Those records as they would be sent. The caller holds the contributor's lane.
pub async fn targets(connection: &mut PgConnection, of: &Correction) -> Result<Vec<Sent>> {
    let rows: Vec<Value> = sqlx::query_scalar(concat!(
        "/* corrections.targets */ ",
        records_in_range!(),
        " SELECT to_jsonb(t) FROM targets t ORDER BY as_of_date, batch_id, record_no"
    ))
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().filter_map(Value::as_object).map(as_sent).collect())
}

/// Since when anything was known of the correction's account, and the first day that it was told of. All its versions, and
/// batches that count no longer, were told once; and what is corrected in one month may stand in the answers of every other.
pub async fn known_since(
    connection: &mut PgConnection,
    of: &Correction,
) -> Result<(DateTime<Utc>, NaiveDate)> {
    let since = sqlx::query_as(
        "/* corrections.known_since */ SELECT coalesce(min(known_from), 'epoch'), coalesce(min(as_of_date), $3)
        FROM account_snapshots WHERE contributor_id = $1 AND account_ref = $2",
    )
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .fetch_one(connection)
    .await?;
    Ok(since)
}

/// The records of the correction's account that count, one of each day, the oldest first: what its history is made of. The
/// primary holder's stands for the account, as in a batch.
pub async fn account_records(connection: &mut PgConnection, of: &Correction) -> Result<Vec<Counting>> {
    let rows: Vec<(NaiveDate, Value, Option<Vec<String>>)> = sqlx::query_as(concat!(
        "/* corrections.account_records */ ",
        records_in_range!(),
        " SELECT DISTINCT ON (n.as_of_date) n.as_of_date, to_jsonb(n), n.imputed
        FROM newest n LEFT JOIN batches b ON b.batch_id = n.batch_id
        WHERE NOT n.withdrawn
        ORDER BY n.as_of_date, n.holder_role, b.publication_no DESC NULLS LAST, n.record_no DESC"
    ))
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .fetch_all(connection)
    .await?;
    let counting = |(as_of_date, row, imputed): (NaiveDate, Value, Option<Vec<String>>)| {
        let imputed = imputed.unwrap_or_default();
        Some(Counting {
            as_of_date,
            sent: as_sent(row.as_object()?),
            imputed: imputed.iter().filter_map(|name| Field::from_name(name)).collect(),
        })
    };
    Ok(rows.into_iter().filter_map(counting).collect())
}

/// Enters a new version of each of those records, with some columns changed; says which batches they came in. A value that
/// is corrected is no constant any more.
pub async fn enter_versions_in_tx(
    connection: &mut PgConnection,
    of: &Correction,
    publication_no: i64,
    at: DateTime<Utc>,
) -> Result<Vec<BatchId>> {
    let mut columns = match of.changes.as_object() {
        Some(changes) if of.kind == "CHANGE" => as_columns(changes),
        _ => Map::from_iter([("withdrawn".to_owned(), json!(true))]),
    };
    columns.insert("publication_no".to_owned(), json!(publication_no));
    columns.insert("known_from".to_owned(), json!(at));
    let batches = sqlx::query_scalar(concat!(
        "/* corrections.enter_versions */ ",
        records_in_range!(),
        ", entered AS (
            INSERT INTO account_snapshots
            SELECT v.* FROM targets t
            CROSS JOIN LATERAL jsonb_populate_record(NULL::account_snapshots, to_jsonb(t) || $5 || jsonb_build_object(
                'imputed', (SELECT jsonb_agg(f) FROM unnest(t.imputed) AS f WHERE f <> ALL ($6)))) v
            RETURNING contributor_id, batch_id, publication_no, known_from),
        ",
        lake_entries::enter_versions!(),
        "
        SELECT DISTINCT batch_id FROM entered WHERE batch_id <> '00000000-0000-0000-0000-000000000000'"
    ))
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .bind(Value::Object(columns))
    .bind(of.changes.as_object().map_or_else(Vec::new, |changes| changes.keys().cloned().collect()))
    .fetch_all(connection)
    .await?;
    Ok(batches)
}

/// Keeps what was deleted from being sent again.
pub async fn bury_in_tx(connection: &mut PgConnection, of: &Correction, at: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "/* deletion_tombstones.insert */
        INSERT INTO deletion_tombstones (contributor_id, account_ref, case_id, as_of_from, as_of_to, kind, deleted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.correction_id)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .bind(&of.kind)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The contract's name and kind of each column of the journal that holds a field.
fn fields() -> impl Iterator<Item = (Field, String, Kind)> {
    spec::ACCOUNT_SNAPSHOT.lines.iter().map(|line| {
        let name = line.field.name();
        let column = if matches!(line.kind, Kind::Money) { format!("{name}_sen") } else { name.to_owned() };
        (line.field, column, line.kind)
    })
}

/// A row of the journal by the names and words of the contract.
fn as_sent(row: &Map<String, Value>) -> Sent {
    let value = |column: &str, kind: Kind| {
        let value = row.get(column).filter(|value| !value.is_null())?;
        match kind {
            Kind::Word(words) => {
                let place = usize::try_from(value.as_u64()?).ok()?;
                words.get(place).map(|word| json!(word))
            }
            _ => Some(value.clone()),
        }
    };
    fields()
        .filter_map(|(field, column, kind)| Some((field.name().to_owned(), value(&column, kind)?)))
        .collect()
}

/// Fields of the contract, checked by its rules, as columns of the journal.
fn as_columns(changes: &Sent) -> Map<String, Value> {
    let value = |field: Field, kind: Kind| {
        let value = changes.get(field.name())?;
        match (kind, value.as_str()) {
            (Kind::Word(words), Some(word)) => {
                words.iter().position(|known| *known == word).map(|at| json!(at))
            }
            _ => Some(value.clone()),
        }
    };
    fields().filter_map(|(field, column, kind)| Some((column, value(field, kind)?))).collect()
}

/// Whether the contributor ever deleted anything.
pub async fn any_deleted(ex: impl PgExecutor<'_>, contributor: ContributorId) -> Result<bool> {
    let any = sqlx::query_scalar(
        "/* deletion_tombstones.any */ SELECT EXISTS (SELECT FROM deletion_tombstones WHERE contributor_id = $1)",
    )
    .bind(contributor)
    .fetch_one(ex)
    .await?;
    Ok(any)
}
