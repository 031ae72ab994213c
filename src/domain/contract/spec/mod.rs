//! The contracts, version 1: for each dataset the table of its fields, what each may hold (`domain.md` 6.1) and what
//! a record cannot live without. Readers, V rules and JSON Schema read the same table.

mod account_snapshot;
mod application;
mod repayment_event;
mod subject;

use super::codes::Dataset;
use super::field::{Field, FieldSet};
use crate::domain::money::Sen;

/// How much a value tells about a person (`domain.md` section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Identifies a person by itself.
    Direct,
    /// Identifies together with others.
    Quasi,
    Financial,
    Internal,
}

impl Class {
    /// The letter that documents use.
    pub fn letter(self) -> &'static str {
        match self {
            Class::Direct => "D",
            Class::Quasi => "Q",
            Class::Financial => "F",
            Class::Internal => "I",
        }
    }
}

/// What a field's value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// At most so many characters, of a form.
    Text(usize, Form),
    /// One of a closed list.
    Word(&'static [&'static str]),
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// An instant with its offset, RFC 3339.
    Instant,
    /// Sen; in CSV also ringgit with at most two decimals.
    Money,
    /// A whole number from 0 to the bound.
    Count(u16),
    Flag,
}

/// What the characters of a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Anything but control characters.
    Free,
    /// An identifier as people write it; `domain::identity` reads it.
    Identifier,
    Name,
    AccountRef,
    /// A sender's own reference of an event or an application; the characters of an account reference.
    Reference,
    Phone,
    Postcode,
    /// ISO 4217.
    Currency,
    /// ISO 3166 alpha-3.
    Country,
    /// ISO 18245 merchant category code.
    MerchantCategory,
}

impl Form {
    /// The same condition as a regular expression (ECMA-262 with `u`), for the JSON Schema.
    pub fn pattern(self) -> Option<&'static str> {
        match self {
            Form::Free | Form::Identifier => None,
            Form::Name => Some(r"^[\p{L}\p{M}0-9 '’./@,()&\-]+$"),
            Form::AccountRef | Form::Reference => Some("^[A-Za-z0-9._:\\-]+$"),
            Form::Phone => Some("^\\+[1-9][0-9]{6,14}$"),
            Form::Postcode => Some("^[0-9]{5}$"),
            Form::Currency | Form::Country => Some("^[A-Z]{3}$"),
            Form::MerchantCategory => Some("^[0-9]{4}$"),
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    pub field: Field,
    pub kind: Kind,
    pub need: Need,
    pub class: Class,
    pub description: &'static str,
}

/// When a record needs the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// Needed when the named condition holds; a record that lacks it breaks an X rule.
    When(&'static str),
    /// Wanted when the condition holds; a record that lacks it is warned about and scored.
    Wanted(&'static str),
    Optional,
}

/// The largest days past due that is believed (V015).
pub const MAX_DPD: u16 = 9_999;

/// The largest amount that is believed, RM10 million (V006).
pub const MAX_AMOUNT: Sen = Sen(1_000_000_000);

const fn line(field: Field, kind: Kind, need: Need, class: Class, description: &'static str) -> FieldSpec {
    FieldSpec { field, kind, need, class, description }
}

/// A dataset's contract: its fields and what is asked of each.
#[derive(Debug)]
pub struct Contract {
    pub dataset: Dataset,
    pub version: u32,
    /// One record, in a sentence.
    pub description: &'static str,
    /// Every field with its line, in the contract's order.
    pub lines: &'static [FieldSpec],
    /// All fields of a record.
    pub fields: FieldSet,
    /// The fields that every record must have (V001, F006).
    pub required: FieldSet,
    /// Where each field's line is in `lines`.
    places: [u8; Field::COUNT],
    /// Fields that allow fewer words than the engine knows.
    narrowed: FieldSet,
}

const ABSENT: u8 = u8::MAX;

impl Contract {
    const fn new(dataset: Dataset, description: &'static str, lines: &'static [FieldSpec]) -> Contract {
        let (mut fields, mut required) = (FieldSet::EMPTY, FieldSet::EMPTY);
        let mut places = [ABSENT; Field::COUNT];
        let mut position = 0;
        while position < lines.len() {
            let FieldSpec { field, need, .. } = lines[position];
            assert!(!fields.contains(field), "a field has one line");
            fields = fields.with(field);
            if matches!(need, Need::Required) {
                required = required.with(field);
            }
            places[field as usize] = position as u8;
            position += 1;
        }
        let narrowed = FieldSet::EMPTY;
        Contract { dataset, version: 1, description, lines, fields, required, places, narrowed }
    }

    /// Another version of this contract, with some of its fields and at most its words.
    pub(super) fn narrowed_to(&self, version: u32, lines: &'static [FieldSpec]) -> Contract {
        let mut other = Contract { version, ..Contract::new(self.dataset, self.description, lines) };
        for line in lines {
            let whole = self.line(line.field).map(|whole| whole.kind);
            if let (Kind::Word(_), Some(Kind::Word(_))) = (line.kind, whole)
                && Some(line.kind) != whole
            {
                other.narrowed.insert(line.field);
            }
        }
        other
    }

    /// Whether a word that the engine knows is one of this contract's as well.
    #[inline]
    pub fn allows(&self, field: Field, word: &str) -> bool {
        !self.narrowed.contains(field)
            || self
                .line(field)
                .is_some_and(|line| matches!(line.kind, Kind::Word(words) if words.contains(&word)))
    }

    /// What is asked of a field; `None` for a field of other datasets.
    #[inline]
    pub fn line(&self, field: Field) -> Option<&'static FieldSpec> {
        self.lines.get(usize::from(self.places[field as usize]))
    }
}

/// The contract of a dataset.
pub fn contract(dataset: Dataset) -> &'static Contract {
    match dataset {
        Dataset::AccountSnapshot => &ACCOUNT_SNAPSHOT,
        Dataset::RepaymentEvent => &REPAYMENT_EVENT,
        Dataset::Application => &APPLICATION,
    }
}

