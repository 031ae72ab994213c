//! Contract versions: drafted, checked, published, deprecated and retired by operators, and as a process knows them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::agreement::Operator;
use crate::audit;
use crate::clock::Clock;
use crate::db::approvals::Signature;
use crate::db::contracts::{self, Compatibility, ContractState, ContractVersion, User};
use crate::db::{self, Db, contributors};
use crate::domain::contract::Dataset;
use crate::domain::contract::spec::Contract;
use crate::domain::contract::version::{self, Definition, Objection};
use crate::domain::dates;
use crate::error::{Error, Result};

/// How old what a process knows may be: a version that was published is open everywhere within this.
const FRESH: Duration = Duration::from_secs(5);
/// How old it may be while the database does not answer.
const MAX_STALENESS: Duration = Duration::from_secs(30);

/// A version as the rest of the process uses it.
#[derive(Clone, Debug)]
pub struct KnownVersion {
    pub row: ContractVersion,
    /// What readers and rules work by; `None` for a draft.
    pub contract: Option<&'static Contract>,
}

type Versions = BTreeMap<u32, Arc<KnownVersion>>;

struct Snapshot {
    read_at: Instant,
    /// This process has changed something since.
    outdated: bool,
    datasets: HashMap<Dataset, Versions>,
}

/// All contract versions, in memory, read again when they are older than a few seconds.
pub struct ContractDirectory {
    db: Db,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    /// One reading at a time.
    reading: Mutex<()>,
}

/// The versions of one dataset.
#[derive(Clone, Debug)]
pub struct DatasetVersions(Versions);

impl DatasetVersions {
    pub fn find(&self, version: u32) -> Option<&Arc<KnownVersion>> {
        self.0.get(&version)
    }

    /// What `schema_version` means for whoever neither says it nor is pinned: the newest published one.
    pub fn newest_published(&self) -> Option<&Arc<KnownVersion>> {
        self.0.values().rev().find(|known| known.row.state == ContractState::Published)
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<KnownVersion>> {
        self.0.values()
    }
}

impl ContractDirectory {
    pub fn new(db: Db) -> ContractDirectory {
        ContractDirectory { db, snapshot: RwLock::default(), reading: Mutex::default() }
    }

    /// The versions of a dataset.
    ///
    /// # Errors
    /// The database's, when what is known is older than half a minute.
    pub async fn versions_of(&self, dataset: Dataset) -> Result<DatasetVersions> {
        let snapshot = self.current().await?;
        Ok(DatasetVersions(snapshot.datasets.get(&dataset).cloned().unwrap_or_default()))
    }

    /// The contract that a batch of a version is read by. Retired ones are there: what was received is judged.
    ///
    /// # Errors
    /// `Inconsistent` for a version that was never published.
    pub async fn contract(&self, dataset: Dataset, declared: &str) -> Result<&'static Contract> {
        let version = version::parse_version(declared);
        let find = |snapshot: &Snapshot| snapshot.datasets.get(&dataset)?.get(&version?)?.contract;
        if let Some(contract) = find(&*self.current().await?) {
            return Ok(contract);
        }
        // Published a moment ago, and received by a process that knew of it first.
        find(&*self.renewed().await?).ok_or_else(|| Error::Inconsistent {
            table: "contracts",
            column: "version",
            row: format!("{dataset}/{declared}"),
        })
    }

