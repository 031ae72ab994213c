//! The catalogue answers for every finding, in two languages, and gives nothing away.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::domain::rules::ROW_RULES;

/// Every `Code::X000` that code outside tests and outside the catalogue names.
fn codes_in(folder: &Path, found: &mut BTreeSet<Code>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "catalogue") {
                codes_in(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.file_stem().unwrap().to_string_lossy().ends_with("tests")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let names = code.split("Code::").skip(1).filter_map(|rest| rest.get(..4));
            found.extend(names.filter_map(Code::parse));
        }
    }
}

#[test]
fn every_code_that_the_program_can_emit_has_an_entry() {
    let mut emitted = BTreeSet::new();
    codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut emitted);
    assert!(emitted.contains(&Code::X007) && emitted.contains(&Code::F009) && emitted.contains(&Code::S003));
    let silent: Vec<_> = emitted.into_iter().filter(|code| rule(*code).is_none()).collect();
    assert!(silent.is_empty(), "codes without an entry in the catalogue: {silent:?}");
}

#[test]
fn the_catalogue_covers_what_this_version_implements() {
    let range = |family: &str, from: u32, to: u32| -> Vec<String> {
        (from..=to).map(|number| format!("{family}{number:03}")).collect()
    };
    let expected = [
        range("F", 1, 12),
        range("F", 15, 19),
        range("F", 27, 27),
        range("V", 1, 17),
        range("I", 1, 13),
        range("I", 15, 17),
        range("X", 1, 31),
        range("S", 1, 5),
    ];
    let codes: Vec<_> = RULES.iter().map(|rule| rule.code.to_string()).collect();
    for code in expected.concat() {
        assert!(codes.contains(&code), "{code} has no entry");
    }
}

#[test]
fn entries_are_sorted_and_unique_so_that_a_look_up_finds_them() {
    assert!(RULES.is_sorted_by(|a, b| a.code < b.code));
    for entry in RULES {
        assert_eq!(rule(entry.code).unwrap().code, entry.code);
    }
}

#[test]
fn texts_are_whole_sentences_in_two_languages() {
    for entry in RULES {
        let code = entry.code;
        assert!(
            !entry.title_en.is_empty() && !entry.title_en.ends_with('.'),
            "{code}: a title is no sentence"
        );
        for text in [entry.message_en, entry.message_ms, entry.remedy_en, entry.remedy_ms] {
            assert!(text.len() > 15, "{code}: {text:?} says too little");
            assert!(text.ends_with('.'), "{code}: {text:?} does not end");
            assert!(!text.contains("  ") && text.trim() == text, "{code}: {text:?} has stray spaces");
        }
        assert_ne!(entry.message_en, entry.message_ms, "{code}");
        assert_ne!(entry.remedy_en, entry.remedy_ms, "{code}");
    }
}

#[test]
fn texts_carry_no_data_and_no_place_for_any() {
    for entry in RULES {
        for text in [entry.title_en, entry.message_en, entry.message_ms, entry.remedy_en, entry.remedy_ms] {
            assert!(!text.contains(['{', '}', '%']), "{}: a place for data in {text:?}", entry.code);
            let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
            assert!(longest <= 4, "{}: a number like an identifier in {text:?}", entry.code);
        }
    }
}

#[test]
fn a_rule_of_one_row_is_either_evaluated_or_says_what_it_waits_for() {
    let evaluated: BTreeSet<_> = ROW_RULES.iter().map(|rule| rule.code).collect();
    for entry in RULES.iter().filter(|entry| entry.code.as_str().starts_with('X')) {
        assert_eq!(evaluated.contains(&entry.code), entry.waits_for.is_none(), "{}", entry.code);
    }
}

#[test]
fn a_rule_is_shown_with_its_severity_level_and_field_names() {
    let view = serde_json::to_value(RuleView::from(rule(Code::X007).unwrap())).unwrap();
    assert_eq!(view["code"], "X007");
    assert_eq!(view["severity"], "R");
    assert_eq!(view["level"], "row");
    assert_eq!(view["fields"], serde_json::json!(["overdue", "dpd"]));
    assert_eq!(view["waits_for"], serde_json::Value::Null);
    assert!(view["message"]["ms"].as_str().unwrap().contains("tertunggak"));

    let waiting = serde_json::to_value(RuleView::from(rule(Code::X028).unwrap())).unwrap();
    assert_eq!(waiting["waits_for"], "account-history");
}

#[test]
fn the_required_fields_are_those_of_the_contract() {
    let named: BTreeSet<_> = rule(Code::V001).unwrap().fields.iter().copied().collect();
    assert_eq!(named, crate::domain::contract::spec::ACCOUNT_SNAPSHOT.required.iter().collect());
}
