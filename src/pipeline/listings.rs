//! Taking a listing back, at once and outside of the monthly file (`domain.md` 6.5, delist).

use chrono::NaiveDate;
use serde_json::json;

use super::notices;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::delistings::{self, Delisting};
use crate::db::{jobs, working_days};
use crate::domain::listings::delist_by;
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId};

/// Takes the listing of an account back. Lookups are without it from the commit on. Doing it again on the same day
/// changes nothing.
///
/// # Errors
/// `NotFound` for an account that the contributor does not have, a conflict for one that is not listed, `Unprocessable`
/// for a settlement that is still to come.
pub async fn delist(
    app: &App,
    contributor: ContributorId,
    client: ClientId,
    account_ref: &str,
    settled_on: Option<NaiveDate>,
) -> Result<Delisting> {
    let today = app.clock.today();
    if settled_on.is_some_and(|day| day > today) {
        return Err(Error::unprocessable("unprocessable", "settled_on is a day that is still to come"));
    }
    let breached = match settled_on {
        Some(day) => today > delist_by(day, &working_days::of(&app.db.system, contributor).await?),
        None => false,
    };
    let delisting = Delisting {
        contributor_id: contributor,
        account_ref: account_ref.to_owned(),
        delisted_on: today,
        delisted_at: app.clock.now(),
        settled_on,
        breached,
        client_id: client,
    };
    let mut tx = app.db.system.begin().await?;
    // A publication under way folds accounts anew and would not see the delisting.
    jobs::wait_for_lane_in_tx(&mut tx, contributor).await?;
    let earlier = delistings::find(&mut *tx, contributor, account_ref, today).await?;
    let listed = delistings::is_listed(&mut *tx, contributor, account_ref).await?.ok_or(Error::NotFound)?;
    match earlier {
        Some(earlier) => return Ok(earlier),
        None if !listed => {
            return Err(Error::conflict(
                "not-listed",
                "the account is not listed: nothing of it is shown as a listing, and nothing needs to be taken back",
            ));
        }
        None => delistings::insert_in_tx(&mut tx, &delisting).await?,
    }
    notices::enter_delisting_in_tx(&mut tx, &delisting).await?;
    let object_id = format!("{contributor} {account_ref}");
    let entry = Entry {
        at: delisting.delisted_at,
        actor_client: Some(client),
        actor: "client",
        action: "listing.delist",
        object_kind: "account",
        object_id: &object_id,
        outcome: "done",
        detail: json!({ "settled_on": settled_on, "breached": breached }),
    };
    audit::record(&mut *tx, &entry).await?;
    tx.commit().await?;
    if breached {
        metrics::counter!("etr_listings_delisted_late_total").increment(1);
    }
    Ok(delisting)
}
