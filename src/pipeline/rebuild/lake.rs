//! The tables of the lake from `bronze/`, with the identities and the decisions that Postgres has.
//!
//! Every publication that has landed is made anew: the accepted records are read again from the bytes of their batch, by the
//! contract and the constants of then. What no file says comes from the journal: corrections, rekeys, withdrawn versions, and months
//! from before there was a journal. The new table stands beside the one in use until it has everything; then it is held against the
//! ledger and the table in use, publication by publication, and the catalog's pointer is exchanged, if nothing has landed
//! meanwhile; what has is made first. A table that has other rows than the ledger, or differs from the one in use for no
//! reason that is known, is given up.
//!
//! | Step | What is left when the process dies after it | Who goes on |
//! |---|---|---|
//! | publications are noted under a commit | a note, and files that no table knows | the next run forgets the note and makes them again |
//! | the commit is in the new table | the new table and the note | the next run, with the next publications |
//! | the pointers are exchanged | the table made anew, in use, and a note that it is | the next run, with the next table |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Tell;
use crate::app::App;
use crate::db::reconcile::{Compared, Found};
use crate::db::reconcile_records;
use crate::db::remake::{self, Group, Landed};
use crate::db::{Connection, batches, contributors, lake_rows};
use crate::domain::contract::{Dataset, Terms};
use crate::error::{Error, Result};
use crate::lake::{Contents, Lake, TableSpec, contents_of, remade};
use crate::pipeline::reconcile::JOURNALS;
use crate::pipeline::refine::{Reread, stage_accepted};
use crate::privacy::random;

/// Rows that are appended at once, about.
const GROUP_ROWS: i64 = 500_000;
/// Tries to be quicker than what lands.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// What became of one table.
#[derive(Debug)]
pub struct Remade {
    /// Its full name.
    pub table: String,
    pub rows: i64,
    /// Rows that came from the journal, because no file says them.
    pub from_journal: i64,
    pub outcome: Outcome,
}

/// How it ended, with the publications of the table in use beside those that were made anew.
#[derive(Debug)]
pub enum Outcome {
    /// The table made anew is in use. Where it differs, the other one had lost rows, or had other values than the journal.
    Exchanged(Compared),
    /// It was given up, for what is told: the table in use is as it was.
    GivenUp(Compared),
    /// An earlier run, which was interrupted, put it in its place.
    Before,
}

/// Makes the journals' tables anew and puts them in their place.
///
/// # Errors
/// `conflict` where there is no lake, or one whose catalog lets no table take another one's place, or another rebuild goes on;
/// trouble of ours. Whatever was done stays done, and the next run goes on.
pub async fn rebuild(app: &Arc<App>, tell: Tell<'_>) -> Result<Vec<Remade>> {
    let lake =
        app.lake.as_ref().ok_or_else(|| Error::conflict("conflict", "there is no lake to make anew"))?;
    let connection = remake::open(&app.db).await?;
    let mut connection =
        connection.ok_or_else(|| Error::conflict("conflict", "another rebuild of the lake goes on"))?;
    let done = rebuild_on(app, lake, &mut connection, tell).await;
    remake::close(connection).await?;
    done
}

async fn rebuild_on(
    app: &Arc<App>,
    lake: &Lake,
    connection: &mut Connection,
    tell: Tell<'_>,
) -> Result<Vec<Remade>> {
    let mut done = Vec::new();
    for (dataset, spec) in JOURNALS {
        let new = remade(spec).ok_or_else(|| Error::Internal("a journal without its likeness".into()))?;
        let counts = BTreeMap::new();
        let mut table = Table { app, lake, dataset, spec, new, rows: 0, from_journal: 0, counts };
        if let Some(outcome) = table.rebuild(connection, tell).await? {
            let (rows, from_journal) = (table.rows, table.from_journal);
            done.push(Remade { table: spec.full_name(), rows, from_journal, outcome });
        }
    }
    remake::discard(connection).await?;
    Ok(done)
}

/// One table on its way.
struct Table<'a> {
    app: &'a Arc<App>,
    lake: &'a Lake,
    dataset: Dataset,
    spec: &'static TableSpec,
    new: &'static TableSpec,
    rows: i64,
    from_journal: i64,
    /// Rows of each publication in the new table, as they were counted in it.
    counts: BTreeMap<crate::lake::Group, i64>,
}

/// What a comparison found: all of it, and what nothing explains.
struct Looked {
    compared: Compared,
    unexplained: Vec<Found>,
}

