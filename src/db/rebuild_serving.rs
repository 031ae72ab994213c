//! `serving_rebuild`: a schema in which the serving store is made anew from the rows of the lake, beside the one that serves.
//!
//! Its `account_snapshots`, `repayment_events`, `batches` and `accounts` stand in front of the real tables on a connection of
//! [`open`], so that the statements of production fold them. What the lake does not hold, restrictions and delistings, is
//! Postgres's own. The tables are unlogged: they can be made again, and after a crash of the server all are empty alike.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::columns::{prefixed, snapshot_columns};
use super::copy;
use super::reconcile::{Compared, comparison, connect};
use super::{Db, delistings, journal, serving_restrictions};
use crate::error::{Error, Result};
use crate::ids::ContributorId;

/// One rebuild at a time.
const LOCK: i64 = 0x6574_722b_7265_6264;
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// Account references that are folded in one transaction.
const PORTION: i64 = 20_000;
/// What a run left is gone on with for so long; then it is begun anew.
const MOST_HOURS: i32 = 12;

const TABLES: &[&str] = &[
    "/* rebuild.schema */ CREATE SCHEMA IF NOT EXISTS serving_rebuild",
    "/* rebuild.begun */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.begun (at timestamptz NOT NULL)",
    "/* rebuild.begin */ INSERT INTO serving_rebuild.begun SELECT now() WHERE NOT EXISTS (SELECT FROM serving_rebuild.begun)",
    // Which files of the lake are in, and how many rows each brought.
    "/* rebuild.files */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.files (
        path text PRIMARY KEY, table_name text NOT NULL, rows bigint NOT NULL)",
    "/* rebuild.batches */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.batches (
        batch_id uuid PRIMARY KEY, contributor_id uuid NOT NULL, state text NOT NULL, publication_no bigint,
        transition_no bigint NOT NULL, dry_run boolean NOT NULL DEFAULT false)",
    "/* rebuild.snapshots */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.account_snapshots (
        LIKE public.account_snapshots, PRIMARY KEY (batch_id, record_no, publication_no))",
    "/* rebuild.snapshots_dpd */ ALTER TABLE serving_rebuild.account_snapshots ALTER COLUMN dpd TYPE integer",
    // Until its batch is known to count, an event does not.
    "/* rebuild.events */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.repayment_events (
        LIKE public.repayment_events, PRIMARY KEY (batch_id, record_no, publication_no))",
    "/* rebuild.events_content */ ALTER TABLE serving_rebuild.repayment_events ALTER COLUMN content DROP NOT NULL,
        ALTER COLUMN withdrawn_at SET DEFAULT now()",
    "/* rebuild.accounts */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.accounts (
        LIKE public.accounts INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES)",
    // Accounts of which rows or batches arrived after they were folded.
    "/* rebuild.stale */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.stale (
        contributor_id uuid, account_ref text, PRIMARY KEY (contributor_id, account_ref))",
    "/* rebuild.folded */ CREATE UNLOGGED TABLE IF NOT EXISTS serving_rebuild.folded (
        contributor_id uuid PRIMARY KEY, after text NOT NULL DEFAULT '', done boolean NOT NULL DEFAULT false,
        swapped boolean NOT NULL DEFAULT false)",
];

const ARRIVING: &[&str] = &[
    "/* rebuild.touched */ CREATE TEMPORARY TABLE IF NOT EXISTS touched_accounts (account_ref text PRIMARY KEY)
        ON COMMIT DELETE ROWS",
    "/* rebuild.arriving_snapshots */ CREATE TEMPORARY TABLE arriving_snapshots (LIKE serving_rebuild.account_snapshots)
        ON COMMIT DELETE ROWS",
    "/* rebuild.arriving_events */ CREATE TEMPORARY TABLE arriving_events (
        LIKE serving_rebuild.repayment_events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
    "/* rebuild.arriving_batches */ CREATE TEMPORARY TABLE arriving_batches (
        LIKE serving_rebuild.batches INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
];

/// A statement that copies these columns into a table, and their names.
macro_rules! copied {
    ($table:literal, $($name:literal),+ $(,)?) => {
        (concat!("COPY ", $table, " (", prefixed!("", $($name),+), ") FROM STDIN (FORMAT binary)"), &[$($name),+])
    };
}

