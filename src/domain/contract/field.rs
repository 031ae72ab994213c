//! The fields of `account_snapshot` (`domain.md` 6.1: subject block and dataset A).

/// Declares the field list once: variant, wire name, position.
macro_rules! fields {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A column of `account_snapshot`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field { $($variant),+ }

        impl Field {
            pub const ALL: &'static [Field] = &[$(Field::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            /// The column's name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Field::$variant => $name),+ }
            }

            pub fn from_name(name: &str) -> Option<Field> {
                match name { $($name => Some(Field::$variant),)+ _ => None }
            }
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
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
