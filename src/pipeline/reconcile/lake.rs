//! The lake beside the journals: what was entered and has landed is there, once, with the values of the journal, and its
//! readers are told of each batch what Postgres says.
//!
//! Rows land meanwhile. What had landed before a table was read must be in it; what is in it must have landed, or be about
//! to, when it was read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, SAMPLED, Scope};
use crate::app::App;
use crate::db::reconcile::{self, Compared, Found};
use crate::db::reconcile_lake::{self, Entered};
use crate::db::{Connection, lake_rows};
use crate::domain::contract::Dataset;
use crate::error::Result;
use crate::ids::BatchId;
use crate::lake::silver::{ACCOUNT_SNAPSHOTS, APPLICATIONS, BATCHES, REPAYMENT_EVENTS};
use crate::lake::{Group, Keys, Lake, Snapshot, TableSpec, contents_of};

/// The journals and their tables.
pub const JOURNALS: [(Dataset, &TableSpec); 3] = [
    (Dataset::AccountSnapshot, &ACCOUNT_SNAPSHOTS),
    (Dataset::RepaymentEvent, &REPAYMENT_EVENTS),
    (Dataset::Application, &APPLICATIONS),
];

/// Batches whose rows are read from both at once.
const PORTION: usize = 200;

/// Compares what the lake holds of the contributor. Nothing where there is no lake.
pub async fn compare(
    app: &App,
    scope: &Scope,
    seed: &str,
    connection: &mut Connection,
    found: &mut Findings<'_>,
) -> Result<()> {
    let Some(lake) = &app.lake else { return Ok(()) };
    let limit = (!scope.whole).then_some(SAMPLED);
    let sample = reconcile::sample(&mut *connection, scope.contributor, scope.since, seed, limit).await?;
    for (dataset, spec) in JOURNALS {
        let before = reconcile_lake::entered(&mut *connection, dataset, scope.contributor, false).await?;
        let snapshot = lake.snapshot(spec).await?;
        let held = match &snapshot {
            Some(snapshot) => lake.keys(spec, snapshot, &scope.contributor.to_string()).await?,
            None => BTreeMap::new(),
        };
        let after = reconcile_lake::entered(&mut *connection, dataset, scope.contributor, true).await?;
        found.add("lake_rows", rows(spec, &before, &after, &held));
        if let Some(snapshot) = &snapshot {
            let landed: BTreeSet<Group> = before.iter().map(group).collect();
            let table = Table { lake, dataset, spec, snapshot };
            table.compare_contents(scope, &sample, &landed, connection, found).await?;
        }
    }
    compare_batches(lake, scope, connection, found).await
}

fn group(entered: &Entered) -> Group {
    (entered.batch_id.to_string(), entered.publication_no)
}

fn key(spec: &TableSpec, (batch, publication): &Group) -> String {
    format!("{}, batch {batch}, publication {publication}", spec.full_name())
}

/// Record numbers of each publication, as multisets.
fn rows(spec: &TableSpec, before: &[Entered], after: &[Entered], held: &BTreeMap<Group, Keys>) -> Compared {
    let mut wrong = Vec::new();
    for entered in before {
        let expected = Keys { rows: entered.rows, sum: entered.sum, squares: entered.squares };
        let found = held.get(&group(entered)).copied().unwrap_or_default();
        if found != expected {
            let other = if found.rows == expected.rows { " with other numbers" } else { "" };
            wrong.push(Found {
                key: key(spec, &group(entered)),
                expected: format!("{} rows", expected.rows),
                found: format!("{} rows{other}", found.rows),
            });
        }
    }
    let known: BTreeSet<Group> = after.iter().map(group).collect();
    for (stranger, keys) in held.iter().filter(|(group, _)| !known.contains(*group)) {
        wrong.push(Found {
            key: key(spec, stranger),
            expected: "nothing that landed".to_owned(),
            found: format!("{} rows", keys.rows),
        });
    }
    Compared::of(before.len().max(held.len()), wrong)
}

/// A table of the lake at one moment, and the journal that it repeats.
struct Table<'a> {
    lake: &'a Lake,
    dataset: Dataset,
    spec: &'static TableSpec,
    snapshot: &'a Snapshot,
}

impl Table<'_> {
    /// The rows of the batches of the sample, value by value.
    async fn compare_contents(
        &self,
        scope: &Scope,
        sample: &[BatchId],
        landed: &BTreeSet<Group>,
        connection: &mut Connection,
        found: &mut Findings<'_>,
    ) -> Result<()> {
        let of_journal: BTreeSet<&str> = landed.iter().map(|(batch, _)| batch.as_str()).collect();
        let chosen: Vec<BatchId> =
            sample.iter().filter(|batch| of_journal.contains(batch.to_string().as_str())).copied().collect();
        for portion in chosen.chunks(PORTION) {
            let ids: Vec<String> = portion.iter().map(ToString::to_string).collect();
            let held = self.lake.contents(self.spec, self.snapshot, Some(&ids)).await?;
            let journal = lake_rows::of_batches(connection, self.dataset, portion, scope.contributor);
            let expected = contents_of(self.spec, journal).await?;
            let mut wrong = Vec::new();
            let groups: Vec<&Group> = expected.keys().filter(|group| landed.contains(*group)).collect();
            for group in &groups {
                if held.get(*group) != expected.get(*group) {
                    wrong.push(Found {
                        key: key(self.spec, group),
                        expected: "the values of the journal".to_owned(),
                        found: "other values".to_owned(),
                    });
                }
            }
            found.add("lake_content", Compared::of(groups.len(), wrong));
        }
        Ok(())
    }
}

/// What readers of the lake are told of each batch. A change that lands while it is read is no difference.
async fn compare_batches(
    lake: &Lake,
    scope: &Scope,
    connection: &mut Connection,
    found: &mut Findings<'_>,
) -> Result<()> {
    let before = reconcile_lake::told_batches(&mut *connection, scope.contributor).await?;
    let told = match lake.snapshot(&BATCHES).await? {
        Some(snapshot) => lake.batch_states(&snapshot, &scope.contributor.to_string()).await?,
        None => BTreeMap::new(),
    };
    let after = reconcile_lake::told_batches(&mut *connection, scope.contributor).await?;
    let mut wrong = Vec::new();
    for (batch, (state, place)) in &before {
        let word = told.get(batch).map(|told| (told.state.clone(), told.publication_no));
        let as_before = word.as_ref() == Some(&(state.clone(), *place));
        // Moved on meanwhile, one way or the other.
        if as_before || after.get(batch) != before.get(batch) {
            continue;
        }
        wrong.push(Found {
            key: format!("batch {batch}"),
            expected: format!("{state}, publication {}", place.unwrap_or_default()),
            found: word.map_or("nothing".to_owned(), |(state, place)| {
                format!("{state}, publication {}", place.unwrap_or_default())
            }),
        });
    }
    found.add("lake_batches", Compared::of(before.len(), wrong));
    Ok(())
}
