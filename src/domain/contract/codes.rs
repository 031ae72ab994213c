//! The closed lists of the contract (`domain.md` 6.1). The wire word is the only spelling; it never changes.

/// Declares an enum whose variants each have one wire word. The word is a `tt`, not a `literal`: the OpenAPI derive
/// reads `serde(rename)` from the tokens and does not see through the group that a `literal` becomes.
macro_rules! code_list {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:tt),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[repr(u8)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant),+
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as contributors send it and as we store it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The code for a wire word; words are case-sensitive.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

code_list!(
    /// What a batch contains.
    Dataset { AccountSnapshot = "account_snapshot", RepaymentEvent = "repayment_event", Application = "application" }
);
code_list!(
    /// How a batch relates to the contributor's book: all of it, a part of it, or a new version of a period.
    Mode { Full = "FULL", Delta = "DELTA", Replace = "REPLACE" }
);
code_list!(
    /// Whether a batch is a rehearsal or counts (F017).
    Environment { Test = "TEST", Prod = "PROD" }
);
code_list!(SubjectType { Individual = "INDIVIDUAL", Business = "BUSINESS" });
code_list!(
    /// Kinds of identifier, named as LHDN's validator names them (`domain.md` section 3).
    IdType {
        Nric = "NRIC", OldIc = "OLD_IC", Passport = "PASSPORT", Army = "ARMY", Police = "POLICE",
        Brn = "BRN", BrnOld = "BRN_OLD",
    }
);
code_list!(HolderRole { Primary = "PRIMARY", Joint = "JOINT", Guarantor = "GUARANTOR" });
code_list!(
    ProductType {
        BnplPlan = "BNPL_PLAN", BnplLine = "BNPL_LINE", PersonalLoan = "PERSONAL_LOAN",
        HirePurchase = "HIRE_PURCHASE", CreditSale = "CREDIT_SALE", Leasing = "LEASING",
        Factoring = "FACTORING", TradeCredit = "TRADE_CREDIT", TelcoPostpaid = "TELCO_POSTPAID",
        TelcoDevice = "TELCO_DEVICE", UtilityPower = "UTILITY_POWER", UtilityWater = "UTILITY_WATER",
        UtilityOther = "UTILITY_OTHER", Rental = "RENTAL", Other = "OTHER",
    }
);
code_list!(PortfolioType { Instalment = "INSTALMENT", Revolving = "REVOLVING", Open = "OPEN", Lease = "LEASE" });
code_list!(
    /// What the contributor says of the account; delinquency is derived, never declared.
    AccountStatus {
        Active = "ACTIVE", Settled = "SETTLED", SettledShort = "SETTLED_SHORT", WrittenOff = "WRITTEN_OFF",
        Sold = "SOLD", Closed = "CLOSED", Cancelled = "CANCELLED",
    }
);
code_list!(
    PaymentFrequency {
        Weekly = "WEEKLY", Biweekly = "BIWEEKLY", SemiMonthly = "SEMI_MONTHLY", Monthly = "MONTHLY",
        Quarterly = "QUARTERLY", OneOff = "ONE_OFF",
    }
);
code_list!(SettlementType { Full = "FULL", Short = "SHORT", Refund = "REFUND" });
code_list!(
    /// What happened to an account.
    EventType {
        Originated = "ORIGINATED", Payment = "PAYMENT", PaymentReversal = "PAYMENT_REVERSAL", Refund = "REFUND",
        Fee = "FEE", FeeWaiver = "FEE_WAIVER", Reschedule = "RESCHEDULE", Restructure = "RESTRUCTURE",
        Settlement = "SETTLEMENT", WriteOff = "WRITE_OFF", Recovery = "RECOVERY", Cancellation = "CANCELLATION",
    }
);
code_list!(
    PaymentChannel {
        Card = "CARD", Fpx = "FPX", Duitnow = "DUITNOW", DirectDebit = "DIRECT_DEBIT", Cash = "CASH", Other = "OTHER",
    }
);
code_list!(
    /// Where the decision on an application stands.
    Decision {
        Pending = "PENDING", Approved = "APPROVED", CounterOffered = "COUNTER_OFFERED", Declined = "DECLINED",
        Withdrawn = "WITHDRAWN", Expired = "EXPIRED",
    }
);
code_list!(
    ApplicationChannel { Online = "ONLINE", App = "APP", InStore = "IN_STORE", Agent = "AGENT", Phone = "PHONE", Other = "OTHER" }
);

code_list!(
    /// What a money value in a CSV file counts. NDJSON always counts sen.
    MoneyUnit {
        Sen = "SEN",
        Ringgit = "RINGGIT",
        // The default for CSV: `12.50` is ringgit, `1250` is sen. A file that mixes both kinds is not
        // to be trusted with either reading; see `rules::field::MoneyForms`.
        ByDecimalPoint = "BY_DECIMAL_POINT",
    }
);

impl AccountStatus {
    /// A terminal status ends the account: it must carry a closed_date (X004).
    pub fn is_terminal(self) -> bool {
        self != AccountStatus::Active
    }
}

impl EventType {
    /// Whether an event of this kind is an amount that moves; the others change dates, terms or status alone.
    pub fn moves_money(self) -> bool {
        !matches!(self, EventType::Reschedule | EventType::Restructure | EventType::Cancellation)
    }
}

impl ProductType {
    pub fn is_bnpl(self) -> bool {
        matches!(self, ProductType::BnplPlan | ProductType::BnplLine)
    }
}
