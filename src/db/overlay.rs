//! The event columns of `accounts`: how an account stands after the events that are later than its snapshot.
//!
//! `domain::events::standing_after` and `domain::events::instalments` in SQL, set-wise over the accounts concerned; a
//! test holds the two together. To be called in every transaction that changes what events or what snapshots count.

use sqlx::PgConnection;

use super::events;
use crate::error::Result;
use crate::ids::ContributorId;

/// The events of the account `t` that count, and whether each was taken back. A reversal of what no longer counts
/// reverses nothing.
macro_rules! counting {
    () => {
        "(SELECT e.event_type, e.value_date, e.publication_no, e.record_no, e.new_due_date, e.instalment_due_date,
                 coalesce(e.amount_sen, 0) AS amount_sen,
                 EXISTS (SELECT FROM repayment_events r WHERE r.contributor_id = $1
                     AND r.reverses_event_id = e.event_id AND r.withdrawn_at IS NULL) AS reversed
          FROM repayment_events e
          WHERE e.contributor_id = $1 AND e.account_ref = t.account_ref AND e.withdrawn_at IS NULL
            AND (e.event_type <> 2 OR EXISTS (
                SELECT FROM repayment_events p WHERE p.contributor_id = $1 AND p.event_id = e.reverses_event_id
                  AND p.withdrawn_at IS NULL))
          OFFSET 0)"
    };
}

