//! What came of what, around one batch: nodes and edges, put together from the edges that each effect wrote down.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::ids::BatchId;

/// An edge as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The batch under which it was written; none for what concerns no batch.
    pub batch_id: Option<BatchId>,
    pub from_kind: String,
    pub from_ref: String,
    pub to_kind: String,
    pub to_ref: String,
    pub at: DateTime<Utc>,
}

/// Where a node stands, seen from the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The batch came of it, or was changed by it.
    Upstream,
    Batch,
    /// It came of the batch.
    Downstream,
}

/// A thing, by its kind and the name that it has among its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId {
    pub kind: String,
    pub name: String,
}

impl NodeId {
    pub fn new(kind: &str, name: &str) -> NodeId {
        NodeId { kind: kind.to_owned(), name: name.to_owned() }
    }
}

/// One line from what something came of to what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: NodeId,
    pub to: NodeId,
    /// When; absent where the line follows from the two things themselves.
    pub at: Option<DateTime<Utc>>,
}

/// Nodes and edges around a batch.
#[derive(Clone, Debug)]
pub struct Graph {
    batch: NodeId,
    nodes: BTreeMap<NodeId, Map<String, Value>>,
    edges: Vec<Edge>,
}

impl Graph {
    /// From the edges of a batch. `bronze` is the key of its object.
    ///
    /// What the effects wrote from the received bytes leads from the batch here, so that everything that came of it lies
    /// behind one node; what names a batch in a role (replaced, recalled, corrected) leads to that batch.
    pub fn of(batch: BatchId, bronze: &str, written: &[Written]) -> Graph {
        let id = NodeId::new("batch", &batch.to_string());
        let object = NodeId::new("bronze_object", bronze);
        let mut graph = Graph { batch: id.clone(), nodes: BTreeMap::new(), edges: Vec::new() };
        graph.connect(&object, &id, None);
        for edge in written {
            let from = graph.resolve(edge, (&edge.from_kind, &edge.from_ref), &object);
            let to = match (edge.to_kind.as_str(), edge.batch_id) {
                // The object of another batch that mends this one.
                ("bronze_object", Some(other)) if other != batch => NodeId::new("batch", &other.to_string()),
                _ => graph.resolve(edge, (&edge.to_kind, &edge.to_ref), &object),
            };
            let into_own_bytes = to == id && edge.to_kind == "bronze_object";
            let to = if into_own_bytes { object.clone() } else { to };
            if from != to {
                graph.connect(&from, &to, Some(edge.at));
            }
        }
        graph
    }

    /// The node that one end of a written edge means.
    fn resolve(&self, edge: &Written, (kind, name): (&str, &str), object: &NodeId) -> NodeId {
        match kind {
            "bronze_object" if name == object.name => self.batch.clone(),
            "batch" | "replaced_by" | "recalled_batch" | "restored_batch" | "corrected_batch" => {
                NodeId::new("batch", name)
            }
            // Named by its batch where it is the source of a fix.
            "rejected_records" if name == self.batch.name => NodeId::new("quarantine", "rejected_records"),
            "rejected_records" if edge.from_kind == kind => NodeId::new("batch", name),
            _ => NodeId::new(kind, name),
        }
    }

    /// Draws a line, once.
    ///
    /// A batch has dozens of lines, so that looking through them all is nothing.
    pub fn connect(&mut self, from: &NodeId, to: &NodeId, at: Option<DateTime<Utc>>) {
        self.nodes.entry(from.clone()).or_default();
        self.nodes.entry(to.clone()).or_default();
        if !self.edges.iter().any(|edge| edge.from == *from && edge.to == *to) {
            self.edges.push(Edge { from: from.clone(), to: to.clone(), at });
        }
    }