pub static ACCOUNT_SNAPSHOT: Contract = Contract::new(
    Dataset::AccountSnapshot,
    "One account of one subject on one day.",
    &ACCOUNT_SNAPSHOT_LINES,
);

static ACCOUNT_SNAPSHOT_LINES: [FieldSpec; subject::BLOCK.len() + account_snapshot::LINES.len()] =
    joined(&subject::BLOCK, account_snapshot::LINES);

pub static REPAYMENT_EVENT: Contract = Contract::new(
    Dataset::RepaymentEvent,
    "Something that happened to an account on one day. Events are only ever added; a mistake is reversed.",
    repayment_event::LINES,
);

pub static APPLICATION: Contract = Contract::new(
    Dataset::Application,
    "One application of one subject and where its decision stands.",
    &APPLICATION_LINES,
);

static APPLICATION_LINES: [FieldSpec; subject::BLOCK.len() + application::LINES.len()] =
    joined(&subject::BLOCK, application::LINES);

/// The subject block and the lines that follow it.
const fn joined<const N: usize>(first: &[FieldSpec], second: &[FieldSpec]) -> [FieldSpec; N] {
    let mut all = [first[0]; N];
    let mut position = 0;
    while position < N {
        all[position] = if position < first.len() { first[position] } else { second[position - first.len()] };
        position += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_knows_its_own_fields_and_no_others() {
        assert_eq!([&ACCOUNT_SNAPSHOT, &REPAYMENT_EVENT, &APPLICATION].map(|c| c.lines.len()), [62, 11, 21]);
        for dataset in Dataset::ALL {
            let contract = contract(*dataset);
            assert_eq!(contract.dataset, *dataset);
            for field in Field::ALL {
                let line = contract.line(*field);
                assert_eq!(line.map(|line| line.field), contract.fields.contains(*field).then_some(*field));
            }
        }
    }

    #[test]
    fn what_each_record_cannot_live_without() {
        let required = |contract: &Contract| contract.required.iter().map(Field::name).collect::<Vec<_>>();
        assert_eq!(required(&REPAYMENT_EVENT), ["account_ref", "event_id", "event_type", "value_date"]);
        assert_eq!(
            required(&APPLICATION),
            [
                "subject_type",
                "id_type",
                "id_number",
                "full_name",
                "product_type",
                "application_ref",
                "applied_at",
                "amount_requested",
                "decision"
            ]
        );
    }
}
