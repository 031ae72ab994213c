//! `GET …/batches/{batch_id}/lineage`: what a batch came of and what came of it, for its contributor and for operators.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::batches::own_contributor;
use super::examples;
use super::extract::Path;
use super::problem::Problem;
use crate::app::AppState;
use crate::db::batches::{self, Batch};
use crate::db::{Connection, lineage, lineage_lake, overrides};
use crate::error::{Error, Result as AppResult};
use crate::ids::BatchId;
use crate::lineage::graph::{Edge, Graph, NodeId, Side, Written};

/// Who reads a graph. An append to the lake holds rows of many contributors, so that its size is no business of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Contributor,
    Operator,
}

/// What a batch came of and what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lineage)]
pub struct LineageView {
    pub batch_id: BatchId,
    pub nodes: Vec<NodeView>,
    pub edges: Vec<EdgeView>,
}

/// A thing that has to do with the batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineageNode)]
pub struct NodeView {
    /// `kind:name`; edges refer to it.
    pub id: String,
    /// client, bronze_object, contract, rules, override, constant, batch, verdict, reject_file, quarantine, journal,
    /// serving_store, parked_events, lake_entry, lake_commit, lake_table, correction, shadow, identity_review, …, and for
    /// operators data_file and recall; more kinds may come.
    pub kind: String,
    pub name: String,
    pub side: Side,
    /// What is known of it, by kind: digest and length of bytes, states, counts, versions, times.
    #[schema(value_type = Object)]
    pub facts: Map<String, Value>,
}

/// A line from what something came of to what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineageEdge)]
pub struct EdgeView {
    pub from: String,
    pub to: String,
    /// When the effect was committed; null for what holds by itself.
    pub at: Option<DateTime<Utc>>,
}

fn id_of(node: &NodeId) -> String {
    format!("{}:{}", node.kind, node.name)
}

impl From<&Edge> for EdgeView {
    fn from(edge: &Edge) -> EdgeView {
        EdgeView { from: id_of(&edge.from), to: id_of(&edge.to), at: edge.at }
    }
}

impl LineageView {
    fn new(batch_id: BatchId, graph: &Graph) -> LineageView {
        let nodes = graph.nodes().into_iter().map(|(node, side, facts)| NodeView {
            id: id_of(node),
            kind: node.kind.clone(),
            name: node.name.clone(),
            side,
            facts: facts.clone(),
        });
        LineageView {
            batch_id,
            nodes: nodes.collect(),
            edges: graph.edges().iter().map(EdgeView::from).collect(),
        }
    }

    /// Reads what the connection may see: operators everything, a contributor its own.
    async fn load(
        app: &AppState,
        connection: &mut Connection,
        batch: &Batch,
        reader: Reader,
    ) -> AppResult<LineageView> {
        let rows = lineage::around(&mut *connection, batch.id).await?;
        let written: Vec<Written> = rows.into_iter().map(written).collect();
        let mut graph = Graph::of(batch.id, &batch.object_key, &written);
        tell_of_batch(connection, batch, &mut graph).await?;
        tell_of_terms(connection, batch, &mut graph).await?;
        tell_of_neighbours(connection, batch, &mut graph).await?;
        tell_of_cases(connection, batch, &mut graph).await?;
        tell_of_lake(app, connection, batch, (&mut graph, reader)).await?;
        Ok(LineageView::new(batch.id, &graph))
    }
}

fn written(row: lineage::EdgeRow) -> Written {
    Written {
        batch_id: row.batch_id,
        from_kind: row.from_kind,
        from_ref: row.from_ref,
        to_kind: row.to_kind,
        to_ref: row.to_ref,
        at: row.at,
    }
}