/// A table of the lake, how its rows are copied, and what takes them in.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// By its full name.
    pub table: &'static str,
    pub columns: &'static [&'static str],
    copy: &'static str,
    take: &'static [&'static str],
}

const SNAPSHOTS: (&str, &[&str]) = copied!(
    "arriving_snapshots",
    "batch_id",
    "record_no",
    "publication_no",
    "known_from",
    "contract",
    "rules_version",
    "contributor_id",
    "subject_id",
    "account_ref",
    "withdrawn",
    "outstanding_sen",
    "overdue_sen",
    "original_amount_sen",
    "credit_limit_sen",
    "instalment_amount_sen",
    "next_due_amount_sen",
    "write_off_amount_sen",
    "fees_outstanding_sen",
    "as_of_date",
    "opened_date",
    "status_date",
    "maturity_date",
    "closed_date",
    "first_delinquency_date",
    "next_due_date",
    "write_off_date",
    "settled_date",
    "instalments_total",
    "instalments_paid",
    "instalments_overdue",
    "dpd",
    "holder_role",
    "product_type",
    "portfolio_type",
    "status",
    "payment_frequency",
    "settlement_type",
    "restructured",
    "hardship",
    "legal_action",
    "contributor_dispute",
    "listing_requested",
    "currency",
    "evidence_ref",
);
const EVENTS: (&str, &[&str]) = copied!(
    "arriving_events",
    "batch_id",
    "record_no",
    "publication_no",
    "known_from",
    "contract",
    "rules_version",
    "contributor_id",
    "account_ref",
    "event_id",
    "event_type",
    "event_at",
    "value_date",
    "amount_sen",
    "channel",
    "instalment_no",
    "instalment_due_date",
    "new_due_date",
    "reverses_event_id",
);
const BATCHES: (&str, &[&str]) =
    copied!("arriving_batches", "batch_id", "contributor_id", "state", "publication_no", "transition_no");

/// What is read of the lake, batches last: a record whose batch is not known does not count.
pub const SOURCES: [Source; 3] = [
    Source {
        table: "silver.account_snapshots",
        columns: SNAPSHOTS.1,
        copy: SNAPSHOTS.0,
        take: &[
            "/* rebuild.take_snapshots */ INSERT INTO serving_rebuild.account_snapshots SELECT * FROM arriving_snapshots",
            "/* rebuild.stale_by_snapshots */ INSERT INTO serving_rebuild.stale
                SELECT DISTINCT contributor_id, account_ref FROM arriving_snapshots
                WHERE contributor_id IN (SELECT contributor_id FROM serving_rebuild.folded) ON CONFLICT DO NOTHING",
        ],
    },
    Source {
        table: "silver.repayment_events",
        columns: EVENTS.1,
        copy: EVENTS.0,
        take: &[
            "/* rebuild.take_events */ INSERT INTO serving_rebuild.repayment_events SELECT * FROM arriving_events",
            "/* rebuild.stale_by_events */ INSERT INTO serving_rebuild.stale
                SELECT DISTINCT contributor_id, account_ref FROM arriving_events
                WHERE contributor_id IN (SELECT contributor_id FROM serving_rebuild.folded) ON CONFLICT DO NOTHING",
        ],
    },
    Source {
        table: "silver.batches",
        columns: BATCHES.1,
        copy: BATCHES.0,
        take: &[
            "/* rebuild.take_batches */ INSERT INTO serving_rebuild.batches
                SELECT DISTINCT ON (batch_id) * FROM arriving_batches ORDER BY batch_id, transition_no DESC
                ON CONFLICT (batch_id) DO UPDATE SET state = excluded.state, publication_no = excluded.publication_no,
                    transition_no = excluded.transition_no WHERE excluded.transition_no > batches.transition_no",
            "/* rebuild.stale_by_batches */ INSERT INTO serving_rebuild.stale
                SELECT DISTINCT r.contributor_id, r.account_ref FROM arriving_batches b CROSS JOIN LATERAL (
                    SELECT contributor_id, account_ref FROM serving_rebuild.account_snapshots WHERE batch_id = b.batch_id
                    UNION
                    SELECT contributor_id, account_ref FROM serving_rebuild.repayment_events WHERE batch_id = b.batch_id) r
                WHERE r.contributor_id IN (SELECT contributor_id FROM serving_rebuild.folded) ON CONFLICT DO NOTHING",
        ],
    },
];