/// The statement over a source of account references: $1 the contributor, $2 the references where they are bound.
macro_rules! overlay {
    ($name:literal, $refs:literal) => {
        concat!(
            "/* ",
            $name,
            " */ WITH standing AS (
                SELECT b.subject_id, b.account_ref, b.as_of, b.new_outstanding, i.dues, i.lates,
                       CASE WHEN as_of IS NOT NULL
                            THEN least(greatest(overdue_sen + late, 0), new_outstanding) END::bigint AS new_overdue,
                       CASE WHEN overdue_sen + late > 0 AND new_outstanding > 0 THEN dpd
                            WHEN as_of IS NOT NULL THEN 0 END::smallint AS new_dpd,
                       CASE WHEN as_of IS NULL THEN NULL WHEN ending IS NULL THEN status WHEN ending = 9 THEN 3
                            WHEN ending = 11 THEN 6 WHEN new_outstanding > 0 THEN 2 ELSE 1 END::smallint AS new_status,
                       CASE WHEN as_of IS NOT NULL THEN coalesce(moved_to, next_due_date) END AS new_due,
                       CASE WHEN as_of IS NOT NULL THEN restructured OR eased END AS new_restructured
                FROM (SELECT DISTINCT account_ref FROM ",
            $refs,
            ") t
                -- One look into the index per account and per list of its events, whatever the statistics say.
                CROSS JOIN LATERAL (
                    SELECT a.*, e.*,
                        CASE WHEN e.as_of IS NOT NULL
                             THEN least(greatest(a.outstanding_sen + e.owed, 0), 9223372036854775807) END::bigint
                             AS new_outstanding
                    FROM (SELECT subject_id, account_ref, as_of_date, outstanding_sen, overdue_sen, dpd, status,
                                 next_due_date, restructured
                          FROM accounts WHERE contributor_id = $1 AND account_ref = t.account_ref OFFSET 0) a
                    CROSS JOIN LATERAL (
                        SELECT max(value_date) AS as_of,
                            sum(CASE WHEN event_type IN (1, 3, 5, 8, 10) THEN -amount_sen
                                     WHEN event_type IN (0, 2, 4) THEN amount_sen ELSE 0 END) AS owed,
                            sum(CASE WHEN event_type IN (1, 3, 5, 8, 10) THEN -amount_sen
                                     WHEN event_type = 2 THEN amount_sen ELSE 0 END) AS late,
                            (array_agg(event_type ORDER BY value_date DESC, publication_no DESC, record_no DESC)
                                FILTER (WHERE event_type IN (8, 9, 11) AND NOT reversed))[1] AS ending,
                            (array_agg(new_due_date ORDER BY value_date DESC, publication_no DESC, record_no DESC)
                                FILTER (WHERE event_type = 6 AND new_due_date IS NOT NULL))[1] AS moved_to,
                            bool_or(event_type = 7) AS eased
                        FROM ",
            counting!(),
            " c WHERE c.value_date > a.as_of_date) e) b
                CROSS JOIN LATERAL (
                    SELECT array_agg(due ORDER BY due DESC) AS dues, array_agg(late ORDER BY due DESC) AS lates
                    FROM (SELECT instalment_due_date AS due,
                                 least(greatest(max(value_date - instalment_due_date), 0), 9999)::smallint AS late
                          FROM ",
            counting!(),
            " c WHERE event_type = 1 AND instalment_due_date IS NOT NULL AND NOT reversed
                          GROUP BY instalment_due_date ORDER BY instalment_due_date DESC LIMIT 106) told) i)
            UPDATE accounts a SET event_as_of = s.as_of, event_outstanding_sen = s.new_outstanding,
                event_overdue_sen = s.new_overdue, event_dpd = s.new_dpd, event_status = s.new_status,
                event_next_due_date = s.new_due, event_restructured = s.new_restructured,
                instalment_due_dates = s.dues, instalment_days_late = s.lates
            FROM standing s
            WHERE a.subject_id = s.subject_id AND a.contributor_id = $1 AND a.account_ref = s.account_ref
              AND (a.event_as_of, a.event_outstanding_sen, a.event_overdue_sen, a.event_dpd, a.event_status,
                   a.event_next_due_date, a.event_restructured, a.instalment_due_dates, a.instalment_days_late)
                  IS DISTINCT FROM (s.as_of, s.new_outstanding, s.new_overdue, s.new_dpd, s.new_status, s.new_due,
                   s.new_restructured, s.dues, s.lates)"
        )
    };
}

const OF_ACCOUNTS: &str = overlay!("overlay.of_accounts", "unnest($2::text[]) AS r (account_ref)");
const OF_STAGED_EVENTS: &str = overlay!("overlay.of_staged_events", "staged_events WHERE NOT parked");
// Of a book's rows only the accounts with events are looked at: the others have nothing to be added.
const OF_STAGED_ACCOUNTS: &str = overlay!(
    "overlay.of_staged_accounts",
    "staged_accounts s WHERE EXISTS (SELECT FROM repayment_events e WHERE e.contributor_id = $1
        AND e.account_ref = s.account_ref AND e.withdrawn_at IS NULL)"
);
const OF_TOUCHED_ACCOUNTS: &str = overlay!(
    "overlay.of_touched_accounts",
    "touched_accounts s WHERE EXISTS (SELECT FROM repayment_events e WHERE e.contributor_id = $1
        AND e.account_ref = s.account_ref AND e.withdrawn_at IS NULL)"
);

/// Recomputes the accounts behind references.
pub async fn of_accounts_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    account_refs: &[String],
) -> Result<()> {
    if account_refs.is_empty() {
        return Ok(());
    }
    sqlx::query(OF_ACCOUNTS).bind(contributor).bind(account_refs).execute(connection).await?;
    Ok(())
}

/// Recomputes the accounts of the events that were just entered.
pub async fn of_staged_events_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    sqlx::query(OF_STAGED_EVENTS).bind(contributor).execute(connection).await?;
    Ok(())
}

/// Recomputes the accounts whose snapshots were just merged, as far as they have events.
pub async fn of_staged_accounts_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
) -> Result<()> {
    if events::sends_events(&mut *connection, contributor).await? {
        sqlx::query(OF_STAGED_ACCOUNTS).bind(contributor).execute(connection).await?;
    }
    Ok(())
}

/// Recomputes the accounts that were just folded anew, as far as they have events.
pub async fn of_touched_accounts_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
) -> Result<()> {
    if events::sends_events(&mut *connection, contributor).await? {
        sqlx::query(OF_TOUCHED_ACCOUNTS).bind(contributor).execute(connection).await?;
    }
    Ok(())
}
