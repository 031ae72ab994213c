//! Comparisons of what Postgres holds with itself, set-wise, for the batches of one contributor: counts with journals and
//! rejected records, steps and deeds with the audit trail.
//!
//! Each statement reads one snapshot, and transaction C writes both sides of every comparison: a batch that is published
//! meanwhile is seen whole or not at all.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{ConnectOptions as _, FromRow, PgConnection, PgExecutor};

use super::Db;
use super::reconciliations::{CheckCount, Difference};
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// What one comparison found.
#[derive(Clone, Debug, FromRow)]
pub struct Compared {
    pub compared: i64,
    pub differences: i64,
    /// The first hundred, by key.
    pub examples: Json<Vec<Found>>,
}

/// A thing that differs.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Found {
    pub key: String,
    pub expected: String,
    pub found: String,
}

impl Compared {
    /// One thing that was compared outside of the database; `found` when it is not as expected.
    pub fn one(key: String, expected: &str, found: Option<String>) -> Compared {
        let differences = i64::from(found.is_some());
        let found = found.map(|found| Found { key, expected: expected.to_owned(), found });
        Compared { compared: 1, differences, examples: Json(found.into_iter().collect()) }
    }

    /// Both together.
    pub fn and(mut self, mut other: Compared) -> Compared {
        self.compared += other.compared;
        self.differences += other.differences;
        self.examples.0.append(&mut other.examples.0);
        self
    }

    /// So many things that were compared outside of the database, and what is wrong with some.
    pub fn of(compared: usize, mut wrong: Vec<Found>) -> Compared {
        let differences = wrong.len() as i64;
        wrong.truncate(100);
        Compared { compared: compared as i64, differences, examples: Json(wrong) }
    }

    /// The same under the name of its check.
    pub fn named(self, check: &str) -> (CheckCount, Vec<Difference>) {
        let count =
            CheckCount { check: check.to_owned(), compared: self.compared, differences: self.differences };
        let difference = |found: Found| Difference {
            check: check.to_owned(),
            key: found.key,
            expected: found.expected,
            found: found.found,
        };
        (count, self.examples.0.into_iter().map(difference).collect())
    }
}

/// A statement over `compared (key, expected, found, wrong)`, which the argument makes.
macro_rules! comparison {
    ($name:literal, $compared:expr) => {
        concat!(
            "/* ",
            $name,
            " */ WITH ",
            $compared,
            " SELECT count(*) AS compared, count(*) FILTER (WHERE wrong) AS differences,
                coalesce(to_jsonb((array_agg(jsonb_build_object('key', key, 'expected', expected, 'found', found) ORDER BY key)
                    FILTER (WHERE wrong))[1:100]), '[]'::jsonb) AS examples
            FROM compared"
        )
    };
}
pub(super) use comparison;

/// A connection of its own for long comparisons, which takes none from those who refine, and whose temporary tables end with
/// it.
pub async fn connect(db: &Db) -> Result<PgConnection> {
    Ok(db.refinery.connect_options().connect().await?)
}

/// The batches of a contributor that were judged, rehearsals aside: $1 the contributor, $2 the earliest reception.
macro_rules! judged {
    () => {
        "judged AS (
            SELECT * FROM batches WHERE contributor_id = $1 AND ($2::timestamptz IS NULL OR received_at >= $2)
              AND NOT dry_run AND received_records IS NOT NULL AND state NOT IN ('receiving', 'swept'))"
    };
}

/// Received = accepted + rejected + duplicate + unprocessed.
const CONSERVATION: &str = comparison!(
    "reconcile.conservation",
    concat!(
        judged!(),
        ", compared AS (
        SELECT 'batch ' || batch_id AS key, received_records || ' records' AS expected,
            format('%s accepted, %s rejected, %s duplicate, %s unprocessed, %s warned', accepted_records, rejected_records,
                duplicate_records, unprocessed_records, warned_records) AS found,
            received_records <> accepted_records + rejected_records + duplicate_records + unprocessed_records
                OR warned_records > accepted_records AS wrong
        FROM judged)"
    )
);

