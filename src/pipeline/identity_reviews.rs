//! Deciding whose account it is, when its name contradicted the one that its identifier is known by (I014).

use serde_json::json;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::identity_reviews::{self, IdentityReview};
use crate::db::serving_restrictions::{self, Restriction};
use crate::db::{jobs, lineage};
use crate::error::{Error, Result};
use crate::ids::{CaseId, ClientId};

/// What an operator found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Two names of one person: the account is served.
    SamePerson,
    /// The identifier is another person's: the account stays hidden until it is keyed to the right one.
    OtherPerson,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::SamePerson => "same_person",
            Outcome::OtherPerson => "other_person",
        }
    }
}

/// Decides a case. Deciding the same again changes nothing.
///
/// # Errors
/// `conflict` when it was decided otherwise.
pub async fn resolve(app: &App, operator: ClientId, id: CaseId, outcome: Outcome) -> Result<IdentityReview> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let review = identity_reviews::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    // A publication or a recall under way folds accounts anew and would not see the decision.
    jobs::wait_for_lane_in_tx(&mut tx, review.contributor_id).await?;
    let decided = identity_reviews::decide_in_tx(&mut tx, id, outcome.as_str(), operator, now).await?;
    let review = identity_reviews::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    if !decided {
        if review.state == outcome.as_str() {
            return Ok(review);
        }
        let text = format!("the case was decided already: {}", review.state);
        return Err(Error::conflict("conflict", text));
    }
    if outcome == Outcome::SamePerson {
        let account = (review.contributor_id, review.account_ref.as_str());
        serving_restrictions::lift_in_tx(&mut tx, account, Restriction::InReview, id.0, now).await?;
    }
    let case = id.to_string();
    let entry = Entry {
        at: now,
        actor_client: Some(operator),
        actor: "operator",
        action: "identity_review.resolve",
        object_kind: "identity_review",
        object_id: &case,
        outcome: "done",
        detail: json!({ "outcome": outcome.as_str(), "batch_id": review.batch_id, "record_no": review.record_no }),
    };
    audit::record(&mut *tx, &entry).await?;
    let edges = [
        ("batch", review.batch_id.to_string(), "identity_review", case.clone()),
        ("identity_review", case.clone(), "serving_store", "accounts".to_owned()),
    ];
    let edges = edges.each_ref().map(|(from, a, to, b)| (*from, a.as_str(), *to, b.as_str()));
    lineage::insert_edges(&mut tx, review.contributor_id, review.batch_id, &edges, now).await?;
    tx.commit().await?;
    Ok(review)
}