    /// Says something about a node, if it is there.
    pub fn tell(&mut self, node: &NodeId, facts: Value) {
        if let (Some(known), Value::Object(facts)) = (self.nodes.get_mut(node), facts) {
            known.extend(facts.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }

    /// The node of the batch itself.
    pub fn batch(&self) -> NodeId {
        self.batch.clone()
    }

    /// The names of a kind.
    pub fn names(&self, kind: &str) -> Vec<String> {
        self.nodes.keys().filter(|node| node.kind == kind).map(|node| node.name.clone()).collect()
    }

    /// Every node with where it stands and what is known of it.
    pub fn nodes(&self) -> Vec<(&NodeId, Side, &Map<String, Value>)> {
        let downstream = self.downstream();
        let side = |node: &NodeId| match node {
            node if *node == self.batch => Side::Batch,
            node if downstream.contains(node) => Side::Downstream,
            _ => Side::Upstream,
        };
        self.nodes.iter().map(|(node, facts)| (node, side(node), facts)).collect()
    }

    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    fn downstream(&self) -> BTreeSet<NodeId> {
        let mut reached = BTreeSet::new();
        let mut next = vec![self.batch.clone()];
        while let Some(node) = next.pop() {
            for edge in self.edges.iter().filter(|edge| edge.from == node) {
                if reached.insert(edge.to.clone()) {
                    next.push(edge.to.clone());
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(n: u128) -> BatchId {
        BatchId(uuid::Uuid::from_u128(n))
    }

    fn written(of: BatchId, from: (&str, &str), to: (&str, &str)) -> Written {
        Written {
            batch_id: Some(of),
            from_kind: from.0.into(),
            from_ref: from.1.into(),
            to_kind: to.0.into(),
            to_ref: to.1.into(),
            at: "2026-11-24T02:00:00Z".parse().unwrap(),
        }
    }

    fn side_of(graph: &Graph, kind: &str) -> Vec<Side> {
        graph.nodes().into_iter().filter(|(node, ..)| node.kind == kind).map(|(_, side, _)| side).collect()
    }

    #[test]
    fn what_came_of_a_batch_lies_behind_it_and_what_it_came_of_before() {
        let graph = Graph::of(
            batch(1),
            "bronze/a",
            &[
                written(batch(1), ("client", "c"), ("bronze_object", "bronze/a")),
                written(batch(1), ("bronze_object", "bronze/a"), ("verdict", "published")),
                written(batch(1), ("contract", "account_snapshot/1"), ("verdict", "published")),
                written(batch(1), ("bronze_object", "bronze/a"), ("journal", "account_snapshots")),
                written(batch(1), ("journal", "account_snapshots"), ("serving_store", "accounts")),
            ],
        );
        assert_eq!(side_of(&graph, "client"), [Side::Upstream]);
        assert_eq!(side_of(&graph, "bronze_object"), [Side::Upstream]);
        assert_eq!(side_of(&graph, "contract"), [Side::Upstream]);
        assert_eq!(side_of(&graph, "batch"), [Side::Batch]);
        for kind in ["verdict", "journal", "serving_store"] {
            assert_eq!(side_of(&graph, kind), [Side::Downstream], "{kind}");
        }
    }

    #[test]
    fn batches_in_a_role_are_batches() {
        let (old, this, new) = (batch(1), batch(2), batch(3));
        let [old_id, this_id, new_id] = [old, this, new].map(|id| id.to_string());
        let graph = Graph::of(
            this,
            "bronze/2",
            &[
                written(this, ("batch", &old_id), ("replaced_by", &this_id)),
                written(new, ("batch", &this_id), ("replaced_by", &new_id)),
                written(this, ("correction", "k"), ("corrected_batch", &this_id)),
                // A third batch mends what this one left.
                written(new, ("rejected_records", &this_id), ("bronze_object", "bronze/3")),
                // And this one what an old one left.
                written(this, ("rejected_records", &old_id), ("bronze_object", "bronze/2")),
            ],
        );
        let sides: Vec<(String, Side)> =
            graph.nodes().into_iter().map(|(node, side, _)| (node.name.clone(), side)).collect();
        assert!(sides.contains(&(old_id.clone(), Side::Upstream)), "{sides:?}");
        assert!(sides.contains(&(new_id.clone(), Side::Downstream)), "{sides:?}");
        assert!(sides.contains(&("k".to_owned(), Side::Upstream)), "{sides:?}");
        let mends = Edge {
            from: NodeId::new("quarantine", "rejected_records"),
            to: NodeId::new("batch", &new_id),
            at: graph.edges()[0].at,
        };
        assert!(graph.edges().iter().any(|edge| (&edge.from, &edge.to) == (&mends.from, &mends.to)));
        let mended = NodeId::new("bronze_object", "bronze/2");
        assert!(graph.edges().iter().any(|edge| edge.from.name == old_id && edge.to == mended));
    }

    #[test]
    fn a_line_is_drawn_once_and_facts_add_up() {
        let repeated = written(batch(1), ("rules", "2026.11"), ("verdict", "on_hold"));
        let mut graph = Graph::of(batch(1), "bronze/a", &[repeated.clone(), repeated]);
        assert_eq!(graph.edges().len(), 2);
        let node = NodeId::new("verdict", "on_hold");
        graph.tell(&node, serde_json::json!({ "counts": 1, "at": null }));
        graph.tell(&NodeId::new("verdict", "unknown"), serde_json::json!({ "counts": 1 }));
        let known: Vec<_> = graph.nodes().into_iter().filter(|(_, _, facts)| !facts.is_empty()).collect();
        assert_eq!(known.len(), 1);
    }
}
