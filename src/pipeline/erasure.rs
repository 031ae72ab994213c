//! Persons who were erased by a legal order: their tombstone, which keeps them out (L009).
//!
//! A tombstone holds for every batch that is not published yet: whoever is judged after it is refused, and a batch that
//! was judged before it is judged again (`refine/publish`). Putting one waits for the batches that are being published.
//! Whoever erases a person puts it first, so that nothing comes back behind the eraser. Results of archive queries that tell
//! of the person expire with it.

use serde_json::json;

use crate::access::Principal;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::erasure_tombstones::{self, Tombstone};
use crate::db::{archive_queries, lineage};
use crate::domain::identity::NormalisedId;
use crate::error::{Error, Result};

/// Puts a tombstone for an identifier, which itself is kept nowhere. Where there is one already it stays, with its case.
pub async fn put_tombstone(
    app: &App,
    operator: &Principal,
    person: &NormalisedId,
    case_id: &str,
) -> Result<Tombstone> {
    let token = app.keys.token(person.id_type(), person.as_str());
    let new = Tombstone { case_id: case_id.to_owned(), erased_at: app.clock.now() };
    let mut tx = app.db.system.begin().await?;
    if erasure_tombstones::insert(&mut *tx, &token, &new).await? {
        let expired = archive_queries::expire_of_person_in_tx(&mut tx, &token, new.erased_at).await?;
        let actor = format!("client:{}", operator.client_id);
        let entry = Entry {
            at: new.erased_at,
            actor_client: Some(operator.client_id),
            actor: &actor,
            action: "person.erase",
            object_kind: "erasure_tombstone",
            object_id: case_id,
            outcome: "ok",
            detail: json!({ "id_type": person.id_type(), "archive_results_expired": expired }),
        };
        audit::record(&mut *tx, &entry).await?;
        let edge = ("case", case_id, "erasure_tombstones", case_id);
        lineage::insert_unowned_edge(&mut tx, edge, new.erased_at).await?;
        tx.commit().await?;
        return Ok(new);
    }
    erasure_tombstones::find(&mut *tx, &token).await?.ok_or(Error::NotFound)
}
