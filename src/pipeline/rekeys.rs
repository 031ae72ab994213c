//! Records that were reported under the wrong person (`domain.md` 6.5, reason WRONG_SUBJECT): whose they are, and their
//! way to that person.
//!
//! The person is named as in a record. The numbers become keyed tokens at once; until the correction is decided, what is
//! needed to enter somebody new is kept sealed, and nothing of it in clear.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::corrections::Refusal;
use crate::app::App;
use crate::db::corrections::{Correction, Decision};
use crate::db::identity_reviews::{self, Moved};
use crate::db::rekeys::{self, Moving, Person, Rekey, Versions};
use crate::db::staging::KnownSubject;
use crate::db::{erasure_tombstones, journal, serving};
use crate::domain::contract::{AccountSnapshot, Field, HolderRole, IdType, SubjectType};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::identity::NormalisedId;
use crate::domain::identity::names::{NormalisedName, contradicts};
use crate::domain::rules::Code;
use crate::domain::rules::identity::{CheckedIdentity, IdentityContext, check_identity};
use crate::error::{Error, Result};
use crate::ids::{BatchId, SubjectId};
use crate::privacy::{Aad, Keyring, Token, random};

/// A person as a record names them. In clear for as long as the request lasts; prints nothing.
#[derive(Clone)]
pub struct NamedPerson {
    pub subject_type: SubjectType,
    pub id_type: IdType,
    pub id_number: String,
    pub id_country: Option<String>,
    pub secondary_id_type: Option<IdType>,
    pub secondary_id_number: Option<String>,
    pub full_name: String,
    pub date_of_birth: Option<NaiveDate>,
}

impl fmt::Debug for NamedPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedPerson({})", self.id_type)
    }
}

impl NamedPerson {
    /// Rules I001 to I013 on the person, of an account that was opened on a day.
    fn check(
        &self,
        (opened, as_of): (Option<NaiveDate>, Option<NaiveDate>),
        today: NaiveDate,
    ) -> Result<CheckedIdentity, Refusal> {
        let record = AccountSnapshot {
            subject_type: Some(self.subject_type),
            id_type: Some(self.id_type),
            id_number: Some(&self.id_number),
            id_country: self.id_country.as_deref(),
            secondary_id_type: self.secondary_id_type,
            secondary_id_number: self.secondary_id_number.as_deref(),
            full_name: Some(&self.full_name),
            date_of_birth: self.date_of_birth,
            opened_date: opened,
            as_of_date: as_of,
            ..AccountSnapshot::default()
        };
        let mut findings = Vec::new();
        let checked = check_identity(&record, &IdentityContext { today }, &mut findings);
        findings.retain(Finding::rejects);
        match checked {
            Some(checked) if findings.is_empty() => Ok(checked),
            _ => Err(Refusal::Person(findings)),
        }
    }
}

/// Which holder of the account is wrong, and who it is.
#[derive(Clone, Debug)]
pub struct WrongSubject {
    pub holder_role: HolderRole,
    /// Whom the records name; needed where several holders have the role.
    pub reported_under: Option<NormalisedId>,
    pub person: NamedPerson,
}

/// The person of a request, identified and sealed.
///
/// # Errors
/// [`Refusal::Person`] with the identity rules that are broken.
pub fn identify(app: &App, wish: &WrongSubject, now: DateTime<Utc>) -> Result<Person, Refusal> {
    let checked = wish.person.check((None, None), dates::business_date(now))?;
    let to_subject = SubjectId(random::uuid_v4());
    let number = |id: &NormalisedId| -> Result<(Token, Vec<u8>)> {
        let token = app.keys.token(id.id_type(), id.as_str());
        let place = Aad { table: "subject_identifiers", column: "sealed_number", owner: token.as_slice() };
        Ok((token, app.keys.seal(&place, id.as_str().as_bytes())?))
    };
    let (token, sealed_number) = number(&checked.primary)?;
    let secondary = checked.secondary.as_ref().filter(|id| **id != checked.primary);
    let (secondary_token, secondary_sealed) = secondary.map(number).transpose()?.unzip();
    let name = app.keys.seal(&name_place(&to_subject), wish.person.full_name.as_bytes())?;
    Ok(Person {
        token,
        id_type: checked.primary.id_type() as i16,
        subject_type: wish.person.subject_type as i16,
        sealed_number: Some(sealed_number),
        sealed_name: Some(name),
        secondary_token,
        secondary_id_type: secondary.map(|id| id.id_type() as i16),
        secondary_sealed,
        to_subject,
    })
}

fn name_place(subject: &SubjectId) -> Aad<'_> {
    Aad { table: "subjects", column: "sealed_name", owner: subject.0.as_bytes() }
}

