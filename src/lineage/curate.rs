//! Runs of the lake: rows of a journal that were appended to a table.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::event::{Column, DatasetName, EventType, Facets, Input, Job, Output, Run, RunEvent};
use super::refine::Reporter;

/// An append that landed.
#[derive(Clone, Debug)]
pub struct Landed<'a> {
    pub run_id: Uuid,
    /// The table's name with its namespace, such as `silver.account_snapshots`.
    pub table: &'a str,
    pub columns: Vec<LakeColumn>,
    pub began_at: DateTime<Utc>,
    pub landed_at: DateTime<Utc>,
    pub snapshot_id: Option<i64>,
    pub rows: Option<i64>,
    pub bytes: Option<i64>,
    pub files: Option<i64>,
}

/// A column of a table of the lake.
#[derive(Clone, Debug)]
pub struct LakeColumn {
    pub column: Column,
    /// The journal holds a code, the lake its word.
    pub spelt_out: bool,
}

impl Reporter {
    /// Both events of an append. It is told of once it has landed: one that was given up changed nothing.
    pub fn landed(&self, landed: &Landed<'_>) -> [RunEvent; 2] {
        let began = self.landing_event(EventType::Start, landed, landed.began_at);
        let mut done = self.landing_event(EventType::Complete, landed, landed.landed_at);
        done.outputs = vec![self.appended(landed)];
        [began, done]
    }

    fn landing_event(&self, event_type: EventType, landed: &Landed<'_>, at: DateTime<Utc>) -> RunEvent {
        let run_facets = Facets::from([("processing_engine", self.producer.engine())]);
        let meaning = "Appends what was entered for a table of the lake.";
        let job_facets = Facets::from([
            ("jobType", self.producer.batch_job()),
            ("documentation", self.producer.documentation(meaning)),
        ]);
        let job = Job {
            namespace: self.places.installation.clone(),
            name: format!("curate.{}", landed.table),
            facets: job_facets,
        };
        let run = Run { run_id: landed.run_id, facets: run_facets };
        let mut event = self.producer.event(event_type, at, run, job);
        event.inputs = sources(landed.table).iter().map(|table| plain(self.places.table(table))).collect();
        event
    }

    fn appended(&self, landed: &Landed<'_>) -> Output {
        let (dataset, catalog) = self.places.lake_table(landed.table);
        let mut facets = Facets::new();
        let columns: Vec<Column> = landed.columns.iter().map(|one| one.column.clone()).collect();
        facets.insert("schema", self.producer.schema(&columns));
        let stored = json!({ "storageLayer": "iceberg", "fileFormat": "parquet" });
        facets.insert("storage", self.producer.facet("1-0-1", "StorageDatasetFacet", stored));
        let known_as = json!({ "identifiers": [{
            "namespace": catalog.namespace, "name": catalog.name, "type": "TABLE",
        }] });
        facets.insert("symlinks", self.producer.facet("1-0-1", "SymlinksDatasetFacet", known_as));
        if let Some(snapshot) = landed.snapshot_id {
            facets.insert("version", self.producer.version(&snapshot.to_string()));
        }
        if let [journal] = sources(landed.table) {
            facets.insert("columnLineage", self.copied(&self.places.table(journal), &landed.columns));
        }
        let written = self.producer.written(landed.rows, landed.bytes, landed.files);
        Output { dataset, facets, output_facets: Facets::from([("outputStatistics", written)]) }
    }

    /// Each column is the journal's of the same name, codes spelt out.
    fn copied(&self, journal: &DatasetName, columns: &[LakeColumn]) -> Value {
        let field = |one: &LakeColumn| {
            let (subtype, how) = if one.spelt_out {
                ("TRANSFORMATION", "code to its word")
            } else {
                ("IDENTITY", "as entered")
            };
            let input = json!({
                "namespace": journal.namespace, "name": journal.name, "field": one.column.name,
                "transformations": [{ "type": "DIRECT", "subtype": subtype, "description": how, "masking": false }],
            });
            (one.column.name.clone(), json!({ "inputFields": [input] }))
        };
        let fields: serde_json::Map<String, Value> = columns.iter().map(field).collect();
        self.producer.facet("1-2-0", "ColumnLineageDatasetFacet", json!({ "fields": fields }))
    }
}

fn plain(dataset: DatasetName) -> Input {
    Input { dataset, facets: Facets::new(), input_facets: Facets::new() }
}

/// The tables in Postgres that a table of the lake is read from; one where columns bear the same names.
fn sources(table: &str) -> &'static [&'static str] {
    match table {
        "silver.account_snapshots" => &["account_snapshots"],
        "silver.repayment_events" => &["repayment_events"],
        "silver.applications" => &["applications"],
        "silver.batches" => &["batches", "batch_transitions"],
        _ => &["rejected_records", "rejected_codes"],
    }
}
