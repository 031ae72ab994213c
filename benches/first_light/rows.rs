//! Synthetic account rows that a real book could have: instalment plans, credit lines, settled and overdue accounts.
//!
//! **Synthetic**: numbers bear the place code 82 (state unknown), names begin with SYNTHETIC. Every person and account
//! is another one, and the same number always gives the same row.

use std::io::Write as _;

use chrono::{Days, NaiveDate};
use etrplus::domain::contract::Field;
use etrplus::domain::dates::business_date;

/// The rows of one reporting period.
pub struct Rows {
    pub period_end: NaiveDate,
    /// Days from the end of the month to the day that the rows tell of.
    later: i64,
    /// Days around the period's end as text: formatting dates would take most of the time.
    days: Vec<String>,
}

const DAYS_BEFORE: i64 = 1500;
const DAYS_AFTER: i64 = 1500;
const GIVEN: [&str; 16] = [
    "AMINAH", "WEI LING", "RAJ", "SITI", "AHMAD", "MEI", "KUMAR", "FARAH", "HAFIZ", "JUN", "DEVI", "IDRIS",
    "LIM", "NORA", "OMAR", "PRIYA",
];
const FAMILY: [&str; 8] = ["BIN ALI", "A/L SAMY", "TAN", "BINTI OSMAN", "WONG", "ABDULLAH", "LEE", "A/P RAO"];

/// The fields of [`Rows::write_twenty`]: those that every row needs, and a plan's.
pub const TWENTY: [Field; 20] = [
    Field::SubjectType,
    Field::IdType,
    Field::IdNumber,
    Field::FullName,
    Field::AccountRef,
    Field::ProductType,
    Field::PortfolioType,
    Field::AsOfDate,
    Field::OpenedDate,
    Field::Status,
    Field::ClosedDate,
    Field::Currency,
    Field::OriginalAmount,
    Field::CreditLimit,
    Field::InstalmentAmount,
    Field::InstalmentsTotal,
    Field::Outstanding,
    Field::Overdue,
    Field::Dpd,
    Field::NextDueDate,
];

/// 2 % of the rows are bad.
pub const ROWS_PER_FAULT: u64 = 50;

/// What stands in the place of a good value.
type Fault = fn() -> Option<Value>;

/// What a bad row has in one of its fields: V001, V002, V004, V005, V010, I001, I003, X002, X006.
const FAULTS: [(Field, Fault); 9] = [
    (Field::Outstanding, || None),
    (Field::Dpd, || Some(text("none"))),
    (Field::ProductType, || Some(text("LOAN"))),
    (Field::Overdue, || Some(Value::Number(-1))),
    (Field::Currency, || Some(text("XXX"))),
    (Field::IdNumber, || Some(text("85010182"))),
    (Field::IdNumber, || Some(text("850101705678"))),
    (Field::OpenedDate, || Some(text("2199-01-01"))),
    (Field::Overdue, || Some(Value::Number(999_999_999))),
];

/// A cell of a row.
enum Value {
    Text(String),
    Number(i64),
}

type Fields = Vec<(Field, Value)>;

impl Rows {
    /// Rows of the last month that is over.
    pub fn of_last_month() -> Rows {
        let today = business_date(etrplus::clock::Clock::System.now());
        let first =
            today.checked_sub_days(Days::new(u64::from(chrono::Datelike::day0(&today)))).unwrap_or(today);
        let period_end = first.pred_opt().unwrap_or(first);
        let start = period_end.checked_sub_days(Days::new(DAYS_BEFORE as u64)).unwrap_or(period_end);
        let days = start
            .iter_days()
            .take((DAYS_BEFORE + DAYS_AFTER + 1) as usize)
            .map(|day| day.to_string())
            .collect();
        Rows { period_end, later: 0, days }
    }

    /// The same accounts a day later, when nothing has happened but that the overdue ones are overdue for longer.
    pub fn a_day_later(mut self) -> Rows {
        self.later += 1;
        self.period_end = self.period_end.succ_opt().unwrap_or(self.period_end);
        self
    }

    /// The identity number of a person, in the form of the contract.
    pub fn nric(person: u64) -> String {
        let (birthday, serial) = (person % 15_120, person / 15_120 + 1);
        let (year, month, day) = (55 + birthday / 336, birthday / 28 % 12 + 1, birthday % 28 + 1);
        format!("{year:02}{month:02}{day:02}82{serial:04}")
    }

    fn day(&self, offset: i64) -> Value {
        let place = (offset + DAYS_BEFORE).clamp(0, DAYS_BEFORE + DAYS_AFTER);
        Value::Text(self.days[place as usize].clone())
    }

    pub fn write_ndjson(&self, n: u64, out: &mut Vec<u8>) {
        let mut opening = '{';
        for (field, value) in self.fields(n) {
            let name = field.name();
            // Writing to a Vec does not fail.
            let _ = match value {
                Value::Text(text) => write!(out, "{opening}\"{name}\":\"{text}\""),
                Value::Number(number) => write!(out, "{opening}\"{name}\":{number}"),
            };
            opening = ',';
        }
        out.extend_from_slice(b"}\n");
    }