/// Opens the schema, what an earlier run left in it included, on a connection of its own. `None` when another rebuild has it
/// in hand.
pub async fn open(db: &Db) -> Result<Option<PgConnection>> {
    let mut connection = connect(db).await?;
    if !lock(&mut connection, LOCK).await? {
        return Ok(None);
    }
    let other_columns: bool = sqlx::query_scalar(
        "/* rebuild.other_columns */ WITH columns AS (
            SELECT table_schema, column_name, data_type FROM information_schema.columns
            WHERE table_name = 'accounts' AND table_schema IN ('public', 'serving_rebuild'))
        SELECT EXISTS (SELECT FROM columns WHERE table_schema = 'serving_rebuild') AND (
            to_regclass('serving_rebuild.begun') IS NULL
            OR EXISTS (SELECT FROM columns GROUP BY column_name, data_type HAVING count(*) <> 2))",
    )
    .fetch_one(&mut connection)
    .await?;
    if other_columns {
        // Begun by another release.
        discard(&mut connection).await?;
    }
    lay(&mut connection).await?;
    // What was put in its place so long ago may be wrong again.
    let too_old: bool = sqlx::query_scalar(
        "/* rebuild.too_old */ SELECT EXISTS (
            SELECT FROM serving_rebuild.begun WHERE at < now() - make_interval(hours => $1))",
    )
    .bind(MOST_HOURS)
    .fetch_one(&mut connection)
    .await?;
    if too_old {
        begin_anew(&mut connection).await?;
    }
    sqlx::query("/* rebuild.search_path */ SET search_path = serving_rebuild, public")
        .execute(&mut connection)
        .await?;
    for statement in ARRIVING {
        sqlx::query(*statement).execute(&mut connection).await?;
    }
    connection.clear_cached_statements().await?;
    Ok(Some(connection))
}