/// Accepted = records in the journal of the batch's dataset. Of a snapshot the newest version counts that a judgement made, its
/// own or a promoted shadow's; what was corrected, rekeyed or deleted out of cycle was accepted all the same. Such a record
/// keeps what was done to it when a shadow is promoted, so that the batch's own count may be off by so many. Batches from
/// before there was a journal have no edge that leads to it.
const JOURNAL: &str = comparison!(
    "reconcile.journal",
    concat!(
        judged!(),
        ", counted AS (
            SELECT b.batch_id, b.accepted_records, j.records,
                CASE WHEN cardinality(p.numbers) > 1 THEN j.moved ELSE 0 END AS tolerance
            FROM judged b
            CROSS JOIN LATERAL (
                SELECT b.publication_no || array_agg(s.publication_no) FILTER (WHERE s.publication_no IS NOT NULL) AS numbers
                FROM shadows s WHERE s.batch_id = b.batch_id AND s.state = 'promoted') p
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE NOT withdrawn) AS records, count(*) FILTER (WHERE moved) AS moved
                FROM (SELECT DISTINCT ON (s.record_no) s.withdrawn, EXISTS (
                          SELECT FROM account_snapshots c WHERE c.batch_id = b.batch_id AND c.record_no = s.record_no
                            AND c.publication_no <> ALL(p.numbers)) AS moved
                      FROM account_snapshots s WHERE s.batch_id = b.batch_id AND s.publication_no = ANY(p.numbers)
                      ORDER BY s.record_no, s.publication_no DESC) newest) j
            WHERE b.dataset = 'account_snapshot'
              AND (b.published_at IS NULL OR EXISTS (
                  SELECT FROM lineage_edges e WHERE e.batch_id = b.batch_id AND e.to_kind = 'journal'))
            UNION ALL
            SELECT b.batch_id, b.accepted_records,
                (SELECT count(DISTINCT record_no) FROM repayment_events e WHERE e.batch_id = b.batch_id), 0
            FROM judged b WHERE b.dataset = 'repayment_event'
            UNION ALL
            SELECT b.batch_id, b.accepted_records,
                (SELECT count(DISTINCT record_no) FROM applications a WHERE a.batch_id = b.batch_id), 0
            FROM judged b WHERE b.dataset = 'application'),
        compared AS (
            SELECT 'batch ' || batch_id AS key, accepted_records || ' accepted' AS expected,
                records || ' records in the journal' AS found, abs(accepted_records - records) > tolerance AS wrong
            FROM counted)"
    )
);

/// Unprocessed events of a published batch = events that wait, or waited when their batch was taken back.
const PARKED: &str = comparison!(
    "reconcile.parked",
    concat!(
        judged!(),
        ", compared AS (
            SELECT 'batch ' || b.batch_id AS key, b.unprocessed_records || ' unprocessed' AS expected,
                p.events || ' parked' AS found, b.unprocessed_records <> p.events AS wrong
            FROM judged b
            CROSS JOIN LATERAL (SELECT count(*) AS events FROM parked_events WHERE batch_id = b.batch_id) p
            WHERE b.dataset = 'repayment_event' AND b.published_at IS NOT NULL)"
    )
);

/// Rejected = rejected records. Batches from before these were kept have a reject file and no edge from it to the quarantine.
const QUARANTINE: &str = comparison!(
    "reconcile.quarantine",
    concat!(
        judged!(),
        ", compared AS (
            SELECT 'batch ' || b.batch_id AS key, b.rejected_records || ' rejected' AS expected,
                r.records || ' rejected records' AS found, b.rejected_records <> r.records AS wrong
            FROM judged b
            CROSS JOIN LATERAL (SELECT count(*) AS records FROM rejected_records WHERE batch_id = b.batch_id) r
            WHERE b.rejects_key IS NULL OR EXISTS (
                SELECT FROM lineage_edges e WHERE e.batch_id = b.batch_id AND e.to_kind = 'quarantine'))"
    )
);

/// Every step of a batch that somebody answers for, every promotion, request of a recall and correction, has as many entries
/// in the audit trail as it was done, and none that was not done.
const AUDIT: &str = comparison!(
    "reconcile.audit",
    "deeds AS (
        SELECT 'batch' AS kind, t.batch_id::text AS id, CASE
            WHEN t.to_state = 'received' THEN CASE t.from_state WHEN 'receiving' THEN 'batch.receive'
                WHEN 'on_hold' THEN 'batch.confirm' WHEN 'failed' THEN 'batch.replay' END
            WHEN t.to_state = 'recalled' THEN 'recall.approve'
            WHEN t.to_state = 'cancelled' AND t.actor = 'client' THEN 'batch.cancel'
            WHEN t.to_state IN ('cancelled', 'superseded', 'rejected', 'on_hold') THEN 'batch.' || t.to_state
            WHEN t.to_state = 'published' AND t.from_state = 'accepted' THEN 'batch.published' END AS action
        FROM batch_transitions t JOIN batches b ON b.batch_id = t.batch_id
        WHERE b.contributor_id = $1 AND ($2::timestamptz IS NULL OR b.received_at >= $2)
        UNION ALL
        SELECT 'batch', r.batch_id::text, 'recall.request' FROM recalls r JOIN batches b ON b.batch_id = r.batch_id
        WHERE b.contributor_id = $1 AND ($2 IS NULL OR b.received_at >= $2)
        UNION ALL
        SELECT 'batch', s.batch_id::text, 'shadow.promote' FROM shadows s JOIN batches b ON b.batch_id = s.batch_id
        WHERE b.contributor_id = $1 AND s.state = 'promoted' AND ($2 IS NULL OR b.received_at >= $2)
        UNION ALL
        SELECT 'correction', c.correction_id::text, d.action FROM corrections c
        CROSS JOIN LATERAL (VALUES ('correction.request', true),
            ('correction.approve', c.decided_by IS NOT NULL AND c.state = 'applied'),
            ('correction.refuse', c.state = 'refused')) AS d (action, done)
        WHERE c.contributor_id = $1 AND d.done AND ($2 IS NULL OR c.requested_at >= $2)),
    done AS (SELECT kind, id, action, count(*) AS times FROM deeds WHERE action IS NOT NULL GROUP BY 1, 2, 3),
    told AS (
        SELECT o.kind, o.id, e.action, count(*) AS times FROM (SELECT DISTINCT kind, id FROM deeds) o
        JOIN audit_entries e ON e.object_kind = o.kind AND e.object_id = o.id
        WHERE e.action IN ('batch.receive', 'batch.confirm', 'batch.replay', 'batch.cancel', 'batch.cancelled',
            'batch.superseded', 'batch.rejected', 'batch.on_hold', 'batch.published', 'recall.approve', 'recall.request',
            'shadow.promote', 'correction.request', 'correction.approve', 'correction.refuse')
        GROUP BY 1, 2, 3),
    compared AS (
        SELECT kind || ' ' || id || ', ' || action AS key, 'done ' || coalesce(d.times, 0) || ' times' AS expected,
            coalesce(t.times, 0) || ' audit entries' AS found, d.times IS DISTINCT FROM t.times AS wrong
        FROM done d FULL JOIN told t USING (kind, id, action))"
);