impl Table<'_> {
    /// `None` when nothing has ever landed in it.
    async fn rebuild(&mut self, connection: &mut Connection, tell: Tell<'_>) -> Result<Option<Outcome>> {
        let name = self.spec.full_name();
        if self.lake.pointer(self.spec).await?.is_none() {
            return Ok(None);
        }
        if remake::is_done(connection, &name).await? {
            return Ok(Some(Outcome::Before));
        }
        let known: Vec<_> = self.lake.commits(self.new).await?.into_iter().collect();
        remake::keep_only(connection, &name, &known).await?;
        let mut compared: Option<Compared> = None;
        for _ in 0..TRIES {
            // First the pointer: what lands after it was read makes the exchange fail.
            let Some(pointer) = self.lake.pointer(self.spec).await? else { return Ok(None) };
            let landed = remake::landed(connection, &name).await?;
            let missing: Vec<Group> = landed.iter().filter(|one| !one.noted).map(|one| one.group).collect();
            self.make(connection, &missing, tell).await?;
            let since = compared.is_some().then_some(missing.as_slice());
            let Looked { compared: more, mut unexplained } = self.compare(connection, since, &landed).await?;
            unexplained.extend(self.beside_the_ledger(&landed));
            if !unexplained.is_empty() {
                self.lake.forget(self.new).await?;
                return Ok(Some(Outcome::GivenUp(Compared::of(self.counts.len(), unexplained))));
            }
            let all = match compared {
                None => more,
                Some(first) => first.and(more),
            };
            if self.lake.exchange(self.spec, self.new, &pointer).await? {
                return Ok(Some(Outcome::Exchanged(all)));
            }
            compared = Some(all);
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::Overloaded("rows landed at every try; start again when less is sent"))
    }

    /// Makes publications anew and appends them, some at a time.
    async fn make(&mut self, connection: &mut Connection, missing: &[Group], tell: Tell<'_>) -> Result<()> {
        let name = self.spec.full_name();
        let all: i64 = missing.iter().map(|group| group.rows).sum();
        let (mut made, mut rest) = (0, missing);
        while !rest.is_empty() {
            let mut rows = 0;
            let fits = |group: &&Group| {
                rows += group.rows;
                rows <= GROUP_ROWS
            };
            let (some, more) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = more;
            remake::clear(connection).await?;
            for group in some {
                self.fill(connection, *group).await?;
            }
            let commit = random::uuid_v4();
            remake::note(connection, &name, commit, some).await?;
            let announced: i64 = some.iter().map(|group| group.rows).sum();
            let made_anew = remake::rows(connection, self.dataset);
            self.lake.append(self.new, commit, announced as u64, made_anew).await?;
            self.rows += announced;
            made += announced;
            tell(&format!("make {name} anew"), made, all);
        }
        Ok(())
    }

    /// Takes over the rows of one publication, from bytes as far as they tell them.
    async fn fill(&mut self, connection: &mut Connection, group: Group) -> Result<()> {
        let from_bytes =
            reconcile_records::publications(&mut *connection, self.dataset, group.batch_id).await?;
        let known = from_bytes.iter().find(|known| known.publication_no == group.publication_no);
        if let (Some(known), Some(batch)) =
            (known, batches::find_any(&self.app.db.system, group.batch_id).await?)
        {
            let pool = &self.app.db.system;
            let owner = contributors::find(pool, group.contributor_id).await?.ok_or(Error::NotFound)?;
            let constants =
                reconcile_records::constants_at(pool, group.contributor_id, known.known_from).await?;
            let terms = Terms { constants, ..owner.terms };
            let (dataset, number) = (self.dataset, group.publication_no);
            let accepted = reconcile_records::accepted(pool, dataset, group.batch_id, number).await?;
            match stage_accepted(self.app, &Arc::new(batch), terms, accepted, connection).await? {
                Reread::Staged { .. } => remake::take_staged(connection, dataset, group).await?,
                Reread::Differs(how) => {
                    tracing::warn!(batch.id = %group.batch_id, how, "bytes are not what was received; the journal stands in");
                }
            }
        }
        self.from_journal += remake::take_from_journal(connection, self.dataset, group).await? as i64;
        Ok(())
    }

    /// Compares the publications of both tables, value by value: all, or some.
    async fn compare(
        &mut self,
        connection: &mut Connection,
        since: Option<&[Group]>,
        landed: &[Landed],
    ) -> Result<Looked> {
        let ids: Option<Vec<String>> = since.map(|groups| {
            let ids: BTreeSet<String> = groups.iter().map(|group| group.batch_id.to_string()).collect();
            ids.into_iter().collect()
        });
        let mut looked = Looked { compared: Compared::of(0, Vec::new()), unexplained: Vec::new() };
        if ids.as_ref().is_some_and(Vec::is_empty) {
            return Ok(looked);
        }
        let old = self.contents(self.spec, ids.as_deref()).await?;
        let new = self.contents(self.new, ids.as_deref()).await?;
        self.counts.extend(new.iter().map(|(group, contents)| (group.clone(), contents.rows)));
        let mut wrong = Vec::new();
        for (group, contents) in &new {
            let held = old.get(group);
            if held == Some(contents) {
                continue;
            }
            let expected = format!("{} rows as they were made anew", contents.rows);
            let rows = held.map_or(0, |held| held.rows);
            let found = Found { key: key(group), expected, found: format!("{rows} rows, or others") };
            if rows >= contents.rows && !self.is_journal(connection, landed, group, contents).await? {
                looked.unexplained.push(found.clone());
            }
            wrong.push(found);
        }
        looked.unexplained.extend(self.unknown(connection, &old, &new).await?);
        looked.compared = Compared::of(new.len(), wrong);
        Ok(looked)
    }

    /// What the table in use has beyond the new one, and did not land since.
    async fn unknown(
        &self,
        connection: &mut Connection,
        old: &BTreeMap<crate::lake::Group, Contents>,
        new: &BTreeMap<crate::lake::Group, Contents>,
    ) -> Result<Vec<Found>> {
        // Asked after the table was read: what it had then has its commit in the ledger by now.
        let known = remake::landed(connection, &self.spec.full_name()).await?;
        let known: BTreeSet<_> = known.iter().map(|one| group_of(&one.group)).collect();
        let beyond = old.iter().filter(|(group, _)| !new.contains_key(*group) && !known.contains(*group));
        let found = beyond.map(|(group, contents)| Found {
            key: key(group),
            expected: "nothing that has landed".to_owned(),
            found: format!("{} rows in the table in use", contents.rows),
        });
        Ok(found.collect())
    }

    /// Whether the new rows of a publication are the journal's.
    async fn is_journal(
        &self,
        connection: &mut Connection,
        landed: &[Landed],
        group: &crate::lake::Group,
        contents: &Contents,
    ) -> Result<bool> {
        let Some(Landed { group: known, .. }) = landed.iter().find(|one| group_of(&one.group) == *group)
        else {
            return Ok(false);
        };
        let batches = [known.batch_id];
        let rows = lake_rows::of_batches(connection, self.dataset, &batches, known.contributor_id);
        Ok(contents_of(self.spec, rows).await?.get(group) == Some(contents))
    }

    /// Where the new table has other rows than have landed: fewer, more, or of other publications.
    fn beside_the_ledger(&self, landed: &[Landed]) -> Vec<Found> {
        let mut expected: BTreeMap<crate::lake::Group, i64> = BTreeMap::new();
        for Landed { group, .. } in landed {
            *expected.entry(group_of(group)).or_default() += group.rows;
        }
        let groups: BTreeSet<_> = expected.keys().chain(self.counts.keys()).collect();
        let rows = |of: &BTreeMap<crate::lake::Group, i64>, group| of.get(group).copied().unwrap_or(0);
        let differ = groups.into_iter().filter(|group| rows(&expected, group) != rows(&self.counts, group));
        let found = differ.map(|group| Found {
            key: key(group),
            expected: format!("{} rows that have landed", rows(&expected, group)),
            found: format!("{} rows made anew", rows(&self.counts, group)),
        });
        found.collect()
    }

    async fn contents(
        &self,
        spec: &TableSpec,
        ids: Option<&[String]>,
    ) -> Result<BTreeMap<crate::lake::Group, Contents>> {
        match self.lake.snapshot(spec).await? {
            Some(snapshot) => self.lake.contents(spec, &snapshot, ids).await,
            None => Ok(BTreeMap::new()),
        }
    }
}

fn group_of(group: &Group) -> crate::lake::Group {
    (group.batch_id.to_string(), group.publication_no)
}

fn key((batch, publication): &crate::lake::Group) -> String {
    format!("batch {batch}, publication {publication}")
}
