//! Contract versions as data: which fields of the engine's dictionary a version has, and how much narrower it is.
//!
//! The dictionary ([`super::spec`]) says what the engine can read and what a record cannot live without. A
//! [`Definition`] selects from it: it may leave out what is optional, ask for more, allow fewer words or shorter
//! texts, and describe. It cannot invent a field or let go of what the store needs. A published definition never
//! changes; a new one is measured against the one before by [`incompatibilities`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codes::Dataset;
use super::field::Field;
use super::row::shown_name;
use super::spec::{self, Contract, FieldSpec, Kind, Need};

/// What a contract version asks of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// In the order in which they are shown.
    pub fields: Vec<FieldDefinition>,
}

/// One field of a contract version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldDefinition {
    /// A field of the engine's dictionary for the dataset.
    pub name: String,
    pub need: Presence,
    /// Texts only: the most characters, at most as many as the dictionary has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// Fields of words only: the words that are allowed, all of them the dictionary's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
    pub description: String,
}

/// When a record needs the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Always (V001, F006).
    Required,
    /// When the dictionary's condition holds; the cross-field rules and the scorecard ask for it.
    Conditional,
    Optional,
}

/// Why a definition is not taken, or is not backward compatible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Objection {
    /// The field; one that is no field of the dictionary is shown only if it looks like a name.
    pub field: String,
    pub reason: String,
}

impl Objection {
    fn new(field: &str, reason: impl Into<String>) -> Objection {
        Objection { field: shown_name(field), reason: reason.into() }
    }
}

/// The most characters of a description.
const LONGEST_DESCRIPTION: usize = 500;

impl Definition {
    /// The whole dictionary of a dataset as a definition.
    pub fn of(contract: &Contract) -> Definition {
        let field = |line: &FieldSpec| FieldDefinition {
            name: line.field.name().to_owned(),
            need: presence(line.need),
            max_length: max_length(line.kind),
            words: words(line.kind).map(|words| words.iter().map(|word| (*word).to_owned()).collect()),
            description: line.description.to_owned(),
        };
        Definition { fields: contract.lines.iter().map(field).collect() }
    }

    /// What is wrong with the definition as such; empty for one that may be published.
    pub fn objections(&self, dataset: Dataset) -> Vec<Objection> {
        let dictionary = spec::contract(dataset);
        let mut objections = Vec::new();
        let mut seen: BTreeMap<&str, Presence> = BTreeMap::new();
        for field in &self.fields {
            match Field::from_name(&field.name).and_then(|known| dictionary.line(known)) {
                None => objections.push(Objection::new(&field.name, "not in the dictionary of the dataset")),
                Some(line) => objections.extend(field.objections(line)),
            }
            if seen.insert(&field.name, field.need).is_some() {
                objections.push(Objection::new(&field.name, "appears twice"));
            }
        }
        for line in dictionary.lines {
            let needed = matches!(line.need, Need::Required | Need::When(_));
            if needed && !seen.contains_key(line.field.name()) {
                objections.push(Objection::new(line.field.name(), "a record cannot live without it"));
            }
        }
        objections
    }
}

impl FieldDefinition {
    fn objections(&self, line: &FieldSpec) -> Vec<Objection> {
        let mut reasons: Vec<String> = Vec::new();
        match (line.need, self.need) {
            (Need::Required, Presence::Conditional | Presence::Optional) => {
                reasons.push("must be required: a record cannot live without it".to_owned());
            }
            (Need::When(condition) | Need::Wanted(condition), Presence::Optional) => {
                reasons.push(format!("must be conditional or required: it is asked for when {condition}"));
            }
            (Need::Optional, Presence::Conditional) => {
                reasons.push("has no condition in the dictionary: it is optional or required".to_owned());
            }
            _ => {}
        }
        reasons.extend(self.length_objection(line.kind));
        reasons.extend(self.words_objection(line.kind));
        let length = self.description.chars().count();
        if !(1..=LONGEST_DESCRIPTION).contains(&length) || self.description.chars().any(char::is_control) {
            reasons.push(format!("needs a description of 1 to {LONGEST_DESCRIPTION} characters"));
        }
        reasons.into_iter().map(|reason| Objection::new(&self.name, reason)).collect()
    }

    fn length_objection(&self, kind: Kind) -> Option<String> {
        let asked = self.max_length?;
        match max_length(kind) {
            None => Some("is no text and has no max_length".to_owned()),
            Some(most) if asked == 0 || asked > most => Some(format!("max_length is from 1 to {most}")),
            Some(_) => None,
        }
    }

    fn words_objection(&self, kind: Kind) -> Option<String> {
        let asked = self.words.as_ref()?;
        let Some(known) = words(kind) else { return Some("has no list of words".to_owned()) };
        let unknown = asked.iter().any(|word| !known.contains(&word.as_str()));
        let twice = asked.iter().enumerate().any(|(i, word)| asked[..i].contains(word));
        (asked.is_empty() || unknown || twice)
            .then(|| "words are some of the dictionary's, each once, at least one".to_owned())
    }
}