    /// What was read is not believed any more, because this process changed it.
    pub fn forget(&self) {
        if let Some(snapshot) = self.known() {
            let Snapshot { read_at, datasets, .. } = &*snapshot;
            let outdated = Snapshot { read_at: *read_at, outdated: true, datasets: datasets.clone() };
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(outdated));
        }
    }

    fn known(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn current(&self) -> Result<Arc<Snapshot>> {
        let younger_than = |age| self.known().filter(|snapshot| snapshot.read_at.elapsed() <= age);
        let fresh = || younger_than(FRESH).filter(|snapshot| !snapshot.outdated);
        if let Some(snapshot) = fresh() {
            return Ok(snapshot);
        }
        let _turn = self.reading.lock().await;
        if let Some(snapshot) = fresh() {
            return Ok(snapshot);
        }
        match self.read().await {
            Ok(snapshot) => Ok(self.keep(snapshot)),
            Err(error) => younger_than(MAX_STALENESS).ok_or(error),
        }
    }

    /// What is so now, however young what is known may be.
    async fn renewed(&self) -> Result<Arc<Snapshot>> {
        let _turn = self.reading.lock().await;
        Ok(self.keep(self.read().await?))
    }

    fn keep(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
        snapshot
    }

    async fn read(&self) -> Result<Snapshot> {
        // Taken before the query: what the answer says was true no earlier than this.
        let read_at = Instant::now();
        let before = self.known();
        let mut datasets: HashMap<Dataset, Versions> = HashMap::new();
        for row in contracts::list(&self.db.system).await? {
            let old = before.as_ref().and_then(|known| known.datasets.get(&row.dataset)?.get(&row.version));
            let contract = match (row.state, old.and_then(|known| known.contract)) {
                (ContractState::Draft, _) => None,
                // A published definition never changes, so it is compiled once.
                (_, Some(contract)) => Some(contract),
                // A draft that was thrown away was never published and is nobody's contract.
                (_, None) if row.published_at.is_none() => None,
                (_, None) => Some(compiled(&row)?),
            };
            let versions = datasets.entry(row.dataset).or_default();
            versions.insert(row.version, Arc::new(KnownVersion { row, contract }));
        }
        Ok(Snapshot { read_at, outdated: false, datasets })
    }
}

fn compiled(row: &ContractVersion) -> Result<&'static Contract> {
    version::compile(row.dataset, row.version, &row.definition).map_err(|_| Error::Inconsistent {
        table: "contracts",
        column: "definition",
        row: format!("{}/{}", row.dataset, row.version),
    })
}

/// A definition to draft.
#[derive(Clone, Debug)]
pub struct Draft {
    pub definition: Definition,
    pub compatibility: Compatibility,
    /// Needed for a version that is not compatible.
    pub reason: Option<String>,
}

/// How a version stands to the one before it.
#[derive(Clone, Debug)]
pub struct Check {
    /// The version that it is measured against; `None` for the first.
    pub against: Option<u32>,
    /// What is wrong with the definition as such.
    pub objections: Vec<Objection>,
    /// Why records that keep to the version before might break this one.
    pub incompatibilities: Vec<Objection>,
}

/// Contract versions changed in the name of one operator. Each deed and its audit entry are one transaction, and doing
/// it twice changes nothing.
pub struct Contracts<'a> {
    pub db: &'a Db,
    pub clock: &'a Clock,
    pub directory: &'a ContractDirectory,
    pub operator: &'a Operator,
}

