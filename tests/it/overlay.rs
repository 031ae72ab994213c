//! How an account stands after its events: what the database computes set-wise is what `domain::events` says in its
//! plainest form, on generated histories.

use chrono::{NaiveDate, TimeDelta};
use etrplus::db::overlay::of_accounts_in_tx;
use etrplus::domain::contract::{AccountStatus, EventType};
use etrplus::domain::events::{INSTALMENTS_KEPT, Instalment, Posted, Standing, instalments, standing_after};
use etrplus::domain::money::Sen;
use etrplus::ids::ContributorId;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

/// Histories that are compared in one go.
const HISTORIES: usize = 400;

/// An accepted event of a history.
#[derive(Clone, Debug)]
struct Told {
    event_type: EventType,
    value_date: NaiveDate,
    amount: i64,
    publication_no: i64,
    instalment_due_date: Option<NaiveDate>,
    new_due_date: Option<NaiveDate>,
    /// Which of the other events it takes back, if it is a reversal and there are others.
    reverses: Option<Index>,
    withdrawn: bool,
}

#[derive(Clone, Debug)]
struct History {
    snapshot: Standing,
    events: Vec<Told>,
}

/// A day of a few weeks around the snapshot, so that days meet.
fn day() -> impl Strategy<Value = NaiveDate> {
    let epoch: NaiveDate = "2026-06-15".parse().unwrap();
    (-20i64..20).prop_map(move |days| epoch + TimeDelta::days(days))
}

fn sen() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0i64..2_000, 1 => Just(i64::MAX - 500)]
}

prop_compose! {
    fn told()(
        event_type in select(EventType::ALL),
        (value_date, instalment_due_date, new_due_date) in (day(), prop::option::of(day()), prop::option::of(day())),
        amount in sen(),
        publication_no in 1i64..4,
        reverses in any::<Option<Index>>(),
        withdrawn in prop::bool::weighted(0.15),
    ) -> Told {
        Told {
            event_type, value_date, amount: amount.max(1), publication_no, instalment_due_date, new_due_date, reverses,
            withdrawn,
        }
    }
}

prop_compose! {
    fn history()(
        (as_of_date, next_due_date) in (day(), prop::option::of(day())),
        status in select(AccountStatus::ALL),
        (outstanding, overdue) in (sen(), sen()),
        dpd in 0u16..200,
        restructured in any::<bool>(),
        events in prop::collection::vec(told(), 0..14),
    ) -> History {
        let (outstanding, overdue) = (Sen(outstanding), Sen(overdue));
        History {
            snapshot: Standing { as_of_date, status, outstanding, overdue, dpd, next_due_date, restructured },
            events,
        }
    }
}

impl History {
    /// The event that each reversal takes back, by place; a history without others has reversals of nothing.
    fn reversed_by(&self, event: &Told) -> Option<usize> {
        let reversal = EventType::PaymentReversal;
        let others: Vec<usize> =
            (0..self.events.len()).filter(|n| self.events[*n].event_type != reversal).collect();
        let reverses = event.reverses.filter(|_| event.event_type == reversal && !others.is_empty())?;
        Some(others[reverses.index(others.len())])
    }

    /// What counts, in the order in which it does.
    fn posted(&self) -> Vec<Posted> {
        let standing = |n: usize| !self.events[n].withdrawn;
        let takes_back = |event: &Told, n| self.reversed_by(event) == Some(n) && !event.withdrawn;
        let counts = |n: &usize| {
            let event = &self.events[*n];
            let of_something = self.reversed_by(event).is_some_and(standing);
            standing(*n) && (event.event_type != EventType::PaymentReversal || of_something)
        };
        let mut places: Vec<usize> = (0..self.events.len()).filter(counts).collect();
        places.sort_by_key(|n| (self.events[*n].value_date, self.events[*n].publication_no, *n));
        let posted = |n: usize| {
            let event = &self.events[n];
            Posted {
                event_type: event.event_type,
                value_date: event.value_date,
                amount: Sen(event.amount),
                instalment_due_date: event.instalment_due_date,
                new_due_date: event.new_due_date,
                reversed: self.events.iter().any(|other| takes_back(other, n)),
            }
        };
        places.into_iter().map(posted).collect()
    }

    fn account_row(&self, reference: &str) -> Value {
        let snapshot = &self.snapshot;
        json!({
            "account_ref": reference, "as_of_date": snapshot.as_of_date, "status": snapshot.status as i16,
            "outstanding": snapshot.outstanding.0, "overdue": snapshot.overdue.0, "dpd": snapshot.dpd,
            "next_due_date": snapshot.next_due_date, "restructured": snapshot.restructured,
        })
    }

    fn event_rows(&self, reference: &str) -> Vec<Value> {
        let row = |(n, event): (usize, &Told)| {
            let reverses = self.reversed_by(event).map(|n| format!("{reference}-{n}"));
            let reversal = event.event_type == EventType::PaymentReversal;
            json!({
                "account_ref": reference, "event_id": format!("{reference}-{n}"), "record_no": n,
                "event_type": event.event_type as i16, "value_date": event.value_date, "amount": event.amount,
                "publication_no": event.publication_no, "instalment_due_date": event.instalment_due_date,
                "new_due_date": event.new_due_date, "withdrawn": event.withdrawn,
                "reverses": reverses.or_else(|| reversal.then(|| "NOTHING".to_owned())),
            })
        };
        self.events.iter().enumerate().map(row).collect()
    }
}

