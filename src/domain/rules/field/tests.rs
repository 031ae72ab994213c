//! Each V rule on its own case, the two file formats against each other, and a real book of accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use chrono::NaiveDate;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::cells::Cells;
use super::shape::Shape;
use super::*;
use crate::domain::contract::csv::CsvHeader;
use crate::domain::contract::ndjson::NdjsonReader;
use crate::domain::contract::row::{Cell, Notation, Row};
use crate::domain::contract::spec::{self, Form, Kind};
use crate::domain::contract::{AccountSnapshot, Field, FieldSet, HolderRole};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;
use crate::domain::rules::identity::{IdentityContext, check_identity};

/// A synthetic account without fault, with every required field and no other.
fn good_row() -> Map<String, Value> {
    let row = json!({
        "subject_type": "INDIVIDUAL", "id_type": "NRIC", "id_number": "900101145678",
        "full_name": "SUBJECT GOJLOPNJ", "account_ref": "ACC-1", "product_type": "PERSONAL_LOAN",
        "portfolio_type": "INSTALMENT", "as_of_date": "2026-01-31", "opened_date": "2025-06-01",
        "status": "ACTIVE", "currency": "MYR", "outstanding": 120_000, "overdue": 0, "dpd": 0
    });
    row.as_object().unwrap().clone()
}

/// The good row with some fields set anew; null takes a field away.
fn row_with(changes: &Value) -> Map<String, Value> {
    let mut row = good_row();
    row.extend(changes.as_object().unwrap().clone());
    row
}

