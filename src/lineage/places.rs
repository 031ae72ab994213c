//! What the datasets of an installation are called, after the naming rules of OpenLineage: the namespace says where a
//! dataset lives, the name what it is called there. No name carries a credential.

use super::event::DatasetName;
use crate::domain::contract::Dataset;
use crate::ids::ContributorId;

/// Where an installation keeps things.
#[derive(Clone, Debug)]
pub struct Places {
    /// How clients reach it: the namespace of its jobs.
    pub installation: String,
    pub bucket: String,
    /// `host:port` of Postgres.
    pub database_host: String,
    pub database: String,
    /// Where the tables of the lake are made, and the name of their catalog.
    pub warehouse: String,
    pub catalog: String,
}

impl Places {
    /// What a contributor sends of one dataset. A batch is a version of it: a dataset per file would fill a catalogue
    /// with names that nobody looks up twice.
    pub fn bronze(&self, contributor: ContributorId, dataset: Dataset) -> DatasetName {
        self.in_bucket(format!("bronze/{contributor}/{dataset}"))
    }

    /// The rejected records of these.
    pub fn rejects(&self, contributor: ContributorId, dataset: Dataset) -> DatasetName {
        self.in_bucket(format!("refined/{contributor}/{dataset}"))
    }

    /// A table in Postgres.
    pub fn table(&self, name: &str) -> DatasetName {
        DatasetName {
            namespace: format!("postgres://{}", self.database_host),
            name: format!("{}.public.{name}", self.database),
        }
    }

    /// A table of the lake: where its files are, and its name in the catalog.
    pub fn lake_table(&self, full_name: &str) -> (DatasetName, DatasetName) {
        let known_as = DatasetName { namespace: self.catalog.clone(), name: full_name.to_owned() };
        let place =
            self.warehouse.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
        let Some((bucket, prefix)) = place else {
            // A REST catalog keeps the place to itself.
            return (DatasetName { namespace: self.warehouse.clone(), ..known_as.clone() }, known_as);
        };
        let path = full_name.replace('.', "/");
        let name = if prefix.is_empty() { path } else { format!("{prefix}/{path}") };
        (DatasetName { namespace: format!("s3://{bucket}"), name }, known_as)
    }

    fn in_bucket(&self, name: String) -> DatasetName {
        DatasetName { namespace: format!("s3://{}", self.bucket), name }
    }
}

/// The journal that a dataset's accepted records are entered in.
pub fn journal_of(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::AccountSnapshot => "account_snapshots",
        Dataset::RepaymentEvent => "repayment_events",
        Dataset::Application => "applications",
    }
}