/// The histories as rows, each an account of one person.
async fn insert(pool: &PgPool, contributor: Uuid, histories: &[(String, History)]) {
    let accounts: Vec<Value> = histories.iter().map(|(name, history)| history.account_row(name)).collect();
    let events: Vec<Value> = histories.iter().flat_map(|(name, history)| history.event_rows(name)).collect();
    sqlx::query(
        "/* test.accounts */ INSERT INTO accounts (
             subject_id, contributor_id, account_ref, batch_id, record_no, known_from, rules_version, currency,
             holder_role, product_type, portfolio_type, status, status_date, as_of_date, opened_date,
             outstanding_sen, overdue_sen, dpd, next_due_date, restructured,
             month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen)
         SELECT $1, $1, account_ref, $1, 1, now(), 'test', 'MYR', 0, 0, 0, status, as_of_date, as_of_date, as_of_date,
             outstanding, overdue, dpd, next_due_date, restructured,
             ARRAY[as_of_date], ARRAY[status], ARRAY[dpd], ARRAY[outstanding], ARRAY[overdue]
         FROM jsonb_to_recordset($2) AS r (account_ref text, as_of_date date, status smallint, outstanding bigint,
             overdue bigint, dpd smallint, next_due_date date, restructured boolean)",
    )
    .bind(contributor)
    .bind(Value::from(accounts))
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "/* test.events */ INSERT INTO repayment_events (
             contributor_id, batch_id, record_no, publication_no, known_from, withdrawn_at, amount_sen, value_date,
             instalment_due_date, new_due_date, event_type, event_id, account_ref, reverses_event_id, content,
             rules_version, contract)
         SELECT $1, $1, row_number() OVER (ORDER BY account_ref, record_no), publication_no, now(),
             CASE WHEN withdrawn THEN now() END, amount, value_date, instalment_due_date, new_due_date, event_type,
             event_id, account_ref, reverses, decode(repeat('00', 32), 'hex'), 'test', 'repayment_event/1'
         FROM jsonb_to_recordset($2) AS r (account_ref text, event_id text, record_no bigint, event_type smallint,
             value_date date, amount bigint, publication_no bigint, instalment_due_date date, new_due_date date,
             withdrawn boolean, reverses text)",
    )
    .bind(contributor)
    .bind(Value::from(events))
    .execute(pool)
    .await
    .unwrap();
}

/// What the database says of an account after its events, and of its instalments.
async fn told_by_the_database(
    pool: &PgPool,
    contributor: Uuid,
    reference: &str,
) -> (Option<Standing>, Vec<Instalment>) {
    let row = sqlx::query(
        "/* test.standing */ SELECT event_as_of, event_status, event_outstanding_sen, event_overdue_sen, event_dpd,
             event_next_due_date, event_restructured, instalment_due_dates, instalment_days_late
         FROM accounts WHERE contributor_id = $1 AND account_ref = $2",
    )
    .bind(contributor)
    .bind(reference)
    .fetch_one(pool)
    .await
    .unwrap();
    let standing = row.get::<Option<NaiveDate>, _>(0).map(|as_of_date| Standing {
        as_of_date,
        status: AccountStatus::ALL[usize::try_from(row.get::<i16, _>(1)).unwrap()],
        outstanding: Sen(row.get(2)),
        overdue: Sen(row.get(3)),
        dpd: u16::try_from(row.get::<i16, _>(4)).unwrap(),
        next_due_date: row.get(5),
        restructured: row.get(6),
    });
    let due_dates = row.get::<Option<Vec<NaiveDate>>, _>(7).unwrap_or_default();
    let days_late = row.get::<Option<Vec<i16>>, _>(8).unwrap_or_default();
    let instalment = |(due_date, late)| Instalment { due_date, days_late: u16::try_from(late).unwrap() };
    (standing, due_dates.into_iter().zip(days_late).map(instalment).collect())
}

async fn compare(histories: Vec<History>) {
    let pool = &crate::support::database().await;
    let contributor = Uuid::from_bytes(etrplus::privacy::random::bytes::<16>());
    let histories: Vec<(String, History)> =
        histories.into_iter().enumerate().map(|(n, history)| (format!("ACC-{n}"), history)).collect();
    insert(pool, contributor, &histories).await;
    let names: Vec<String> = histories.iter().map(|(name, _)| name.clone()).collect();
    let mut tx = pool.begin().await.unwrap();
    of_accounts_in_tx(&mut tx, ContributorId(contributor), &names).await.unwrap();
    tx.commit().await.unwrap();
    for (name, history) in &histories {
        let posted = history.posted();
        let expected = (standing_after(&history.snapshot, &posted), instalments(&posted));
        let told = told_by_the_database(pool, contributor, name).await;
        assert_eq!(told, expected, "{history:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_stand_after_any_events_as_the_plain_rule_says() {
    let mut runner = TestRunner::default();
    let histories = prop::collection::vec(history(), HISTORIES).new_tree(&mut runner).unwrap().current();
    compare(histories).await;
}

/// The database forgets what the plain rule forgets.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_instalments_the_last_ones_are_kept() {
    let first: NaiveDate = "2024-01-01".parse().unwrap();
    let paid = |n: usize| Told {
        event_type: EventType::Payment,
        value_date: first + TimeDelta::days(n as i64 + 5),
        amount: 1,
        publication_no: 1,
        instalment_due_date: Some(first + TimeDelta::days(n as i64)),
        new_due_date: None,
        reverses: None,
        withdrawn: false,
    };
    let snapshot = Standing {
        as_of_date: first,
        status: AccountStatus::Active,
        outstanding: Sen(1_000),
        overdue: Sen::ZERO,
        dpd: 0,
        next_due_date: None,
        restructured: false,
    };
    let many = History { snapshot, events: (0..INSTALMENTS_KEPT + 9).map(paid).collect() };
    assert_eq!(instalments(&many.posted()).len(), INSTALMENTS_KEPT);
    compare(vec![many]).await;
}