fn codes(findings: &[Finding]) -> String {
    let show =
        |f: &Finding| format!("{} {} {}", f.code, f.severity.as_str(), f.field.map_or("-", Field::name));
    findings.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// Reads a row as NDJSON, hands the record to a check and gives the findings.
fn read_json<T>(row: &Map<String, Value>, look: impl FnOnce(&AccountSnapshot<'_>) -> T) -> (T, String) {
    let terms = Terms::default();
    let forms = MoneyForms::default();
    let context = FieldContext { terms: &terms, money: MoneyUnit::ByDecimalPoint, money_forms: &forms };
    let line = serde_json::to_vec(row).unwrap();
    let cells = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT).read(&line).unwrap();
    let mut findings = Vec::new();
    let record = read_snapshot(&cells, &context, &mut findings);
    assert_eq!(
        (forms.whole(), forms.decimal()),
        (0, 0),
        "JSON amounts are sen, there is nothing to find out"
    );
    (look(&record), codes(&findings))
}

/// Reads a row as CSV: every value is text.
fn read_csv<T>(
    row: &[(&str, &str)],
    money: MoneyUnit,
    look: impl FnOnce(&AccountSnapshot<'_>, &MoneyForms) -> T,
) -> (T, String) {
    let terms = Terms::default();
    let forms = MoneyForms::default();
    let context = FieldContext { terms: &terms, money, money_forms: &forms };
    let header =
        CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, row.iter().map(|(name, _)| *name)).unwrap();
    let record: ::csv::StringRecord = row.iter().map(|(_, value)| *value).collect();
    let cells = header.fill(&record).unwrap();
    let mut findings = Vec::new();
    let snapshot = read_snapshot(&cells, &context, &mut findings);
    (look(&snapshot, &forms), codes(&findings))
}

fn good_csv_row() -> Vec<(&'static str, &'static str)> {
    vec![
        ("subject_type", "INDIVIDUAL"),
        ("id_type", "NRIC"),
        ("id_number", "900101145678"),
        ("full_name", "SUBJECT GOJLOPNJ"),
        ("account_ref", "ACC-1"),
        ("product_type", "PERSONAL_LOAN"),
        ("portfolio_type", "INSTALMENT"),
        ("as_of_date", "2026-01-31"),
        ("opened_date", "2025-06-01"),
        ("status", "ACTIVE"),
        ("currency", "MYR"),
        ("outstanding", "120000"),
        ("overdue", "0"),
        ("dpd", "0"),
    ]
}

#[track_caller]
fn check(changes: &Value, expected: &str) {
    let ((), found) = read_json(&row_with(changes), |_| ());
    assert_eq!(found, expected, "{changes}");
}

#[test]
fn a_good_row_has_no_findings_and_gets_its_defaults() {
    let ((), found) = read_json(&good_row(), |record| {
        assert_eq!(record.outstanding, Some(Sen(120_000)));
        assert_eq!(record.holder_role, Some(HolderRole::Primary));
        assert_eq!((record.status_date, record.status_date_defaulted), (record.as_of_date, true));
        assert!(record.unreadable.is_empty());
    });
    assert_eq!(found, "");
    let closed = row_with(&json!({"closed_date": "2026-01-15", "status": "SETTLED", "holder_role": "JOINT"}));
    read_json(&closed, |record| {
        assert_eq!(record.status_date, NaiveDate::from_ymd_opt(2026, 1, 15));
        assert_eq!(record.holder_role, Some(HolderRole::Joint));
    });
    read_json(&row_with(&json!({"status_date": "2025-12-01"})), |record| {
        assert_eq!(
            (record.status_date, record.status_date_defaulted),
            (NaiveDate::from_ymd_opt(2025, 12, 1), false)
        );
    });
}

#[test]
fn v001_required_fields_are_there() {
    for field in spec::ACCOUNT_SNAPSHOT.required.iter() {
        for blank in [json!(null), json!(""), json!("  ")] {
            check(&json!({ field.name(): blank }), &format!("V001 R {field}"));
        }
    }
    let ((), found) = read_json(&Map::new(), |_| ());
    assert_eq!(found.matches("V001").count(), 14, "a line without anything: {found}");
}

#[test]
fn half_a_second_identifier_is_noticed() {
    check(&json!({"secondary_id_type": "NRIC"}), "V001 W secondary_id_number");
    check(&json!({"secondary_id_number": "900101145678"}), "V001 W secondary_id_type");
    check(&json!({"secondary_id_type": "NRIC", "secondary_id_number": "900101145678"}), "");
}

#[test]
fn v002_values_have_their_fields_type() {
    for (changes, expected) in [
        (json!({"outstanding": 120_000.5}), "V002 R outstanding"),
        (json!({"outstanding": "120000"}), "V002 R outstanding"),
        (json!({"outstanding": u64::MAX}), "V002 R outstanding"),
        (json!({"outstanding": [1]}), "V002 R outstanding"),
        (json!({"outstanding": true}), "V002 R outstanding"),
        (json!({"dpd": "0"}), "V002 R dpd"),
        (json!({"dpd": 0.5}), "V002 R dpd"),
        (json!({"instalments_total": 65_536}), "V002 R instalments_total"),
        (json!({"instalments_total": 65_535}), ""),
        (json!({"opened_date": "2025-02-30"}), "V002 R opened_date"),
        (json!({"opened_date": "01/06/2025"}), "V002 R opened_date"),
        (json!({"opened_date": 20_250_601}), "V002 R opened_date"),
        (json!({"islamic": "true"}), "V002 R islamic"),
        (json!({"islamic": 1}), "V002 R islamic"),
        (json!({"islamic": false}), ""),
        (json!({"id_number": 900_101_145_678_i64}), "V002 R id_number"),
        (json!({"status": 1}), "V002 R status"),
        (json!({"merchant_category": "541"}), "V002 R merchant_category"),
        (json!({"merchant_category": "5411"}), ""),
    ] {
        check(&changes, expected);
    }
}

#[test]
fn what_cannot_be_read_is_neither_there_nor_missing() {
    let row =
        row_with(&json!({"outstanding": "12,000", "status_date": "yesterday", "closed_date": "2026-02-31"}));
    let ((), found) = read_json(&row, |record| {
        assert_eq!((record.outstanding, record.status_date, record.closed_date), (None, None, None));
        for field in [Field::Outstanding, Field::StatusDate, Field::ClosedDate] {
            assert!(record.was_unreadable(field));
        }
        assert!(!record.was_unreadable(Field::Overdue) && !record.status_date_defaulted);
    });
    assert_eq!(found, "V002 R closed_date, V002 R status_date, V002 R outstanding");
}

#[test]
fn v003_text_is_short_and_without_control_characters() {
    for (changes, expected) in [
        (json!({"full_name": "S".repeat(149) + "Y"}), ""),
        (json!({"full_name": "S".repeat(150) + "Y"}), "V003 R full_name"),
        (json!({"full_name": "Ä".repeat(149) + "B"}), ""),
        (json!({"full_name": "SUBJECT\u{0}ONE"}), "V003 R full_name"),
        (json!({"full_name": "SUBJECT\nONE"}), "V003 R full_name"),
        (json!({"full_name": "SUBJECT\u{85}ONE"}), "V003 R full_name"),
        (json!({"full_name": "SUBJECT\u{202e}ENO"}), "V003 R full_name"),
        (json!({"full_name": "SUBJECT; ONE"}), "V003 R full_name"),
        (json!({"full_name": "SUBJECT \"ONE\""}), "V003 R full_name"),
        (json!({"full_name": "SUBJECT ☺"}), "V003 R full_name"),
        (json!({"full_name": "O'SUBJECT-ONE A/L D. TWO @ THREE, (FOUR) & CO."}), ""),
        (json!({"full_name": "Čtvrtý ’Subjekt 测试 தேர்வு"}), ""),
        (json!({"account_ref": "A".repeat(64)}), ""),
        (json!({"account_ref": "A".repeat(65)}), "V003 R account_ref"),
        (json!({"id_number": "900101145678900101145"}), "V003 R id_number"),
        (json!({"evidence_ref": "s3:doc/".repeat(15)}), "V003 R evidence_ref"),
        (json!({"sold_to": "BUYER\tONE"}), "V003 R sold_to"),
        (json!({"sold_to": "BUYER ☺ ONE"}), ""),
    ] {
        check(&changes, expected);
    }
}

#[test]
fn v004_words_are_on_their_list() {
    for field in [
        "subject_type",
        "id_type",
        "holder_role",
        "product_type",
        "portfolio_type",
        "status",
        "payment_frequency",
        "settlement_type",
    ] {
        check(&json!({field: "NO_SUCH_WORD"}), &format!("V004 R {field}"));
    }
    check(&json!({"status": "active"}), "V004 R status");
    let second = json!({"secondary_id_type": "IC", "secondary_id_number": "900101145678"});
    check(&second, "V004 R secondary_id_type");
    check(&json!({"id_country": "ID"}), "V004 R id_country");
    check(&json!({"id_country": "IDN"}), "");
}

#[test]
fn v005_to_v007_amounts_have_bounds_and_stay() {
    for (changes, expected) in [
        (json!({"outstanding": -1}), "V005 R outstanding"),
        (json!({"dpd": -1}), "V005 R dpd"),
        (json!({"instalments_paid": -11}), "V005 R instalments_paid"),
        (json!({"credit_limit": 1_000_000_000}), ""),
        (json!({"credit_limit": 1_000_000_001}), "V006 R credit_limit"),
        (json!({"product_type": "BNPL_PLAN", "outstanding": 5_000_000}), ""),
        (
            json!({"product_type": "BNPL_PLAN", "original_amount": 5_000_001, "outstanding": 5_000_002}),
            "V007 W original_amount, V007 W outstanding",
        ),
        (json!({"product_type": "BNPL_PLAN", "outstanding": 1_000_000_001}), "V006 R outstanding"),
        (json!({"product_type": "BNPL_LINE", "outstanding": 5_000_001}), ""),
    ] {
        check(&changes, expected);
    }
    read_json(&row_with(&json!({"outstanding": -1, "overdue": 2_000_000_000})), |record| {
        assert_eq!((record.outstanding, record.overdue), (Some(Sen(-1)), Some(Sen(2_000_000_000))));
    });
}

#[test]
fn v008_and_v009_dates_are_plausible() {
    for field in ["closed_date", "last_payment_date", "write_off_date", "settled_date", "sold_date"] {
        check(&json!({field: "2026-02-01"}), &format!("V008 R {field}"));
        check(&json!({field: "2026-01-31"}), "");
    }
    for field in ["opened_date", "maturity_date", "next_due_date", "status_date"] {
        check(&json!({field: "2026-02-01"}), "");
    }
    check(&json!({"opened_date": "1949-12-31"}), "V009 W opened_date");
    check(&json!({"opened_date": "1950-01-01"}), "");
    check(&json!({"date_of_birth": "1931-05-01"}), "");
    check(&json!({"date_of_birth": "1899-12-31"}), "V009 W date_of_birth");
}

#[test]
fn v010_currency_is_agreed() {
    for currency in ["USD", "myr", "RM", "MYRX"] {
        let expected = if currency.len() > 3 { "V003 R currency" } else { "V010 R currency" };
        check(&json!({"currency": currency}), expected);
    }
}

#[test]
fn v011_v012_and_v016_text_means_something() {
    for (changes, expected) in [
        (json!({"full_name": "TEST"}), "V011 W full_name"),
        (json!({"full_name": "n/a"}), "V011 W full_name"),
        (json!({"full_name": "TESTAMENT"}), ""),
        (json!({"full_name": "XXXXXX"}), "V011 W full_name, V012 W full_name"),
        (json!({"full_name": "XAVIER"}), ""),
        (json!({"sold_to": "-"}), "V011 W sold_to, V016 W sold_to"),
        (json!({"evidence_ref": "NULL"}), "V011 W evidence_ref"),
        (json!({"full_name": "SUBJECT 1"}), "V012 W full_name"),
        (json!({"full_name": "Aa aA"}), "V012 W full_name"),
        (json!({"full_name": "A"}), ""),
        (json!({"subject_type": "BUSINESS", "full_name": "99 SUBJECTS SDN. BHD."}), ""),
        (json!({"full_name": "@SUBJECT"}), "V016 W full_name"),
        (json!({"full_name": "=SUBJECT"}), "V016 W full_name, V003 R full_name"),
        (json!({"evidence_ref": "+1"}), "V016 W evidence_ref"),
        (json!({"phone": "+60123456789"}), ""),
        (json!({"account_ref": "-1"}), "V016 W account_ref"),
    ] {
        check(&changes, expected);
    }
}

#[test]
fn v013_to_v017_texts_have_their_form() {
    for (changes, expected) in [
        (json!({"phone": "0123456789"}), "V013 R phone"),
        (json!({"phone": "+0123456789"}), "V013 R phone"),
        (json!({"phone": "+60 12 345 6789"}), "V013 R phone"),
        (json!({"phone": "+601234"}), "V013 R phone"),
        (json!({"account_ref": "ACC 1"}), "V014 R account_ref"),
        (json!({"account_ref": "=ACC"}), "V014 R account_ref"),
        (json!({"account_ref": "ÄCC"}), "V014 R account_ref"),
        (json!({"account_ref": "Aa0._:-"}), ""),
        (json!({"dpd": 9_999}), ""),
        (json!({"dpd": 10_000}), "V015 R dpd"),
        (json!({"dpd": 100_000}), "V015 R dpd"),
        (json!({"postcode": "50000"}), ""),
        (json!({"postcode": "5000"}), "V017 R postcode"),
        (json!({"postcode": "5000A"}), "V017 R postcode"),
    ] {
        check(&changes, expected);
    }
}

#[test]
fn csv_cells_are_read_by_the_files_unit_and_counted() {
    let mut row = good_csv_row();
    row.extend([
        ("credit_limit", "500.00"),
        ("islamic", "Y"),
        ("hardship", "0"),
        ("instalments_total", "12"),
    ]);
    let ((), found) = read_csv(&row, MoneyUnit::ByDecimalPoint, |record, forms| {
        assert_eq!((record.outstanding, record.credit_limit), (Some(Sen(120_000)), Some(Sen(50_000))));
        assert_eq!(
            (record.islamic, record.hardship, record.instalments_total),
            (Some(true), Some(false), Some(12))
        );
        assert_eq!((forms.whole(), forms.decimal()), (1, 1));
        assert!(forms.is_mixed());
    });
    assert_eq!(found, "");
    let ((), found) = read_csv(&row, MoneyUnit::Ringgit, |record, _| {
        assert_eq!((record.outstanding, record.credit_limit), (Some(Sen(12_000_000)), Some(Sen(50_000))));
    });
    assert_eq!(found, "");
    let ((), found) = read_csv(&row, MoneyUnit::Sen, |record, _| assert_eq!(record.credit_limit, None));
    assert_eq!(found, "V002 R credit_limit");
    row.extend([("last_payment_amount", "1.005"), ("legal_action", "yes"), ("instalments_paid", "1.0")]);
    let ((), found) = read_csv(&row, MoneyUnit::Ringgit, |_, _| ());
    assert_eq!(found, "V002 R instalments_paid, V002 R last_payment_amount, V002 R legal_action");
}

#[test]
fn a_value_in_a_finding_is_never_the_contributors() {
    let row = row_with(&json!({
        "id_number": {"900101145678": 1}, "full_name": ["SECRET"], "status": "SECRET", "opened_date": "SECRET",
        "outstanding": "SECRET", "phone": "SECRET", "account_ref": "SECRET \u{1}"
    }));
    let line = serde_json::to_vec(&row).unwrap();
    let cells = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT).read(&line).unwrap();
    let (terms, forms) = (Terms::default(), MoneyForms::default());
    let context = FieldContext { terms: &terms, money: MoneyUnit::Sen, money_forms: &forms };
    let mut findings = Vec::new();
    read_snapshot(&cells, &context, &mut findings);
    assert_eq!(findings.len(), 7);
    for finding in findings {
        let shown = format!("{finding:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("9001"), "{shown}");
    }
}

/// Strings of a form; the generator takes the pattern without its anchors.
fn strings(form: Form) -> &'static str {
    form.pattern().unwrap().trim_start_matches('^').trim_end_matches('$')
}

