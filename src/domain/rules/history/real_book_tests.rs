//! The history rules over real books, whose moves from month to month are known and counted (their README and
//! MANIFEST.json): six months of credit cards, scattered months of shop credit, and a book of closed loans.
//!
//! The files lie beside the repository, not in it; without them the tests say so and pass.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use chrono::NaiveDate;
use serde_json::Value;

use super::*;
use crate::domain::contract::{AccountStatus, FieldSet, PortfolioType, ProductType};
use crate::domain::money::Sen;

fn read_book(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/canonical").join(name);
    let Ok(file) = std::fs::File::open(path) else {
        println!("no real book beside the repository; nothing was checked");
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text)
}

/// A row of which a book tells little; what it leaves out is as if filled in.
fn bare(as_of_date: NaiveDate, product_type: ProductType, portfolio_type: PortfolioType) -> Arriving {
    Arriving {
        facts: Facts {
            as_of_date,
            opened_date: NaiveDate::from_ymd_opt(2000, 1, 1).unwrap(),
            product_type,
            portfolio_type,
            currency: *b"XTS",
            original_amount: None,
            status: AccountStatus::Active,
            dpd: 0,
            outstanding: Sen(0),
            overdue: Sen(0),
            fees_outstanding: None,
            instalments_paid: None,
            first_delinquency_date: None,
            write_off_amount: None,
            restructured: false,
            imputed: FieldSet::EMPTY,
        },
        credit_limit: None,
        amount_paid_period: None,
        settlement_type: None,
        contributor_dispute: false,
    }
}

/// Judges rows one after the other, each against what the rows before it left, and counts what is found.
#[derive(Default)]
struct Book {
    pasts: HashMap<String, Past>,
    counts: BTreeMap<Code, u32>,
}

impl Book {
    fn take(&mut self, account_ref: &str, row: &Arriving) {
        let terms = Terms::default();
        let context = HistoryContext { terms: &terms, replaces: false, sends_events: false };
        let past = self.pasts.entry(account_ref.to_owned()).or_default();
        let mut findings = Vec::new();
        check_history(past, row, &context, &mut findings);
        for finding in findings {
            *self.counts.entry(finding.code).or_default() += 1;
        }
        past.step(row);
    }

    fn counts_of<const N: usize>(&mut self, codes: [Code; N]) -> [u32; N] {
        let counts = std::mem::take(&mut self.counts);
        codes.map(|code| counts.get(&code).copied().unwrap_or(0))
    }
}

fn card_row(header: &[&str], line: &str) -> (String, Arriving) {
    let cells: HashMap<&str, &str> = header.iter().copied().zip(line.split(',')).collect();
    let sen = |column: &str| Some(Sen(cells[column].parse().unwrap()));
    let mut row = bare(cells["as_of_date"].parse().unwrap(), ProductType::Other, PortfolioType::Revolving);
    row.facts.dpd = cells["dpd"].parse().unwrap();
    row.facts.outstanding = sen("outstanding").unwrap();
    row.credit_limit = sen("credit_limit");
    row.amount_paid_period = sen("amount_paid_period");
    (cells["account_ref"].to_owned(), row)
}

#[test]
fn six_months_of_cards_move_as_they_are_known_to_move() {
    let mut book = Book::default();
    let mut months = Vec::new();
    for month in 4..=9 {
        let Some(text) = read_book(&format!("uci_taiwan.2005-0{month}.accounts.csv.gz")) else { return };
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        for line in lines {
            let (account_ref, row) = card_row(&header, line);
            book.take(&account_ref, &row);
        }
        months.push(book.counts_of([Code::P004, Code::P005, Code::P007, Code::P010, Code::P001, Code::P008]));
    }
    assert_eq!(
        months,
        [
            [0, 0, 0, 0, 0, 0],
            [862, 765, 114, 123, 0, 0],
            [1254, 601, 131, 153, 0, 0],
            [1623, 728, 119, 114, 0, 0],
            [1479, 936, 130, 109, 0, 0],
            [991, 1456, 124, 89, 0, 0],
        ]
    );
}

#[test]
fn scattered_months_of_shop_credit_hold_the_known_contradictions() {
    let Some(text) = read_book("home_credit_pos.accounts.ndjson.gz") else { return };
    let mut book = Book::default();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let as_of = row["as_of_date"].as_str().unwrap().parse().unwrap();
        let mut arriving = bare(as_of, ProductType::CreditSale, PortfolioType::Instalment);
        arriving.facts.status = AccountStatus::parse(row["status"].as_str().unwrap()).unwrap();
        arriving.facts.dpd = row["dpd"].as_u64().unwrap() as u16;
        // A count below zero cannot be read (V002) and is not compared.
        arriving.facts.instalments_paid = row["instalments_paid"].as_u64().map(|paid| paid as u16);
        book.take(row["account_ref"].as_str().unwrap(), &arriving);
    }
    assert_eq!(book.pasts.len(), 17_734);
    assert_eq!(book.counts_of([Code::P003, Code::P004, Code::P013]), [1, 6, 1]);
}

#[test]
fn a_first_book_of_old_loans_is_late() {
    let Some(text) = read_book("superlender.accounts.ndjson.gz") else { return };
    let mut book = Book::default();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let date = |column: &str| row[column].as_str().unwrap().parse().unwrap();
        let mut arriving = bare(date("as_of_date"), ProductType::PersonalLoan, PortfolioType::Instalment);
        arriving.facts.opened_date = date("opened_date");
        arriving.facts.status = AccountStatus::parse(row["status"].as_str().unwrap()).unwrap();
        book.take(row["account_ref"].as_str().unwrap(), &arriving);
    }
    assert_eq!(book.counts_of([Code::P015, Code::P001, Code::P003]), [14_048, 0, 0]);
}
