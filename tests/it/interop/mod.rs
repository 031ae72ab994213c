//! What others read: the lake in the eyes of PyIceberg and DuckDB, on several stores and through every catalog.

mod expected;
mod history;
mod page;

use etrplus::config::{Config, LakeCatalog, S3Config};
use etrplus::domain::contract::Terms;
use etrplus::lake::TableSpec;
use etrplus::lake::silver::TABLES;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use self::expected::assert_same;
use self::history::{history, land};
use crate::first_light::canonical;
use crate::support::app::{Submission, TestApp, patient};
use crate::support::aws::Aws;
use crate::support::python;
use crate::support::records::{account, ndjson};
use crate::support::seaweedfs::{self, SeaweedFs};

#[tokio::test]
async fn the_readers_are_there_and_fetch_nothing() {
    let readers = python::ask("readers.py", &json!({})).await;
    assert_eq!(readers["extensions"], json!(["avro", "httpfs", "iceberg"]));
    // The versions that docs/QUERYING.md speaks of.
    assert_eq!((&readers["pyiceberg"], &readers["duckdb"]), (&json!("0.12.0"), &json!("1.5.5")));
}

/// The store and the catalog of an app, as the scripts are told of them.
fn place(eyes: &TestApp) -> Value {
    let (s3, lake) = (&eyes.app.config.s3, &eyes.app.config.lake);
    let kind = match lake.catalog {
        LakeCatalog::Glue => "glue",
        LakeCatalog::Rest => "rest",
        _ => "sql",
    };
    let uri = lake.catalog_uri.as_deref().unwrap_or(&eyes.database.url);
    json!({
        "store": {
            "endpoint": s3.endpoint, "region": s3.region, "access_key_id": s3.access_key_id,
            "secret_access_key": s3.secret_access_key.expose_secret(),
        },
        "catalog": {
            "name": lake.name, "type": kind, "uri": uri, "warehouse": lake.warehouse,
            "credential": credential(s3),
        },
    })
}

fn credential(s3: &S3Config) -> String {
    format!("{}:{}", s3.access_key_id, s3.secret_access_key.expose_secret())
}

/// Asks a script about tables of an app's lake.
async fn ask(eyes: &TestApp, script: &str, tables: &[String], more: Value) -> Value {
    let mut question = place(eyes);
    question["tables"] = json!(tables);
    question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    python::ask(script, &question).await
}

