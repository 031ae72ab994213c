//! Whose records are, as corrections name it: the person stands in the body, and nothing of it is ever shown again.

use std::borrow::Cow;

use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::dates;
use super::extract::validation_failed;
use super::problem::{FieldProblem, Problem};
use super::profiles::SubjectIdentity;
use crate::domain::contract::{HolderRole, IdType, SubjectType};
use crate::domain::identity::normalise;
use crate::pipeline::rekeys::{NamedPerson, WrongSubject};

/// Records that were reported under the wrong person, and whose they are.
#[derive(Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RekeyRequest {
    /// Which holder of the account is wrong; PRIMARY when absent.
    #[serde(default = "primary")]
    pub holder_role: HolderRole,
    /// Whom the records name now: needed where several holders have that role.
    #[validate(nested)]
    pub reported_under: Option<SubjectIdentity>,
    #[validate(nested)]
    pub person: PersonIdentity,
}

fn primary() -> HolderRole {
    HolderRole::Primary
}

/// The right person, as in a record. Kept as a keyed token; never repeated in any answer.
#[derive(Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PersonIdentity {
    pub subject_type: SubjectType,
    pub id_type: IdType,
    #[validate(length(min = 1, max = 40, message = "must have 1 to 40 characters"))]
    #[schema(min_length = 1, max_length = 40)]
    pub id_number: String,
    /// ISO 3166 alpha-3; a passport needs it.
    #[validate(length(equal = 3, message = "must have 3 letters"))]
    #[schema(min_length = 3, max_length = 3)]
    pub id_country: Option<String>,
    pub secondary_id_type: Option<IdType>,
    #[validate(length(min = 1, max = 40, message = "must have 1 to 40 characters"))]
    #[schema(min_length = 1, max_length = 40)]
    pub secondary_id_number: Option<String>,
    #[validate(
        length(min = 1, max = 150, message = "must have 1 to 150 characters"),
        custom(function = "named")
    )]
    #[schema(min_length = 1, max_length = 150)]
    pub full_name: String,
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub date_of_birth: Option<NaiveDate>,
}

/// A name has a letter, and nothing that no document prints.
fn named(text: &str) -> Result<(), ValidationError> {
    match text.chars().any(char::is_alphabetic) && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(ValidationError::new("invalid")
            .with_message(Cow::Borrowed("must be a name, without control characters"))),
    }
}

impl RekeyRequest {
    /// In the words of the pipeline.
    ///
    /// # Errors
    /// A problem that names the member, when `reported_under` is no identifier or half of the second one is missing.
    pub fn into_wish(self) -> Result<WrongSubject, Problem> {
        let RekeyRequest { holder_role, reported_under, person } = self;
        if person.secondary_id_type.is_some() != person.secondary_id_number.is_some() {
            let text = "needs secondary_id_type and secondary_id_number, or neither";
            let missing = FieldProblem::new("/rekey/person/secondary_id_number", "missing", text);
            return Err(validation_failed(vec![missing]));
        }
        let reported_under = reported_under.map(|named| normalise(named.id_type, &named.id_number));
        let reported_under = reported_under.transpose().map_err(|fault| {
            let text = "is not an identifier of its type";
            let place = "/rekey/reported_under/id_number";
            validation_failed(vec![FieldProblem::new(place, fault.code.as_str(), text)])
        })?;
        let person = NamedPerson {
            subject_type: person.subject_type,
            id_type: person.id_type,
            id_number: person.id_number,
            id_country: person.id_country,
            secondary_id_type: person.secondary_id_type,
            secondary_id_number: person.secondary_id_number,
            full_name: person.full_name,
            date_of_birth: person.date_of_birth,
        };
        Ok(WrongSubject { holder_role, reported_under, person })
    }
}
