//! The field table of `account_snapshot` version 1: what each field may hold (`domain.md` 6.1) and what a record
//! cannot live without. The V rules and the JSON Schema read the same table.

use super::codes::*;
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
            Form::AccountRef => Some("^[A-Za-z0-9._:\\-]+$"),
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

use Class::{Direct, Financial, Internal, Quasi};
use Kind::{Count, Date, Flag, Money, Text, Word};
use Need::{Optional, Required, Wanted, When};

const fn line(field: Field, kind: Kind, need: Need, class: Class, description: &'static str) -> FieldSpec {
    FieldSpec { field, kind, need, class, description }
}

#[rustfmt::skip]
static TABLE: [FieldSpec; Field::COUNT] = [
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
    line(Field::AccountRef, Text(64, Form::AccountRef), Required, Internal, "The contributor's reference of the account: stable, without personal data."),
    line(Field::ProductType, Word(ProductType::WORDS), Required, Financial, "What was sold."),
    line(Field::PortfolioType, Word(PortfolioType::WORDS), Required, Financial, "How it is repaid."),
    line(Field::Islamic, Flag, Optional, Financial, "Financed under a Shariah contract."),
    line(Field::MerchantCategory, Text(4, Form::MerchantCategory), Optional, Quasi, "Merchant category code (ISO 18245)."),
    line(Field::AsOfDate, Date, Required, Financial, "The day the row describes; the period's end in a FULL batch."),
    line(Field::OpenedDate, Date, Required, Financial, "The day the account was opened; never changes."),
    line(Field::MaturityDate, Date, Optional, Financial, "The day the last instalment is due."),
    line(Field::ClosedDate, Date, When("status is not ACTIVE"), Financial, "The day the account ended."),
    line(Field::Status, Word(AccountStatus::WORDS), Required, Financial, "What the contributor says of the account; delinquency is derived."),
    line(Field::StatusDate, Date, Optional, Financial, "The day this status began; closed_date or as_of_date when absent."),
    line(Field::Currency, Text(3, Form::Currency), Required, Financial, "Currency of all amounts of the row, ISO 4217."),
    line(Field::OriginalAmount, Money, When("portfolio_type is INSTALMENT"), Financial, "Amount financed at the start; never changes."),
    line(Field::CreditLimit, Money, When("portfolio_type is REVOLVING"), Financial, "Limit of the line."),
    line(Field::InstalmentAmount, Money, Wanted("portfolio_type is INSTALMENT"), Financial, "Amount of a regular instalment."),
    line(Field::InstalmentsTotal, Count(u16::MAX), Wanted("portfolio_type is INSTALMENT"), Financial, "Number of instalments agreed."),
    line(Field::InstalmentsPaid, Count(u16::MAX), Wanted("portfolio_type is INSTALMENT"), Financial, "Number of instalments paid in full."),
    line(Field::InstalmentsOverdue, Count(u16::MAX), Wanted("portfolio_type is INSTALMENT"), Financial, "Number of instalments due and not paid in full."),
    line(Field::PaymentFrequency, Word(PaymentFrequency::WORDS), Wanted("portfolio_type is INSTALMENT"), Financial, "How often an instalment falls due."),
    line(Field::Outstanding, Money, Required, Financial, "What is owed, with fees due; 0 for a credit balance."),
    line(Field::Overdue, Money, Required, Financial, "The part of outstanding that is past its due date."),
    line(Field::FeesOutstanding, Money, Optional, Financial, "The part of outstanding that is fees."),
    line(Field::Dpd, Count(MAX_DPD), Required, Financial, "Days past due of the oldest unpaid due date; 0 when nothing is overdue."),
    line(Field::OldestUnpaidDueDate, Date, Wanted("dpd is above 0"), Financial, "The due date that dpd counts from."),
    line(Field::FirstDelinquencyDate, Date, Wanted("dpd is 30 or more"), Financial, "The day the present spell of delinquency began."),
    line(Field::AgingCurrent, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding that is not yet due."),
    line(Field::Aging130, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 1 to 30 days past due."),
    line(Field::Aging3160, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 31 to 60 days past due."),
    line(Field::Aging6190, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 61 to 90 days past due."),
    line(Field::Aging91120, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 91 to 120 days past due."),
    line(Field::Aging121150, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 121 to 150 days past due."),
    line(Field::Aging151180, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 151 to 180 days past due."),
    line(Field::Aging181Plus, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 181 days or more past due."),
    line(Field::AmountPaidPeriod, Money, Optional, Financial, "What was paid since the previous as_of_date."),
    line(Field::ScheduledAmountPeriod, Money, Optional, Financial, "What fell due since the previous as_of_date."),
    line(Field::LastPaymentDate, Date, Optional, Financial, "The day of the last payment."),
    line(Field::LastPaymentAmount, Money, Optional, Financial, "Amount of the last payment."),
    line(Field::NextDueDate, Date, Wanted("portfolio_type is INSTALMENT and status is ACTIVE"), Financial, "The day the next amount falls due."),
    line(Field::NextDueAmount, Money, Wanted("portfolio_type is INSTALMENT and status is ACTIVE"), Financial, "The amount that falls due next."),
    line(Field::WriteOffDate, Date, When("status is WRITTEN_OFF"), Financial, "The day the account was written off."),
    line(Field::WriteOffAmount, Money, When("status is WRITTEN_OFF"), Financial, "The amount written off."),
    line(Field::SoldTo, Text(150, Form::Free), When("status is SOLD"), Financial, "Name of the organisation that bought the debt."),
    line(Field::SoldDate, Date, When("status is SOLD"), Financial, "The day the debt was sold."),
    line(Field::SettledDate, Date, Optional, Financial, "The day the debt was settled."),
    line(Field::SettlementType, Word(SettlementType::WORDS), Optional, Financial, "How the debt was settled."),
    line(Field::Restructured, Flag, Optional, Financial, "The terms were changed for a borrower in difficulty."),
    line(Field::Hardship, Flag, Optional, Financial, "A hardship arrangement is in force."),
    line(Field::LegalAction, Flag, Optional, Financial, "Legal action was begun."),
    line(Field::ContributorDispute, Flag, Optional, Financial, "The subject disputes the account with the contributor."),
    line(Field::ListingRequested, Flag, Optional, Financial, "Asks for a listing as a trade reference, beside the history."),
    line(Field::EvidenceRef, Text(100, Form::Free), Wanted("listing_requested is true"), Internal, "Where the document that proves the debt is kept: a locator without personal data."),
];

// Each line stands at its field's place.
const _: () = {
    let mut position = 0;
    while position < Field::COUNT {
        assert!(TABLE[position].field as usize == position);
        position += 1;
    }
};

/// The fields that every record must have (V001, F006).
pub const REQUIRED: FieldSet = {
    let mut set = FieldSet::EMPTY;
    let mut position = 0;
    while position < Field::COUNT {
        if matches!(TABLE[position].need, Need::Required) {
            set = set.with(TABLE[position].field);
        }
        position += 1;
    }
    set
};

impl Field {
    /// The field's line in the table.
    #[inline]
    pub fn spec(self) -> &'static FieldSpec {
        &TABLE[self as usize]
    }
}

/// Every field with its line, in the contract's order.
pub fn table() -> &'static [FieldSpec] {
    &TABLE
}
