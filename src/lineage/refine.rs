//! Runs that read a batch: what they read, what they found of it, what they wrote, column by column.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::event::{Column, DatasetName, EventType, Facets, Input, Job, Output, Producer, Run, RunEvent};
use super::places::{Places, journal_of};
use crate::domain::batch::{Counts, State};
use crate::domain::contract::spec::{Contract, Kind};
use crate::domain::contract::{Dataset, Field, Mode};
use crate::ids::{BatchId, ContributorId};

/// What a run does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Judges it and publishes what is good.
    Refine,
    /// Judges it again and writes what differs.
    Promote,
}

impl Task {
    fn word(self) -> &'static str {
        match self {
            Task::Refine => "refine",
            Task::Promote => "promote",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Task::Refine => "Judges the records of a batch and publishes the good ones.",
            Task::Promote => "Judges a batch again under today's rules and writes the records that differ.",
        }
    }
}

/// One run: a job of a contributor's lane.
#[derive(Clone, Debug)]
pub struct BatchRun {
    pub run_id: Uuid,
    pub task: Task,
    pub batch: BatchFacet,
    /// As received.
    pub bytes: Option<i64>,
}

/// The batch of a run, as the facet `etrplus_batch` of every event about it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LineageBatchFacet)]
pub struct BatchFacet {
    pub batch_id: BatchId,
    pub contributor_id: ContributorId,
    pub dataset: Dataset,
    pub mode: Mode,
    pub period_end: NaiveDate,
    /// The dataset and the version of its contract.
    pub contract: String,
    /// The object that holds the received bytes.
    pub object_key: String,
    /// Of the bytes as received, hex.
    pub sha256: String,
}

/// The verdict that a run came to, as the facet `etrplus_verdict` of its COMPLETE event.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LineageVerdictFacet)]
pub struct VerdictFacet {
    pub state: State,
    pub counts: Counts,
    pub rules_version: String,
}

/// How a judgement ended.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    pub state: State,
    pub counts: &'a Counts,
    /// Broken rules: code, severity, records.
    pub broken: Vec<Broken<'a>>,
    pub rules_version: &'a str,
    pub rejects_written: bool,
    /// The contract that the records were read by, where it is at hand.
    pub contract: Option<&'static Contract>,
    /// The columns of the journal that accepted records were entered in.
    pub journal_columns: Vec<&'static str>,
}

/// A rule that some records broke.
#[derive(Clone, Debug)]
pub struct Broken<'a> {
    pub code: &'a str,
    pub severity: &'a str,
    pub records: i64,
}

/// Builds the events of an installation.
#[derive(Clone, Debug)]
pub struct Reporter {
    pub producer: Producer,
    pub places: Places,
}

impl Reporter {
    pub fn began(&self, run: &BatchRun, at: DateTime<Utc>) -> RunEvent {
        let mut event = self.event(EventType::Start, run, at);
        event.inputs = vec![self.received(run, None)];
        event
    }

    /// The run came to a verdict, whatever it was: that a batch is rejected is no failure of the run.
    pub fn settled(&self, run: &BatchRun, outcome: &Outcome<'_>, at: DateTime<Utc>) -> RunEvent {
        let mut event = self.event(EventType::Complete, run, at);
        let verdict = VerdictFacet {
            state: outcome.state,
            counts: *outcome.counts,
            rules_version: outcome.rules_version.to_owned(),
        };
        event.run.facets.insert("etrplus_verdict", self.own_facet("LineageVerdictFacet", &verdict));
        event.inputs = vec![self.received(run, Some(outcome))];
        if outcome.rejects_written {
            event.outputs.push(self.rejects(run, outcome));
        }
        if outcome.state == State::Published {
            event.outputs.push(self.entered(run, outcome));
            if run.batch.dataset != Dataset::Application {
                event.outputs.push(plain(self.places.table("accounts")));
            }
        }
        event
    }

