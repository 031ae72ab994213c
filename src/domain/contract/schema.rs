//! The contract as JSON Schema 2020-12, for contributors' own checks. Generated from the field table.

use serde_json::{Map, Value, json};

use super::spec::{self, FieldSpec, Kind, Need};

/// Where the schema is known under; contracts are immutable once published, so the version is in the name.
pub const ACCOUNT_SNAPSHOT_ID: &str = "urn:etrplus:contract:account_snapshot:1";

/// The schema of one NDJSON line of `account_snapshot`. It says what a field may hold; rules that compare
/// fields, periods or records are in the rule catalogue.
pub fn account_snapshot_schema() -> Value {
    let properties: Map<String, Value> =
        spec::table().iter().map(|line| (line.field.name().to_owned(), property(line))).collect();
    let required: Vec<&str> = spec::REQUIRED.iter().map(super::Field::name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ACCOUNT_SNAPSHOT_ID,
        "title": "account_snapshot",
        "description": "One account of one subject on one day. Amounts are integer sen; dates are calendar \
            dates in Asia/Kuala_Lumpur. null or blank means absent, which is not zero.",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

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
        let schema = account_snapshot_schema();
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
}
