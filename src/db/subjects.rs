//! `subjects`, `subject_identifiers`: the persons that a batch names, entered set-wise in transaction C.
//!
//! Other contributors may meet the same person at the same time: identifiers are inserted in token order, so that two
//! transactions never wait for each other in a circle, and whoever came second takes the first one's subject.

use sqlx::PgConnection;

use crate::error::Result;

/// The statements over a staging table; those of snapshots and of applications name persons in the same columns.
struct Statements {
    insert_identifiers: &'static str,
    any_secondary: &'static str,
    adopt: &'static str,
    insert_subjects: &'static str,
}

macro_rules! statements {
    ($staged:literal) => {
        Statements {
            // First and second identifiers in one pass over the tokens: with a pass for each, two contributors that
            // name the same two identifiers the other way round would wait for each other.
            insert_identifiers: concat!(
                "/* subjects.insert_identifiers */
                WITH named AS MATERIALIZED (
                    SELECT DISTINCT ON (n.token) n.token, n.subject_id, n.id_type, n.sealed_number, n.place = 2 AS secondary
                    FROM (SELECT token, subject_id, id_type, sealed_number, 1 AS place, record_no
                          FROM ", $staged, " WHERE new_subject
                          UNION ALL
                          SELECT secondary_token, subject_id, secondary_id_type, secondary_sealed, 2, record_no
                          FROM ", $staged, " WHERE secondary_token IS NOT NULL) n
                    ORDER BY n.token, n.place, n.record_no),
                inserted AS (
                    INSERT INTO subject_identifiers (token, subject_id, id_type, sealed_number, secondary)
                    SELECT token, subject_id, id_type, sealed_number, secondary FROM named ORDER BY token
                    ON CONFLICT (token) DO NOTHING RETURNING 1)
                SELECT (SELECT count(*) FROM named), (SELECT count(*) FROM inserted)"
            ),
            any_secondary: concat!(
                "/* subjects.any_secondary */ SELECT EXISTS (SELECT FROM ", $staged,
                " WHERE secondary_token IS NOT NULL)"
            ),
            adopt: concat!(
                "/* subjects.adopt */
                WITH standing AS (
                    SELECT DISTINCT s.subject_id AS proposed, i.subject_id
                    FROM ", $staged, " s JOIN subject_identifiers i ON i.token = s.token
                    WHERE s.new_subject AND i.subject_id <> s.subject_id),
                moved AS (
                    UPDATE subject_identifiers i SET subject_id = standing.subject_id
                    FROM standing WHERE i.secondary AND i.subject_id = standing.proposed)
                UPDATE ", $staged, " s SET subject_id = standing.subject_id, new_subject = false
                FROM standing WHERE s.subject_id = standing.proposed"
            ),
            insert_subjects: concat!(
                "/* subjects.insert */
                INSERT INTO subjects (subject_id, subject_type, primary_token, sealed_name)
                SELECT DISTINCT ON (subject_id) subject_id, subject_type, token, sealed_name
                FROM ", $staged, " WHERE new_subject ORDER BY subject_id, record_no
                ON CONFLICT (subject_id) DO NOTHING"
            ),
        }
    };
}

static OF_ACCOUNTS: Statements = statements!("staged_accounts");
static OF_APPLICATIONS: Statements = statements!("staged_applications");

/// Enters the persons that the staged snapshots are the first to name.
pub async fn merge_holders_in_tx(connection: &mut PgConnection) -> Result<()> {
    merge_in_tx(connection, &OF_ACCOUNTS).await
}

/// Enters the persons that the staged applications are the first to name.
pub async fn merge_applicants_in_tx(connection: &mut PgConnection) -> Result<()> {
    merge_in_tx(connection, &OF_APPLICATIONS).await
}

async fn merge_in_tx(connection: &mut PgConnection, staged: &Statements) -> Result<()> {
    let (named, inserted): (i64, i64) =
        sqlx::query_as(staged.insert_identifiers).fetch_one(&mut *connection).await?;
    if named == 0 {
        return Ok(());
    }
    // All at once tells nothing about two identifiers of one record: those are looked at in any case.
    let shared: bool = sqlx::query_scalar(staged.any_secondary).fetch_one(&mut *connection).await?;
    if inserted < named || shared {
        adopt_in_tx(connection, staged).await?;
    }
    sqlx::query(staged.insert_subjects).execute(connection).await?;
    Ok(())
}

/// Persons whom somebody else named first, since we looked or in another record of this batch: their rows move to
/// the subject that stands.
async fn adopt_in_tx(connection: &mut PgConnection, staged: &Statements) -> Result<()> {
    let adopted = sqlx::query(staged.adopt).execute(connection).await?.rows_affected();
    if adopted > 0 {
        tracing::info!(rows = adopted, "persons whom another batch named first keep that batch's subject");
    }
    Ok(())
}
