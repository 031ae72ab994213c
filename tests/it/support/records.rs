//! Synthetic account snapshots. The people are made up: format-valid numbers, names that say SUBJECT.

use serde_json::{Value, json};

/// The n-th synthetic person's NRIC.
pub fn nric(n: u32) -> String {
    let (day, month, year) = (1 + n % 28, 1 + (n / 28) % 12, 60 + (n / 336) % 30);
    format!("{year:02}{month:02}{day:02}14{:04}", 1001 + n / 10_080)
}

/// An account in good standing at the end of October 2026.
pub fn account(n: u32) -> Value {
    json!({
        "account_ref": format!("ACC-{n:06}"),
        "subject_type": "INDIVIDUAL",
        "id_type": "NRIC",
        "id_number": nric(n),
        "full_name": "SUBJECT SYNTHETIC",
        "product_type": "PERSONAL_LOAN",
        "portfolio_type": "INSTALMENT",
        "as_of_date": "2026-10-31",
        "opened_date": "2026-01-15",
        "status": "ACTIVE",
        "currency": "MYR",
        "original_amount": 120_000,
        "outstanding": 60_000,
        "overdue": 0,
        "dpd": 0,
    })
}

/// The same with some fields changed; null removes one.
pub fn account_with(n: u32, changes: &Value) -> Value {
    let mut record = account(n);
    let fields = record.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    record
}

pub fn ndjson(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(|record| format!("{record}\n").into_bytes()).collect()
}

/// The same records as CSV with a column for each field that occurs. Amounts stay sen.
pub fn csv(records: &[Value]) -> Vec<u8> {
    let mut columns: Vec<&String> =
        records.iter().flat_map(|record| record.as_object().unwrap().keys()).collect();
    columns.sort();
    columns.dedup();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns).unwrap();
    for record in records {
        let cell = |column: &&String| match record.get(column.as_str()) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        writer.write_record(columns.iter().map(cell)).unwrap();
    }
    writer.into_inner().unwrap()
}