/// Makes what is not there of the schema.
async fn lay(connection: &mut PgConnection) -> Result<()> {
    let mut tx = connection.begin().await?;
    for statement in TABLES {
        sqlx::query(*statement).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Forgets everything that is in the schema.
pub async fn begin_anew(connection: &mut PgConnection) -> Result<()> {
    discard(connection).await?;
    lay(connection).await?;
    Ok(connection.clear_cached_statements().await?)
}

/// Takes a rebuild in hand. The server may need a moment to notice that the process that had it is gone.
pub(super) async fn lock(connection: &mut PgConnection, key: i64) -> Result<bool> {
    for _ in 0..LOCK_TRIES {
        let free = sqlx::query_scalar("/* rebuild.lock */ SELECT pg_try_advisory_lock($1)")
            .bind(key)
            .fetch_one(&mut *connection)
            .await?;
        if free {
            return Ok(true);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(false)
}

/// Lets go of the schema; the next rebuild may begin at once.
pub async fn close(connection: PgConnection) -> Result<()> {
    release(connection, LOCK).await
}

/// Lets go of what [`lock`] took, and of the connection.
pub(super) async fn release(mut connection: PgConnection, key: i64) -> Result<()> {
    sqlx::query("/* rebuild.unlock */ SELECT pg_advisory_unlock($1)")
        .bind(key)
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

/// Removes the schema with everything in it.
pub async fn discard(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* rebuild.discard */ DROP SCHEMA IF EXISTS serving_rebuild CASCADE")
        .execute(connection)
        .await?;
    Ok(())
}

/// The files of a table that are in.
pub async fn loaded(connection: &mut PgConnection, table: &str) -> Result<Vec<String>> {
    let paths = sqlx::query_scalar(
        "/* rebuild.loaded */ SELECT path FROM serving_rebuild.files WHERE table_name = $1",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    Ok(paths)
}

/// Takes the rows of one file in, or none of them; says how many. `pieces` are tuples of the source's columns.
pub async fn load(
    connection: &mut PgConnection,
    source: Source,
    path: &str,
    mut pieces: futures::stream::BoxStream<'_, Result<Vec<u8>>>,
) -> Result<i64> {
    use futures::TryStreamExt as _;
    let mut tx = connection.begin().await?;
    let mut copy = tx.copy_in_raw(source.copy).await?;
    copy.send(copy::HEADER).await?;
    loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                copy.send(piece).await?;
            }
            Ok(None) => break,
            Err(error) => {
                copy.abort("the file broke off").await?;
                return Err(error);
            }
        }
    }
    copy.send(copy::TRAILER).await?;
    let rows = copy.finish().await? as i64;
    for statement in source.take {
        sqlx::query(*statement).execute(&mut *tx).await.map_err(twice)?;
    }
    sqlx::query("/* rebuild.note_file */ INSERT INTO serving_rebuild.files VALUES ($1, $2, $3)")
        .bind(path)
        .bind(source.table)
        .bind(rows)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(rows)
}

/// A row that is there already.
fn twice(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(db) if db.is_unique_violation() => {
            Error::Internal("the lake has a row twice; `etrplus reconcile` tells which".into())
        }
        _ => error.into(),
    }
}

/// Lets events count whose batches do, and no others. Once after files came in; then statistics are right, too.
pub async fn settle(connection: &mut PgConnection) -> Result<()> {
    for statement in [
        "/* rebuild.settle_events */ UPDATE serving_rebuild.repayment_events e
            SET withdrawn_at = CASE WHEN b.state IN ('published', 'curated') THEN NULL ELSE now() END
            FROM serving_rebuild.batches b WHERE b.batch_id = e.batch_id
              AND (e.withdrawn_at IS NULL) <> (b.state IN ('published', 'curated'))",
        "/* rebuild.index_accounts */ CREATE INDEX IF NOT EXISTS account_snapshots_by_account
            ON serving_rebuild.account_snapshots (contributor_id, account_ref)",
        "/* rebuild.index_events */ CREATE INDEX IF NOT EXISTS repayment_events_account
            ON serving_rebuild.repayment_events (contributor_id, account_ref, value_date) WHERE withdrawn_at IS NULL",
        "/* rebuild.index_event */ CREATE INDEX IF NOT EXISTS repayment_events_event
            ON serving_rebuild.repayment_events (contributor_id, event_id) WHERE withdrawn_at IS NULL",
        "/* rebuild.index_reversals */ CREATE INDEX IF NOT EXISTS repayment_events_reversal
            ON serving_rebuild.repayment_events (contributor_id, reverses_event_id)
            WHERE withdrawn_at IS NULL AND reverses_event_id IS NOT NULL",
        "/* rebuild.analyze */ ANALYZE serving_rebuild.account_snapshots, serving_rebuild.repayment_events,
            serving_rebuild.batches",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Folds the next portion of a contributor's accounts; says how many references, none behind the last.
pub async fn fold_portion(connection: &mut PgConnection, contributor: ContributorId) -> Result<i64> {
    let mut tx = connection.begin().await?;
    sqlx::query(
        "/* rebuild.begin_fold */ INSERT INTO serving_rebuild.folded (contributor_id) VALUES ($1) ON CONFLICT DO NOTHING",
    )
    .bind(contributor)
    .execute(&mut *tx)
    .await?;
    let (references, last): (i64, Option<String>) = sqlx::query_as(
        "/* rebuild.touch_portion */ WITH portion AS (
            INSERT INTO touched_accounts (account_ref)
            SELECT DISTINCT s.account_ref FROM serving_rebuild.account_snapshots s, serving_rebuild.folded f
            WHERE f.contributor_id = $1 AND s.contributor_id = $1 AND s.account_ref > f.after AND NOT f.done
            ORDER BY account_ref LIMIT $2 RETURNING account_ref)
        SELECT count(*), max(account_ref) FROM portion",
    )
    .bind(contributor)
    .bind(PORTION)
    .fetch_one(&mut *tx)
    .await?;
    if references > 0 {
        journal::refold_in_tx(&mut tx, contributor, None).await?;
    }
    sqlx::query(
        "/* rebuild.note_fold */ UPDATE serving_rebuild.folded SET after = coalesce($2, after), done = $2 IS NULL
        WHERE contributor_id = $1",
    )
    .bind(contributor)
    .bind(last)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(references)
}

/// Whether a contributor's accounts were put in their place by an earlier run.
pub async fn is_swapped(connection: &mut PgConnection, contributor: ContributorId) -> Result<bool> {
    let swapped = sqlx::query_scalar(
        "/* rebuild.is_swapped */ SELECT EXISTS (
            SELECT FROM serving_rebuild.folded WHERE contributor_id = $1 AND swapped)",
    )
    .bind(contributor)
    .fetch_one(connection)
    .await?;
    Ok(swapped)
}

/// How much of a contributor's the lake should hold and does not yet, and how many rows of it are in.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Standing {
    /// Entries that have not landed.
    pub waiting: i64,
    /// Snapshots that have landed, by the ledger.
    pub snapshots_landed: i64,
    /// Snapshots that were read.
    pub snapshots_read: i64,
    pub events_landed: i64,
    pub events_read: i64,
    /// Batches of which another change was read last than landed last, or of which only one of the two knows.
    pub batches_wrong: i64,
}

/// Asked under the contributor's lane, when nothing more is entered.
pub async fn standing_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<Standing> {
    let standing = sqlx::query_as(
        "/* rebuild.standing */ WITH entries AS (
            SELECT e.entry_no, e.table_name, e.batch_id, e.rows, c.state IS NOT DISTINCT FROM 'landed' AS landed
            FROM public.lake_entries e LEFT JOIN public.lake_commits c ON c.commit_id = e.commit_id
            WHERE e.contributor_id = $1
              AND e.table_name IN ('silver.account_snapshots', 'silver.repayment_events', 'silver.batches'))
        SELECT count(*) FILTER (WHERE NOT landed) AS waiting,
            coalesce(sum(rows) FILTER (WHERE landed AND table_name = 'silver.account_snapshots'), 0)::bigint
                AS snapshots_landed,
            (SELECT count(*) FROM serving_rebuild.account_snapshots WHERE contributor_id = $1) AS snapshots_read,
            coalesce(sum(rows) FILTER (WHERE landed AND table_name = 'silver.repayment_events'), 0)::bigint
                AS events_landed,
            (SELECT count(*) FROM serving_rebuild.repayment_events WHERE contributor_id = $1) AS events_read,
            (SELECT count(*) FROM (
                SELECT batch_id, max(entry_no) AS transition_no FROM entries
                WHERE landed AND table_name = 'silver.batches' GROUP BY batch_id) l
             FULL JOIN (SELECT batch_id, transition_no FROM serving_rebuild.batches WHERE contributor_id = $1) r USING (batch_id)
             WHERE l.transition_no IS DISTINCT FROM r.transition_no) AS batches_wrong
        FROM entries",
    )
    .bind(contributor)
    .fetch_one(connection)
    .await?;
    Ok(standing)
}