/// What the schema says with a regular expression and what the rules do by hand are the same.
mod schema_patterns {
    use super::*;

    fn accepted(form: Form, text: &str) -> bool {
        let cells = good_row();
        let line = serde_json::to_vec(&cells).unwrap();
        let row = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT).read(&line).unwrap();
        let terms = Terms { currencies: vec![text.to_owned()], ..Terms::default() };
        let context =
            FieldContext { terms: &terms, money: MoneyUnit::Sen, money_forms: &MoneyForms::default() };
        let mut findings = Vec::new();
        let cells = Cells::new(&row, &context, &mut findings);
        cells.breaks_form(form, Shape::of(text), text).is_none()
    }

    proptest! {
        #[test]
        fn all_that_a_pattern_allows_is_accepted(
            account_ref in strings(Form::AccountRef),
            phone in strings(Form::Phone),
            postcode in strings(Form::Postcode),
            country in strings(Form::Country),
            merchant_category in strings(Form::MerchantCategory),
            name in r"[A-Za-z0-9 '’./@,()&\-]+",
        ) {
            prop_assert!(accepted(Form::AccountRef, &account_ref));
            prop_assert!(accepted(Form::Phone, &phone));
            prop_assert!(accepted(Form::Postcode, &postcode));
            prop_assert!(accepted(Form::Country, &country));
            prop_assert!(accepted(Form::MerchantCategory, &merchant_category));
            prop_assert!(accepted(Form::Name, &name));
        }
    }
}

