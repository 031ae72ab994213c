//! The tables of the lake from `bronze/`, with the identities and the decisions that Postgres has.
//!
//! Every publication that has landed is made anew: the accepted records are read again from the bytes of their batch, by the
//! contract and the constants of then. What no file says comes from the journal: corrections, rekeys, withdrawn versions, and months
//! from before there was a journal. The new table stands beside the one in use until it has everything; then both are compared,
//! publication by publication, and the catalog's pointer is exchanged, if nothing has landed meanwhile; what has is made first.
//!
//! | Step | What is left when the process dies after it | Who goes on |
//! |---|---|---|
//! | publications are noted under a commit | a note, and files that no table knows | the next run forgets the note and makes them again |
//! | the commit is in the new table | the new table and the note | the next run, with the next publications |
//! | the pointers are exchanged | the table made anew, in use | the next run, with the next table |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Tell;
use crate::app::App;
use crate::db::reconcile::{self, Compared, Found};
use crate::db::reconcile_records;
use crate::db::remake::{self, Group};
use crate::db::{Connection, batches, contributors};
use crate::domain::contract::{Dataset, Terms};
use crate::error::{Error, Result};
use crate::lake::{Contents, Lake, TableSpec, remade};
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
    /// The publications of the table in use beside those that were made anew.
    pub compared: Compared,
}

/// Makes the journals' tables anew and puts them in their place.
///
/// # Errors
/// `conflict` where there is no lake, or one whose catalog lets no table take another one's place; trouble of ours. Whatever was
/// done stays done, and the next run goes on.
pub async fn rebuild(app: &Arc<App>, tell: Tell<'_>) -> Result<Vec<Remade>> {
    let lake =
        app.lake.as_ref().ok_or_else(|| Error::conflict("conflict", "there is no lake to make anew"))?;
    let mut connection = reconcile::connect(&app.db).await?;
    remake::prepare(&mut connection).await?;
    let mut done = Vec::new();
    for (dataset, spec) in JOURNALS {
        let new = remade(spec).ok_or_else(|| Error::Internal("a journal without its likeness".into()))?;
        let mut table = Table { app, lake, dataset, spec, new, rows: 0, from_journal: 0 };
        if let Some(compared) = table.rebuild(&mut connection, tell).await? {
            let (rows, from_journal) = (table.rows, table.from_journal);
            done.push(Remade { table: spec.full_name(), rows, from_journal, compared });
        }
    }
    remake::discard(&mut connection).await?;
    remake::close(connection).await?;
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
}

impl Table<'_> {
    /// `None` when nothing has ever landed in it.
    async fn rebuild(&mut self, connection: &mut Connection, tell: Tell<'_>) -> Result<Option<Compared>> {
        let name = self.spec.full_name();
        if self.lake.pointer(self.spec).await?.is_none() {
            return Ok(None);
        }
        let known: Vec<_> = self.lake.commits(self.new).await?.into_iter().collect();
        remake::keep_only(connection, &name, &known).await?;
        let mut compared: Option<Compared> = None;
        for _ in 0..TRIES {
            // First the pointer: what lands after it was read makes the exchange fail.
            let Some(pointer) = self.lake.pointer(self.spec).await? else { return Ok(None) };
            let missing = remake::missing(connection, &name).await?;
            self.make(connection, &missing, tell).await?;
            let since = compared.is_some().then_some(missing.as_slice());
            let more = self.compare(since).await?;
            compared = Some(match compared {
                None => more,
                Some(first) => first.and(more),
            });
            if self.lake.exchange(self.spec, self.new, &pointer).await? {
                return Ok(compared);
            }
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
            let written = self
                .lake
                .append(self.new, commit, announced as u64, remake::rows(connection, self.dataset))
                .await?;
            self.rows += written;
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
    async fn compare(&self, since: Option<&[Group]>) -> Result<Compared> {
        let ids: Option<Vec<String>> = since.map(|groups| {
            let ids: BTreeSet<String> = groups.iter().map(|group| group.batch_id.to_string()).collect();
            ids.into_iter().collect()
        });
        if ids.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Compared::of(0, Vec::new()));
        }
        let old = self.contents(self.spec, ids.as_deref()).await?;
        let new = self.contents(self.new, ids.as_deref()).await?;
        // What the table in use has beyond these has landed since, and is looked at in the next round.
        let wrong = new.iter().filter(|(group, contents)| old.get(*group) != Some(*contents));
        let wrong = wrong.map(|((batch, publication), contents)| {
            let held = old.get(&(batch.clone(), *publication)).map_or(0, |contents| contents.rows);
            Found {
                key: format!("batch {batch}, publication {publication}"),
                expected: format!("{} rows as they were made anew", contents.rows),
                found: format!("{held} rows, or others"),
            }
        });
        Ok(Compared::of(new.len(), wrong.collect()))
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