/// Folds again what arrived after it was folded.
pub async fn fold_stale_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    sqlx::query(
        "/* rebuild.touch_stale */ WITH taken AS (
            DELETE FROM serving_rebuild.stale WHERE contributor_id = $1 RETURNING account_ref)
        INSERT INTO touched_accounts (account_ref) SELECT account_ref FROM taken ON CONFLICT DO NOTHING",
    )
    .bind(contributor)
    .execute(&mut *connection)
    .await?;
    // Restrictions and delistings may have changed since, of any account.
    sqlx::query(
        "/* rebuild.lift */ UPDATE serving_rebuild.accounts a SET serving_state = 0
        WHERE contributor_id = $1 AND serving_state <> 0",
    )
    .bind(contributor)
    .execute(&mut *connection)
    .await?;
    journal::refold_in_tx(connection, contributor, None).await
}

/// What an account says, the keys and what is computed from the rest left out.
macro_rules! account_columns {
    ($prefix:literal) => {
        concat!(
            prefixed!(
                $prefix,
                "batch_id",
                "known_from",
                "rules_version",
                "month_as_of",
                "month_status",
                "month_dpd",
                "month_outstanding_sen",
                "month_overdue_sen",
                "serving_state",
                "delisted_on",
                "event_outstanding_sen",
                "event_overdue_sen",
                "event_as_of",
                "event_next_due_date",
                "event_dpd",
                "event_status",
                "event_restructured",
                "instalment_due_dates",
                "instalment_days_late",
            ),
            ", ",
            snapshot_columns!($prefix)
        )
    };
}

