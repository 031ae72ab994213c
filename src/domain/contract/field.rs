//! The fields of all datasets (`domain.md` 6.1): one closed list, so that a field means the same wherever it stands.
//! Which of them a dataset has, and needs, is in its table ([`super::spec`]).

/// Declares the field list once: variant, wire name, position.
macro_rules! fields {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A column of a dataset.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field { $($variant),+ }

        impl Field {
            pub const ALL: &'static [Field] = &[$(Field::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            const NAMES: [&'static str; Self::COUNT] = [$($name),+];
        }
    };
}

fields! {
    SubjectType = "subject_type",
    IdType = "id_type",
    IdNumber = "id_number",
    IdCountry = "id_country",
    SecondaryIdType = "secondary_id_type",
    SecondaryIdNumber = "secondary_id_number",
    FullName = "full_name",
    DateOfBirth = "date_of_birth",
    Phone = "phone",
    Postcode = "postcode",
    HolderRole = "holder_role",
    AccountRef = "account_ref",
    ProductType = "product_type",
    PortfolioType = "portfolio_type",
    Islamic = "islamic",
    MerchantCategory = "merchant_category",
    AsOfDate = "as_of_date",
    OpenedDate = "opened_date",
    MaturityDate = "maturity_date",
    ClosedDate = "closed_date",
    Status = "status",
    StatusDate = "status_date",
    Currency = "currency",
    OriginalAmount = "original_amount",
    CreditLimit = "credit_limit",
    InstalmentAmount = "instalment_amount",
    InstalmentsTotal = "instalments_total",
    InstalmentsPaid = "instalments_paid",
    InstalmentsOverdue = "instalments_overdue",
    PaymentFrequency = "payment_frequency",
    Outstanding = "outstanding",
    Overdue = "overdue",
    FeesOutstanding = "fees_outstanding",
    Dpd = "dpd",
    OldestUnpaidDueDate = "oldest_unpaid_due_date",
    FirstDelinquencyDate = "first_delinquency_date",
    AgingCurrent = "aging_current",
    Aging130 = "aging_1_30",
    Aging3160 = "aging_31_60",
    Aging6190 = "aging_61_90",
    Aging91120 = "aging_91_120",
    Aging121150 = "aging_121_150",
    Aging151180 = "aging_151_180",
    Aging181Plus = "aging_181_plus",
    AmountPaidPeriod = "amount_paid_period",
    ScheduledAmountPeriod = "scheduled_amount_period",
    LastPaymentDate = "last_payment_date",
    LastPaymentAmount = "last_payment_amount",
    NextDueDate = "next_due_date",
    NextDueAmount = "next_due_amount",
    WriteOffDate = "write_off_date",
    WriteOffAmount = "write_off_amount",
    SoldTo = "sold_to",
    SoldDate = "sold_date",
    SettledDate = "settled_date",
    SettlementType = "settlement_type",
    Restructured = "restructured",
    Hardship = "hardship",
    LegalAction = "legal_action",
    ContributorDispute = "contributor_dispute",
    ListingRequested = "listing_requested",
    EvidenceRef = "evidence_ref",
    EventId = "event_id",
    EventType = "event_type",
    EventAt = "event_at",
    ValueDate = "value_date",
    Amount = "amount",
    InstalmentNo = "instalment_no",
    InstalmentDueDate = "instalment_due_date",
    NewDueDate = "new_due_date",
    ReversesEventId = "reverses_event_id",
    Channel = "channel",
    ApplicationRef = "application_ref",
    AppliedAt = "applied_at",
    AmountRequested = "amount_requested",
    TenorDays = "tenor_days",
    Decision = "decision",
    DecisionAt = "decision_at",
    AmountApproved = "amount_approved",
}

impl Field {
    /// The column's name on the wire.
    #[inline]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The field for a name on the wire; names are case-sensitive.
    #[inline]
    pub fn from_name(name: &str) -> Option<Field> {
        let mut slot = slot_of(name.as_bytes());
        // The table has far more slots than names, so that a walk ends at an empty slot soon.
        while SLOTS[slot] != EMPTY {
            let field = Field::ALL[usize::from(SLOTS[slot])];
            if field.name() == name {
                return Some(field);
            }
            slot = (slot + 1) % SLOT_COUNT;
        }
        None
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Several times the number of names, to keep walks short; every key of every row may come through here.
const SLOT_COUNT: usize = 256;
const EMPTY: u8 = u8::MAX;

/// Where each name is, open-addressed, worked out at compile time.
static SLOTS: [u8; SLOT_COUNT] = {
    let mut slots = [EMPTY; SLOT_COUNT];
    let mut position = 0;
    while position < Field::COUNT {
        let mut slot = slot_of(Field::NAMES[position].as_bytes());
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOT_COUNT;
        }
        slots[slot] = position as u8;
        position += 1;
    }
    slots
};

/// Length and three letters tell nearly all names apart; the rest is one comparison.
#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let mix = (length as u32)
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add((name[0] as u32).wrapping_mul(0x85EB_CA6B))
        .wrapping_add((name[length / 2] as u32).wrapping_mul(0xC2B2_AE35))
        .wrapping_add((name[length - 1] as u32).wrapping_mul(0x27D4_EB2F));
    (mix >> 24) as usize
}

/// A set of fields, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(u128);

// One bit per field.
const _: () = assert!(Field::COUNT <= u128::BITS as usize);

impl FieldSet {
    pub const EMPTY: FieldSet = FieldSet(0);

    #[inline]
    pub const fn with(self, field: Field) -> FieldSet {
        FieldSet(self.0 | 1 << field as u32)
    }

    /// Adds a field; false when it was there already.
    #[inline]
    pub fn insert(&mut self, field: Field) -> bool {
        let before = self.0;
        self.0 |= 1 << field as u32;
        self.0 != before
    }

    #[inline]
    pub const fn contains(self, field: Field) -> bool {
        self.0 >> field as u32 & 1 == 1
    }

    /// The fields that are here and not in `other`.
    pub const fn without(self, other: FieldSet) -> FieldSet {
        FieldSet(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }
}

impl FromIterator<Field> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> FieldSet {
        fields.into_iter().fold(FieldSet::EMPTY, FieldSet::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_field() {
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
        for stranger in ["", "x", "Outstanding", "outstanding ", "outstandinh", "race", "aging_1_31"] {
            assert_eq!(Field::from_name(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_set_knows_what_it_holds() {
        let mut set: FieldSet = [Field::SubjectType, Field::EvidenceRef].into_iter().collect();
        assert!(set.contains(Field::EvidenceRef) && !set.contains(Field::Dpd));
        assert!(set.insert(Field::Dpd) && !set.insert(Field::Dpd));
        let rest = set.without(FieldSet::EMPTY.with(Field::SubjectType));
        assert_eq!(rest.iter().collect::<Vec<_>>(), [Field::Dpd, Field::EvidenceRef]);
    }
}
