//! The serving store from the lake alone: a million accounts of six months. Lost altogether, and compared when nothing is lost.

use std::time::Instant;

use anyhow::{Result, ensure};
use etrplus::app::App;
use etrplus::commands::serve;
use etrplus::ids::ContributorId;
use etrplus::pipeline::curate::{self, FED};
use etrplus::pipeline::rebuild::serving::{self, Order};
use etrplus::pipeline::reconcile::{self, Scope};
use sqlx::{Connection as _, PgConnection};

use crate::Scale;
use crate::report;
use crate::world::World;

const MONTHS: i64 = 6;

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    let accounts: i64 = scale.pick(20_000, 1_000_000, 1_000_000);
    println!("rebuild: {accounts} accounts of {MONTHS} months, from the lake to the serving store");
    let mut database = world.database().await?;
    database.switch_lake_on();
    let app = serve::wire(database.config()?).await?;
    put(&database.url, database.contributor_id, accounts).await?;
    let begun = Instant::now();
    let rows = land(&app).await?;
    let seconds = begun.elapsed().as_secs_f64();
    report::line("landing it first", &format!("{seconds:.1} s, {:.0} rows/s", rows as f64 / seconds));

    let lost = rebuild(&app, false).await?;
    ensure!(lost.1 == accounts, "{} accounts were put in place", lost.1);
    report::line("everything lost", &format!("{:.1} s, {:.0} rows/s", lost.0, rows as f64 / lost.0));
    let same = rebuild(&app, true).await?;
    ensure!(same.1 == 0, "{} accounts differ", same.1);
    report::line("nothing lost, compared", &format!("{:.1} s", same.0));
    let begun = Instant::now();
    let scope = Scope {
        contributor: database.contributor_id,
        // These batches have no bytes that could be read: their accounts and rows are compared alone.
        since: Some(app.clock.now() + chrono::TimeDelta::days(1)),
        whole: false,
        asked_by: "benchmark".into(),
        after: None,
        until: None,
    };
    let done = reconcile::contributor(&app, &scope, &mut |_, _| {}).await?;
    let accounts_apart =
        done.checks.iter().find(|check| check.check == "accounts").map(|check| check.differences);
    ensure!(accounts_apart == Some(0), "the journal says otherwise: {accounts_apart:?}");
    report::line("reconciliation of the same", &format!("{:.1} s", begun.elapsed().as_secs_f64()));
    app.db.close().await;
    Ok(())
}

/// Seconds, and how many accounts differed.
async fn rebuild(app: &App, compare_only: bool) -> Result<(f64, i64)> {
    let order = Order { compare_only, asked_by: "benchmark".into() };
    let begun = Instant::now();
    let rebuilt = serving::rebuild(app, &order, &mut |_, _, _| {}).await?;
    let differences =
        rebuilt.iter().filter_map(|one| one.compared.as_ref()).map(|compared| compared.differences).sum();
    Ok((begun.elapsed().as_secs_f64(), differences))
}

async fn land(app: &App) -> Result<u64> {
    let mut rows = 0;
    for fed in FED {
        rows += curate::land(app, fed).await?;
    }
    Ok(rows)
}

/// A book of each month in the journal, as publications leave it, without the accounts that they add up to.
async fn put(url: &str, contributor: ContributorId, accounts: i64) -> Result<()> {
    let mut database = PgConnection::connect(url).await?;
    for statement in [
        "INSERT INTO batches (batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state, sha256,
             received_bytes, receipt, received_at, idempotency_key, content_type, content_encoding, stored_encoding,
             object_key, created_at, receiving_until, received_records, accepted_records, rejected_records, duplicate_records,
             unprocessed_records, warned_records, published_at, publication_no, rules_version)
         SELECT ('00000000-0000-4000-8000-' || lpad(m::text, 12, '0'))::uuid, $1, (SELECT client_id FROM clients WHERE contributor_id = $1 LIMIT 1),
             'account_snapshot', 'DELTA', date '2026-04-30' + m::integer * 30, '{\"schema_version\": \"1\"}', 'published', sha256(''), 0, 'none',
             now(), m::text, 'text/csv', 'identity', 'identity', 'bronze/none', now(), now(), $2, $2, 0, 0, 0, 0, now(), m, 'benchmark'
         FROM generate_series(1, $3) m",
        "INSERT INTO account_snapshots (subject_id, contributor_id, batch_id, record_no, publication_no, known_from,
             outstanding_sen, overdue_sen, original_amount_sen, as_of_date, opened_date, status_date, instalments_total,
             instalments_paid, dpd, holder_role, product_type, portfolio_type, status, restructured, hardship, legal_action,
             contributor_dispute, listing_requested, account_ref, currency, rules_version, contract)
         SELECT md5('subject ' || n)::uuid, $1, ('00000000-0000-4000-8000-' || lpad(m::text, 12, '0'))::uuid, n, m, now(),
             500000 - m * 10000, 0, 600000, date '2026-04-30' + m::integer * 30, '2025-01-15', '2025-01-15', 24, m, 0, 0, 2, 0, 0,
             false, false, false, false, false, 'PLAN-' || n, 'MYR', 'benchmark', 'account_snapshot/1'
         FROM generate_series(1, $3) m, generate_series(1, $2) n",
        "INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from, state)
         SELECT t.name, $1, b.batch_id, b.publication_no, t.rows, now() - interval '1 hour', t.state
         FROM batches b, (VALUES ('silver.account_snapshots', $2, NULL), ('silver.batches', 1::bigint, 'published'))
             AS t (name, rows, state)
         WHERE b.contributor_id = $1 AND $3 > 0 ORDER BY b.publication_no",
        "SELECT setval('publication_numbers', 100) WHERE $1 IS NOT NULL AND $2 > 0 AND $3 > 0",
    ] {
        sqlx::query(statement).bind(contributor).bind(accounts).bind(MONTHS).execute(&mut database).await?;
    }
    sqlx::query("ANALYZE").execute(&mut database).await?;
    database.close().await?;
    Ok(())
}
