//! The history of an account is merged in SQL; `domain::history::merge` says what that must mean.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use chrono::{NaiveDate, TimeDelta};
use etrplus::domain::contract::AccountStatus;
use etrplus::domain::history::{Month, merge};
use etrplus::domain::money::Sen;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sqlx::PgPool;

/// A history as Postgres holds it.
#[derive(Debug, Default, PartialEq, sqlx::FromRow)]
struct Arrays {
    as_of: Vec<NaiveDate>,
    status: Vec<i16>,
    dpd: Vec<i16>,
    outstanding_sen: Vec<i64>,
    overdue_sen: Vec<i64>,
}

impl Arrays {
    fn of(months: &[Month]) -> Arrays {
        Arrays {
            as_of: months.iter().map(|m| m.as_of_date).collect(),
            status: months.iter().map(|m| m.status as i16).collect(),
            dpd: months.iter().map(|m| m.dpd as i16).collect(),
            outstanding_sen: months.iter().map(|m| m.outstanding.0).collect(),
            overdue_sen: months.iter().map(|m| m.overdue.0).collect(),
        }
    }
}

async fn merge_in_sql(pool: &PgPool, history: &Arrays, arriving: &Month) -> Arrays {
    sqlx::query_as(
        "/* test.merge_month */ SELECT (m.months).* FROM
             (SELECT etr_merge_month($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS months) m",
    )
    .bind(&history.as_of)
    .bind(&history.status)
    .bind(&history.dpd)
    .bind(&history.outstanding_sen)
    .bind(&history.overdue_sen)
    .bind(arriving.as_of_date)
    .bind(arriving.status as i16)
    .bind(arriving.dpd as i16)
    .bind(arriving.outstanding.0)
    .bind(arriving.overdue.0)
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Reports over four years, so that months repeat, arrive late and fall off.
fn arrivals() -> impl Strategy<Value = Vec<Month>> {
    let epoch: NaiveDate = "2022-11-15".parse().unwrap();
    let month = (0i64..1400, 0usize..AccountStatus::ALL.len(), 0u16..400, 0i64..1_000_000).prop_map(
        move |(day, status, dpd, sen)| Month {
            as_of_date: epoch + TimeDelta::days(day),
            status: AccountStatus::ALL[status],
            dpd,
            outstanding: Sen(sen),
            overdue: Sen(sen / 3),
        },
    );
    prop::collection::vec(month, 1..50)
}

/// Random sequences of reports, in any order, end in the same history in SQL and in the model.
#[tokio::test(flavor = "multi_thread")]
async fn sql_merges_months_as_the_model_does() {
    let pool = &crate::support::database().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let arrivals = arrivals().new_tree(&mut runner).unwrap().current();
        let (mut model, mut stored) = (Vec::new(), Arrays::default());
        for (step, arriving) in arrivals.iter().enumerate() {
            model = merge(&model, *arriving);
            stored = merge_in_sql(pool, &stored, arriving).await;
            assert_eq!(stored, Arrays::of(&model), "after arrival {step} of {arrivals:#?}");
        }
    }
}