/// A value of the field's kind in the two notations, JSON and CSV text.
fn value_of(field: Field) -> BoxedStrategy<(Value, String)> {
    match spec::ACCOUNT_SNAPSHOT.line(field).unwrap().kind {
        Kind::Text(max, form) => {
            let pattern = match form {
                Form::Free | Form::Identifier | Form::Name => "[A-Za-z0-9 ,\"'é-]{1,30}",
                _ => strings(form),
            };
            let cut = move |text: String| text.chars().take(max).collect::<String>();
            pattern.prop_map(cut).prop_map(|text| (json!(text), text)).boxed()
        }
        Kind::Word(words) => {
            prop::sample::select(words).prop_map(|word| (json!(word), word.to_owned())).boxed()
        }
        Kind::Date => (1990..2030, 1..13, 1..32)
            .prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"))
            .prop_map(|text| (json!(text), text))
            .boxed(),
        Kind::Instant => unreachable!("no field of account_snapshot is an instant"),
        Kind::Money => (-10_i64..2_000_000_000).prop_map(|sen| (json!(sen), sen.to_string())).boxed(),
        Kind::Count(_) => (-2_i64..70_000).prop_map(|count| (json!(count), count.to_string())).boxed(),
        Kind::Flag => any::<bool>().prop_map(|truth| (json!(truth), truth.to_string())).boxed(),
    }
}

