//! The way of a lookup: one query for the accounts, a pure computation, a footprint, an answer.
//!
//! An answer never leaves before its footprint is durable. Lookups that wait together share one SELECT, one
//! INSERT and one commit ([`Combiner`]); at low load each goes alone.

use std::io;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool};

use super::combiner::{Combiner, Limits};
use crate::clock::Clock;
use crate::db;
use crate::db::accounts::{self, Found};
use crate::db::footprints::{self, Footprint};
use crate::domain::dates;
use crate::domain::profile::inquiry::{Consent, InquiryType, Purpose};
use crate::domain::profile::{APPLICATION_DAYS, ATTRIBUTE_SET_VERSION, Profile, attributes};
use crate::error::{Error, Result};
use crate::ids::{ClientId, QueryId};
use crate::privacy::Token;

/// Two batches at once: one waits for its commit while the other is read and computed. More would make smaller
/// batches of the same load, and every batch costs Postgres a commit. The queue holds some seconds of work; who
/// comes later is told to try again.
const LIMITS: Limits = Limits { batch: 256, in_flight: 2, queue: 4096 };

/// A question that policy has allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub query_id: QueryId,
    pub subject: Token,
    pub as_of: NaiveDate,
    pub client_id: ClientId,
    pub end_user: Option<String>,
    pub purpose: Purpose,
    pub inquiry_type: InquiryType,
    pub consent: Consent,
    pub client_reference: String,
}

/// What may leave: its footprint is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Everything committed before this instant was taken into account.
    pub known_at: DateTime<Utc>,
    pub profile: Profile,
}

/// Answers questions about subjects. Cloning gives another handle to the same queue.
#[derive(Clone)]
pub struct Lookups(Combiner<Question, Answer>);

impl Lookups {
    /// Starts on the current runtime. The pool is one that sees all contributors.
    pub fn start(pool: PgPool, clock: Clock) -> Lookups {
        Lookups(Combiner::start(LIMITS, move |questions| {
            let (pool, clock) = (pool.clone(), clock.clone());
            async move {
                let count = questions.len();
                // A slot that waits for a silent network would be a slot fewer for everybody after it.
                let answers = db::answered(async { Ok(answer_all(&pool, &clock, questions).await) }).await;
                answers.unwrap_or_else(|_| {
                    (0..count)
                        .map(|_| Err(Error::Overloaded("the database did not answer in time")))
                        .collect()
                })
            }
        }))
    }

    /// Looks a subject up and records that it was asked for.
    ///
    /// # Errors
    /// `DatabaseUnavailable` and `Overloaded` are safe to retry; `Inconsistent` when the subject's rows
    /// contradict themselves.
    pub async fn ask(&self, question: Question) -> Result<Answer> {
        self.0.ask(question).await
    }
}

/// Answers questions together: one result each, in their order.
pub async fn answer_all(pool: &PgPool, clock: &Clock, questions: Vec<Question>) -> Vec<Result<Answer>> {
    let count = questions.len();
    metrics::histogram!("etr_lookup_batch_size").record(count as f64);
    let prepared = async {
        let mut connection = pool.acquire().await?;
        let known_at = clock.now();
        let tokens: Vec<Token> = questions.iter().map(|question| question.subject).collect();
        let found =
            accounts::find_for_tokens(&mut *connection, &tokens, applied_since(&questions, known_at)).await?;
        let prepared: Vec<_> =
            questions.into_iter().map(|question| prepare(question, &found, known_at, clock.now())).collect();
        Ok::<_, Error>((connection, prepared))
    };
    match prepared.await {
        Ok((mut connection, prepared)) => settle(&mut connection, prepared).await,
        Err(error) => {
            let error = Arc::new(error);
            (0..count).map(|_| Err(copy_of(&error))).collect()
        }
    }
}

/// The first instant whose applications any of the questions looks at.
pub(super) fn applied_since(questions: &[Question], now: DateTime<Utc>) -> DateTime<Utc> {
    let earliest = questions.iter().map(|question| question.as_of).min();
    let first = earliest.and_then(|day| day.checked_sub_days(Days::new(APPLICATION_DAYS as u64 - 1)));
    first.map_or(now, dates::start_of)
}

pub(super) type Prepared = Result<(Answer, Footprint)>;

/// The answer to one question, and the footprint that must be durable before it may leave.
pub(super) fn prepare(
    question: Question,
    found: &Found,
    known_at: DateTime<Utc>,
    answered_at: DateTime<Utc>,
) -> Prepared {
    let subject = match found.get(&question.subject) {
        None => None,
        Some(Ok(subject)) => Some(subject),
        Some(Err(error)) => return Err(copy_of_own(error)),
    };
    let profile = match subject {
        Some(subject) => attributes(&subject.accounts, &subject.applications, question.as_of),
        None => attributes(&[], &[], question.as_of),
    };
    let footprint = Footprint {
        query_id: question.query_id,
        subject_token: question.subject,
        subject_id: subject.map(|subject| subject.subject_id),
        client_id: question.client_id,
        end_user: question.end_user,
        purpose: question.purpose.as_str(),
        inquiry_type: question.inquiry_type.as_str(),
        consent_reference: question.consent.reference,
        consent_obtained_at: question.consent.obtained_at,
        consent_expires_at: question.consent.expires_at,
        client_reference: question.client_reference,
        as_of: question.as_of,
        hit_status: profile.hit_status.as_str(),
        account_count: i32::try_from(profile.accounts.len()).unwrap_or(i32::MAX),
        attribute_set_version: ATTRIBUTE_SET_VERSION,
        answered_at,
    };
    Ok((Answer { known_at, profile }, footprint))
}

/// Lets answers go whose footprints are durable. When the statement fails for a fault in the data, each
/// footprint is tried alone, so that one that Postgres refuses does not hold up the others.
async fn settle(connection: &mut PgConnection, prepared: Vec<Prepared>) -> Vec<Result<Answer>> {
    let all: Vec<Footprint> = prepared.iter().flatten().map(|(_, footprint)| footprint.clone()).collect();
    let together = match all.as_slice() {
        [] => Ok(()),
        all => footprints::insert_all(&mut *connection, all).await.map_err(Arc::new),
    };
    let mut answers = Vec::with_capacity(prepared.len());
    for prepared in prepared {
        let answer = match (prepared, &together) {
            (Err(error), _) => Err(error),
            (Ok((answer, _)), Ok(())) => Ok(answer),
            (Ok((answer, footprint)), Err(error)) if !error.is_transient() && all.len() > 1 => {
                footprints::insert_all(&mut *connection, &[footprint]).await.map(|()| answer)
            }
            (Ok(_), Err(error)) => Err(copy_of(error)),
        };
        answers.push(answer);
    }
    answers
}

/// One failure told to everybody who shared it; an outage stays an outage, with its cause.
fn copy_of(error: &Arc<Error>) -> Error {
    match error.is_transient() {
        true => Error::DatabaseUnavailable(sqlx::Error::Io(io::Error::other(Arc::clone(error)))),
        false => copy_of_own(error),
    }
}

fn copy_of_own(error: &Error) -> Error {
    match error {
        Error::Inconsistent { table, column, row } => Error::Inconsistent { table, column, row: row.clone() },
        other => Error::Internal(format!("lookup: {other}")),
    }
}