impl Contracts<'_> {
    /// Drafts the next version of a dataset's contract. A dataset has one draft at a time; the same one again is it.
    ///
    /// # Errors
    /// `Conflict` when another draft is there; `Unprocessable` when compatibility is given up without a reason.
    pub async fn create_draft(&self, dataset: Dataset, draft: &Draft) -> Result<ContractVersion> {
        check_reason(draft)?;
        let mut tx = self.db.system.begin().await?;
        let versions = contracts::list_locked_in_tx(&mut tx, dataset).await?;
        if let Some(found) = versions.iter().find(|version| version.state == ContractState::Draft) {
            let same = found.definition == draft.definition && found.compatibility == draft.compatibility;
            let taken =
                format!("version {} is a draft already; change it, or retire it first", found.version);
            return if same { Ok(found.clone()) } else { Err(Error::conflict("conflict", taken)) };
        }
        let new = ContractVersion {
            dataset,
            version: versions.last().map_or(1, |newest| newest.version + 1),
            state: ContractState::Draft,
            definition: draft.definition.clone(),
            compatibility: draft.compatibility,
            compatibility_reason: draft.reason.clone(),
            created_by: self.operator.name.clone(),
            created_at: self.clock.now(),
            published_at: None,
            deprecated_at: None,
            sunset_on: None,
            retired_at: None,
        };
        contracts::insert(&mut *tx, &new).await?;
        self.record(&mut tx, "contract.draft", dataset, new.version, json!({})).await?;
        tx.commit().await?;
        self.directory.forget();
        Ok(new)
    }

    /// Writes another definition into a draft.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is a draft no longer.
    pub async fn change_draft(
        &self,
        dataset: Dataset,
        version: u32,
        draft: &Draft,
    ) -> Result<ContractVersion> {
        check_reason(draft)?;
        let mut tx = self.db.system.begin().await?;
        let mut found = find(contracts::list_locked_in_tx(&mut tx, dataset).await?, version)?;
        expect_state(&found, &[ContractState::Draft])?;
        found.definition = draft.definition.clone();
        found.compatibility = draft.compatibility;
        found.compatibility_reason = draft.reason.clone();
        contracts::change_draft(&mut *tx, &found).await?;
        self.record(&mut tx, "contract.change", dataset, version, json!({})).await?;
        tx.commit().await?;
        self.directory.forget();
        Ok(found)
    }

    /// Publishes a draft, for good. One that is not backward compatible is refused with the reasons, unless the draft
    /// gives compatibility up; then whoever is not pinned is pinned to the version before, so that nothing that is sent
    /// today breaks.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is deprecated or retired. Objections are in the `Err` of the inner result.
    pub async fn publish(
        &self,
        dataset: Dataset,
        version: u32,
    ) -> Result<Result<ContractVersion, Vec<Objection>>> {
        let mut tx = self.db.system.begin().await?;
        let versions = contracts::list_locked_in_tx(&mut tx, dataset).await?;
        let check = check(&versions, version)?;
        let mut found = find(versions, version)?;
        if found.state == ContractState::Published {
            return Ok(Ok(found));
        }
        expect_state(&found, &[ContractState::Draft])?;
        let breaks = found.compatibility == Compatibility::None;
        let Check { against, mut objections, incompatibilities } = check;
        if !breaks {
            objections.extend(incompatibilities);
        }
        if !objections.is_empty() {
            return Ok(Err(objections));
        }
        let signature = self.signature();
        contracts::publish(&mut *tx, dataset, version, signature).await?;
        let pinned = match against.filter(|_| breaks) {
            Some(before) => contracts::pin_the_rest(&mut *tx, dataset, before, signature).await?,
            None => 0,
        };
        let detail = json!({
            "against": against, "compatibility": found.compatibility.as_str(), "pinned_to_the_version_before": pinned,
        });
        self.record(&mut tx, "contract.publish", dataset, version, detail).await?;
        tx.commit().await?;
        self.directory.forget();
        found.state = ContractState::Published;
        found.published_at = Some(signature.at);
        Ok(Ok(found))
    }

    /// Announces the day on which a version ends. It is taken as ever until it is retired.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is not published or nothing newer is; `Unprocessable` for a day that has passed.
    pub async fn deprecate(
        &self,
        dataset: Dataset,
        version: u32,
        sunset_on: NaiveDate,
    ) -> Result<ContractVersion> {
        if sunset_on < dates::business_date(self.clock.now()) {
            return Err(Error::unprocessable("unprocessable", "the day on which it ends has passed"));
        }
        let mut tx = self.db.system.begin().await?;
        let versions = contracts::list_locked_in_tx(&mut tx, dataset).await?;
        let newer =
            |other: &ContractVersion| other.version > version && other.state == ContractState::Published;
        let has_successor = versions.iter().any(newer);
        let mut found = find(versions, version)?;
        expect_state(&found, &[ContractState::Published, ContractState::Deprecated])?;
        if !has_successor {
            return Err(Error::conflict("conflict", "there is no newer published version to change to"));
        }
        let signature = self.signature();
        contracts::deprecate(&mut *tx, dataset, version, sunset_on, signature).await?;
        self.record(&mut tx, "contract.deprecate", dataset, version, json!({ "sunset_on": sunset_on }))
            .await?;
        tx.commit().await?;
        self.directory.forget();
        found.state = ContractState::Deprecated;
        found.sunset_on = Some(sunset_on);
        found.deprecated_at = found.deprecated_at.or(Some(signature.at));
        Ok(found)
    }

    /// Ends a deprecated version, or throws a draft away. Refused while somebody is left on it, unless `force` says
    /// why that is right.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with code `contract-in-use`, or when it is published and not deprecated.
    pub async fn retire(
        &self,
        dataset: Dataset,
        version: u32,
        force: Option<&str>,
    ) -> Result<ContractVersion> {
        let mut tx = self.db.system.begin().await?;
        let mut found = find(contracts::list_locked_in_tx(&mut tx, dataset).await?, version)?;
        if found.state == ContractState::Retired {
            return Ok(found);
        }
        expect_state(&found, &[ContractState::Draft, ContractState::Deprecated])?;
        let signature = self.signature();
        let recent = signature.at - TimeDelta::days(RECENT_DAYS);
        let left: Vec<String> = contracts::users(&mut *tx, dataset, version)
            .await?
            .into_iter()
            .filter(|user| user.pinned || user.last_received_at.is_some_and(|at| at >= recent))
            .map(|user| user.slug)
            .collect();
        if !left.is_empty() && force.is_none() {
            let names = left.join(", ");
            let public = format!("pinned to it, or sent with it within {RECENT_DAYS} days: {names}");
            return Err(Error::conflict("contract-in-use", public));
        }
        contracts::retire(&mut *tx, dataset, version, signature).await?;
        let detail = json!({ "left": left, "forced": force });
        self.record(&mut tx, "contract.retire", dataset, version, detail).await?;
        tx.commit().await?;
        self.directory.forget();
        found.state = ContractState::Retired;
        found.retired_at = Some(signature.at);
        Ok(found)
    }

    /// Pins a contributor: what `schema_version` means when it does not say.
    ///
    /// # Errors
    /// `NotFound` for contributor or version; `Conflict` when batches cannot be sent with it.
    pub async fn pin(&self, slug: &str, dataset: Dataset, version: u32) -> Result<()> {
        let contributor = contributors::find_by_slug(&self.db.system, slug).await?.ok_or(Error::NotFound)?;
        let mut tx = self.db.system.begin().await?;
        let found = find(contracts::list_locked_in_tx(&mut tx, dataset).await?, version)?;
        expect_state(&found, &[ContractState::Published, ContractState::Deprecated])?;
        let id = contributor.contributor_id;
        contracts::pin(&mut *tx, id, dataset, version, self.signature()).await?;
        self.record(&mut tx, "contract.pin", dataset, version, json!({ "contributor_id": id })).await?;
        tx.commit().await?;
        Ok(())
    }

    fn signature(&self) -> Signature<'_> {
        Signature { by: &self.operator.name, at: self.clock.now() }
    }

    async fn record(
        &self,
        connection: &mut db::Connection,
        action: &str,
        dataset: Dataset,
        version: u32,
        detail: Value,
    ) -> Result<()> {
        let entry = audit::Entry {
            at: self.clock.now(),
            actor_client: self.operator.client,
            actor: &self.operator.name,
            action,
            object_kind: "contract",
            object_id: &format!("{dataset}/{version}"),
            outcome: "ok",
            detail,
        };
        audit::record(connection, &entry).await
    }
}