/// The columns that are put in place, for the test that none is forgotten.
pub const ACCOUNT_COLUMNS: &str = account_columns!("");

const COMPARE: &str = comparison!(
    "rebuild.compare",
    "compared AS (
        SELECT 'account ' || account_ref || ' of subject ' || subject_id AS key,
            CASE WHEN r.batch_id IS NULL THEN 'nothing that counts'
                 ELSE format('record %s of batch %s', r.record_no, r.batch_id) END AS expected,
            CASE WHEN s.batch_id IS NULL THEN 'no account'
                 WHEN r.batch_id IS NULL THEN format('record %s of batch %s', s.record_no, s.batch_id)
                 WHEN s IS DISTINCT FROM r THEN 'another ' || (
                    SELECT string_agg(a.key, ', ' ORDER BY a.key) FROM jsonb_each(to_jsonb(s)) a
                    WHERE a.value IS DISTINCT FROM to_jsonb(r) -> a.key) END AS found,
            s IS DISTINCT FROM r AS wrong
        FROM (SELECT * FROM public.accounts WHERE contributor_id = $1) s
        FULL JOIN (SELECT * FROM serving_rebuild.accounts WHERE contributor_id = $1) r
            USING (subject_id, contributor_id, account_ref))"
);

/// Compares a contributor's accounts that are served with those that were made anew.
pub async fn compare_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<Compared> {
    Ok(sqlx::query_as(COMPARE).bind(contributor).fetch_one(connection).await?)
}

const SWAP: [&str; 3] = [
    "/* rebuild.remove */ DELETE FROM public.accounts a WHERE a.contributor_id = $1 AND NOT EXISTS (
        SELECT FROM serving_rebuild.accounts r WHERE r.subject_id = a.subject_id AND r.contributor_id = $1
          AND r.account_ref = a.account_ref)",
    concat!(
        "/* rebuild.change */ UPDATE public.accounts a SET (",
        account_columns!(""),
        ") = ROW(",
        account_columns!("r."),
        ") FROM serving_rebuild.accounts r
        WHERE r.contributor_id = $1 AND a.subject_id = r.subject_id AND a.contributor_id = $1
          AND a.account_ref = r.account_ref AND ROW(a.*) IS DISTINCT FROM ROW(r.*)"
    ),
    concat!(
        "/* rebuild.add */ INSERT INTO public.accounts (subject_id, contributor_id, account_ref, ",
        account_columns!(""),
        ") SELECT r.subject_id, r.contributor_id, r.account_ref, ",
        account_columns!("r."),
        " FROM serving_rebuild.accounts r WHERE r.contributor_id = $1
        ON CONFLICT (subject_id, contributor_id, account_ref) DO NOTHING"
    ),
];

/// Puts a contributor's accounts in the place of those that are served. Rows are changed where they differ, so that
/// whoever looks goes on looking, and whoever restricts an account at the same moment restricts the one that stays.
pub async fn swap_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    for statement in SWAP {
        sqlx::query(statement).bind(contributor).execute(&mut *connection).await?;
    }
    sqlx::query("/* rebuild.serve */ SET LOCAL search_path = public").execute(&mut *connection).await?;
    // What was restricted since it was folded.
    serving_restrictions::apply_in_tx(&mut *connection, contributor).await?;
    delistings::apply_in_tx(&mut *connection, contributor).await
}

/// Notes that a contributor is done.
pub async fn set_swapped_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    sqlx::query("/* rebuild.set_swapped */ UPDATE serving_rebuild.folded SET swapped = true WHERE contributor_id = $1")
        .bind(contributor)
        .execute(connection)
        .await?;
    Ok(())
}
