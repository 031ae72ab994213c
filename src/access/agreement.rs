//! What operators agree for one contributor: overrides of rules and constants. Two operators each time, never the
//! same; nothing holds before the second one has agreed. Each deed and its audit entry are one transaction, and doing
//! it twice changes nothing.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use super::principal::Principal;
use crate::audit;
use crate::clock::Clock;
use crate::db::approvals::{Approval, Signature};
use crate::db::constants::{self, StoredConstant};
use crate::db::contributors::{self, Contributor};
use crate::db::overrides::{self, Override};
use crate::db::{self, Db};
use crate::domain::contract::{Constant, Dataset, Field};
use crate::domain::dates;
use crate::domain::rules::{Code, Effect, LONGEST_OVERRIDE_DAYS, RuleOverride, may_soften};
use crate::error::{Error, Result};
use crate::ids::{ClientId, ConstantId, ContributorId, OverrideId};
use crate::privacy::random;

/// Who signs.
#[derive(Clone, Debug)]
pub struct Operator {
    /// `client:<id>` or `cli:<name>`: one word for one person, as far as we can tell.
    pub name: String,
    pub client: Option<ClientId>,
}

impl Operator {
    /// The client of a request.
    pub fn client(principal: &Principal) -> Operator {
        Operator { name: format!("client:{}", principal.client_id), client: Some(principal.client_id) }
    }

    /// A person at the command line; the same one however the name is typed.
    pub fn cli(name: &str) -> Operator {
        Operator { name: format!("cli:{}", name.trim().to_lowercase()), client: None }
    }
}

/// An override to ask for.
#[derive(Clone, Debug)]
pub struct NewOverride {
    pub code: Code,
    pub effect: Effect,
    /// For whoever reads the batch's report in a year; no personal data.
    pub reason: String,
    /// The day of the request when absent.
    pub starts_on: Option<NaiveDate>,
    /// The last day on which it holds, at most [`LONGEST_OVERRIDE_DAYS`] after the first.
    pub expires_on: NaiveDate,
}

/// A constant to ask for.
#[derive(Clone, Debug)]
pub struct NewConstant {
    pub dataset: Dataset,
    pub field: Field,
    /// Amounts in sen, dates `YYYY-MM-DD`.
    pub value: String,
    pub reason: String,
}

/// Makes and ends agreements in the name of one operator.
pub struct Agreements<'a> {
    pub db: &'a Db,
    pub clock: &'a Clock,
    pub operator: &'a Operator,
}

/// Whether a signature is still to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Sign,
    Done,
}

/// Four eyes: whether this operator may agree to what another one asked for.
fn turn_to_approve(approval: &Approval, operator: &str) -> Result<Turn> {
    if approval.requested_by == operator {
        return Err(Error::conflict(
            "same-operator",
            "whoever asked cannot agree as well; another operator has to",
        ));
    }
    if approval.revoked_at.is_some() {
        return Err(Error::conflict("conflict", "it was revoked and stays so; ask for a new one"));
    }
    Ok(if approval.approved_at.is_some() { Turn::Done } else { Turn::Sign })
}

