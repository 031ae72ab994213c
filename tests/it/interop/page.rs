//! What docs/QUERYING.md tells people to do, done.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;

use datafusion::catalog::MemTable;
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use etrplus::domain::contract::AccountStatus;
use etrplus::lake::silver::{ACCOUNT_SNAPSHOTS, BATCHES};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::history::{Counting, Told};
use super::place;
use crate::support::app::TestApp;
use crate::support::{lake, python};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/QUERYING.md");
const ROLE: &str = include_str!("../../../deploy/postgres/lake_reader.sql");

/// Runs the page's blocks for the app's catalog, which answers at an address; what counts in them is what counts in Postgres.
pub async fn assert_runs(eyes: &TestApp, told: &Told, address: &str) {
    let mut question = place(eyes);
    question["page"] = json!(PAGE);
    question["values"] = json!(values(eyes, told, address));
    let answers = python::ask("page.py", &question).await;
    assert_eq!(answers["current_accounts"], in_words(&told.now));
    assert_eq!(answers["accounts_as_known"], in_words(&told.earlier.1));
    assert_ne!(told.now, told.earlier.1);
    // The rows of October in all their versions, withdrawn ones too.
    let october: i64 = sqlx::query_scalar(
        "/* test.october */ SELECT count(*) FROM account_snapshots WHERE as_of_date BETWEEN '2026-10-01' AND '2026-10-31'",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(answers["printed"], format!("{october}\n"));
    let products = answers["by_product"].as_array().unwrap();
    assert_eq!(products.iter().map(|row| row[1].as_i64().unwrap()).sum::<i64>(), october);
}

/// What counts, by the page's own statements on DataFusion, which reads the same files.
pub async fn assert_counts_on_datafusion(eyes: &TestApp, told: &Told) {
    let engine = SessionContext::new();
    engine.sql("CREATE SCHEMA silver").await.unwrap();
    for spec in [&ACCOUNT_SNAPSHOTS, &BATCHES] {
        let rows = lake::record_batches(&eyes.app, spec).await;
        let table = MemTable::try_new(rows[0].schema(), vec![rows]).unwrap();
        engine.register_table(TableReference::partial(spec.namespace, spec.name), Arc::new(table)).unwrap();
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    let instant = told.earlier.0.format("%Y-%m-%d %H:%M:%S").to_string();
    for (name, counting) in [("current_accounts", &told.now), ("accounts_as_known", &told.earlier.1)] {
        let statement =
            page.split_once(&format!("```sql any {name}\n")).unwrap().1.split_once("```").unwrap().0;
        let found =
            engine.sql(&statement.replace("<instant>", &instant)).await.unwrap().collect().await.unwrap();
        let mut found: Vec<Vec<String>> = found.iter().flat_map(lake::texts).collect();
        found.sort();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rows = in_words(counting);
        let expected: Vec<Vec<String>> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_array().unwrap().iter().map(text).collect())
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// What stands in the page in angle brackets.
fn values(eyes: &TestApp, told: &Told, address: &str) -> BTreeMap<String, String> {
    let (s3, lake) = (&eyes.app.config.s3, &eyes.app.config.lake);
    let endpoint = s3.endpoint.clone().unwrap();
    let secret = s3.secret_access_key.expose_secret();
    [
        ("postgresql+psycopg2://etr_lake_reader:password@host/database", address),
        ("address of Glue", address),
        ("address of the REST catalog", address),
        ("endpoint", &endpoint),
        ("host:port", endpoint.trim_start_matches("http://")),
        ("true or false", "false"),
        ("region", &s3.region),
        ("access key id", &s3.access_key_id),
        ("secret access key", secret),
        ("client id", &s3.access_key_id),
        ("client secret", secret),
        ("client id:client secret", &format!("{}:{secret}", s3.access_key_id)),
        ("warehouse", &lake.warehouse),
        ("instant", &told.earlier.0.format("%Y-%m-%d %H:%M:%S").to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Accounts as the page's statements tell them, in the same order.
fn in_words(counting: &Counting) -> Value {
    let row = |(contributor, account, subject, status, dpd, owed, overdue): &_| {
        let status = AccountStatus::WORDS[*status as usize];
        json!([contributor, account, subject, status, dpd, owed, overdue])
    };
    counting.iter().map(row).collect()
}

/// Makes the role for readers as the file for administrators does, and says how it connects. Where the tests run on a server on
/// which they may make no role, it is their own.
pub async fn lake_reader(eyes: &TestApp) -> String {
    let options = PgConnectOptions::from_str(&eyes.database.url).unwrap();
    let Some(socket) = options.get_socket().cloned() else { return sqlalchemy(&eyes.database.url) };
    let database = options.get_database().unwrap().to_owned();
    let mut admin = options.clone().username("postgres").connect().await.unwrap();
    let statements: String = ROLE
        .lines()
        .filter(|line| !line.starts_with('\\') && !line.ends_with("\\gexec"))
        .map(|line| line.replace("PASSWORD :'password'", "PASSWORD 'tests'") + "\n")
        .collect();
    admin.execute(AssertSqlSafe(statements)).await.unwrap();
    admin.close().await.unwrap();
    // It sees the catalog and nothing of anybody.
    let mut reader = options.clone().username("etr_lake_reader").connect().await.unwrap();
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM iceberg_tables").fetch_one(&mut reader).await.unwrap();
    assert!(tables > 0);
    for table in ["accounts", "account_snapshots", "subjects", "lake_entries"] {
        let refused = reader.execute(AssertSqlSafe(format!("SELECT FROM {table}"))).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{refused}");
    }
    let write = reader.execute("UPDATE iceberg_tables SET iceberg_type = 'TABLE'").await.unwrap_err();
    assert!(
        write.to_string().contains("permission denied") || write.to_string().contains("read-only"),
        "{write}"
    );
    let (host, port) = (socket.display(), options.get_port());
    format!("postgresql+psycopg2://etr_lake_reader@/{database}?host={host}&port={port}")
}

fn sqlalchemy(url: &str) -> String {
    url.replacen("postgres://", "postgresql+psycopg2://", 1)
}
