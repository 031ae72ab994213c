//! One row of each dataset, typed.

use chrono::{DateTime, NaiveDate, Utc};

use super::codes::*;
use super::field::{Field, FieldSet};
use crate::domain::money::Sen;

/// A row after its cells were read by type (V rules). `None` means absent, blank or unreadable: what was
/// unreadable has its own finding, so the cross-field rules look only at what is there. Out-of-range values
/// (V005, V006) stay, because other rules still have something true to say about them.
///
/// Text borrows from the decoded row; nothing is copied on the way through the rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountSnapshot<'a> {
    pub subject_type: Option<SubjectType>,
    pub id_type: Option<IdType>,
    pub id_number: Option<&'a str>,
    pub id_country: Option<&'a str>,
    pub secondary_id_type: Option<IdType>,
    pub secondary_id_number: Option<&'a str>,
    pub full_name: Option<&'a str>,
    pub date_of_birth: Option<NaiveDate>,
    pub phone: Option<&'a str>,
    pub postcode: Option<&'a str>,
    pub holder_role: Option<HolderRole>,
    pub account_ref: Option<&'a str>,
    pub product_type: Option<ProductType>,
    pub portfolio_type: Option<PortfolioType>,
    pub islamic: Option<bool>,
    pub merchant_category: Option<&'a str>,
    pub as_of_date: Option<NaiveDate>,
    pub opened_date: Option<NaiveDate>,
    pub maturity_date: Option<NaiveDate>,
    pub closed_date: Option<NaiveDate>,
    pub status: Option<AccountStatus>,
    pub status_date: Option<NaiveDate>,
    pub currency: Option<&'a str>,
    pub original_amount: Option<Sen>,
    pub credit_limit: Option<Sen>,
    pub instalment_amount: Option<Sen>,
    pub instalments_total: Option<u16>,
    pub instalments_paid: Option<u16>,
    pub instalments_overdue: Option<u16>,
    pub payment_frequency: Option<PaymentFrequency>,
    pub outstanding: Option<Sen>,
    pub overdue: Option<Sen>,
    pub fees_outstanding: Option<Sen>,
    pub dpd: Option<u16>,
    pub oldest_unpaid_due_date: Option<NaiveDate>,
    pub first_delinquency_date: Option<NaiveDate>,
    pub aging_current: Option<Sen>,
    pub aging_1_30: Option<Sen>,
    pub aging_31_60: Option<Sen>,
    pub aging_61_90: Option<Sen>,
    pub aging_91_120: Option<Sen>,
    pub aging_121_150: Option<Sen>,
    pub aging_151_180: Option<Sen>,
    pub aging_181_plus: Option<Sen>,
    pub amount_paid_period: Option<Sen>,
    pub scheduled_amount_period: Option<Sen>,
    pub last_payment_date: Option<NaiveDate>,
    pub last_payment_amount: Option<Sen>,
    pub next_due_date: Option<NaiveDate>,
    pub next_due_amount: Option<Sen>,
    pub write_off_date: Option<NaiveDate>,
    pub write_off_amount: Option<Sen>,
    pub sold_to: Option<&'a str>,
    pub sold_date: Option<NaiveDate>,
    pub settled_date: Option<NaiveDate>,
    pub settlement_type: Option<SettlementType>,
    pub restructured: Option<bool>,
    pub hardship: Option<bool>,
    pub legal_action: Option<bool>,
    pub contributor_dispute: Option<bool>,
    pub listing_requested: Option<bool>,
    pub evidence_ref: Option<&'a str>,
    /// `status_date` was not sent and stands at closed_date or as_of_date, so it says nothing of its own (X031).
    pub status_date_defaulted: bool,
    /// Fields that were sent and could not be read: each has its finding, and none of them is missing.
    pub unreadable: FieldSet,
    /// Fields whose value is a constant of the agreement and was not sent (see [`super::Constant`]).
    pub imputed: FieldSet,
}