impl Agreements<'_> {
    /// Asks for an override of a rule. The same request again is the same override.
    ///
    /// # Errors
    /// `NotFound` for the contributor; `Unprocessable` for a rule that cannot be softened or a time that is not
    /// allowed; `Conflict` when another override of the rule starts on that day.
    pub async fn request_override(&self, slug: &str, new: &NewOverride) -> Result<Override> {
        let contributor = self.contributor(slug).await?;
        may_soften(new.code, new.effect).map_err(|why| Error::unprocessable("unprocessable", why))?;
        check_reason(&new.reason)?;
        let asked = Override {
            contributor_id: contributor.contributor_id,
            agreed: self.checked_time(new)?,
            reason: new.reason.clone(),
            approval: Approval::requested(&self.operator.name, self.clock.now()),
        };
        let mut tx = self.db.system.begin().await?;
        let agreed = &asked.agreed;
        if !overrides::insert(&mut *tx, &asked).await? {
            let open = overrides::find_open(&mut *tx, asked.contributor_id, agreed.code, agreed.starts_on);
            let same = |found: &Override| {
                (found.agreed.effect, found.agreed.expires_on, &found.reason)
                    == (agreed.effect, agreed.expires_on, &asked.reason)
            };
            let taken = "an override of this rule starts on that day already; revoke it first";
            return open.await?.filter(same).ok_or_else(|| Error::conflict("conflict", taken));
        }
        let detail = json!({
            "contributor_id": asked.contributor_id, "code": agreed.code, "effect": agreed.effect,
            "starts_on": agreed.starts_on, "expires_on": agreed.expires_on, "reason": asked.reason,
        });
        self.record(&mut tx, "override.request", ("override", &agreed.override_id.to_string()), detail)
            .await?;
        tx.commit().await?;
        Ok(asked)
    }

    fn checked_time(&self, new: &NewOverride) -> Result<RuleOverride> {
        let today = dates::business_date(self.clock.now());
        let starts_on = new.starts_on.unwrap_or(today);
        let invalid = |public| Err(Error::unprocessable("unprocessable", public));
        if new.expires_on < starts_on || new.expires_on < today {
            return invalid("the last day must not be before the first, nor before today");
        }
        if new.expires_on - starts_on > TimeDelta::days(LONGEST_OVERRIDE_DAYS) {
            return invalid("an override holds for at most 366 days; ask again when it ends");
        }
        Ok(RuleOverride {
            override_id: OverrideId(random::uuid_v4()),
            code: new.code,
            effect: new.effect,
            starts_on,
            expires_on: new.expires_on,
        })
    }

    /// Agrees to an override, as another operator than who asked.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with code `same-operator`, or when it is revoked.
    pub async fn approve_override(&self, id: OverrideId) -> Result<Override> {
        let mut tx = self.db.system.begin().await?;
        let mut found = overrides::find_locked_in_tx(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if turn_to_approve(&found.approval, &self.operator.name)? == Turn::Sign {
            let signature = self.signature();
            overrides::approve(&mut *tx, id, signature).await?;
            signed(&mut found.approval.approved_by, &mut found.approval.approved_at, signature);
            let place = ("override", id.to_string());
            self.record(&mut tx, "override.approve", (place.0, &place.1), json!({})).await?;
            tx.commit().await?;
        }
        Ok(found)
    }

    /// Ends an override: from now on nothing is judged under it. Verdicts that were reached stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_override(&self, id: OverrideId) -> Result<Override> {
        let mut tx = self.db.system.begin().await?;
        let mut found = overrides::find_locked_in_tx(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if found.approval.revoked_at.is_none() {
            let signature = self.signature();
            overrides::revoke(&mut *tx, id, signature).await?;
            signed(&mut found.approval.revoked_by, &mut found.approval.revoked_at, signature);
            let place = ("override", id.to_string());
            self.record(&mut tx, "override.revoke", (place.0, &place.1), json!({})).await?;
            tx.commit().await?;
        }
        Ok(found)
    }

    /// Asks for a constant. The same request again is the same constant.
    ///
    /// # Errors
    /// `NotFound` for the contributor; `Unprocessable` for a field that takes no constant, or not this one; `Conflict`
    /// when the field has another constant.
    pub async fn request_constant(&self, slug: &str, new: &NewConstant) -> Result<StoredConstant> {
        let contributor = self.contributor(slug).await?;
        Constant::parse(new.dataset, new.field, &new.value)
            .map_err(|why| Error::unprocessable("unprocessable", why))?;
        check_reason(&new.reason)?;
        let asked = StoredConstant {
            constant_id: ConstantId(random::uuid_v4()),
            contributor_id: contributor.contributor_id,
            dataset: new.dataset.as_str().to_owned(),
            field: new.field.name().to_owned(),
            value: new.value.clone(),
            reason: new.reason.clone(),
            approval: Approval::requested(&self.operator.name, self.clock.now()),
        };
        let mut tx = self.db.system.begin().await?;
        if !constants::insert(&mut *tx, &asked).await? {
            let open = constants::find_open(&mut *tx, asked.contributor_id, &asked.dataset, &asked.field);
            let same =
                |found: &StoredConstant| (&found.value, &found.reason) == (&asked.value, &asked.reason);
            let taken = "the field has another constant; revoke it first";
            return open.await?.filter(same).ok_or_else(|| Error::conflict("conflict", taken));
        }
        let detail = json!({
            "contributor_id": asked.contributor_id, "dataset": asked.dataset, "field": asked.field,
            "value": asked.value, "reason": asked.reason,
        });
        self.record(&mut tx, "constant.request", ("constant", &asked.constant_id.to_string()), detail)
            .await?;
        tx.commit().await?;
        Ok(asked)
    }

    /// Agrees to a constant, as another operator than who asked.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with code `same-operator`, or when it is revoked.
    pub async fn approve_constant(&self, id: ConstantId) -> Result<StoredConstant> {
        let mut tx = self.db.system.begin().await?;
        let mut found = constants::find_locked_in_tx(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if turn_to_approve(&found.approval, &self.operator.name)? == Turn::Sign {
            let signature = self.signature();
            constants::approve(&mut *tx, id, signature).await?;
            signed(&mut found.approval.approved_by, &mut found.approval.approved_at, signature);
            let place = ("constant", id.to_string());
            self.record(&mut tx, "constant.approve", (place.0, &place.1), json!({})).await?;
            tx.commit().await?;
        }
        Ok(found)
    }

    /// Ends a constant: from now on the field must be sent.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_constant(&self, id: ConstantId) -> Result<StoredConstant> {
        let mut tx = self.db.system.begin().await?;
        let mut found = constants::find_locked_in_tx(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if found.approval.revoked_at.is_none() {
            let signature = self.signature();
            constants::revoke(&mut *tx, id, signature).await?;
            signed(&mut found.approval.revoked_by, &mut found.approval.revoked_at, signature);
            let place = ("constant", id.to_string());
            self.record(&mut tx, "constant.revoke", (place.0, &place.1), json!({})).await?;
            tx.commit().await?;
        }
        Ok(found)
    }

    async fn contributor(&self, slug: &str) -> Result<Contributor> {
        contributors::find_by_slug(&self.db.system, slug).await?.ok_or(Error::NotFound)
    }

    fn signature(&self) -> Signature<'_> {
        Signature { by: &self.operator.name, at: self.clock.now() }
    }

    async fn record(
        &self,
        connection: &mut db::Connection,
        action: &str,
        (object_kind, object_id): (&str, &str),
        detail: Value,
    ) -> Result<()> {
        let entry = audit::Entry {
            at: self.clock.now(),
            actor_client: self.operator.client,
            actor: &self.operator.name,
            action,
            object_kind,
            object_id,
            outcome: "ok",
            detail,
        };
        audit::record(connection, &entry).await
    }
}

