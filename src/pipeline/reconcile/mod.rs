//! Reconciliation: our stores held against each other, one contributor at a time. Changes nothing but the record of what
//! was found.
//!
//! What is compared: the counts of every batch with the journal, the quarantine and the audit trail (`db::reconcile`); the
//! accounts that are served with what the journal adds up to (`db::reconcile_accounts`); the bytes in `bronze/` with their
//! receipt, the reject files with the quarantine, and what the bytes say with what the journal holds (`bytes`); the rows of
//! the lake with the journals (`lake`).

mod bytes;
mod lake;

pub use lake::JOURNALS;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::App;
use crate::db::reconcile::{self, Compared};
use crate::db::reconciliations::{self, CheckCount, Difference, Reconciliation};
use crate::db::{Connection, reconcile_accounts};
use crate::error::Result;
use crate::ids::{ContributorId, ReconciliationId};
use crate::privacy::random;

/// The name of the schedule's function, and who asked for what it finds.
pub const SCHEDULED: &str = "schedule";
/// How often the schedule compares each contributor.
const EVERY: TimeDelta = TimeDelta::hours(20);
/// For how long one run of the schedule goes on; what is left is the next run's.
const RUN: Duration = Duration::from_secs(120);
/// Batches of a contributor whose bytes are read when not all are.
const SAMPLED: i64 = 5;
/// Differences of one check that are kept by key.
const KEPT: usize = 100;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Scope {
    pub contributor: ContributorId,
    /// Leaves out batches that were received before.
    pub since: Option<DateTime<Utc>>,
    /// Read the bytes of every batch, not of a few.
    pub whole: bool,
    /// `schedule`, or `cli:<operator>`.
    pub asked_by: String,
    /// Go on behind this account.
    pub after: Option<String>,
    /// When to leave off.
    pub until: Option<Instant>,
}

/// Is told which check goes on, and how many things it has compared so far.
pub type Tell<'t> = &'t mut (dyn FnMut(&str, i64) + Send);

/// Compares everything of one contributor and keeps what was found.
///
/// # Errors
/// Trouble of ours, the database's or the store's; a difference is none.
pub async fn contributor(app: &Arc<App>, scope: &Scope, tell: Tell<'_>) -> Result<Reconciliation> {
    let started_at = app.clock.now();
    let id = ReconciliationId(random::uuid_v7(started_at));
    let mut found = Findings { tell, checks: Vec::new(), examples: Vec::new() };
    let mut connection = reconcile::connect(&app.db).await?;
    for (check, statement) in reconcile::CHECKS {
        let compared = reconcile::compare(&mut connection, statement, scope.contributor, scope.since).await?;
        found.add(check, compared);
    }
    bytes::compare(app, scope, &id.to_string(), &mut connection, &mut found).await?;
    lake::compare(app, scope, &id.to_string(), &mut connection, &mut found).await?;
    let left_off = compare_accounts(scope, &mut connection, &mut found).await?;
    let done = Reconciliation {
        reconciliation_id: id,
        contributor_id: scope.contributor,
        asked_by: scope.asked_by.clone(),
        started_at,
        finished_at: app.clock.now(),
        since: scope.since,
        whole: scope.whole,
        left_off,
        differences: found.checks.iter().map(|check| check.differences).sum(),
        checks: found.checks,
        examples: found.examples,
    };
    reconciliations::insert(&app.db.system, &done).await?;
    if done.differences > 0 {
        tracing::warn!(
            contributor.id = %done.contributor_id, differences = done.differences, reconciliation.id = %id,
            "our stores differ"
        );
    }
    Ok(done)
}

/// Compares the contributors whose turn it is, until the time is over; says how many. A function of the schedule.
///
/// # Errors
/// Trouble of ours. What was compared before is kept.
pub async fn due(app: &Arc<App>) -> Result<u64> {
    let until = Instant::now() + RUN;
    let mut compared = 0;
    while Instant::now() < until {
        let before = app.clock.now() - EVERY;
        let Some((contributor_id, after)) = reconciliations::next_due(&app.db.system, before).await? else {
            break;
        };
        let scope = Scope {
            contributor: contributor_id,
            since: None,
            whole: false,
            asked_by: SCHEDULED.to_owned(),
            after,
            until: Some(until),
        };
        contributor(app, &scope, &mut |_, _| {}).await?;
        compared += 1;
    }
    Ok(compared)
}

/// The accounts that are served beside what the journal adds up to. The account behind which the next run goes on, when
/// the time was over.
async fn compare_accounts(
    scope: &Scope,
    connection: &mut Connection,
    found: &mut Findings<'_>,
) -> Result<Option<String>> {
    reconcile_accounts::prepare(connection).await?;
    let mut after = scope.after.clone().unwrap_or_default();
    found.begin("accounts");
    while let Some((compared, last)) =
        reconcile_accounts::compare_portion(connection, scope.contributor, &after).await?
    {
        found.add("accounts", compared);
        after = last;
        if scope.until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Some(after));
        }
    }
    Ok(None)
}

/// What the checks have found so far.
struct Findings<'t> {
    tell: Tell<'t>,
    checks: Vec<CheckCount>,
    examples: Vec<Difference>,
}

impl Findings<'_> {
    /// Names a check that may compare nothing.
    fn begin(&mut self, check: &str) -> &mut CheckCount {
        let known = self.checks.iter().position(|count| count.check == check);
        let at = known.unwrap_or_else(|| {
            self.checks.push(CheckCount { check: check.to_owned(), compared: 0, differences: 0 });
            self.checks.len() - 1
        });
        &mut self.checks[at]
    }

    fn add(&mut self, check: &str, compared: Compared) {
        let (more, examples) = compared.named(check);
        let count = self.begin(check);
        count.compared += more.compared;
        count.differences += more.differences;
        let so_far = count.compared;
        let kept = self.examples.iter().filter(|difference| difference.check == check).count();
        self.examples.extend(examples.into_iter().take(KEPT - kept.min(KEPT)));
        (self.tell)(check, so_far);
    }
}