    /// The columns of [`Rows::write_csv`]: every field that some row has.
    pub fn csv_header() -> String {
        CSV_COLUMNS.map(Field::name).join(",") + "\n"
    }

    pub fn write_csv(&self, n: u64, out: &mut Vec<u8>) {
        let fields = self.fields(n);
        for (position, column) in CSV_COLUMNS.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            let _ = match fields.iter().find(|(field, _)| field == column) {
                Some((_, Value::Text(text))) => write!(out, "{text}"),
                Some((_, Value::Number(number))) => write!(out, "{number}"),
                None => Ok(()),
            };
        }
        out.push(b'\n');
    }

    /// The row with exactly twenty fields, null where it has nothing to say; one of fifty breaks a rule.
    pub fn write_twenty(&self, n: u64, out: &mut Vec<u8>) {
        let mut fields = self.fields(n);
        if n % ROWS_PER_FAULT == ROWS_PER_FAULT - 1 {
            let fault = (n / ROWS_PER_FAULT) as usize % FAULTS.len();
            let (field, wrong) = FAULTS[fault];
            fields.retain(|(other, _)| *other != field);
            fields.extend(wrong().map(|value| (field, value)));
        }
        let mut opening = '{';
        for field in TWENTY {
            let name = field.name();
            let _ = match fields.iter().find(|(other, _)| *other == field) {
                Some((_, Value::Text(text))) => write!(out, "{opening}\"{name}\":\"{text}\""),
                Some((_, Value::Number(number))) => write!(out, "{opening}\"{name}\":{number}"),
                None => write!(out, "{opening}\"{name}\":null"),
            };
            opening = ',';
        }
        out.extend_from_slice(b"}\n");
    }

    /// Rows from `first` on until there are so many bytes; returns how many rows there are.
    pub fn ndjson_of_bytes(&self, first: u64, bytes: usize) -> (Vec<u8>, u64) {
        let mut out = Vec::with_capacity(bytes + 1024);
        let mut n = first;
        while out.len() < bytes {
            self.write_ndjson(n, &mut out);
            n += 1;
        }
        (out, n - first)
    }

    fn fields(&self, n: u64) -> Fields {
        let luck = scramble(n);
        let mut fields = identity(n, luck);
        match luck % 10 {
            0..=5 => self.instalment(luck, &mut fields),
            6 | 7 => self.line_of_credit(luck, &mut fields),
            8 => self.settled(luck, &mut fields),
            _ => self.overdue(luck, &mut fields),
        }
        fields
    }

    fn terms(
        &self,
        fields: &mut Fields,
        product: &str,
        portfolio: &str,
        opened: i64,
        status: &str,
        since: i64,
    ) {
        fields.extend([
            (Field::ProductType, text(product)),
            (Field::PortfolioType, text(portfolio)),
            (Field::AsOfDate, self.day(self.later)),
            (Field::OpenedDate, self.day(opened)),
            (Field::Status, text(status)),
            (Field::StatusDate, self.day(since)),
            (Field::Currency, text("MYR")),
        ]);
    }

    fn instalment(&self, luck: u64, fields: &mut Fields) {
        let (product, total) = plan(luck);
        let paid = (luck >> 16) as i64 % total;
        let amount = 5_000 + (luck >> 24) as i64 % 95_000;
        let opened = -(30 * paid + 10 + (luck >> 40) as i64 % 15);
        self.terms(fields, product, "INSTALMENT", opened, "ACTIVE", opened);
        fields.push((Field::MaturityDate, self.day(opened + 31 * total)));
        fields.extend(instalments(total, paid, 0, amount));
        fields.extend(owed(amount * (total - paid), 0, 0));
        if paid > 0 {
            let last = -3 - (luck >> 44) as i64 % 25;
            fields.extend([
                (Field::AmountPaidPeriod, Value::Number(amount)),
                (Field::LastPaymentDate, self.day(last)),
                (Field::LastPaymentAmount, Value::Number(amount)),
            ]);
        }
        fields.push((Field::NextDueDate, self.day(5 + (luck >> 48) as i64 % 20)));
        fields.push((Field::NextDueAmount, Value::Number(amount)));
    }

    fn line_of_credit(&self, luck: u64, fields: &mut Fields) {
        let opened = -30 - (luck >> 16) as i64 % 1400;
        let limit = 100_000 + (luck >> 24) as i64 % 20 * 50_000;
        self.terms(fields, "BNPL_LINE", "REVOLVING", opened, "ACTIVE", opened);
        fields.push((Field::CreditLimit, Value::Number(limit)));
        fields.extend(owed((luck >> 32) as i64 % limit, 0, 0));
        fields.push((Field::NextDueDate, self.day(1 + (luck >> 48) as i64 % 28)));
    }

    fn settled(&self, luck: u64, fields: &mut Fields) {
        let (product, total) = plan(luck);
        let amount = 5_000 + (luck >> 24) as i64 % 95_000;
        let opened = -(30 * total + 40);
        let closed = -1 - (luck >> 40) as i64 % 25;
        self.terms(fields, product, "INSTALMENT", opened, "SETTLED", closed);
        fields.push((Field::ClosedDate, self.day(closed)));
        fields.extend(instalments(total, total, 0, amount));
        fields.extend(owed(0, 0, 0));
        fields.extend([
            (Field::LastPaymentDate, self.day(closed)),
            (Field::LastPaymentAmount, Value::Number(amount)),
            (Field::SettledDate, self.day(closed)),
            (Field::SettlementType, text("FULL")),
        ]);
    }

    fn overdue(&self, luck: u64, fields: &mut Fields) {
        let (_, total) = plan(luck | 1);
        let missed = 1 + (luck >> 16) as i64 % 3;
        let paid = (luck >> 20) as i64 % (total - 3);
        let amount = 5_000 + (luck >> 24) as i64 % 95_000;
        let dpd = 30 * (missed - 1) + 1 + (luck >> 40) as i64 % 28;
        let opened = -(30 * (paid + missed) + 40);
        self.terms(fields, "PERSONAL_LOAN", "INSTALMENT", opened, "ACTIVE", opened);
        fields.extend(instalments(total, paid, missed, amount));
        fields.extend(owed(amount * (total - paid), amount * missed, dpd + self.later));
        fields.push((Field::OldestUnpaidDueDate, self.day(-dpd)));
        fields.push((Field::FirstDelinquencyDate, self.day(-dpd)));
        fields.push((Field::NextDueDate, self.day(1 + (luck >> 48) as i64 % 28)));
    }
}