fn presence(need: Need) -> Presence {
    match need {
        Need::Required => Presence::Required,
        Need::When(_) | Need::Wanted(_) => Presence::Conditional,
        Need::Optional => Presence::Optional,
    }
}

fn max_length(kind: Kind) -> Option<u32> {
    match kind {
        Kind::Text(max, _) => u32::try_from(max).ok(),
        _ => None,
    }
}

fn words(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Word(words) => Some(words),
        _ => None,
    }
}

/// Why records that keep to `old` might break `new`; empty when `new` is backward compatible. What a definition
/// does not say of lengths and words is the dictionary's.
pub fn incompatibilities(dataset: Dataset, old: &Definition, new: &Definition) -> Vec<Objection> {
    let dictionary = spec::contract(dataset);
    let mut objections = Vec::new();
    for before in &old.fields {
        let Some(line) = Field::from_name(&before.name).and_then(|field| dictionary.line(field)) else {
            continue;
        };
        match new.fields.iter().find(|after| after.name == before.name) {
            None => objections.push(Objection::new(&before.name, "is no longer there")),
            Some(after) => objections.extend(narrower(before, after, line.kind)),
        }
    }
    for after in new.fields.iter().filter(|after| after.need == Presence::Required) {
        if !old.fields.iter().any(|before| before.name == after.name) {
            objections.push(Objection::new(&after.name, "is new and required"));
        }
    }
    objections
}

fn narrower(before: &FieldDefinition, after: &FieldDefinition, kind: Kind) -> Vec<Objection> {
    let mut reasons: Vec<String> = Vec::new();
    if after.need == Presence::Required && before.need != Presence::Required {
        reasons.push("becomes required".to_owned());
    }
    let length = |field: &FieldDefinition| field.max_length.or(max_length(kind));
    if let (Some(long), Some(short)) = (length(before), length(after))
        && short < long
    {
        reasons.push(format!("gets shorter: {short} characters instead of {long}"));
    }
    let allowed = |field: &FieldDefinition, word: &str| match &field.words {
        Some(words) => words.iter().any(|allowed| allowed == word),
        None => true,
    };
    let lost: Vec<&str> = words(kind)
        .into_iter()
        .flatten()
        .copied()
        .filter(|word| allowed(before, word) && !allowed(after, word))
        .collect();
    if !lost.is_empty() {
        reasons.push(format!("no longer allows {}", lost.join(", ")));
    }
    reasons.into_iter().map(|reason| Objection::new(&before.name, reason)).collect()
}

/// The contract that the readers and V rules work by. It lives as long as the process: versions are few and never
/// change once published, so a process makes each of them once.
///
/// # Errors
/// The definition's objections, where the dictionary does not cover it.
pub fn compile(
    dataset: Dataset,
    version: u32,
    definition: &Definition,
) -> Result<&'static Contract, Vec<Objection>> {
    let dictionary = spec::contract(dataset);
    if version == dictionary.version && *definition == Definition::of(dictionary) {
        return Ok(dictionary);
    }
    let objections = definition.objections(dataset);
    if !objections.is_empty() {
        return Err(objections);
    }
    let line = |field: &FieldDefinition| {
        let line = Field::from_name(&field.name).and_then(|known| dictionary.line(known))?;
        Some(FieldSpec {
            kind: narrowed_kind(line.kind, field),
            need: match field.need {
                Presence::Required => Need::Required,
                Presence::Conditional => line.need,
                Presence::Optional => Need::Optional,
            },
            description: String::leak(field.description.clone()),
            ..*line
        })
    };
    let lines: Vec<FieldSpec> = definition.fields.iter().filter_map(line).collect();
    Ok(Box::leak(Box::new(dictionary.narrowed_to(version, Vec::leak(lines)))))
}

fn narrowed_kind(kind: Kind, field: &FieldDefinition) -> Kind {
    match (kind, field.max_length, &field.words) {
        (Kind::Text(most, form), Some(max), _) => Kind::Text(most.min(max as usize), form),
        (Kind::Word(known), _, Some(asked)) if asked.len() < known.len() => {
            let allowed: Vec<&'static str> =
                known.iter().copied().filter(|word| asked.iter().any(|allowed| allowed == word)).collect();
            Kind::Word(Vec::leak(allowed))
        }
        _ => kind,
    }
}