/// Whole rows of plausible values; optional fields come and go.
fn rows() -> impl Strategy<Value = Vec<(Field, Value, String)>> {
    let cells: Vec<_> = spec::ACCOUNT_SNAPSHOT
        .fields
        .iter()
        .map(|field| {
            let cell = value_of(field).prop_map(move |(json, text)| (field, json, text));
            prop::option::weighted(0.7, cell)
        })
        .collect();
    cells.prop_map(|cells| cells.into_iter().flatten().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn csv_and_ndjson_of_the_same_values_are_the_same_record(row in rows()) {
        let json: Map<String, Value> =
            row.iter().map(|(field, json, _)| (field.name().to_owned(), json.clone())).collect();
        let mut text: Vec<(&str, &str)> =
            row.iter().map(|(field, _, text)| (field.name(), text.as_str())).collect();
        let sent: FieldSet = row.iter().map(|(field, ..)| *field).collect();
        text.extend(spec::ACCOUNT_SNAPSHOT.required.without(sent).iter().map(|field| (field.name(), "")));
        let (from_json, json_findings) = read_json(&json, |record| format!("{record:?}"));
        let (from_csv, csv_findings) = read_csv(&text, MoneyUnit::Sen, |record, _| format!("{record:?}"));
        prop_assert_eq!(from_json, from_csv);
        prop_assert_eq!(json_findings, csv_findings);
    }

    #[test]
    fn any_cells_are_read_and_no_field_breaks_a_rule_twice(
        cells in prop::collection::vec(
            prop_oneof![
                "\\PC{0,30}".prop_map(|text| Cell::owned_text(&text)),
                ".{0,10}".prop_map(|text| Cell::owned_text(&text)),
                any::<i64>().prop_map(Cell::Integer),
                any::<bool>().prop_map(Cell::Bool),
                Just(Cell::Absent),
                Just(Cell::Unusable("an array")),
            ],
            spec::ACCOUNT_SNAPSHOT.lines.len(),
        ),
        notation in prop::sample::select(&[Notation::Json, Notation::Csv][..]),
    ) {
        let mut row = Row::new(&spec::ACCOUNT_SNAPSHOT, notation);
        for (field, cell) in spec::ACCOUNT_SNAPSHOT.fields.iter().zip(cells) {
            row.put(field, cell);
        }
        let (terms, forms) = (Terms::default(), MoneyForms::default());
        let context = FieldContext { terms: &terms, money: MoneyUnit::Ringgit, money_forms: &forms };
        let mut findings = Vec::new();
        let record = read_snapshot(&row, &context, &mut findings);
        let today = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
        check_identity(&record, &IdentityContext { today }, &mut findings);
        let places: BTreeSet<_> = findings.iter().map(|finding| (finding.code, finding.field)).collect();
        prop_assert_eq!(places.len(), findings.len(), "{}", codes(&findings));
    }
}

/// 20,000 real accounts with computed identities, kept outside the repository for their licence.
#[test]
fn the_defects_of_a_real_book_are_found() {
    let file = "shared/data/canonical/home_credit_bureau.accounts.ndjson.gz";
    let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(path) = place.ancestors().map(|folder| folder.join(file)).find(|path| path.exists()) else {
        println!("not checked: {file} is not here");
        return;
    };
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()));
    let (terms, forms) = (Terms::default(), MoneyForms::default());
    let context = FieldContext { terms: &terms, money: MoneyUnit::Sen, money_forms: &forms };
    let identity_context = IdentityContext { today: NaiveDate::from_ymd_opt(2018, 5, 31).unwrap() };
    let mut reader = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT);
    let mut rows_by_code: BTreeMap<Code, usize> = BTreeMap::new();
    let mut rows = 0;
    for line in lines.lines() {
        let line = line.unwrap();
        let cells = reader.read(line.as_bytes()).unwrap();
        let mut findings = Vec::new();
        let record = read_snapshot(&cells, &context, &mut findings);
        check_identity(&record, &identity_context, &mut findings);
        for code in findings.iter().map(|finding| finding.code).collect::<BTreeSet<_>>() {
            *rows_by_code.entry(code).or_default() += 1;
        }
        rows += 1;
    }
    assert_eq!(rows, 20_000);
    let expected = [
        (Code::V001, 2_843),
        (Code::V005, 60),
        (Code::V006, 22),
        (Code::V007, 34),
        (Code::V008, 38),
        (Code::V009, 2),
    ];
    assert_eq!(rows_by_code, BTreeMap::from(expected), "and no I rule at all");
}