/// Finds the holder that the request means, and what the rekey would do. Counts the records that would move.
///
/// # Errors
/// `NotFound` when no record names such a holder; a refusal when several do, or when the person cannot be theirs.
pub async fn prepare_in_tx(
    app: &App,
    tx: &mut PgConnection,
    correction: &mut Correction,
    wish: &WrongSubject,
    person: &Person,
) -> Result<(Rekey, bool), Refusal> {
    let role = wish.holder_role as i16;
    let mut records = rekeys::records(tx, correction, role).await?;
    if let Some(named) = &wish.reported_under {
        let token = app.keys.token(named.id_type(), named.as_str());
        let known = serving::known_subjects(&mut *tx, &[token.as_slice()]).await?;
        records.retain(|record| known.iter().any(|known| known.subject_id == record.subject_id));
    }
    let from_subject = only_holder(&records)?;
    let opened = records.iter().map(|record| record.opened_date).min();
    let as_of = records.iter().map(|record| record.as_of_date).max();
    wish.person.check((opened, as_of), dates::business_date(app.clock.now()))?;
    correction.records = records.len() as i64;
    let rekey = Rekey {
        correction_id: correction.correction_id,
        holder_role: role,
        from_subject,
        person: person.clone(),
    };
    let moves = moves_in_tx(app, tx, &rekey).await?;
    Ok((rekey, moves))
}

/// The one person whom all these records name.
fn only_holder(records: &[Moving]) -> Result<SubjectId, Refusal> {
    let holders: BTreeSet<SubjectId> = records.iter().map(|record| record.subject_id).collect();
    match holders.len() {
        0 => Err(Error::NotFound.into()),
        1 => Ok(records[0].subject_id),
        _ => {
            let text =
                "several holders of the account have that role; say in reported_under which one is meant";
            Err(Error::unprocessable("validation-failed", text).into())
        }
    }
}

/// Looks at a rekey that waits once more: whether its records still move, and to whom.
///
/// # Errors
/// `NotFound` when the records are gone; a refusal when the person cannot be theirs any more.
pub async fn weigh_in_tx(
    app: &App,
    tx: &mut PgConnection,
    correction: &mut Correction,
    rekey: &Rekey,
) -> Result<bool, Refusal> {
    let mut records = rekeys::records(tx, correction, rekey.holder_role).await?;
    records.retain(|record| record.subject_id == rekey.from_subject);
    only_holder(&records)?;
    correction.records = records.len() as i64;
    moves_in_tx(app, tx, rekey).await
}

/// Whether the person is another one than the records name. Whom the law erased stays out (L009), the second identifier
/// leads to the same person as the first (I017), and the name does not contradict the one that the person is known by
/// (I014): a correction must not put records in doubt again.
async fn moves_in_tx(app: &App, tx: &mut PgConnection, rekey: &Rekey) -> Result<bool, Refusal> {
    let person = &rekey.person;
    let tokens: Vec<&[u8]> = [Some(&person.token), person.secondary_token.as_ref()]
        .into_iter()
        .flatten()
        .map(Token::as_slice)
        .collect();
    if erasure_tombstones::any_in_tx(tx, &tokens).await? {
        return Err(Refusal::Person(vec![Finding::at(Code::L009, Field::IdNumber)]));
    }
    let known = serving::known_subjects(&mut *tx, &tokens).await?;
    let by = |token: &Token| known.iter().find(|known| known.token == token.as_slice());
    let (first, second) = (by(&person.token), person.secondary_token.as_ref().and_then(by));
    if second.is_some_and(|second| first.is_none_or(|first| first.subject_id != second.subject_id)) {
        return Err(Refusal::Person(vec![Finding::at(Code::I017, Field::SecondaryIdNumber)]));
    }
    let Some(first) = first else { return Ok(true) };
    if names_contradict(&app.keys, first, person)? {
        return Err(Refusal::Person(vec![Finding::at(Code::I014, Field::FullName)]));
    }
    Ok(first.subject_id != rekey.from_subject)
}

fn names_contradict(keys: &Keyring, known: &KnownSubject, person: &Person) -> Result<bool> {
    let (Some(pool), Some(named)) = (&known.sealed_name, &person.sealed_name) else { return Ok(false) };
    let open = |subject: &SubjectId, sealed: &[u8]| -> Result<NormalisedName> {
        let name = keys.open(&name_place(subject), sealed)?;
        let name = std::str::from_utf8(&name).map_err(|_| Error::Inconsistent {
            table: "subjects",
            column: "sealed_name",
            row: subject.to_string(),
        })?;
        Ok(NormalisedName::new(name))
    };
    Ok(contradicts(&open(&known.subject_id, pool)?, &open(&person.to_subject, named)?))
}

/// Moves the records: their versions, the person, the memory of it, and the identity reviews that it answers. Says the
/// number of the new versions and the batches that the records came in. The caller folds the account.
pub async fn apply_in_tx(
    tx: &mut PgConnection,
    correction: &Correction,
    rekey: &Rekey,
    decision: Decision,
) -> Result<(i64, Vec<BatchId>)> {
    let by = decision.by.ok_or_else(|| Error::Internal("a rekey is decided by an operator".into()))?;
    let to = rekeys::enter_person_in_tx(tx, &rekey.person).await?;
    let withdrawn = journal::next_publication(&mut *tx).await?;
    let versions = Versions { withdrawn, moved: journal::next_publication(&mut *tx).await? };
    let batches = rekeys::enter_versions_in_tx(tx, correction, rekey, versions, (to, decision.at)).await?;
    rekeys::set_applied_in_tx(tx, correction, rekey, (to, decision.at)).await?;
    let moved = Moved {
        contributor_id: correction.contributor_id,
        account_ref: &correction.account_ref,
        from: rekey.from_subject,
        correction_id: correction.correction_id,
        by,
        at: decision.at,
    };
    identity_reviews::end_moved_in_tx(tx, &moved).await?;
    Ok((versions.moved, batches))
}