/// Reads a version as contributors write it: `2`, or `2.0`.
pub fn parse_version(text: &str) -> Option<u32> {
    let number = text.strip_suffix(".0").unwrap_or(text);
    let plain =
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    number.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATASET: Dataset = Dataset::AccountSnapshot;

    fn first() -> Definition {
        Definition::of(spec::contract(DATASET))
    }

    fn changed(name: &str, change: impl FnOnce(&mut FieldDefinition)) -> Definition {
        let mut definition = first();
        change(definition.fields.iter_mut().find(|field| field.name == name).unwrap());
        definition
    }

    fn without(name: &str) -> Definition {
        let mut definition = first();
        definition.fields.retain(|field| field.name != name);
        definition
    }

    #[test]
    fn the_dictionary_itself_is_a_definition_and_compiles_to_itself() {
        for dataset in Dataset::ALL {
            let contract = spec::contract(*dataset);
            let definition = Definition::of(contract);
            assert_eq!(definition.objections(*dataset), []);
            assert!(std::ptr::eq(compile(*dataset, 1, &definition).unwrap(), contract));
            let json = serde_json::to_string(&definition).unwrap();
            assert_eq!(serde_json::from_str::<Definition>(&json).unwrap(), definition);
        }
    }

    #[test]
    fn a_definition_selects_and_narrows_and_invents_nothing() {
        let objection = |definition: Definition| {
            let found = definition.objections(DATASET);
            found.first().map(|objection| objection.field.clone()).unwrap_or_default()
        };
        let mut invented = first();
        invented.fields.push(FieldDefinition { name: "race".into(), ..invented.fields[0].clone() });
        let mut twice = first();
        twice.fields.push(twice.fields[0].clone());
        for (definition, field) in [
            (invented, "race"),
            (twice, "subject_type"),
            (without("dpd"), "dpd"),
            (without("closed_date"), "closed_date"),
            (changed("dpd", |f| f.need = Presence::Optional), "dpd"),
            (changed("closed_date", |f| f.need = Presence::Optional), "closed_date"),
            (changed("phone", |f| f.need = Presence::Conditional), "phone"),
            (changed("account_ref", |f| f.max_length = Some(65)), "account_ref"),
            (changed("dpd", |f| f.max_length = Some(3)), "dpd"),
            (changed("status", |f| f.words = Some(vec!["LATE".into()])), "status"),
            (changed("status", |f| f.words = Some(vec![])), "status"),
            (changed("dpd", |f| f.words = Some(vec!["A".into()])), "dpd"),
            (changed("dpd", |f| f.description.clear()), "dpd"),
        ] {
            assert_eq!(objection(definition), field);
        }
        assert_eq!(without("phone").objections(DATASET), []);
        assert_eq!(changed("phone", |f| f.need = Presence::Required).objections(DATASET), []);
    }

    #[test]
    fn what_old_records_might_break_is_told_with_the_reason() {
        let reasons = |old: &Definition, new: &Definition| {
            let found = incompatibilities(DATASET, old, new);
            found.into_iter().map(|o| format!("{}: {}", o.field, o.reason)).collect::<Vec<_>>()
        };
        assert_eq!(reasons(&first(), &first()), [""; 0]);
        assert_eq!(reasons(&first(), &without("phone")), ["phone: is no longer there"]);
        assert_eq!(reasons(&without("phone"), &first()), [""; 0]);
        let phone_required = changed("phone", |f| f.need = Presence::Required);
        assert_eq!(reasons(&first(), &phone_required), ["phone: becomes required"]);
        assert_eq!(reasons(&without("phone"), &phone_required), ["phone: is new and required"]);
        assert_eq!(reasons(&phone_required, &first()), [""; 0]);
        let shorter = changed("account_ref", |f| f.max_length = Some(32));
        assert_eq!(reasons(&first(), &shorter), ["account_ref: gets shorter: 32 characters instead of 64"]);
        assert_eq!(reasons(&shorter, &changed("account_ref", |f| f.max_length = None)), [""; 0]);
        let fewer = changed("status", |f| f.words = Some(vec!["ACTIVE".into(), "SETTLED".into()]));
        assert_eq!(
            reasons(&first(), &fewer),
            ["status: no longer allows SETTLED_SHORT, WRITTEN_OFF, SOLD, CLOSED, CANCELLED"]
        );
        assert_eq!(reasons(&fewer, &changed("status", |f| f.words = None)), [""; 0]);
    }

    #[test]
    fn a_compiled_contract_is_what_its_definition_says() {
        let mut definition = changed("status", |f| f.words = Some(vec!["ACTIVE".into()]));
        definition.fields.retain(|field| field.name != "postcode");
        definition.fields.iter_mut().find(|field| field.name == "phone").unwrap().need = Presence::Required;
        definition.fields.iter_mut().find(|field| field.name == "sold_to").unwrap().max_length = Some(20);
        let contract = compile(DATASET, 2, &definition).unwrap();
        assert_eq!((contract.version, contract.dataset), (2, DATASET));
        assert!(!contract.fields.contains(Field::Postcode) && contract.required.contains(Field::Phone));
        assert!(contract.allows(Field::Status, "ACTIVE") && !contract.allows(Field::Status, "SOLD"));
        assert!(contract.allows(Field::SubjectType, "BUSINESS"));
        assert!(matches!(contract.line(Field::SoldTo).unwrap().kind, Kind::Text(20, _)));
        assert!(compile(DATASET, 2, &without("dpd")).is_err());
    }

    #[test]
    fn a_version_has_one_spelling_and_an_alias() {
        let cases =
            [("1", Some(1)), ("1.0", Some(1)), ("12", Some(12)), ("0", None), ("01", None), ("", None)];
        for (text, version) in cases {
            assert_eq!(parse_version(text), version, "{text}");
        }
        for wrong in ["1.1", "v1", "-1", "+1", "1.0.0", ".0", "99999999999"] {
            assert_eq!(parse_version(wrong), None, "{wrong}");
        }
    }
}
