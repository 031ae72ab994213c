//! Stories about what others read: the lake in the eyes of PyIceberg and DuckDB, on several stores and catalogs.

use serde_json::json;

use crate::support::app::{Submission, TestApp, patient};
use crate::support::python;
use crate::support::records::{account, ndjson};
use crate::support::seaweedfs::SeaweedFs;

#[tokio::test]
async fn the_readers_are_there_and_fetch_nothing() {
    let readers = python::ask("readers.py", &json!({})).await;
    assert_eq!(readers["extensions"], json!(["avro", "httpfs", "iceberg"]));
    // The versions that docs/QUERYING.md speaks of.
    assert_eq!((&readers["pyiceberg"], &readers["duckdb"]), (&json!("0.12.0"), &json!("1.5.5")));
}

#[tokio::test]
async fn a_store_of_another_make_takes_a_book() {
    let seaweedfs = SeaweedFs::start().await;
    let app = TestApp::start_with(|config| config.s3 = seaweedfs.s3.clone()).await;
    let contributor = app.contributor("acme", patient()).await;
    app.published(&contributor, &Submission::ndjson(ndjson(&[account(1), account(2)]))).await;
}