fn signed(by: &mut Option<String>, at: &mut Option<DateTime<Utc>>, signature: Signature<'_>) {
    *by = Some(signature.by.to_owned());
    *at = Some(signature.at);
}

fn check_reason(reason: &str) -> Result<()> {
    if (10..=1000).contains(&reason.chars().count()) && !reason.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::unprocessable(
        "unprocessable",
        "a reason has 10 to 1000 characters, none of them control characters",
    ))
}

/// The overrides of a contributor, newest request first.
pub async fn overrides_of(db: &Db, slug: &str) -> Result<Vec<Override>> {
    overrides::list(&db.system, id_of(db, slug).await?).await
}

/// The constants of a contributor, newest request first.
pub async fn constants_of(db: &Db, slug: &str) -> Result<Vec<StoredConstant>> {
    constants::list(&db.system, id_of(db, slug).await?).await
}

async fn id_of(db: &Db, slug: &str) -> Result<ContributorId> {
    let found = contributors::find_by_slug(&db.system, slug).await?;
    found.map(|contributor| contributor.contributor_id).ok_or(Error::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_operators_sign_and_never_one_twice() {
        let now = "2026-11-24T04:00:00Z".parse().unwrap();
        let mut approval = Approval::requested("client:1", now);
        let code = |approval: &Approval, operator: &str| match turn_to_approve(approval, operator) {
            Err(Error::Conflict { code, .. }) => Err(code),
            other => Ok(other.unwrap()),
        };
        assert_eq!(code(&approval, "client:1"), Err("same-operator"));
        assert_eq!(code(&approval, "client:2"), Ok(Turn::Sign));
        approval.approved_at = Some(now);
        assert_eq!(code(&approval, "client:2"), Ok(Turn::Done));
        approval.revoked_at = Some(now);
        assert_eq!(code(&approval, "client:2"), Err("conflict"));
    }
}