    /// The run came to no verdict: every attempt failed. `word` says of what kind the fault was.
    pub fn failed(&self, run: &BatchRun, word: &str, at: DateTime<Utc>) -> RunEvent {
        let mut event = self.event(EventType::Fail, run, at);
        event.run.facets.insert("errorMessage", self.producer.error(word));
        event.inputs = vec![self.received(run, None)];
        event
    }

    /// The batch was withdrawn while it was judged.
    pub fn aborted(&self, run: &BatchRun, at: DateTime<Utc>) -> RunEvent {
        let mut event = self.event(EventType::Abort, run, at);
        event.inputs = vec![self.received(run, None)];
        event
    }

    fn event(&self, event_type: EventType, run: &BatchRun, at: DateTime<Utc>) -> RunEvent {
        let mut facets = Facets::new();
        facets.insert("processing_engine", self.producer.engine());
        facets.insert("etrplus_batch", self.own_facet("LineageBatchFacet", &run.batch));
        let mut job_facets = Facets::new();
        job_facets.insert("jobType", self.producer.batch_job());
        job_facets.insert("documentation", self.producer.documentation(run.task.meaning()));
        let job = Job {
            namespace: self.places.installation.clone(),
            name: format!("{}.{}", run.task.word(), run.batch.dataset),
            facets: job_facets,
        };
        self.producer.event(event_type, at, Run { run_id: run.run_id, facets }, job)
    }

    /// A facet of ours, described in our own OpenAPI document.
    fn own_facet(&self, schema: &str, body: &impl Serialize) -> Value {
        let place = format!("{}/openapi.json#/components/schemas/{schema}", self.places.installation);
        self.producer.with_base(&place, json!(body))
    }

    fn received(&self, run: &BatchRun, outcome: Option<&Outcome<'_>>) -> Input {
        let mut facets = Facets::new();
        facets.insert("version", self.producer.version(&run.batch.batch_id.to_string()));
        let mut input_facets = Facets::new();
        if let Some(outcome) = outcome {
            if let Some(contract) = outcome.contract {
                facets.insert("schema", self.producer.schema(&columns_of(contract)));
            }
            let rows = Some(outcome.counts.received);
            input_facets.insert("inputStatistics", self.producer.read(rows, run.bytes));
            input_facets.insert("dataQualityAssertions", self.assertions(outcome));
        }
        let dataset = self.places.bronze(run.batch.contributor_id, run.batch.dataset);
        Input { dataset, facets, input_facets }
    }

    /// That nothing was lost, and each rule that was broken. Rules that nothing broke are not listed: a file rule may
    /// have ended the reading before they were asked.
    fn assertions(&self, outcome: &Outcome<'_>) -> Value {
        let counts = outcome.counts;
        let accounted = counts.accepted + counts.rejected + counts.duplicate + counts.unprocessed;
        let mut assertions = vec![json!({
            "assertion": "row_count", "name": "conservation", "success": counts.received == accounted,
            "severity": "error", "expected": counts.received.to_string(), "actual": accounted.to_string(),
        })];
        assertions.extend(outcome.broken.iter().map(|rule| {
            json!({
                "assertion": "rule", "name": rule.code, "success": false,
                "severity": if rule.severity == "W" { "warn" } else { "error" },
                "actual": rule.records.to_string(),
            })
        }));
        let body = json!({ "assertions": assertions });
        self.producer.facet("1-1-0", "DataQualityAssertionsDatasetFacet", body)
    }

    fn rejects(&self, run: &BatchRun, outcome: &Outcome<'_>) -> Output {
        let dataset = self.places.rejects(run.batch.contributor_id, run.batch.dataset);
        let mut output = plain(dataset);
        output.facets.insert("version", self.producer.version(&run.batch.batch_id.to_string()));
        let written = self.producer.written(Some(outcome.counts.rejected), None, Some(1));
        output.output_facets.insert("outputStatistics", written);
        output
    }