/// A version is in use if a batch was sent with it within so many days: a monthly sender has then missed no month.
const RECENT_DAYS: i64 = 30;

fn find(versions: Vec<ContractVersion>, version: u32) -> Result<ContractVersion> {
    versions.into_iter().find(|found| found.version == version).ok_or(Error::NotFound)
}

fn expect_state(found: &ContractVersion, allowed: &[ContractState]) -> Result<()> {
    if allowed.contains(&found.state) {
        return Ok(());
    }
    let words: Vec<&str> = allowed.iter().map(|state| state.as_str()).collect();
    let public =
        format!("the version is {}; this takes one that is {}", found.state.as_str(), words.join(" or "));
    Err(Error::conflict("conflict", public))
}

fn check_reason(draft: &Draft) -> Result<()> {
    let stated = draft.reason.as_ref().is_some_and(|reason| (10..=1000).contains(&reason.chars().count()));
    if draft.compatibility == Compatibility::None && !stated {
        let public = "a version that breaks the one before needs a reason of 10 to 1000 characters";
        return Err(Error::unprocessable("unprocessable", public));
    }
    Ok(())
}

/// Measures a version against the newest open one before it.
///
/// # Errors
/// `NotFound`.
pub fn check(versions: &[ContractVersion], version: u32) -> Result<Check> {
    let new = versions.iter().find(|found| found.version == version).ok_or(Error::NotFound)?;
    let before = versions.iter().rev().find(|old| old.version < version && old.state.is_open());
    let incompatibilities =
        before.map(|old| version::incompatibilities(new.dataset, &old.definition, &new.definition));
    Ok(Check {
        against: before.map(|old| old.version),
        objections: new.definition.objections(new.dataset),
        incompatibilities: incompatibilities.unwrap_or_default(),
    })
}

/// Every version of a dataset, drafts as well, as the database has them now.
pub async fn versions_of(db: &Db, dataset: Dataset) -> Result<Vec<ContractVersion>> {
    let all = contracts::list(&db.system).await?;
    Ok(all.into_iter().filter(|version| version.dataset == dataset).collect())
}

/// Who is left on a version.
///
/// # Errors
/// `NotFound`.
pub async fn users_of(db: &Db, dataset: Dataset, version: u32) -> Result<Vec<User>> {
    find(versions_of(db, dataset).await?, version)?;
    contracts::users(&db.system, dataset, version).await
}
