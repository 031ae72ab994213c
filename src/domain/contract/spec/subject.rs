//! The subject block: who a record is about. It opens `account_snapshot` and `application`.

use super::super::codes::*;
use super::super::field::Field;
use super::Class::{Direct, Quasi};
use super::Kind::{Date, Text, Word};
use super::Need::{Optional, Required, Wanted, When};
use super::{FieldSpec, Form, line};

#[rustfmt::skip]
pub(super) const BLOCK: [FieldSpec; 11] = [
    line(Field::SubjectType, Word(SubjectType::WORDS), Required, Quasi, "Person or organisation."),
    line(Field::IdType, Word(IdType::WORDS), Required, Quasi, "Kind of id_number."),
    line(Field::IdNumber, Text(20, Form::Identifier), Required, Direct, "Identifier of the subject; spaces and hyphens do not count."),
    line(Field::IdCountry, Text(3, Form::Country), When("id_type is PASSPORT"), Quasi, "Country that issued the identifier, ISO 3166 alpha-3."),
    line(Field::SecondaryIdType, Word(IdType::WORDS), Wanted("secondary_id_number is given"), Quasi, "Kind of secondary_id_number."),
    line(Field::SecondaryIdNumber, Text(20, Form::Identifier), Wanted("id_type is ARMY or POLICE"), Direct, "A second identifier of the same subject."),
    line(Field::FullName, Text(150, Form::Name), Required, Direct, "Name as on the identity document or in the register."),
    line(Field::DateOfBirth, Date, Wanted("subject_type is INDIVIDUAL and id_type is not NRIC"), Quasi, "Date of birth."),
    line(Field::Phone, Text(16, Form::Phone), Optional, Direct, "Telephone number, E.164 with its plus sign."),
    line(Field::Postcode, Text(5, Form::Postcode), Optional, Quasi, "Malaysian postcode, 5 digits."),
    line(Field::HolderRole, Word(HolderRole::WORDS), Optional, Quasi, "Part of the subject in the account; PRIMARY when absent."),
];
