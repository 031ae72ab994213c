//! OpenLineage run events (specification 2-0-2): what ran, on what, making what.
//!
//! Types follow the specification's; facets are values that carry the address of their schema. Only what a run event
//! needs is here. A receiver must be able to ignore a facet that it does not know, so ours carry our prefix.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// The schema that every event names.
const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// A step of a run. A run has one START and one of the last three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    Start,
    Complete,
    /// Given up on purpose.
    Abort,
    Fail,
}

/// Facets by their names.
pub type Facets = BTreeMap<&'static str, Value>;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEvent {
    pub event_type: EventType,
    pub event_time: DateTime<Utc>,
    pub producer: String,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
    pub run: Run,
    pub job: Job,
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub run_id: Uuid,
    pub facets: Facets,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    pub namespace: String,
    pub name: String,
    pub facets: Facets,
}

/// Which dataset: unique within its namespace, which is where it lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DatasetName {
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    pub dataset: DatasetName,
    pub facets: Facets,
    pub input_facets: Facets,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    #[serde(flatten)]
    pub dataset: DatasetName,
    pub facets: Facets,
    pub output_facets: Facets,
}

/// Who says so, as a URI, in every event and facet.
#[derive(Clone, Debug)]
pub struct Producer(pub String);

impl Producer {
    /// An event without inputs and outputs.
    pub fn event(&self, event_type: EventType, event_time: DateTime<Utc>, run: Run, job: Job) -> RunEvent {
        RunEvent {
            event_type,
            event_time,
            producer: self.0.clone(),
            schema_url: RUN_EVENT,
            run,
            job,
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// A facet of the specification, in the version that is written here.
    pub fn facet(&self, version: &'static str, kind: &'static str, body: Value) -> Value {
        let schema = format!("https://openlineage.io/spec/facets/{version}/{kind}.json#/$defs/{kind}");
        self.with_base(&schema, body)
    }

    /// A facet with its two base members.
    pub fn with_base(&self, schema: &str, mut body: Value) -> Value {
        body["_producer"] = json!(self.0);
        body["_schemaURL"] = json!(schema);
        body
    }

    /// The columns of a dataset: name, type and meaning of each.
    pub fn schema(&self, columns: &[Column]) -> Value {
        let fields: Vec<Value> = columns.iter().map(Column::as_field).collect();
        self.facet("1-2-0", "SchemaDatasetFacet", json!({ "fields": fields }))
    }

    /// Which state of the dataset.
    pub fn version(&self, version: &str) -> Value {
        self.facet("1-0-1", "DatasetVersionDatasetFacet", json!({ "datasetVersion": version }))
    }

    /// How much was written; what is not known is left out.
    pub fn written(&self, rows: Option<i64>, bytes: Option<i64>, files: Option<i64>) -> Value {
        let body = without_nulls(json!({ "rowCount": rows, "size": bytes, "fileCount": files }));
        self.facet("1-0-2", "OutputStatisticsOutputDatasetFacet", body)
    }

    /// How much was read.
    pub fn read(&self, rows: Option<i64>, bytes: Option<i64>) -> Value {
        let body = without_nulls(json!({ "rowCount": rows, "size": bytes }));
        self.facet("1-0-0", "InputStatisticsInputDatasetFacet", body)
    }

    /// What kind of program runs.
    pub fn batch_job(&self) -> Value {
        let body = json!({ "processingType": "BATCH", "integration": "ETRPLUS", "jobType": "JOB" });
        self.facet("2-0-4", "JobTypeJobFacet", body)
    }

    /// What a job is for, in a sentence.
    pub fn documentation(&self, sentence: &str) -> Value {
        self.facet("1-1-0", "DocumentationJobFacet", json!({ "description": sentence }))
    }

    /// Which build ran it.
    pub fn engine(&self) -> Value {
        let body = json!({ "name": "etrplus", "version": env!("CARGO_PKG_VERSION") });
        self.facet("1-1-1", "ProcessingEngineRunFacet", body)
    }

    /// Why a run failed: a word of ours. A text of an error may name a row, and a row names an account.
    pub fn error(&self, word: &str) -> Value {
        let body = json!({ "message": word, "programmingLanguage": "RUST" });
        self.facet("1-0-1", "ErrorMessageRunFacet", body)
    }
}

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// In the words of where it lives; empty when that is not said.
    pub kind: String,
    pub meaning: String,
}

impl Column {
    fn as_field(&self) -> Value {
        let mut field = json!({ "name": self.name });
        for (member, text) in [("type", &self.kind), ("description", &self.meaning)] {
            if !text.is_empty() {
                field[member] = json!(text);
            }
        }
        field
    }
}

fn without_nulls(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body
}
