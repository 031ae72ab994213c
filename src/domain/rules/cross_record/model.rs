//! The stages done slowly over whole records: what every way of keeping and dividing rows must agree with.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::{Row, Sent};
use super::*;
use crate::domain::contract::Field;
use crate::domain::finding::Finding;

type Rows<'a> = Vec<&'a (u64, Sent)>;

fn grouped<'a, K: Ord>(rows: &Rows<'a>, key: impl Fn(&Row, u8) -> K) -> Vec<Rows<'a>> {
    let mut groups: BTreeMap<K, Rows<'a>> = BTreeMap::new();
    for sent in rows {
        groups.entry(key(&sent.1.0, sent.1.1)).or_default().push(sent);
    }
    groups.into_values().collect()
}

fn is_primary(row: &Row) -> bool {
    row.holder_role != Some(HolderRole::Joint)
}

/// The record without its subject block.
fn facts(row: &Row) -> Row {
    Row { full_name: None, holder_role: None, ..row.clone() }
}

fn numbers(rows: &Rows<'_>) -> BTreeSet<u64> {
    rows.iter().map(|(record_no, _)| *record_no).collect()
}

fn without<'a>(rows: &Rows<'a>, gone: &[&BTreeSet<u64>]) -> Rows<'a> {
    rows.iter().copied().filter(|(record_no, _)| gone.iter().all(|gone| !gone.contains(record_no))).collect()
}

/// Of the groups that a rule is broken by, all rows.
fn broken<'a>(groups: &[Rows<'a>], rule: impl Fn(&Rows<'a>) -> bool) -> BTreeSet<u64> {
    groups.iter().filter(|group| rule(group)).flat_map(numbers).collect()
}

pub fn judge(sent: &[(u64, Sent)]) -> RowSetOutcome {
    let mut all: Rows<'_> = sent.iter().collect();
    all.sort_by_key(|(record_no, _)| *record_no);
    let holder_days = grouped(&all, |row, subject| (row.account_ref, row.as_of_date, subject));
    let equal = |group: &Rows<'_>| group.iter().all(|sent| sent.1 == group[0].1);
    let s001 = broken(&holder_days, |group| !equal(group));
    let repeated: Vec<Rows<'_>> =
        holder_days.into_iter().filter(|group| group.len() > 1 && equal(group)).collect();
    let kept: BTreeSet<u64> = repeated.iter().map(|group| group[0].0).collect();
    let duplicates = &repeated.iter().flat_map(numbers).collect::<BTreeSet<u64>>() - &kept;

    let left = without(&all, &[&s001, &duplicates]);
    let account_days = grouped(&left, |row, _| (row.account_ref, row.as_of_date));
    let primaries = |group: &Rows<'_>| group.iter().filter(|(_, (row, _))| is_primary(row)).count();
    let s003 = broken(&account_days, |group| primaries(group) != 1);
    let s004 =
        broken(&account_days, |group| group.iter().any(|sent| facts(&sent.1.0) != facts(&group[0].1.0)));

    let left = without(&left, &[&s003, &s004]);
    let accounts = grouped(&left, |row, _| row.account_ref);
    let i015 = broken(&accounts, |group| {
        let of_primaries = group.iter().filter(|(_, (row, _))| is_primary(row));
        of_primaries.map(|(_, (_, subject))| subject).collect::<BTreeSet<_>>().len() > 1
    });

    let left = without(&left, &[&i015]);
    let several = |count: BTreeSet<String>| count.len() > 1;
    let s005 = broken(&grouped(&left, |row, _| row.account_ref), |group| {
        several(group.iter().map(|(_, (row, _))| format!("{:?}", row.product_type)).collect())
    });
    let s002 = broken(
        &grouped(&left, |row, subject| (subject, format!("{:?}", row.product_type), row.original_amount)),
        |group| {
            group[0].1.0.original_amount.is_some()
                && several(
                    group.iter().filter_map(|(_, (row, _))| row.account_ref.map(str::to_owned)).collect(),
                )
        },
    );
    let subjects = grouped(&left, |_, subject| subject);
    let i016 = subjects.iter().filter(|group| group.len() > 50).map(|group| group[0].0).collect();
    let snapshots = grouped(&left, |row, subject| (row.account_ref, subject));
    RowSetOutcome {
        rejected: marked([
            (Finding::at(Code::I015, Field::AccountRef), i015),
            (Finding::at(Code::S001, Field::AccountRef), s001),
            (Finding::at(Code::S003, Field::HolderRole), s003),
            (Finding::at(Code::S004, Field::AccountRef), s004),
        ]),
        duplicates: duplicates.into_iter().collect(),
        warnings: marked([
            (Finding::at(Code::I016, Field::IdNumber), i016),
            (Finding::at(Code::S001, Field::AccountRef).as_warning(), &kept & &numbers(&left)),
            (Finding::at(Code::S002, Field::AccountRef), s002),
            (Finding::at(Code::S005, Field::ProductType), s005),
        ]),
        most_snapshots: snapshots.iter().map(Vec::len).max().unwrap_or(0) as u32,
    }
}

fn marked(findings: [(Finding, BTreeSet<u64>); 4]) -> Vec<Marked> {
    findings
        .into_iter()
        .filter(|(_, records)| !records.is_empty())
        .map(|(finding, records)| Marked { finding, records: records.into_iter().collect() })
        .collect()
}
