//! A contract as JSON Schema 2020-12, for contributors' own checks. Generated from the field table.

use serde_json::{Map, Value, json};

use super::spec::{self, Contract, FieldSpec, Kind, Need};

/// The schema of one NDJSON line. It says what a field may hold; rules that compare fields, periods or records are
/// in the rule catalogue. Contracts are immutable once published, so the version is in the schema's name.
pub fn json_schema(contract: &Contract) -> Value {
    let properties: Map<String, Value> =
        contract.lines.iter().map(|line| (line.field.name().to_owned(), property(line))).collect();
    let required: Vec<&str> = contract
        .lines
        .iter()
        .filter(|line| line.need == Need::Required)
        .map(|line| line.field.name())
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:etrplus:contract:{}:{}", contract.dataset, contract.version),
        "title": contract.dataset.as_str(),
        "description": format!("{} {NOTATION}", contract.description),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// What holds for every field of every dataset.
const NOTATION: &str = "Amounts are integer sen; dates are calendar dates in Asia/Kuala_Lumpur, instants RFC 3339. \
    null or blank means absent, which is not zero.";

fn property(line: &FieldSpec) -> Value {
    let mut schema = kind(line.kind);
    let required = line.need == Need::Required;
    if !required {
        // A field that may be left out may also be null.
        let word = schema.remove("type").unwrap_or(Value::Null);
        schema.insert("type".to_owned(), json!([word, "null"]));
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
    }
    schema.insert("description".to_owned(), json!(description(line)));
    schema.insert("x-sensitivity".to_owned(), json!(line.class.letter()));
    match line.need {
        Need::When(condition) => schema.insert("x-required-when".to_owned(), json!(condition)),
        Need::Wanted(condition) => schema.insert("x-wanted-when".to_owned(), json!(condition)),
        Need::Required | Need::Optional => None,
    };
    if let Some(unit) = unit(line.kind) {
        schema.insert("x-unit".to_owned(), json!(unit));
    }
    Value::Object(schema)
}

fn kind(kind: Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text(max, form) => {
            let mut text = json!({ "type": "string", "minLength": 1, "maxLength": max });
            if let Some(pattern) = form.pattern() {
                text["pattern"] = json!(pattern);
            }
            text
        }
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Instant => json!({ "type": "string", "format": "date-time" }),
        Kind::Money => json!({ "type": "integer", "minimum": 0, "maximum": spec::MAX_AMOUNT.0 }),
        Kind::Count(max) => json!({ "type": "integer", "minimum": 0, "maximum": max }),
        Kind::Flag => json!({ "type": "boolean" }),
    };
    match schema {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn unit(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Money => Some("sen"),
        Kind::Count(spec::MAX_DPD) => Some("days"),
        _ => None,
    }
}

fn description(line: &FieldSpec) -> String {
    let unit = unit(line.kind).map(|unit| format!(" Unit: {unit}.")).unwrap_or_default();
    format!("{}{unit}", line.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_what_the_table_says() {
        let schema = json_schema(&spec::ACCOUNT_SNAPSHOT);
        assert_eq!(schema["properties"].as_object().unwrap().len(), 62);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            schema["required"],
            json!([
                "subject_type",
                "id_type",
                "id_number",
                "full_name",
                "account_ref",
                "product_type",
                "portfolio_type",
                "as_of_date",
                "opened_date",
                "status",
                "currency",
                "outstanding",
                "overdue",
                "dpd"
            ])
        );
        let properties = &schema["properties"];
        assert_eq!(
            properties["outstanding"],
            json!({
                "type": "integer", "minimum": 0, "maximum": 1_000_000_000,
                "description": "What is owed, with fees due; 0 for a credit balance. Unit: sen.",
                "x-sensitivity": "F", "x-unit": "sen",
            })
        );
        assert_eq!(properties["holder_role"]["enum"], json!(["PRIMARY", "JOINT", "GUARANTOR", null]));
        assert_eq!(properties["closed_date"]["x-required-when"], "status is not ACTIVE");
        assert_eq!(properties["dpd"]["maximum"], 9_999);
        assert_eq!(properties["account_ref"]["maxLength"], 64);
        assert_eq!(properties["full_name"]["x-sensitivity"], "D");
    }
    #[test]
    fn an_instant_is_a_date_time_and_a_closed_list_is_closed() {
        let schema = json_schema(&spec::REPAYMENT_EVENT);
        assert_eq!(schema["$id"], "urn:etrplus:contract:repayment_event:1");
        assert_eq!(schema["properties"]["event_at"]["format"], "date-time");
        assert_eq!(schema["properties"]["event_type"]["enum"][1], "PAYMENT");
        assert_eq!(schema["required"], json!(["event_id", "account_ref", "event_type", "value_date"]));
    }
}
