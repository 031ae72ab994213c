//! Telling recipients that what they were told is corrected (`domain.md` 6.5).
//!
//! What changed is entered in the transaction of the change. Who was told is found afterwards, by the schedule: an answer
//! that was prepared before the change may leave its footprint after it, so the recipients are looked for when such
//! answers are all written down. A client that asked in between, or while the account was kept back, gets a notice too many,
//! which costs it one question; none is left out.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::corrections::Correction;
use crate::db::delistings::Delisting;
use crate::db::redisclosures::{self, Notice, Redisclosure, Told};
use crate::error::{Error, Result};
use crate::ids::{ClientId, NoticeId, RedisclosureId};
use crate::privacy::random;

/// Longer than any answer waits between what it read and its footprint.
const SETTLING: TimeDelta = TimeDelta::seconds(60);
/// Changes whose notices are made in one transaction.
const PORTION: i64 = 20;

/// What an account told before a correction, and since when.
pub struct Before {
    pub told: Vec<Told>,
    pub known_from: DateTime<Utc>,
    pub as_of_from: NaiveDate,
}

/// Enters what a correction changed of what is told: of each holder who was told of before.
pub async fn enter_correction_in_tx(
    tx: &mut PgConnection,
    correction: &Correction,
    before: &Before,
    at: DateTime<Utc>,
) -> Result<()> {
    let after = redisclosures::told(&mut *tx, correction.contributor_id, &correction.account_ref).await?;
    for was in before.told.iter().filter(|was| !after.contains(was)) {
        let remains = after.iter().any(|is| is.subject_id == was.subject_id);
        let change = Redisclosure {
            redisclosure_id: RedisclosureId(random::uuid_v7(at)),
            contributor_id: correction.contributor_id,
            account_ref: correction.account_ref.clone(),
            subject_id: was.subject_id,
            correction_id: Some(correction.correction_id),
            change: if remains { "CORRECTED" } else { "REMOVED" }.to_owned(),
            changed_at: at,
            known_from: before.known_from,
            as_of_from: before.as_of_from,
            seen_at: None,
            noticed_at: None,
        };
        redisclosures::insert(&mut *tx, &change).await?;
    }
    Ok(())
}

/// Enters that a listing which was told of is taken back.
pub async fn enter_delisting_in_tx(tx: &mut PgConnection, delisting: &Delisting) -> Result<()> {
    for listed in redisclosures::listed(&mut *tx, delisting.contributor_id, &delisting.account_ref).await? {
        let change = Redisclosure {
            redisclosure_id: RedisclosureId(random::uuid_v7(delisting.delisted_at)),
            contributor_id: delisting.contributor_id,
            account_ref: delisting.account_ref.clone(),
            subject_id: listed.subject_id,
            correction_id: None,
            change: "DELISTED".to_owned(),
            changed_at: delisting.delisted_at,
            known_from: listed.known_from,
            as_of_from: listed.as_of_from,
            seen_at: None,
            noticed_at: None,
        };
        redisclosures::insert(&mut *tx, &change).await?;
    }
    Ok(())
}

/// Makes the notices of changes that have settled; says how many. A function of the schedule.
pub async fn send(app: &App) -> Result<u64> {
    let unseen = redisclosures::unseen(&app.db.system).await?;
    // Taken now that they are known to be committed: an answer that is dated later and read before settles until then.
    let now = app.clock.now();
    redisclosures::set_seen(&app.db.system, &unseen, now).await?;
    let mut sent = 0;
    loop {
        let mut tx = app.db.system.begin().await?;
        let waiting = redisclosures::waiting_in_tx(&mut tx, now - SETTLING, PORTION).await?;
        if waiting.is_empty() {
            return Ok(sent);
        }
        for change in &waiting {
            sent += notify_in_tx(&mut tx, change, now).await?;
        }
        tx.commit().await?;
    }
}

async fn notify_in_tx(tx: &mut PgConnection, change: &Redisclosure, now: DateTime<Utc>) -> Result<u64> {
    let told_until = change.seen_at.unwrap_or(now) + SETTLING;
    let recipients = redisclosures::recipients(&mut *tx, change, told_until).await?;
    for recipient in &recipients {
        let id = NoticeId(random::uuid_v7(now));
        redisclosures::insert_notice(&mut *tx, (id, change.redisclosure_id), recipient, now).await?;
    }
    redisclosures::set_noticed_in_tx(tx, change.redisclosure_id, now).await?;
    let object_id = change.redisclosure_id.to_string();
    let entry = Entry {
        at: now,
        actor_client: None,
        actor: "schedule",
        action: "redisclosure.notify",
        object_kind: "redisclosure",
        object_id: &object_id,
        outcome: "done",
        detail: json!({ "change": change.change, "correction_id": change.correction_id, "recipients": recipients.len() }),
    };
    audit::record(&mut *tx, &entry).await?;
    Ok(recipients.len() as u64)
}

/// Notes that a client has read its notice. Doing it again changes nothing.
///
/// # Errors
/// `NotFound` for a notice that is not the client's.
pub async fn acknowledge(app: &App, client: ClientId, id: NoticeId) -> Result<Notice> {
    let mut tx = app.db.system.begin().await?;
    let notice = redisclosures::acknowledge_in_tx(&mut tx, id, client, app.clock.now()).await?;
    let notice = notice.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(notice)
}