async fn tell_of_batch(connection: &mut Connection, batch: &Batch, graph: &mut Graph) -> AppResult<()> {
    let placed = lineage::placed(&mut *connection, batch.id).await?;
    let node = graph.batch();
    graph.tell(
        &node,
        json!({
            "dataset": batch.dataset, "mode": batch.mode, "period_end": batch.period_end, "state": batch.state,
            "counts": batch.counts, "rules_version": batch.rules_version, "dry_run": batch.envelope.dry_run,
            "publication_no": placed.publication_no, "published_at": batch.published_at,
        }),
    );
    graph.tell(
        &NodeId::new("bronze_object", &batch.object_key),
        json!({
            "sha256": batch.sha256.as_deref().map(hex::encode), "bytes": batch.received_bytes,
            "content_type": batch.content_type, "content_encoding": batch.content_encoding,
            "stored_encoding": batch.stored_encoding, "stored_bytes": placed.stored_bytes,
            "received_at": batch.received_at, "removed_at": batch.files_removed_at,
        }),
    );
    for key in graph.names("reject_file") {
        let current = batch.rejects_key.as_deref() == Some(key.as_str());
        let records = batch.counts.filter(|_| current).map(|counts| counts.rejected);
        graph.tell(&NodeId::new("reject_file", &key), json!({ "current": current, "records": records }));
    }
    Ok(())
}

/// The agreements and constants that the batch was judged under.
async fn tell_of_terms(connection: &mut Connection, batch: &Batch, graph: &mut Graph) -> AppResult<()> {
    let leniency = overrides::leniency(&mut *connection, batch.id).await?;
    for softened in leniency.softened.iter().filter_map(Value::as_array).flatten() {
        let node = NodeId::new("override", softened["override_id"].as_str().unwrap_or_default());
        graph.tell(
            &node,
            json!({ "code": softened["code"], "effect": softened["effect"], "until": softened["until"] }),
        );
    }
    for (field, records) in leniency.imputed.iter().filter_map(Value::as_object).flatten() {
        graph.tell(&NodeId::new("constant", field), json!({ "records": records }));
    }
    Ok(())
}

async fn tell_of_neighbours(connection: &mut Connection, batch: &Batch, graph: &mut Graph) -> AppResult<()> {
    let ids: Vec<uuid::Uuid> = graph.names("batch").iter().filter_map(|name| name.parse().ok()).collect();
    for other in lineage::neighbours(&mut *connection, &ids).await? {
        if other.batch_id != batch.id {
            let node = NodeId::new("batch", &other.batch_id.to_string());
            graph.tell(
                &node,
                json!({
                    "dataset": other.dataset, "mode": other.mode, "period_end": other.period_end, "state": other.state,
                }),
            );
        }
    }
    Ok(())
}

async fn tell_of_cases(connection: &mut Connection, batch: &Batch, graph: &mut Graph) -> AppResult<()> {
    let corrections: Vec<uuid::Uuid> =
        graph.names("correction").iter().filter_map(|name| name.parse().ok()).collect();
    for case in lineage::cases(&mut *connection, batch.id, &corrections).await? {
        let node = NodeId::new(&case.kind, &case.id.to_string());
        // A shadow that nobody promoted, a recall that waits: it has to do with the batch and changed nothing.
        let batch_node = graph.batch();
        match case.kind.as_str() {
            "shadow" => graph.connect(&batch_node, &node, None),
            "recall" => graph.connect(&node, &batch_node, None),
            _ => {}
        }
        graph.tell(
            &node,
            json!({ "state": case.state, "what": case.what, "at": case.at, "publication_no": case.publication_no }),
        );
    }
    Ok(())
}

/// Most files of one append that are named; the rest are counted.
const MAX_FILES: usize = 200;

