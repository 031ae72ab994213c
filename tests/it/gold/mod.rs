//! Gold: one set of statements, and everybody who may answer them gives the same answer.

mod histories;
mod parquet_files;
mod plain;
mod refresh;

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array as _, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use etrplus::domain::profile::{Profile, Value};
use etrplus::lake::gold::{self, Moment, Step};
use etrplus::lake::query::{Budget, Engine, Session};
use serde_json::json;

use super::support::python;
use histories::Histories;

/// Rows by their first column, the values as text, null as `None`.
type Rows = BTreeMap<String, BTreeMap<String, Option<String>>>;

async fn session() -> Session {
    let engine = Engine::new(Budget { memory_bytes: 512 << 20, partitions: 2, questions: 1 }).unwrap();
    engine.session().await.unwrap()
}

fn moment(as_of: &str) -> Moment {
    let as_of: NaiveDate = as_of.parse().unwrap();
    Moment { as_of, known_at: as_of.and_hms_opt(12, 0, 0).unwrap().and_utc() }
}

/// Every batch as rows of texts.
fn texts(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let text = |(n, format): (usize, &ArrayFormatter<'_>)| {
                batch.column(n).is_valid(row).then(|| format.value(row).to_string())
            };
            rows.push(columns.iter().enumerate().map(text).collect());
        }
    }
    rows
}

fn keyed(batches: &[RecordBatch]) -> Rows {
    let Some(first) = batches.first() else { return Rows::new() };
    let names: Vec<String> = first.schema().fields().iter().map(|field| field.name().clone()).collect();
    let row = |row: Vec<Option<String>>| {
        let key = row[0].clone().unwrap();
        (key, names.iter().cloned().zip(row).collect())
    };
    texts(batches).into_iter().map(row).collect()
}

fn told(profile: &Profile) -> BTreeMap<String, Option<String>> {
    let text = |value: Value| match value {
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
    };
    let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
    let attributes =
        profile.attributes.iter().map(|attribute| (attribute.name.to_owned(), attribute.value.map(text)));
    let freshness = [
        ("hit_status", Some(profile.hit_status.as_str().to_owned())),
        ("newest_as_of", day(profile.freshness.newest_as_of)),
        ("oldest_as_of", day(profile.freshness.oldest_as_of)),
        ("stale_accounts", Some(profile.freshness.stale_accounts.to_string())),
    ];
    attributes.chain(freshness.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// Says whose row is another one than the profile, and where.
fn compare(rows: &Rows, histories: &Histories, moment: Moment) {
    let lake = plain::Lake { histories, as_of: moment.as_of, known_at: moment.known_at };
    let profiles = lake.profiles();
    assert_eq!(rows.len(), profiles.len(), "as many people as were ever reported");
    for (subject, profile) in profiles {
        let mut row = rows[&subject.to_string()].clone();
        row.remove("subject_id");
        let told = told(&profile);
        let different: Vec<_> = told.iter().filter(|(name, value)| row.get(*name) != Some(*value)).collect();
        let found: Vec<_> = different.iter().map(|(name, _)| (*name, row.get(*name))).collect();
        let life = || histories::of_person(histories, subject);
        assert!(
            different.is_empty(),
            "as of {moment:?}\n{}\nexpected {different:?}\nfound {found:?}",
            life()
        );
        assert_eq!(row.len(), told.len(), "no column that the profile does not know");
    }
}

/// The end of a month, the beginning of one, and a day that few years have.
const DAYS: [&str; 3] = ["2026-06-30", "2026-03-01", "2024-02-29"];

#[tokio::test]
async fn what_the_statements_say_of_a_person_is_what_a_profile_says_whichever_engine_runs_them() {
    for day in DAYS {
        let moment = moment(day);
        let histories = histories::draw(120, moment.as_of, moment.known_at);
        let folder = tempfile::tempdir().unwrap();
        parquet_files::write(&histories, moment, folder.path());
        let session = session().await;
        parquet_files::register(&session, folder.path());
        gold::prepare(&session, moment).await.unwrap();
        for step in gold::PERSONS.iter().chain(gold::PORTFOLIOS) {
            session.keep(step.name, step.statement).await.unwrap();
        }
        let people = session.rows("people", "select * from subject_attributes").await.unwrap();
        compare(&keyed(&people), &histories, moment);
        compare_with_duckdb(&session, folder.path()).await;
    }
}

/// Row by row, after every statement.
async fn compare_with_duckdb(session: &Session, folder: &Path) {
    let steps: Vec<Step> = [gold::WHOLE, gold::PERSONS, gold::PORTFOLIOS].concat();
    let theirs = with_duckdb(folder, &steps).await;
    for step in steps {
        let all: &'static str = Box::leak(format!("select * from {}", step.name).into_boxed_str());
        let mut ours = texts(&session.rows(step.name, all).await.unwrap());
        let mut others = theirs[step.name].clone();
        ours.sort();
        others.sort();
        assert_eq!(ours.len(), others.len(), "{}", step.name);
        for (ours, others) in ours.iter().zip(&others) {
            assert_eq!(ours, others, "{}", step.name);
        }
    }
}

async fn with_duckdb(folder: &Path, steps: &[Step]) -> BTreeMap<String, Vec<Vec<Option<String>>>> {
    let tables: Vec<&str> = [gold::TABLES, &["params", "calendar"]].concat();
    let files: BTreeMap<_, _> =
        tables.iter().map(|name| (*name, folder.join(format!("{name}.parquet")))).collect();
    let steps: Vec<_> =
        steps.iter().map(|step| json!({"name": step.name, "statement": step.statement})).collect();
    let answer = python::ask("gold.py", &json!({"files": files, "steps": steps})).await;
    serde_json::from_value(answer).unwrap()
}
