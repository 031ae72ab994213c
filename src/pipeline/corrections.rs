//! Corrections out of cycle: new versions of records that were published, never a silent overwrite. What makes a person
//! look worse, and every deletion, waits for an operator; a rekey ([`super::rekeys`]), which puts records on somebody
//! else's account, for two of them; anything else is applied at once.
//!
//! What the history rules find after a correction and not before is told with it. Where one of them rejects, it waits for an
//! operator, who has to say why the records are right nevertheless; re-aging (P011) is refused whoever asks.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::notices::{self, Before};
use super::rekeys::{self, WrongSubject};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::corrections::{self, Correction, Decision};
use crate::db::rekeys::{self as stored, Person, Rekey};
use crate::db::{contributors, events, jobs, journal, lineage, redisclosures};
use crate::domain::contract::Terms;
use crate::domain::correction::history::{AccountHistory, HistoryFinding, Restatement};
use crate::domain::correction::{self, CORRECTABLE, CorrectionReason, Effect, Sent};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::error::{Error, Result};
use crate::ids::{CaseId, ClientId, ContributorId};
use crate::privacy::random;

/// What should become of the records.
#[derive(Clone, Debug)]
pub enum Wish {
    Change(Sent),
    Delete,
    /// They are somebody else's.
    Rekey(WrongSubject),
}

/// A correction that a contributor asks for, or an operator on its behalf.
#[derive(Clone, Debug)]
pub struct NewCorrection {
    pub contributor_id: ContributorId,
    pub client_id: ClientId,
    /// The client is an operator: its word counts as the first of the two that a rekey needs.
    pub by_operator: bool,
    pub account_ref: String,
    pub as_of_from: NaiveDate,
    pub as_of_to: NaiveDate,
    pub wish: Wish,
    pub reason: CorrectionReason,
    pub evidence_ref: Option<String>,
}

impl NewCorrection {
    fn kind(&self) -> &'static str {
        match (&self.wish, self.reason) {
            (Wish::Change(_), _) => "CHANGE",
            (Wish::Delete, CorrectionReason::FraudConfirmed) => "DELETE_FRAUD",
            (Wish::Delete, _) => "DELETE_ERROR",
            (Wish::Rekey(_), _) => "REKEY",
        }
    }

    /// The correction as it is before anything is known of its records.
    fn requested(&self, now: DateTime<Utc>) -> Correction {
        Correction {
            correction_id: CaseId(random::uuid_v7(now)),
            contributor_id: self.contributor_id,
            account_ref: self.account_ref.clone(),
            as_of_from: self.as_of_from,
            as_of_to: self.as_of_to,
            kind: self.kind().to_owned(),
            changes: match &self.wish {
                Wish::Change(changes) => Value::Object(changes.clone()),
                Wish::Delete => json!({}),
                Wish::Rekey(wish) => json!({ "holder_role": wish.holder_role }),
            },
            reason: self.reason.as_str().to_owned(),
            evidence_ref: self.evidence_ref.clone(),
            adverse: false,
            records: 0,
            state: "requested".to_owned(),
            requested_by: self.client_id,
            requested_at: now,
            agreed_by: self.by_operator.then_some(self.client_id),
            agreed_at: self.by_operator.then_some(now),
            decided_by: None,
            decided_at: None,
            applied_at: None,
            history: Json(Vec::new()),
            override_reason: None,
        }
    }
}

/// Why a correction cannot be taken.
#[derive(Debug)]
pub enum Refusal {
    /// A field that no correction changes.
    NotCorrectable(String),
    /// The rules that a record would break, which it does not break now.
    Breaks(Vec<Finding>),
    /// The identity rules that the person breaks whose the records should be.
    Person(Vec<Finding>),
    /// What the account's history makes impossible: for good, or unless an operator says why it is right.
    Contradicts(Vec<HistoryFinding>),
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Other(error)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Refusal {
        Refusal::Other(error.into())
    }
}

