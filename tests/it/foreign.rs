//! What is somebody else's is not there: on every route, and in the database by itself.

use std::collections::BTreeSet;

use etrplus::domain::contract::{Dataset, Field, Terms};
use etrplus::domain::rules::{Code, Effect};
use etrplus::ids::ContributorId;
use etrplus::privacy::random;
use http::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::support::app::{Answer, Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson};

/// Status, headers and body of an answer without what differs from request to request.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let request_id = answer.header("x-request-id").unwrap();
    let headers =
        answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status.as_u16(), headers, answer.text().replace(request_id, "(request)"))
}

async fn ask(caller: &Caller, method: &Method, path: &str) -> Answer {
    let body =
        if path.ends_with("/confirm") { r#"{"explanation": "Checked by hand, all correct."}"# } else { "" };
    caller.request(method.clone(), path, &[("content-type", "application/json")], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_batch_is_byte_equal_to_a_missing_one() {
    let eyes = TestApp::start().await;
    let owner = eyes.contributor("owner", Terms::default()).await;
    let stranger = eyes.contributor("stranger", Terms::default()).await;
    let received = owner.submit(&Submission::ndjson(ndjson(&[account(1)]))).await;
    let published = eyes.judged(&owner, &Submission::ndjson(ndjson(&[account(2)]))).await.id().to_owned();
    let missing = random::uuid_v7(eyes.app.clock.now()).to_string();
    let malformed = ["1", "not-an-id", "%00", "..%2f..", "'%20OR%20'1'='1"];
    let routes = [
        (Method::GET, ""),
        (Method::GET, "/report"),
        (Method::GET, "/rejects"),
        (Method::GET, "/receipt"),
        (Method::GET, "/lineage"),
        (Method::POST, "/cancel"),
        (Method::POST, "/confirm"),
    ];
    for (method, rest) in &routes {
        let path = |id: &str| format!("/v1/batches/{id}{rest}");
        let nothing = told(&ask(&stranger, method, &path(&missing)).await);
        assert_eq!(nothing.0, 404, "{rest}: {}", nothing.2);
        for id in [received.as_str(), &published].into_iter().chain(malformed) {
            assert_eq!(told(&ask(&stranger, method, &path(id)).await), nothing, "{method} {rest} of {id}");
        }
        assert_ne!(
            ask(&owner, method, &path(&published)).await.status,
            404,
            "{method} {rest} exists for its owner"
        );
    }
    assert_eq!(owner.batch(&received).await["state"], "published", "nobody cancelled it");
}

/// Every table that says whose its rows are.
async fn tables_of_contributors(eyes: &TestApp) -> Vec<String> {
    sqlx::query_scalar(
        "/* test.tables */ SELECT c.table_name::text FROM information_schema.columns c
         JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND c.column_name = 'contributor_id' AND t.table_type = 'BASE TABLE'
         ORDER BY 1",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap()
}

/// Owners of the rows that a statement touches, one for each row.
async fn owners(connection: &mut PgConnection, statement: String) -> sqlx::Result<BTreeSet<Option<Uuid>>> {
    let rows: Vec<Option<Uuid>> = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Two contributors with rows in every table that has an owner.
async fn two_books(eyes: &TestApp) -> (ContributorId, ContributorId) {
    let mut ids = Vec::new();
    for (n, slug) in [(1, "ours"), (2, "theirs")] {
        let caller = eyes.contributor(slug, patient()).await;
        let records = [account(n), account_with(n + 10, &json!({"dpd": 40}))];
        assert_eq!(eyes.judged(&caller, &Submission::ndjson(ndjson(&records))).await.state(), "published");
        let contributor = caller.contributor_id.unwrap();
        put_cases(eyes, contributor).await;
        eyes.soften(slug, Code::V005, Effect::Warn).await;
        eyes.impute(slug, Dataset::AccountSnapshot, Field::Overdue, "0").await;
        ids.push(contributor);
    }
    (ids[0], ids[1])
}

/// Rows in the tables that a first submission leaves empty.
async fn put_cases(eyes: &TestApp, contributor: ContributorId) {
    let statements = [
        "/* test.restrict */ INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
         VALUES ($1, 'A-1', 'HIDDEN', gen_random_uuid(), now())",
        "/* test.owe */ INSERT INTO obligations
            (obligation_id, contributor_id, dataset, period_end, due_on, calendar_state, opened_at)
         VALUES (gen_random_uuid(), $1, 'account_snapshot', '2026-06-30', '2026-07-07', 'KUL', now())",
        "/* test.report */ INSERT INTO reporting_cadences (contributor_id, dataset, cadence, starts_on)
         VALUES ($1, 'application', 'MONTHLY', '2026-06-30')",
        "/* test.recall */ INSERT INTO recalls
            (recall_id, contributor_id, batch_id, state, reason, requested_by, requested_at)
         SELECT gen_random_uuid(), contributor_id, batch_id, 'requested', 'a wrong book', client_id, now()
         FROM batches WHERE contributor_id = $1 LIMIT 1",
        "/* test.land */ INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
         VALUES ('silver.account_snapshots', $1, gen_random_uuid(), 1, 1, now())",
        "/* test.pin */ INSERT INTO contract_pins (contributor_id, dataset, version, pinned_by, pinned_at)
         VALUES ($1, 'account_snapshot', 1, 'cli:one', now())",
        "/* test.apply */ INSERT INTO applications
            (subject_id, contributor_id, batch_id, record_no, publication_no, known_from, applied_at, amount_requested_sen,
             holder_role, product_type, decision, warned, application_ref, rules_version, contract)
         VALUES (gen_random_uuid(), $1, gen_random_uuid(), 1, 1, now(), now(), 50000, 0, 0, 0, false, 'B-1', 'sample',
            'application/1')",
        "/* test.repay */ INSERT INTO repayment_events
            (contributor_id, batch_id, record_no, publication_no, known_from, amount_sen, value_date, event_type, event_id,
             account_ref, content, rules_version, contract)
         VALUES ($1, gen_random_uuid(), 1, 1, now(), 2500, '2026-10-01', 1, 'E-1', 'A-1', decode(repeat('ab', 32), 'hex'),
            'sample', 'repayment_event/1')",
        "/* test.park */ INSERT INTO parked_events
            (contributor_id, batch_id, record_no, parked_at, parked_until, amount_sen, value_date, event_type, event_id,
             account_ref, content, contract)
         VALUES ($1, gen_random_uuid(), 2, now(), now(), 2500, '2026-10-01', 1, 'E-2', 'A-9',
            decode(repeat('cd', 32), 'hex'), 'repayment_event/1')",
        "/* test.doubt */ INSERT INTO identity_reviews
            (case_id, contributor_id, subject_id, batch_id, record_no, opened_at, account_ref, state, name_pair)
         SELECT gen_random_uuid(), contributor_id, gen_random_uuid(), batch_id, 1, now(), 'A-1', 'open',
            decode(repeat('01', 33), 'hex')
         FROM batches WHERE contributor_id = $1 LIMIT 1",
        "/* test.correct */ INSERT INTO corrections (correction_id, contributor_id, requested_by, records, requested_at,
            as_of_from, as_of_to, adverse, kind, state, reason, account_ref, changes)
         SELECT gen_random_uuid(), contributor_id, client_id, 1, now(), '2026-10-01', '2026-10-31', false, 'DELETE_ERROR',
            'requested', 'DUPLICATE', 'A-1', '{}'
         FROM batches WHERE contributor_id = $1 LIMIT 1",
        "/* test.bury */ INSERT INTO deletion_tombstones
            (contributor_id, case_id, deleted_at, as_of_from, as_of_to, kind, account_ref)
         SELECT contributor_id, correction_id, now(), as_of_from, as_of_to, kind, account_ref
         FROM corrections WHERE contributor_id = $1",
        "/* test.rekey */ INSERT INTO rekeys (correction_id, contributor_id, from_subject, to_subject, as_of_from, as_of_to,
            holder_role, id_type, subject_type, account_ref, token)
         SELECT correction_id, contributor_id, gen_random_uuid(), gen_random_uuid(), as_of_from, as_of_to, 0, 0, 0,
            account_ref, decode(repeat('03', 17), 'hex')
         FROM corrections WHERE contributor_id = $1",
        "/* test.redisclose */ INSERT INTO redisclosures (redisclosure_id, contributor_id, subject_id, correction_id,
            changed_at, known_from, as_of_from, change, account_ref)
         SELECT gen_random_uuid(), contributor_id, gen_random_uuid(), correction_id, now(), now(), as_of_from, 'CORRECTED',
            account_ref
         FROM corrections WHERE contributor_id = $1",
        "/* test.shadow */ INSERT INTO shadows
            (shadow_id, contributor_id, batch_id, state, requested_by, requested_at)
         SELECT gen_random_uuid(), contributor_id, batch_id, 'queued', client_id, now()
         FROM batches WHERE contributor_id = $1 LIMIT 1",
        "/* test.reconcile */ INSERT INTO reconciliations (reconciliation_id, contributor_id, asked_by, started_at,
            finished_at, whole, checks, differences, examples)
         VALUES (gen_random_uuid(), $1, 'schedule', now(), now(), false, '[]', 0, '[]')",
        "/* test.delist */ INSERT INTO delistings
            (contributor_id, account_ref, delisted_on, delisted_at, breached, client_id)
         SELECT contributor_id, 'A-1', '2026-11-02', now(), false, client_id
         FROM batches WHERE contributor_id = $1 LIMIT 1",
    ];
    for statement in statements {
        sqlx::query(statement).bind(contributor).execute(&eyes.database.pool).await.unwrap();
    }
}

fn is_append_only(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "23001")
}

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_alone_holds_the_line() {
    let eyes = TestApp::start().await;
    let (ours, theirs) = two_books(&eyes).await;
    let tables = tables_of_contributors(&eyes).await;
    // Credentials and lanes are the system's; a contributor's session sees not even its own.
    let hidden = [
        "clients",
        "identity_reviews",
        "lanes",
        "recalls",
        "reconciliations",
        "redisclosures",
        "rekeys",
        "reporting_cadences",
        "shadows",
    ];
    for table in &tables {
        let mut system = eyes.database.pool.acquire().await.unwrap();
        let all = owners(&mut system, format!("SELECT contributor_id FROM {table}")).await.unwrap();
        assert!(
            all.contains(&Some(theirs.0)) && all.contains(&Some(ours.0)),
            "the story has no rows in {table}"
        );

        let visible: BTreeSet<_> =
            if hidden.contains(&table.as_str()) { [].into() } else { [Some(ours.0)].into() };
        let mut tx = eyes.app.db.as_contributor(ours).await.unwrap();
        let seen = owners(&mut tx, format!("SELECT contributor_id FROM {table}")).await.unwrap();
        assert_eq!(seen, visible, "SELECT on {table}");
        tx.rollback().await.unwrap();
        for statement in [
            format!("UPDATE {table} SET contributor_id = contributor_id RETURNING contributor_id"),
            format!("SELECT contributor_id FROM {table} FOR UPDATE"),
        ] {
            // What is append-only refuses by itself, whoever asks, and ends the transaction.
            let mut tx = eyes.app.db.as_contributor(ours).await.unwrap();
            match owners(&mut tx, statement.clone()).await {
                Ok(touched) => assert!(touched.is_subset(&visible), "{statement}: {touched:?}"),
                Err(error) => assert!(is_append_only(&error), "{statement}: {error}"),
            }
            tx.rollback().await.unwrap();
        }

        // Nor can a row be pushed over to somebody else, or taken away from them.
        let mut tx = eyes.app.db.as_contributor(ours).await.unwrap();
        let given = sqlx::query(AssertSqlSafe(format!("UPDATE {table} SET contributor_id = $1")))
            .bind(theirs)
            .execute(&mut *tx)
            .await;
        assert!(given.map_or(true, |done| done.rows_affected() == 0), "{table}: rows were given away");
        tx.rollback().await.unwrap();
        let mut tx = eyes.app.db.as_contributor(ours).await.unwrap();
        let gone = owners(&mut tx, format!("DELETE FROM {table} RETURNING contributor_id")).await;
        assert!(gone.map_or(true, |gone| gone.is_subset(&visible)), "{table}: rows of others were deleted");
        tx.rollback().await.unwrap();
    }
    assert!(tables.len() >= 9, "{tables:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_scope_there_is_nothing() {
    let eyes = TestApp::start().await;
    two_books(&eyes).await;
    let nobody = ContributorId(Uuid::nil());
    let unguarded: Vec<String> = sqlx::query_scalar(
        "/* test.unguarded */ SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           AND NOT (relrowsecurity AND relforcerowsecurity) AND relname <> '_sqlx_migrations'",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert!(unguarded.is_empty(), "tables without forced row-level security: {unguarded:?}");

    let tables: Vec<String> = sqlx::query_scalar(
        "/* test.guarded */ SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relrowsecurity",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert!(tables.len() > 12, "{tables:?}");
    let mut tx = eyes.app.db.as_contributor(nobody).await.unwrap();
    for contributor in ["", &nobody.to_string()] {
        sqlx::query("/* test.nobody */ SELECT set_config('etr.contributor_id', $1, true)")
            .bind(contributor)
            .execute(&mut *tx)
            .await
            .unwrap();
        for table in &tables {
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            assert_eq!(rows, 0, "{table} for \"{contributor}\"");
        }
    }
}
