//! What the queue and the batches look like from outside, for the metrics.

use std::time::Duration;

use chrono::TimeDelta;

use crate::app::App;
use crate::db::{batches, jobs, lake_entries, lineage_outbox, obligations, reconciliations, schedules};
use crate::domain::batch::State;
use crate::domain::calendar;
use crate::domain::contract::Dataset;
use crate::error::Result;
use crate::pipeline::curate::FED;

/// How old a gauge may be.
const EVERY: Duration = Duration::from_secs(10);

/// Keeps the gauges up to date until the task is dropped.
pub async fn keep(app: &App) {
    loop {
        if let Err(error) = update(app).await {
            tracing::debug!(%error, "gauges keep their last value");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn update(app: &App) -> Result<()> {
    let stats = jobs::stats(&app.db.system).await?;
    metrics::gauge!("etr_jobs", "state" => "queued").set(stats.queued as f64);
    metrics::gauge!("etr_jobs", "state" => "dead").set(stats.dead as f64);
    metrics::gauge!("etr_leased_lanes").set(stats.leased_lanes as f64);
    metrics::gauge!("etr_oldest_lease_seconds").set(stats.oldest_lease_seconds);
    metrics::gauge!("etr_oldest_queued_seconds").set(stats.oldest_queued_seconds);
    let counts = batches::count_by_state(&app.db.system).await?;
    for state in State::ALL {
        let count = counts.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, count)| *count);
        metrics::gauge!("etr_batches", "state" => state.as_str()).set(count as f64);
    }
    metrics::gauge!("etr_calendar_days_left").set(calendar::days_left(app.clock.today()) as f64);
    let missing = obligations::count_missing(&app.db.system).await?;
    for dataset in Dataset::ALL {
        let count = missing.iter().find(|(word, _)| word == dataset.as_str()).map_or(0, |(_, count)| *count);
        metrics::gauge!("etr_obligations_late", "dataset" => dataset.as_str()).set(count as f64);
    }
    update_reconciliation(app).await?;
    for table in FED {
        let name = table.table.full_name();
        metrics::gauge!("etr_lake_oldest_seconds", "table" => name.clone()).set(0.0);
        metrics::gauge!("etr_lake_waiting_rows", "table" => name).set(0.0);
    }
    for (table, oldest_seconds, rows) in lake_entries::backlog(&app.db.system).await? {
        metrics::gauge!("etr_lake_oldest_seconds", "table" => table.clone()).set(oldest_seconds);
        metrics::gauge!("etr_lake_waiting_rows", "table" => table).set(rows as f64);
    }
    let backlog = lineage_outbox::backlog(&app.db.system).await?;
    metrics::gauge!("etr_lineage_outbox_events").set(backlog.events as f64);
    metrics::gauge!("etr_lineage_outbox_oldest_seconds").set(backlog.oldest_seconds);
    for schedule in schedules::list(&app.db.system).await? {
        let failing = if schedule.last_error.is_some() { 1.0 } else { 0.0 };
        metrics::gauge!("etr_schedule_late_seconds", "name" => schedule.name.clone())
            .set(schedule.late_seconds);
        metrics::gauge!("etr_schedule_failing", "name" => schedule.name).set(failing);
    }
    Ok(())
}

/// What the comparisons of the last day found, and how long the contributor waits that was not compared for longest.
async fn update_reconciliation(app: &App) -> Result<()> {
    let now = app.clock.now();
    for (check, differences) in reconciliations::stats(&app.db.system, now - TimeDelta::days(1)).await? {
        metrics::gauge!("etr_reconciliation_differences", "check" => check).set(differences as f64);
    }
    let waited = reconciliations::oldest_seconds(&app.db.system, now).await?;
    metrics::gauge!("etr_reconciliation_oldest_seconds").set(waited);
    Ok(())
}