    /// The journal, with its columns and where each comes from.
    fn entered(&self, run: &BatchRun, outcome: &Outcome<'_>) -> Output {
        let dataset = run.batch.dataset;
        let mut output = plain(self.places.table(journal_of(dataset)));
        if let Some(contract) = outcome.contract {
            let columns: Vec<Column> = outcome
                .journal_columns
                .iter()
                .map(|name| Column {
                    name: (*name).to_owned(),
                    kind: String::new(),
                    meaning: line_of(contract, name).map_or_else(String::new, |line| line.1.to_owned()),
                })
                .collect();
            let from = self.places.bronze(run.batch.contributor_id, dataset);
            output.facets.insert("schema", self.producer.schema(&columns));
            output
                .facets
                .insert("columnLineage", self.column_lineage(contract, &outcome.journal_columns, &from));
        }
        let written = self.producer.written(Some(outcome.counts.accepted), None, None);
        output.output_facets.insert("outputStatistics", written);
        output
    }

    fn column_lineage(&self, contract: &Contract, columns: &[&str], from: &DatasetName) -> Value {
        let fields: serde_json::Map<String, Value> = columns
            .iter()
            .map(|column| (*column, sources(contract, column)))
            .filter(|(_, sources)| !sources.is_empty())
            .map(|(column, sources)| {
                let inputs: Vec<Value> = sources.into_iter().map(|source| source.as_input(from)).collect();
                (column.to_owned(), json!({ "inputFields": inputs }))
            })
            .collect();
        self.producer.facet("1-2-0", "ColumnLineageDatasetFacet", json!({ "fields": fields }))
    }
}

fn plain(dataset: DatasetName) -> Output {
    Output { dataset, facets: Facets::new(), output_facets: Facets::new() }
}

/// A field that a column is made of.
struct Source {
    field: &'static str,
    subtype: &'static str,
    how: &'static str,
    masking: bool,
}

impl Source {
    fn as_input(&self, from: &DatasetName) -> Value {
        json!({
            "namespace": from.namespace, "name": from.name, "field": self.field,
            "transformations": [{
                "type": "DIRECT", "subtype": self.subtype, "description": self.how, "masking": self.masking,
            }],
        })
    }
}

/// What of the contract a journal's column is made of; empty for what we add ourselves.
fn sources(contract: &Contract, column: &str) -> Vec<Source> {
    // A person is known by a random id; the way there is a keyed hash.
    if column == "subject_id" {
        let how = "keyed hash, looked up";
        let of_person = [Field::IdType, Field::IdNumber].into_iter().filter(|f| contract.line(*f).is_some());
        return of_person
            .map(|field| Source { field: field.name(), subtype: "TRANSFORMATION", how, masking: true })
            .collect();
    }
    let Some((field, _)) = line_of(contract, column) else { return Vec::new() };
    let kind = contract.line(field).map(|line| line.kind);
    let (subtype, how) = match kind {
        Some(Kind::Money) => ("TRANSFORMATION", "ringgit or sen to sen"),
        Some(Kind::Word(_)) => ("TRANSFORMATION", "word to its code"),
        _ => ("IDENTITY", "as sent"),
    };
    vec![Source { field: field.name(), subtype, how, masking: false }]
}

/// The field that a column bears the name of, amounts with their unit, and what it means.
fn line_of(contract: &Contract, column: &str) -> Option<(Field, &'static str)> {
    let field = Field::from_name(column.strip_suffix("_sen").unwrap_or(column))?;
    contract.line(field).map(|line| (field, line.description))
}

/// The fields of a contract as columns.
fn columns_of(contract: &Contract) -> Vec<Column> {
    let kind = |kind: Kind| match kind {
        Kind::Text(..) | Kind::Word(_) => "string",
        Kind::Date => "date",
        Kind::Instant => "timestamp",
        Kind::Money => "long",
        Kind::Count(_) => "int",
        Kind::Flag => "boolean",
    };
    let column = |line: &crate::domain::contract::spec::FieldSpec| Column {
        name: line.field.name().to_owned(),
        kind: kind(line.kind).to_owned(),
        meaning: line.description.to_owned(),
    };
    contract.lines.iter().map(column).collect()
}