/// Who a record is about: what the identity rules look at, of whatever dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SubjectBlock<'a> {
    pub subject_type: Option<SubjectType>,
    pub id_type: Option<IdType>,
    pub id_number: Option<&'a str>,
    pub id_country: Option<&'a str>,
    pub secondary_id_type: Option<IdType>,
    pub secondary_id_number: Option<&'a str>,
    pub full_name: Option<&'a str>,
    pub date_of_birth: Option<NaiveDate>,
    /// Fields that were sent and could not be read.
    pub unreadable: FieldSet,
}

/// Something that happened to an account. `None` as in [`AccountSnapshot`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepaymentEvent<'a> {
    pub event_id: Option<&'a str>,
    pub account_ref: Option<&'a str>,
    pub event_type: Option<EventType>,
    pub event_at: Option<DateTime<Utc>>,
    /// The calendar day in Asia/Kuala_Lumpur that the event counts for.
    pub value_date: Option<NaiveDate>,
    pub amount: Option<Sen>,
    pub instalment_no: Option<u16>,
    pub instalment_due_date: Option<NaiveDate>,
    pub new_due_date: Option<NaiveDate>,
    pub reverses_event_id: Option<&'a str>,
    pub channel: Option<PaymentChannel>,
    /// Fields that were sent and could not be read.
    pub unreadable: FieldSet,
}

/// An application for credit. `None` as in [`AccountSnapshot`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Application<'a> {
    pub subject: SubjectBlock<'a>,
    pub phone: Option<&'a str>,
    pub postcode: Option<&'a str>,
    pub holder_role: Option<HolderRole>,
    pub application_ref: Option<&'a str>,
    pub applied_at: Option<DateTime<Utc>>,
    pub product_type: Option<ProductType>,
    pub amount_requested: Option<Sen>,
    pub tenor_days: Option<u16>,
    pub decision: Option<Decision>,
    pub decision_at: Option<DateTime<Utc>>,
    pub amount_approved: Option<Sen>,
    pub account_ref: Option<&'a str>,
    pub channel: Option<ApplicationChannel>,
    /// Fields that were sent and could not be read.
    pub unreadable: FieldSet,
}

impl<'a> AccountSnapshot<'a> {
    /// Who the account is of.
    pub fn subject(&self) -> SubjectBlock<'a> {
        SubjectBlock {
            subject_type: self.subject_type,
            id_type: self.id_type,
            id_number: self.id_number,
            id_country: self.id_country,
            secondary_id_type: self.secondary_id_type,
            secondary_id_number: self.secondary_id_number,
            full_name: self.full_name,
            date_of_birth: self.date_of_birth,
            unreadable: self.unreadable,
        }
    }

    /// True when a value was sent for the field and could not be read. A rule about what is missing asks this,
    /// so that a typing error is not reported as missing as well.
    pub fn was_unreadable(&self, field: Field) -> bool {
        self.unreadable.contains(field)
    }

    /// Every amount that is there, with its field.
    pub fn amounts(&self) -> impl Iterator<Item = (Field, Sen)> {
        [
            (Field::OriginalAmount, self.original_amount),
            (Field::CreditLimit, self.credit_limit),
            (Field::InstalmentAmount, self.instalment_amount),
            (Field::Outstanding, self.outstanding),
            (Field::Overdue, self.overdue),
            (Field::FeesOutstanding, self.fees_outstanding),
            (Field::AgingCurrent, self.aging_current),
            (Field::Aging130, self.aging_1_30),
            (Field::Aging3160, self.aging_31_60),
            (Field::Aging6190, self.aging_61_90),
            (Field::Aging91120, self.aging_91_120),
            (Field::Aging121150, self.aging_121_150),
            (Field::Aging151180, self.aging_151_180),
            (Field::Aging181Plus, self.aging_181_plus),
            (Field::AmountPaidPeriod, self.amount_paid_period),
            (Field::ScheduledAmountPeriod, self.scheduled_amount_period),
            (Field::LastPaymentAmount, self.last_payment_amount),
            (Field::NextDueAmount, self.next_due_amount),
            (Field::WriteOffAmount, self.write_off_amount),
        ]
        .into_iter()
        .filter_map(|(field, amount)| amount.map(|sen| (field, sen)))
    }
}
