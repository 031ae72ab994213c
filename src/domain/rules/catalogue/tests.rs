//! The catalogue answers for every finding, in two languages, and gives nothing away.

use std::collections::BTreeSet;

use super::*;
use crate::domain::finding::Severity;

/// Severities as `domain.md` 6.2 counts them, family by family: rules, R, W, W*.
const FAMILIES_AS_AGREED: [(Family, [usize; 4]); 9] = [
    (Family::F, [27, 20, 2, 5]),
    (Family::V, [17, 12, 5, 0]),
    (Family::I, [17, 12, 3, 2]),
    (Family::X, [31, 22, 9, 0]),
    (Family::S, [5, 3, 2, 0]),
    (Family::P, [19, 7, 9, 3]),
    (Family::E, [10, 6, 4, 0]),
    (Family::A, [6, 4, 1, 1]),
    (Family::L, [9, 6, 3, 0]),
];

#[test]
fn the_catalogue_has_the_rules_that_were_agreed() {
    assert_eq!(RULES.len(), 141);
    for (family, expected) in FAMILIES_AS_AGREED {
        let of = |severity: Option<Severity>| {
            let rules = RULES.iter().filter(|rule| rule.family() == family);
            rules.filter(|rule| severity.is_none_or(|severity| rule.code.severity() == severity)).count()
        };
        let severities = [Severity::Reject, Severity::Warning, Severity::Hold];
        let counted = [of(None), of(Some(severities[0])), of(Some(severities[1])), of(Some(severities[2]))];
        assert_eq!(counted, expected, "{family:?}");
    }
}

#[test]
fn what_guards_persons_law_and_the_contract_stays_as_it_is() {
    for code in [
        "F001", "F005", "F012", "F017", "F027", "V001", "V004", "I001", "I015", "X001", "P002", "P012",
        "L007",
    ] {
        assert!(!rule(Code::parse(code).unwrap()).overridable, "{code}");
    }
    for code in ["F020", "V005", "X007", "P004", "P010"] {
        assert!(rule(Code::parse(code).unwrap()).overridable, "{code}");
    }
    assert!(RULES.iter().filter(|rule| rule.family() == Family::L).all(|rule| !rule.overridable));
}

#[test]
fn every_rule_looks_at_some_dataset_and_its_fields_are_there() {
    let view = |code: &str| RuleView::from(rule(Code::parse(code).unwrap())).datasets;
    assert_eq!(view("F001"), Dataset::ALL);
    assert_eq!(view("X007"), [Dataset::AccountSnapshot]);
    assert_eq!(view("E001"), [Dataset::RepaymentEvent]);
    assert_eq!(view("I002"), [Dataset::AccountSnapshot, Dataset::Application]);
    for entry in RULES {
        assert!(!entry.datasets().is_empty(), "{}", entry.code);
    }
}

#[test]
fn texts_are_whole_sentences_in_two_languages() {
    for entry in RULES {
        let code = entry.code;
        for title in [entry.title_en, entry.title_ms] {
            assert!(!title.is_empty() && !title.ends_with('.'), "{code}: {title:?}: a title is no sentence");
        }
        for text in [entry.message_en, entry.message_ms, entry.remedy_en, entry.remedy_ms] {
            assert!(text.len() > 15, "{code}: {text:?} says too little");
            assert!(text.ends_with('.'), "{code}: {text:?} does not end");
            assert!(!text.contains("  ") && text.trim() == text, "{code}: {text:?} has stray spaces");
        }
        assert_ne!(entry.title_en, entry.title_ms, "{code}");
        assert_ne!(entry.message_en, entry.message_ms, "{code}");
        assert_ne!(entry.remedy_en, entry.remedy_ms, "{code}");
    }
}

#[test]
fn texts_carry_no_data_and_no_place_for_any() {
    for entry in RULES {
        for text in [
            entry.title_en,
            entry.title_ms,
            entry.message_en,
            entry.message_ms,
            entry.remedy_en,
            entry.remedy_ms,
        ] {
            assert!(!text.contains(['{', '}', '%']), "{}: a place for data in {text:?}", entry.code);
            let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
            assert!(longest <= 4, "{}: a number like an identifier in {text:?}", entry.code);
        }
    }
}

#[test]
fn a_rule_is_shown_with_its_severity_level_and_field_names() {
    let view = serde_json::to_value(RuleView::from(rule(Code::X007))).unwrap();
    assert_eq!(view["code"], "X007");
    assert_eq!(view["severity"], "R");
    assert_eq!(view["level"], "row");
    assert_eq!(view["fields"], serde_json::json!(["overdue", "dpd"]));
    assert_eq!(view["enabled_from"], "2026-11-24");
    assert_eq!(view["overridable"], true);
    assert!(view["message"]["ms"].as_str().unwrap().contains("tertunggak"));
}

#[test]
fn the_required_fields_are_those_of_the_contract() {
    let named: BTreeSet<_> = rule(Code::V001).fields.iter().copied().collect();
    assert_eq!(named, crate::domain::contract::spec::ACCOUNT_SNAPSHOT.required.iter().collect());
}