fn identity(n: u64, luck: u64) -> Fields {
    let name =
        format!("SYNTHETIC {} {}", GIVEN[(luck >> 8) as usize % 16], FAMILY[(luck >> 12) as usize % 8]);
    vec![
        (Field::SubjectType, text("INDIVIDUAL")),
        (Field::IdType, text("NRIC")),
        (Field::IdNumber, Value::Text(Rows::nric(n))),
        (Field::FullName, Value::Text(name)),
        (Field::HolderRole, text("PRIMARY")),
        (Field::AccountRef, Value::Text(format!("ACC-{n:010}"))),
    ]
}

fn plan(luck: u64) -> (&'static str, i64) {
    match luck >> 4 & 3 {
        0 if luck & 1 == 0 => ("BNPL_PLAN", 3),
        1 => ("CREDIT_SALE", 12),
        2 => ("PERSONAL_LOAN", 24),
        _ => ("HIRE_PURCHASE", 36),
    }
}

fn instalments(total: i64, paid: i64, missed: i64, amount: i64) -> [(Field, Value); 6] {
    [
        (Field::OriginalAmount, Value::Number(amount * total)),
        (Field::InstalmentAmount, Value::Number(amount)),
        (Field::InstalmentsTotal, Value::Number(total)),
        (Field::InstalmentsPaid, Value::Number(paid)),
        (Field::InstalmentsOverdue, Value::Number(missed)),
        (Field::PaymentFrequency, text("MONTHLY")),
    ]
}

fn owed(outstanding: i64, overdue: i64, dpd: i64) -> [(Field, Value); 3] {
    [
        (Field::Outstanding, Value::Number(outstanding)),
        (Field::Overdue, Value::Number(overdue)),
        (Field::Dpd, Value::Number(dpd)),
    ]
}

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

/// Steele, Lea and Flood's SplitMix64: spreads a counter over all bits.
pub fn scramble(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

const CSV_COLUMNS: [Field; 34] = [
    Field::SubjectType,
    Field::IdType,
    Field::IdNumber,
    Field::FullName,
    Field::HolderRole,
    Field::AccountRef,
    Field::ProductType,
    Field::PortfolioType,
    Field::AsOfDate,
    Field::OpenedDate,
    Field::MaturityDate,
    Field::ClosedDate,
    Field::Status,
    Field::StatusDate,
    Field::Currency,
    Field::OriginalAmount,
    Field::CreditLimit,
    Field::InstalmentAmount,
    Field::InstalmentsTotal,
    Field::InstalmentsPaid,
    Field::InstalmentsOverdue,
    Field::PaymentFrequency,
    Field::Outstanding,
    Field::Overdue,
    Field::Dpd,
    Field::OldestUnpaidDueDate,
    Field::FirstDelinquencyDate,
    Field::AmountPaidPeriod,
    Field::LastPaymentDate,
    Field::LastPaymentAmount,
    Field::NextDueDate,
    Field::NextDueAmount,
    Field::SettledDate,
    Field::SettlementType,
];