/// What of the batch was entered for the lake, the appends that took it, and the files and snapshots that these made.
async fn tell_of_lake(
    app: &AppState,
    connection: &mut Connection,
    batch: &Batch,
    (graph, reader): (&mut Graph, Reader),
) -> AppResult<()> {
    let entries = lineage_lake::entries(&mut *connection, batch.id).await?;
    let mut commits: Vec<uuid::Uuid> = entries.iter().filter_map(|entry| entry.commit_id).collect();
    commits.sort_unstable();
    commits.dedup();
    for entry in &entries {
        let node = NodeId::new("lake_entry", &entry.entry_no.to_string());
        let from = match entry.table_name.split_once('.') {
            Some(("silver", "batches")) | None => graph.batch(),
            Some(("silver", journal)) => NodeId::new("journal", journal),
            Some(_) => NodeId::new("quarantine", "rejected_records"),
        };
        graph.connect(&from, &node, Some(entry.known_from));
        if let Some(commit) = entry.commit_id {
            graph.connect(&node, &NodeId::new("lake_commit", &commit.to_string()), None);
        }
        graph.tell(
            &node,
            json!({
                "table": entry.table_name, "publication_no": entry.publication_no, "rows": entry.rows,
                "state": entry.state, "waits": entry.commit_id.is_none(),
            }),
        );
    }
    // The ledger is the system's: which appends are told here is said by the entries that this connection sees.
    for commit in lineage_lake::commits(&app.db.system, &commits).await? {
        tell_of_commit(graph, commit, reader);
    }
    Ok(())
}

fn tell_of_commit(graph: &mut Graph, commit: lineage_lake::Commit, reader: Reader) {
    let node = NodeId::new("lake_commit", &commit.commit_id.to_string());
    graph.tell(
        &node,
        json!({
            "state": commit.state, "snapshot_id": commit.snapshot_id.map(|id| id.to_string()),
            "landed_at": commit.landed_at,
        }),
    );
    if commit.landed_at.is_some() {
        graph.connect(&node, &NodeId::new("lake_table", &commit.table_name), commit.landed_at);
    }
    if reader == Reader::Contributor {
        return;
    }
    let paths = commit.file_paths.unwrap_or_default();
    graph.tell(&node, json!({ "rows": commit.rows, "bytes": commit.bytes, "files": paths.len() }));
    for path in paths.iter().take(MAX_FILES).filter(|_| commit.landed_at.is_some()) {
        graph.connect(&node, &NodeId::new("data_file", path), commit.landed_at);
    }
}

/// Read what a batch came of and what came of it.
///
/// Upstream: its bytes with their digest, who sent them, contract, rules, agreements and constants, cases that changed its
/// records, batches that it replaced or mends. Downstream: verdicts, reject file, journal, serving store, batches that
/// replaced or mend it, the appends and snapshots of the lake that have it.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}/lineage", operation_id = "find_lineage", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the graph", body = LineageView, example = json!(examples::lineage::graph())),
        (status = 404, description = "no such batch of yours")),
)]
pub async fn find_lineage(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<Json<LineageView>, Problem> {
    let contributor = own_contributor(&principal)?;
    let mut tx = app.db.as_contributor(contributor).await?;
    let batch = batches::find(&mut *tx, contributor, id).await?.ok_or(Error::NotFound)?;
    let view = LineageView::load(&app, &mut tx, &batch, Reader::Contributor).await?;
    tx.commit().await?;
    Ok(Json(view))
}

/// Read what any batch came of and what came of it, with recalls and shadows, and the size and files of the lake's appends.
#[utoipa::path(
    get, path = "/v1/operations/batches/{batch_id}/lineage", operation_id = "find_any_lineage", tag = "operations",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the graph", body = LineageView, example = json!(examples::lineage::graph())),
        (status = 404, description = "no such batch")),
)]
pub async fn find_any_lineage(
    State(app): State<AppState>,
    _authorized: Authorized,
    Path(id): Path<BatchId>,
) -> Result<Json<LineageView>, Problem> {
    let mut tx = app.db.system.begin().await?;
    let batch = batches::find_any(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    let view = LineageView::load(&app, &mut tx, &batch, Reader::Operator).await?;
    tx.commit().await?;
    Ok(Json(view))
}