/// Every publication of a journal is entered for the lake once, with as many rows as it has.
const ENTRIES: &str = comparison!(
    "reconcile.lake_entries",
    "publications AS (
        SELECT 'silver.account_snapshots' AS name, batch_id, publication_no, count(*) AS records, min(known_from) AS known
        FROM account_snapshots WHERE contributor_id = $1 GROUP BY batch_id, publication_no
        UNION ALL
        SELECT 'silver.repayment_events', batch_id, publication_no, count(*), min(known_from)
        FROM repayment_events WHERE contributor_id = $1 GROUP BY batch_id, publication_no
        UNION ALL
        SELECT 'silver.applications', batch_id, publication_no, count(*), min(known_from)
        FROM applications WHERE contributor_id = $1 GROUP BY batch_id, publication_no),
    entered AS (
        SELECT table_name AS name, batch_id, publication_no, count(*) AS entries, sum(rows) AS records, min(known_from) AS known
        FROM lake_entries WHERE contributor_id = $1 AND state IS NULL AND publication_no IS NOT NULL GROUP BY 1, 2, 3),
    compared AS (
        SELECT format('%s, batch %s, publication %s', name, batch_id, publication_no) AS key,
            format('1 entry of %s rows', coalesce(p.records, 0)) AS expected,
            format('%s entries of %s rows', coalesce(e.entries, 0), coalesce(e.records, 0)) AS found,
            p.records IS DISTINCT FROM e.records OR e.entries <> 1 AS wrong
        FROM publications p FULL JOIN entered e USING (name, batch_id, publication_no)
        WHERE $2::timestamptz IS NULL OR coalesce(p.known, e.known) >= $2)"
);

/// The comparisons of this file, by the name of their check.
pub const CHECKS: &[(&str, &str)] = &[
    ("conservation", CONSERVATION),
    ("journal", JOURNAL),
    ("parked", PARKED),
    ("quarantine", QUARANTINE),
    ("audit", AUDIT),
    ("lake_entries", ENTRIES),
];

/// Runs one of [`CHECKS`] for what a contributor sent since an instant, or ever.
pub async fn compare(
    ex: impl PgExecutor<'_>,
    statement: &'static str,
    contributor: ContributorId,
    since: Option<DateTime<Utc>>,
) -> Result<Compared> {
    Ok(sqlx::query_as(statement).bind(contributor).bind(since).fetch_one(ex).await?)
}

/// Some batches whose bytes are kept, the same ones for the same seed; all for no limit.
pub async fn sample(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    since: Option<DateTime<Utc>>,
    seed: &str,
    limit: Option<i64>,
) -> Result<Vec<BatchId>> {
    let batches = sqlx::query_scalar(
        "/* reconcile.sample */ SELECT batch_id FROM batches
        WHERE contributor_id = $1 AND ($2::timestamptz IS NULL OR received_at >= $2)
          AND state NOT IN ('receiving', 'swept') AND NOT dry_run
        ORDER BY md5(batch_id::text || $3), batch_id LIMIT $4",
    )
    .bind(contributor)
    .bind(since)
    .bind(seed)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(batches)
}

/// Every contributor, by its short name.
pub async fn contributors(ex: impl PgExecutor<'_>) -> Result<Vec<(ContributorId, String)>> {
    let all = sqlx::query_as(
        "/* reconcile.contributors */ SELECT contributor_id, slug FROM contributors ORDER BY slug",
    )
    .fetch_all(ex)
    .await?;
    Ok(all)
}
