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
