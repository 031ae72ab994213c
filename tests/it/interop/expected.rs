//! What the lake must hold, from what Postgres keeps.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use etrplus::lake::TableSpec;
use etrplus::lake::tables::Kind;
use serde_json::Value;

use crate::support::app::TestApp;

pub type Row = BTreeMap<String, Value>;

/// The rows of a journal, by the names of its columns, which are those of the lake.
const JOURNALS: &[(&str, &str)] = &[
    ("silver.account_snapshots", "/* test.snapshots */ SELECT to_jsonb(r) FROM account_snapshots r"),
    ("silver.repayment_events", "/* test.events */ SELECT to_jsonb(r) FROM repayment_events r"),
    ("silver.applications", "/* test.applications */ SELECT to_jsonb(r) FROM applications r"),
    (
        "silver.batches",
        "/* test.batches */ SELECT jsonb_build_object('batch_id', t.batch_id, 'state', t.to_state, 'known_from', t.at,
            'contributor_id', t.contributor_id, 'dataset', b.dataset, 'mode', b.mode, 'period_end', b.period_end,
            'received_at', b.received_at, 'content_sha256', b.sha256, 'publication_no', b.publication_no)
        FROM batch_transitions t JOIN batches b USING (batch_id)
        WHERE t.to_state IN ('published', 'superseded', 'recalled')",
    ),
    (
        "quarantine.rejected_records",
        "/* test.rejected */ SELECT jsonb_build_object('batch_id', r.batch_id, 'record_no', r.record_no,
            'known_from', r.rejected_at, 'contributor_id', r.contributor_id, 'dataset', r.dataset,
            'period_end', r.period_end, 'account_ref', r.account_ref, 'codes', r.codes, 'fields', r.fields)
        FROM rejected_records r",
    ),
];

/// The rows that a table must have, with the columns that Postgres can tell of.
pub async fn rows(eyes: &TestApp, spec: &TableSpec) -> Vec<Row> {
    let name = spec.full_name();
    let statement = JOURNALS.iter().find(|(table, _)| *table == name).unwrap().1;
    let kept: Vec<Value> = sqlx::query_scalar(statement).fetch_all(&eyes.database.pool).await.unwrap();
    let row = |kept: &Value| {
        let told = spec.columns.iter().filter_map(|column| {
            kept.get(column.name).map(|value| (column.name.to_owned(), in_the_lake(column.kind, value)))
        });
        told.collect()
    };
    kept.iter().map(row).collect()
}

/// A value of Postgres as JSON, as a reader of the lake tells it: instants in microseconds, codes as words.
fn in_the_lake(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        (Kind::Instant, Value::String(text)) => {
            text.parse::<DateTime<Utc>>().unwrap().timestamp_micros().into()
        }
        (Kind::Word(words), code) => words[code.as_u64().unwrap() as usize].into(),
        (Kind::List, Value::Array(texts)) => {
            let texts: Vec<&str> = texts.iter().map(|text| text.as_str().unwrap()).collect();
            if texts.is_empty() { Value::Null } else { texts.join(",").into() }
        }
        (Kind::Digest, Value::String(bytes)) => bytes.trim_start_matches("\\x").into(),
        (_, value) => value.clone(),
    }
}

/// The same columns of what a reader told, in one order.
#[track_caller]
pub fn assert_same(table: &str, reader: &str, told: &Value, expected: &[Row]) {
    let columns: Vec<&String> = expected.iter().flat_map(Row::keys).collect();
    let narrow = |row: &Value| -> String {
        let row: Row = serde_json::from_value(row.clone()).unwrap();
        let row: Row = row.into_iter().filter(|(name, _)| columns.contains(&name)).collect();
        serde_json::to_string(&row).unwrap()
    };
    let mut told: Vec<String> = told.as_array().unwrap().iter().map(narrow).collect();
    let mut expected: Vec<String> = expected.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    told.sort();
    expected.sort();
    assert!(!expected.is_empty(), "nothing to compare in {table}");
    assert_eq!(told.len(), expected.len(), "rows of {table} that {reader} reads");
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected, "a row of {table} as {reader} reads it");
    }
}