/// Takes a correction, and applies it where nobody else has to agree. `true` when it is new: asking for what was asked for
/// already gives that.
///
/// # Errors
/// A [`Refusal`]; nothing is kept.
pub async fn request(app: &App, new: NewCorrection) -> Result<(Correction, bool), Refusal> {
    check_wish(&new)?;
    let now = app.clock.now();
    let person = match &new.wish {
        Wish::Rekey(wish) => Some(rekeys::identify(app, wish, now)?),
        _ => None,
    };
    let mut correction = new.requested(now);
    let mut tx = app.db.refinery.begin().await?;
    jobs::seize_lane_in_tx(&mut tx, new.contributor_id).await?;
    let token = person.as_ref().map(|person| person.token);
    let same = corrections::find_same(&mut *tx, &correction, token).await?;
    let asked = match (&new.wish, &person) {
        (Wish::Rekey(wish), Some(person)) => rekey_in_tx(app, &mut tx, &mut correction, wish, person).await,
        _ => effect_in_tx(app, &mut tx, &mut correction).await.map(|effect| (effect, None)),
    };
    let (effect, rekey) = match asked {
        // What was deleted or moved already is not there any more.
        Err(Refusal::Other(Error::NotFound)) if same.is_some() => (Effect::default(), None),
        asked => asked?,
    };
    match same {
        Some(same) if !effect.changed || same.state == "requested" => return Ok((same, false)),
        _ if !effect.changed => return Err(unchanged().into()),
        _ => {}
    }
    check(&correction, &effect)?;
    correction.adverse = effect.adverse;
    if !corrections::insert(&mut *tx, &correction).await? {
        return Err(
            Error::conflict("conflict", "another correction of these records waits for an operator").into()
        );
    }
    if let Some(rekey) = &rekey {
        stored::insert(&mut *tx, &correction, rekey).await?;
    }
    let actor = if new.by_operator { "operator" } else { "client" };
    record(&mut tx, &correction, (new.client_id, actor), "correction.request", now).await?;
    let contradicts = correction.history.iter().any(HistoryFinding::rejects);
    if correction.kind == "CHANGE" && !effect.adverse && !contradicts {
        apply_in_tx(&mut tx, &correction, None, Decision { by: None, at: now }).await?;
    }
    let kept = corrections::find(&mut *tx, correction.correction_id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    app.wake.work();
    Ok((kept, true))
}

/// What can be said of a request without looking at its records.
fn check_wish(new: &NewCorrection) -> Result<(), Refusal> {
    if let Wish::Change(changes) = &new.wish {
        let known = |name: &String| CORRECTABLE.iter().any(|field| field.name() == name.as_str());
        if let Some(strange) = changes.keys().find(|name| !known(name)) {
            return Err(Refusal::NotCorrectable(strange.clone()));
        }
    }
    if matches!(new.wish, Wish::Rekey(_)) && new.reason != CorrectionReason::WrongSubject {
        let text = "records move to another person for the reason WRONG_SUBJECT alone";
        return Err(Error::unprocessable("validation-failed", text).into());
    }
    Ok(())
}

/// What a rekey that is asked for does, and what is kept of it.
async fn rekey_in_tx(
    app: &App,
    tx: &mut PgConnection,
    correction: &mut Correction,
    wish: &WrongSubject,
    person: &Person,
) -> Result<(Effect, Option<Rekey>), Refusal> {
    let (rekey, moves) = rekeys::prepare_in_tx(app, tx, correction, wish, person).await?;
    Ok((moved(moves), Some(rekey)))
}

/// Whoever gets the records looks worse for them.
fn moved(moves: bool) -> Effect {
    Effect { changed: moves, adverse: true, reopened: false }
}

/// What the correction does to the records that it is about; it also counts them, and notes what the history rules find.
async fn effect_in_tx(
    app: &App,
    tx: &mut PgConnection,
    correction: &mut Correction,
) -> Result<Effect, Refusal> {
    let targets = corrections::targets(tx, correction).await?;
    if targets.is_empty() {
        return Err(Error::NotFound.into());
    }
    correction.records = targets.len() as i64;
    let contributor =
        contributors::find(&mut *tx, correction.contributor_id).await?.ok_or(Error::NotFound)?;
    let today = dates::business_date(app.clock.now());
    correction.history = Json(history_in_tx(tx, correction, &contributor.terms, today).await?);
    if correction.kind != "CHANGE" {
        return Ok(Effect { changed: true, ..Effect::default() });
    }
    let changes = correction.changes.as_object().cloned().unwrap_or_default();
    let mut whole = Effect::default();
    for target in &targets {
        let one = correction::effect(target, &changes, &contributor.terms, today).map_err(Refusal::Breaks)?;
        whole.changed |= one.changed;
        whole.adverse |= one.adverse;
        whole.reopened |= one.reopened;
    }
    Ok(whole)
}

/// What the history rules would find of the account that they do not find now.
async fn history_in_tx(
    tx: &mut PgConnection,
    correction: &Correction,
    terms: &Terms,
    today: NaiveDate,
) -> Result<Vec<HistoryFinding>> {
    let records = corrections::account_records(tx, correction).await?;
    let (contributor, account) = (correction.contributor_id, correction.account_ref.as_str());
    let moved = events::movements(&mut *tx, contributor, &[account]).await?;
    let moved: Vec<_> = moved.into_iter().map(|(_, on, movements)| (on, movements)).collect();
    let history = AccountHistory {
        records: &records,
        events: &moved,
        sends_events: events::sends_events(&mut *tx, contributor).await?,
        terms,
        today,
    };
    let nothing = Sent::new();
    let restatement = match correction.kind.as_str() {
        "CHANGE" => Restatement::Change(correction.changes.as_object().unwrap_or(&nothing)),
        _ => Restatement::Delete,
    };
    let reason = CorrectionReason::parse(&correction.reason).ok_or_else(|| Error::Inconsistent {
        table: "corrections",
        column: "reason",
        row: correction.correction_id.to_string(),
    })?;
    Ok(history.findings_after(restatement, &(correction.as_of_from..=correction.as_of_to), reason))
}

/// What only the reason and the evidence can permit, and what nothing does.
fn check(correction: &Correction, effect: &Effect) -> Result<(), Refusal> {
    if correction.history.iter().any(HistoryFinding::re_ages) {
        let re_aged = correction.history.iter().filter(|found| found.re_ages());
        return Err(Refusal::Contradicts(re_aged.cloned().collect()));
    }
    if effect.reopened && correction.reason != CorrectionReason::Reopened.as_str() {
        let text = "an account that has ended is opened again for the reason REOPENED alone";
        return Err(Error::unprocessable("validation-failed", text).into());
    }
    if effect.adverse && correction.evidence_ref.is_none() {
        let text = "a correction that makes a person look worse, or gives records to another one, needs evidence_ref";
        return Err(Error::unprocessable("validation-failed", text).into());
    }
    Ok(())
}

fn unchanged() -> Error {
    Error::unprocessable(
        "validation-failed",
        "the records say already what the correction would make them say",
    )
}

fn decided_meanwhile() -> Error {
    Error::conflict("conflict", "the correction was decided at the same moment")
}

/// Applies a correction that waits; the first operator who approves a rekey only agrees to it. Doing it again changes
/// nothing.
///
/// # Errors
/// A [`Refusal`], such as `same-operator`, a conflict when it was refused, or what the account's history contradicts and no
/// `override_reason` explains.
pub async fn approve(
    app: &App,
    operator: ClientId,
    id: CaseId,
    override_reason: Option<String>,
) -> Result<Correction, Refusal> {
    let now = app.clock.now();
    let asked = corrections::find(&app.db.system, id).await?.ok_or(Error::NotFound)?;
    let mut tx = app.db.refinery.begin().await?;
    jobs::seize_lane_in_tx(&mut tx, asked.contributor_id).await?;
    let mut asked = corrections::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    if let Some(settled) = settled(&asked, operator, "applied")? {
        return Ok(settled);
    }
    // What it is about may have changed since; the rules hold for what is there now.
    let rekey = stored::find(&mut *tx, id).await?;
    let effect = match &rekey {
        Some(rekey) => moved(rekeys::weigh_in_tx(app, &mut tx, &mut asked, rekey).await?),
        None => effect_in_tx(app, &mut tx, &mut asked).await?,
    };
    if !effect.changed && rekey.is_some() {
        return Err(unchanged().into());
    }
    check(&asked, &effect)?;
    let contradicts: Vec<_> = asked.history.iter().filter(|found| found.rejects()).cloned().collect();
    asked.override_reason = override_reason.filter(|_| !contradicts.is_empty());
    if !contradicts.is_empty() && asked.override_reason.is_none() {
        return Err(Refusal::Contradicts(contradicts));
    }
    corrections::set_history_in_tx(&mut tx, &asked).await?;
    if rekey.is_some() && asked.agreed_by.is_none() {
        if !corrections::agree_in_tx(&mut tx, id, operator, now).await? {
            return Err(decided_meanwhile().into());
        }
        record(&mut tx, &asked, (operator, "operator"), "correction.agree", now).await?;
    } else {
        apply_in_tx(&mut tx, &asked, rekey.as_ref(), Decision { by: Some(operator), at: now }).await?;
        record(&mut tx, &asked, (operator, "operator"), "correction.approve", now).await?;
    }
    let kept = corrections::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    app.wake.work();
    Ok(kept)
}

/// Refuses a correction that waits. Doing it again changes nothing.
///
/// # Errors
/// `same-operator`, or a conflict when it was applied.
pub async fn refuse(app: &App, operator: ClientId, id: CaseId) -> Result<Correction> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let asked = corrections::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    if let Some(settled) = settled(&asked, operator, "refused")? {
        return Ok(settled);
    }
    if !corrections::refuse_in_tx(&mut tx, id, Decision { by: Some(operator), at: now }).await? {
        return Err(decided_meanwhile());
    }
    stored::forget_person_in_tx(&mut tx, id).await?;
    record(&mut tx, &asked, (operator, "operator"), "correction.refuse", now).await?;
    let kept = corrections::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(kept)
}

