//! Whether a value has the shape that a schema of the OpenAPI document promises.

use serde_json::Value;

/// A schema of the document that values can be compared with.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    pub document: &'a Value,
    pub schema: &'a Value,
}

impl<'a> Shape<'a> {
    fn at(self, schema: &'a Value) -> Shape<'a> {
        Shape { schema, ..self }
    }

    /// What is wrong with a value, with the place; empty when it has the shape.
    pub fn faults(self, value: &Value, place: &str) -> Vec<String> {
        if let Some(reference) = self.schema["$ref"].as_str() {
            let target =
                self.document.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference} leads nowhere"));
            return self.at(target).faults(value, place);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = self.schema[choice].as_array() {
                let tried: Vec<_> =
                    choices.iter().map(|choice| self.at(choice).faults(value, place)).collect();
                let fits = tried.iter().filter(|faults| faults.is_empty()).count();
                return if fits > 0 { Vec::new() } else { tried.concat() };
            }
        }
        let mut faults = Vec::new();
        if let Some(parts) = self.schema["allOf"].as_array() {
            faults.extend(parts.iter().flat_map(|part| self.at(part).faults(value, place)));
        }
        if let Some(words) = self.schema["enum"].as_array().filter(|words| !words.contains(value)) {
            faults.push(format!("{place} is {value}, none of {words:?}"));
        }
        if !self.type_fits(value) {
            faults.push(format!("{place} is {value}, no {}", self.schema["type"]));
        }
        match value {
            Value::Object(members) => faults.extend(self.members_faults(members, place)),
            Value::Array(items) if self.schema["items"].is_object() => {
                let of_item =
                    |(n, item)| self.at(&self.schema["items"]).faults(item, &format!("{place}/{n}"));
                faults.extend(items.iter().enumerate().flat_map(of_item));
            }
            _ => {}
        }
        faults
    }

    fn type_fits(self, value: &Value) -> bool {
        let is = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the document has the type {other}"),
        };
        match &self.schema["type"] {
            Value::String(name) => is(name),
            Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
            _ => true,
        }
    }

    fn members_faults(self, members: &serde_json::Map<String, Value>, place: &str) -> Vec<String> {
        let required =
            self.schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        let missing = required
            .filter(|name| !members.contains_key(*name))
            .map(|name| format!("{place}/{name} is missing"));
        let mut faults: Vec<String> = missing.collect();
        let known = &self.schema["properties"];
        for (name, value) in members {
            let place = format!("{place}/{name}");
            match (&known[name], &self.schema["additionalProperties"]) {
                (Value::Null, Value::Object(_)) => {
                    faults.extend(self.at(&self.schema["additionalProperties"]).faults(value, &place));
                }
                // An object of any members is documented without properties.
                (Value::Null, _) if known.is_object() => faults.push(format!("{place} is not documented")),
                (Value::Null, _) => {}
                (schema, _) => faults.extend(self.at(schema).faults(value, &place)),
            }
        }
        faults
    }
}