/// Every table, as both readers read it, is what Postgres holds.
async fn assert_read_alike(eyes: &TestApp) {
    let names: Vec<String> = TABLES.iter().map(TableSpec::full_name).collect();
    let read = ask(eyes, "read.py", &names, json!({"rows": true})).await;
    for spec in TABLES {
        let (name, expected) = (spec.full_name(), expected::rows(eyes, spec).await);
        for reader in ["pyiceberg", "duckdb"] {
            assert_same(&name, reader, &read[&name][reader], &expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_find_what_postgres_holds() {
    let eyes = TestApp::start().await;
    let told = history(&eyes).await;
    assert_read_alike(&eyes).await;
    page::assert_runs(&eyes, &told, &page::lake_reader(&eyes).await).await;
    page::assert_counts_on_datafusion(&eyes, &told).await;
}

/// A real loan book, on a store of another make: numbers of rows and sums of every column of numbers.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_book_adds_up_for_every_reader() {
    let Some(books) = canonical() else { return };
    let seaweedfs = SeaweedFs::start().await;
    let eyes = TestApp::start_with(|config| {
        config.s3 = seaweedfs.s3.clone();
        config.lake.warehouse = format!("s3://{}/lake", seaweedfs.s3.bucket);
    })
    .await;
    let terms =
        Terms { backfill_from: "2000-01-01".parse().ok(), reject_threshold_bps: 2000, ..Terms::default() };
    let bureau = eyes.contributor("bureau", terms).await;
    let book = std::fs::read(books.join("home_credit_bureau.accounts.ndjson.gz")).unwrap();
    let book = Submission::ndjson(book)
        .period("DELTA", "2018-05-31".parse().unwrap())
        .header("content-encoding", "gzip");
    eyes.published(&bureau, &book).await;
    land(&eyes).await;
    let (rows, owed, overdue, original): (i64, i64, i64, i64) = sqlx::query_as(
        "/* test.sums */ SELECT count(*), sum(outstanding_sen)::bigint, sum(overdue_sen)::bigint,
            sum(original_amount_sen)::bigint FROM account_snapshots",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert!(rows > 15_000);
    let names = ["silver.account_snapshots".to_owned(), "quarantine.rejected_records".to_owned()];
    let read = ask(&eyes, "read.py", &names, json!({"rows": false})).await;
    for reader in ["pyiceberg", "duckdb"] {
        let told = &read[&names[0]][reader];
        assert_eq!(told["rows"], rows, "{reader}");
        assert_eq!(read[&names[1]][reader]["rows"], 20_000 - rows, "{reader}");
        let sums =
            ["outstanding_sen", "overdue_sen", "original_amount_sen"].map(|name| &told["columns"][name][1]);
        assert_eq!(sums, [&json!(owed), &json!(overdue), &json!(original)], "{reader}");
    }
    assert_eq!(read[&names[0]]["pyiceberg"], read[&names[0]]["duckdb"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn and_on_a_store_of_another_make_behind_a_rest_catalog() {
    let seaweedfs = SeaweedFs::start().await;
    let eyes = TestApp::start_with(|config| {
        config.s3 = seaweedfs.s3.clone();
        config.lake.catalog = LakeCatalog::Rest;
        config.lake.catalog_uri = Some(seaweedfs.catalog_uri.clone());
        config.lake.catalog_credential = Some(credential(&seaweedfs.s3).into());
        config.lake.warehouse = format!("s3://{}", seaweedfs::TABLES);
    })
    .await;
    let told = history(&eyes).await;
    assert_read_alike(&eyes).await;
    page::assert_runs(&eyes, &told, &seaweedfs.catalog_uri).await;
}

fn on_aws(config: &mut Config, aws: &Aws) {
    config.s3 = aws.s3.clone();
    config.lake.catalog = LakeCatalog::Glue;
    config.lake.catalog_uri = Some(aws.glue.clone());
    config.lake.warehouse = format!("s3://{}/lake", aws.s3.bucket);
    config.lake.kms_key_id = Some(KMS_KEY.into());
}

const KMS_KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/lake";

#[tokio::test(flavor = "multi_thread")]
async fn and_through_glue() {
    let aws = Aws::start().await;
    let eyes = TestApp::start_with(|config| on_aws(config, &aws)).await;
    let told = history(&eyes).await;
    assert_read_alike(&eyes).await;
    page::assert_runs(&eyes, &told, &aws.glue).await;
    let files = aws.encryption_below("lake/").await;
    assert!(files.len() > 20, "{files:?}");
    for (file, key) in files {
        assert_eq!(key.as_deref(), Some(KMS_KEY), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_to_glue_that_came_second_or_was_never_answered_is_there_once() {
    let mut aws = Aws::start().await;
    let eyes = TestApp::start_with(|config| on_aws(config, &aws)).await;
    let sender = eyes.contributor("paylater", patient()).await;
    for n in 1..9 {
        match n % 4 {
            1 => aws.let_somebody_be_quicker(),
            3 => aws.lose_an_answer(),
            _ => {}
        }
        eyes.published(&sender, &Submission::ndjson(ndjson(&[account(n)]))).await;
        assert_eq!(land(&eyes).await, 2, "a record and its batch");
    }
    // Where the answer was lost, the SDK asks once more and is told that the table has moved on.
    assert_eq!(aws.refused_swaps(), 4);
    let names = ["silver.account_snapshots".to_owned()];
    let read = ask(&eyes, "read.py", &names, json!({"rows": true})).await;
    let expected = expected::rows(&eyes, &TABLES[0]).await;
    assert_eq!(expected.len(), 8);
    assert_same(&names[0], "pyiceberg", &read[&names[0]]["pyiceberg"], &expected);
}