/// The correction itself when it was decided so before, or when the operator has agreed to it and another one has to.
fn settled(asked: &Correction, operator: ClientId, decision: &str) -> Result<Option<Correction>> {
    let agreed = decision == "applied" && asked.state == "requested" && asked.agreed_by == Some(operator);
    if asked.state == decision || (agreed && asked.requested_by != operator) {
        return Ok(Some(asked.clone()));
    }
    if asked.state != "requested" {
        return Err(Error::conflict("conflict", format!("the correction is {} already", asked.state)));
    }
    if asked.requested_by == operator {
        return Err(Error::conflict(
            "same-operator",
            "who asked for a correction cannot decide on it; somebody else has to",
        ));
    }
    Ok(None)
}

/// New versions in the journal, the account as it follows from them, and what that changes of what is told. The caller
/// holds the contributor's lane.
async fn apply_in_tx(
    tx: &mut PgConnection,
    correction: &Correction,
    rekey: Option<&Rekey>,
    decision: Decision,
) -> Result<()> {
    let contributor = correction.contributor_id;
    let told = redisclosures::told(&mut *tx, contributor, &correction.account_ref).await?;
    let (known_from, as_of_from) = corrections::known_since(tx, correction).await?;
    let (publication_no, batches) = match rekey {
        Some(rekey) => rekeys::apply_in_tx(tx, correction, rekey, decision).await?,
        None => {
            let publication_no = journal::next_publication(&mut *tx).await?;
            let batches =
                corrections::enter_versions_in_tx(tx, correction, publication_no, decision.at).await?;
            (publication_no, batches)
        }
    };
    if !corrections::set_applied_in_tx(tx, correction.correction_id, publication_no, decision).await? {
        return Err(decided_meanwhile());
    }
    let id = correction.correction_id.to_string();
    for batch in batches {
        let corrected = batch.to_string();
        let mut edges = vec![
            ("correction", id.as_str(), "corrected_batch", corrected.as_str()),
            ("correction", id.as_str(), "journal", "account_snapshots"),
            ("journal", "account_snapshots", "serving_store", "accounts"),
        ];
        if correction.kind.starts_with("DELETE") {
            edges.push(("correction", id.as_str(), "deletion_tombstones", id.as_str()));
        }
        lineage::insert_edges(tx, correction.contributor_id, batch, &edges, decision.at).await?;
    }
    if correction.kind.starts_with("DELETE") {
        corrections::bury_in_tx(tx, correction, decision.at).await?;
    }
    journal::touch_accounts_in_tx(tx, &[correction.account_ref.as_str()]).await?;
    journal::refold_in_tx(tx, contributor, None).await?;
    notices::enter_correction_in_tx(tx, correction, &Before { told, known_from, as_of_from }, decision.at)
        .await
}

async fn record(
    tx: &mut PgConnection,
    correction: &Correction,
    (client, actor): (ClientId, &str),
    action: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    let id = correction.correction_id.to_string();
    let entry = Entry {
        at,
        actor_client: Some(client),
        actor,
        action,
        object_kind: "correction",
        object_id: &id,
        outcome: "done",
        detail: json!({
            "kind": correction.kind, "reason": correction.reason, "records": correction.records,
            "as_of_from": correction.as_of_from, "as_of_to": correction.as_of_to, "adverse": correction.adverse,
            "history": correction.history, "override_reason": correction.override_reason,
        }),
    };
    audit::record(tx, &entry).await
}
