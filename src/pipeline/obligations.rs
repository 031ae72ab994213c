//! What contributors owe: opened and found late by the schedule, waived and arranged by operators.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::json;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::obligations::{self, NewObligation, Obligation};
use crate::db::{contributors, holidays, reporting, schedules};
use crate::domain::calendar::{CalendarState, Change};
use crate::domain::contract::Dataset;
use crate::domain::obligations::{Cadence, ObligationState, due_on, monthly_periods};
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId, ObligationId};
use crate::privacy::random;

/// The name of [`open`] in the schedule.
pub const OPEN_OBLIGATIONS: &str = "open_obligations";
/// How many are found late in one go.
const PORTION: i64 = 500;

/// Opens what active contributors owe up to the running period, and moves due dates when a holiday came up; says how
/// many rows it changed. What it does follows from its tables, so that twice is as good as once.
pub async fn open(app: &App) -> Result<u64> {
    let pool = &app.db.system;
    let calendar = holidays::calendar(pool).await?;
    let today = app.clock.today();
    let mut new = Vec::new();
    for owed in reporting::of_active(pool).await? {
        if owed.cadence == Cadence::None {
            continue;
        }
        new.extend(monthly_periods(owed.starts_on, today).map(|period_end| NewObligation {
            id: ObligationId(random::uuid_v4()),
            contributor_id: owed.contributor_id,
            dataset: owed.dataset,
            period_end,
            due_on: due_on(period_end, &calendar, owed.calendar_state),
            calendar_state: owed.calendar_state,
        }));
    }
    let opened = obligations::open(pool, &new, app.clock.now()).await?;
    let open = obligations::open_on(pool, today).await?;
    let later: Vec<(ObligationId, NaiveDate)> = open
        .into_iter()
        .filter_map(|(id, period_end, due, state)| {
            let counted = due_on(period_end, &calendar, CalendarState::parse(&state)?);
            (counted > due).then_some((id, counted))
        })
        .collect();
    Ok(opened + obligations::postpone(pool, &later).await?)
}

/// Finds the obligations whose due date has passed without a batch in time; says how many. Each is written down and
/// audited once, in one transaction of its own.
pub async fn find_late(app: &App) -> Result<u64> {
    let mut found = 0;
    loop {
        let today = app.clock.today();
        let overdue = obligations::overdue(&app.db.system, today, PORTION).await?;
        let late: Vec<&Obligation> =
            overdue.iter().filter(|one| one.facts.state(today) == ObligationState::Late).collect();
        let mut written = 0;
        for obligation in &late {
            written += u64::from(write_down(app, obligation, today).await?);
        }
        found += written;
        if written == 0 || (overdue.len() as i64) < PORTION {
            return Ok(found);
        }
    }
}

async fn write_down(app: &App, obligation: &Obligation, today: NaiveDate) -> Result<bool> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    if !obligations::mark_late_in_tx(&mut tx, obligation.id, now).await? {
        return Ok(false);
    }
    let object_id = obligation.id.to_string();
    let entry = Entry {
        at: now,
        actor_client: None,
        actor: "schedule",
        action: "obligation.late",
        object_kind: "obligation",
        object_id: &object_id,
        outcome: "done",
        detail: json!({
            "contributor": obligation.slug, "dataset": obligation.dataset,
            "period_end": obligation.facts.period_end, "due_on": obligation.facts.due_on,
            "days_late": obligation.facts.days_late(today), "batch_id": obligation.batch_id,
        }),
    };
    audit::record(&mut *tx, &entry).await?;
    tx.commit().await?;
    metrics::counter!("etr_obligations_found_late_total", "dataset" => obligation.dataset.as_str())
        .increment(1);
    tracing::warn!(
        contributor = obligation.slug, dataset = obligation.dataset.as_str(),
        period_end = %obligation.facts.period_end, due_on = %obligation.facts.due_on, "an obligation is late"
    );
    Ok(true)
}

/// Lets a contributor off. One that is waived already stays as it was waived.
///
/// # Errors
/// `NotFound`.
pub async fn waive(app: &App, client: ClientId, id: ObligationId, reason: &str) -> Result<Obligation> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    if obligations::waive_in_tx(&mut tx, id, client, now, reason).await? {
        let object_id = id.to_string();
        let entry = by_operator(app, client, "obligation.waive", ("obligation", &object_id), json!({}));
        audit::record(&mut *tx, &entry).await?;
    }
    let obligation = obligations::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(obligation)
}

/// What a contributor owes from now on; what was opened before stays, and is waived where it should not be.
pub struct Arrangement {
    pub calendar_state: CalendarState,
    /// Cadence and a day of the first period, by dataset; others go by the default.
    pub cadences: BTreeMap<Dataset, (Cadence, NaiveDate)>,
}

/// Arranges what a contributor owes, and has it opened soon.
///
/// # Errors
/// `NotFound`; `Unprocessable` for a dataset that is not in the contributor's agreement.
pub async fn arrange(
    app: &App,
    client: ClientId,
    slug: &str,
    arranged: &Arrangement,
) -> Result<ContributorId> {
    let contributor = contributors::find_by_slug(&app.db.system, slug).await?.ok_or(Error::NotFound)?;
    if !arranged.cadences.keys().all(|dataset| contributor.terms.datasets.contains(dataset)) {
        return Err(Error::unprocessable(
            "unprocessable",
            "a dataset is not in the contributor's agreement; nothing was changed",
        ));
    }
    let id = contributor.contributor_id;
    let cadences: Vec<_> =
        arranged.cadences.iter().map(|(dataset, (cadence, from))| (*dataset, *cadence, *from)).collect();
    let mut tx = app.db.system.begin().await?;
    reporting::replace_in_tx(&mut tx, id, arranged.calendar_state, &cadences).await?;
    schedules::request_in_tx(&mut *tx, OPEN_OBLIGATIONS).await?;
    let detail = json!({ "calendar_state": arranged.calendar_state, "cadences": cadences });
    let object_id = id.to_string();
    let entry = by_operator(app, client, "contributor.arrange", ("contributor", &object_id), detail);
    audit::record(&mut *tx, &entry).await?;
    tx.commit().await?;
    Ok(id)
}

/// Says of a day in some states that it is a holiday or worked after all; due dates follow soon.
pub async fn change_calendar(app: &App, client: ClientId, changes: &[Change]) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    holidays::put_in_tx(&mut *tx, changes, client, now).await?;
    schedules::request_in_tx(&mut *tx, OPEN_OBLIGATIONS).await?;
    for change in changes {
        let object_id = format!("{} {}", change.day, change.state.as_str());
        let detail = json!({ "kind": change.kind, "name": change.name });
        let entry = by_operator(app, client, "holiday.put", ("holiday", &object_id), detail);
        audit::record(&mut *tx, &entry).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn by_operator<'a>(
    app: &App,
    client: ClientId,
    action: &'a str,
    (object_kind, object_id): (&'a str, &'a str),
    detail: serde_json::Value,
) -> Entry<'a> {
    let at = app.clock.now();
    Entry {
        at,
        actor_client: Some(client),
        actor: "operator",
        action,
        object_kind,
        object_id,
        outcome: "done",
        detail,
    }
}
