//! An operator's request to run a function of the schedule now.

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::schedules::{self, Schedule};
use crate::error::{Error, Result};
use crate::ids::ClientId;

/// Makes a function due: a worker takes it up within seconds, or right after the run that is going on.
///
/// # Errors
/// `NotFound` when no function of that name was ever run.
pub async fn request(app: &App, client: ClientId, name: &str) -> Result<Schedule> {
    let mut tx = app.db.system.begin().await?;
    if !schedules::request_in_tx(&mut *tx, name).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry {
        at: app.clock.now(),
        actor_client: Some(client),
        actor: "operator",
        action: "schedule.request",
        object_kind: "schedule",
        object_id: name,
        outcome: "done",
        detail: serde_json::json!({}),
    };
    audit::record(&mut *tx, &entry).await?;
    let schedule = schedules::find(&mut *tx, name).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(schedule)
}
