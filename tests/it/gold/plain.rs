//! What the statements of gold say, in the plainest code: the journals folded by `domain::history`, the events added by
//! `domain::events`, the attributes of `domain::profile`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use etrplus::domain::contract::{AccountStatus, Decision, EventType, HolderRole};
use etrplus::domain::dates::business_date;
use etrplus::domain::events::{Posted, Standing, instalments, standing_after};
use etrplus::domain::history::{Account, Month, becomes_current, merge};
use etrplus::domain::money::Sen;
use etrplus::domain::profile::{APPLICATION_DAYS, Applied, Profile, attributes};
use etrplus::ids::{ContributorId, SubjectId};
use uuid::Uuid;

use super::histories::{Application, Event, Histories, Snapshot};

/// A moment, and what a lake knows.
pub struct Lake<'a> {
    pub histories: &'a Histories,
    pub as_of: NaiveDate,
    pub known_at: DateTime<Utc>,
}

type Key = (ContributorId, String);

impl Lake<'_> {
    /// Everybody who was ever reported by then, with what can be told.
    pub fn profiles(&self) -> BTreeMap<SubjectId, Profile> {
        let (places, known) = self.places();
        let mut accounts: BTreeMap<SubjectId, Vec<Account>> = BTreeMap::new();
        for snapshot in &self.histories.snapshots {
            let by_then = snapshot.known_from <= self.known_at && snapshot.account.as_of_date <= self.as_of;
            if by_then && known.contains(&snapshot.batch_id) {
                accounts.entry(snapshot.account.subject_id).or_default();
            }
        }
        let events = self.events(&places);
        for account in self.fold(&places) {
            let key = (account.contributor_id, account.account_ref.clone());
            if let Some(account) = self.as_served(account, events.get(&key).map_or(&[][..], Vec::as_slice)) {
                accounts.entry(account.subject_id).or_default().push(account);
            }
        }
        let applications = self.applications(&places);
        for word in self
            .histories
            .applications
            .iter()
            .filter(|word| self.is_recent(word) && known.contains(&word.batch_id))
        {
            accounts.entry(word.subject_id).or_default();
        }
        let applied = |subject| applications.get(subject).map_or(&[][..], Vec::as_slice);
        let profile = |subject, accounts: &Vec<Account>| attributes(accounts, applied(subject), self.as_of);
        accounts.iter().map(|(subject, accounts)| (*subject, profile(subject, accounts))).collect()
    }

    /// Known, by a person who wants the credit, in the days that are looked at.
    fn is_recent(&self, word: &Application) -> bool {
        let days_ago = self.as_of.signed_duration_since(business_date(word.applied_at)).num_days();
        word.known_from <= self.known_at
            && word.holder_role != HolderRole::Guarantor
            && (0..APPLICATION_DAYS).contains(&days_ago)
    }

    /// The latest word on each application.
    fn applications(&self, places: &HashMap<Uuid, i64>) -> HashMap<SubjectId, Vec<Applied>> {
        let mut latest: BTreeMap<(SubjectId, ContributorId, &str), &Application> = BTreeMap::new();
        let order = |a: &Application| (a.publication_no, a.record_no, a.batch_id);
        let counts = |a: &&Application| places.contains_key(&a.batch_id) && self.is_recent(a);
        for word in self.histories.applications.iter().filter(counts) {
            let key = (word.subject_id, word.contributor_id, word.application_ref.as_str());
            let last = latest.entry(key).or_insert(word);
            if order(word) > order(last) {
                *last = word;
            }
        }
        let mut applied: HashMap<SubjectId, Vec<Applied>> = HashMap::new();
        for word in latest.into_values().filter(|word| word.decision != Decision::Withdrawn) {
            let one =
                Applied { contributor_id: word.contributor_id, applied_on: business_date(word.applied_at) };
            applied.entry(word.subject_id).or_default().push(one);
        }
        applied
    }

    /// The batches that count with their places, and those that are known of.
    fn places(&self) -> (HashMap<Uuid, i64>, HashSet<Uuid>) {
        let mut changes: Vec<_> =
            self.histories.changes.iter().filter(|change| change.known_from <= self.known_at).collect();
        changes.sort_by_key(|change| (change.known_from, change.transition_no));
        let known = changes.iter().map(|change| change.batch_id).collect();
        let last: HashMap<_, _> = changes.into_iter().map(|change| (change.batch_id, change)).collect();
        let counting = last.into_values().filter(|change| matches!(change.state, "published" | "curated"));
        (counting.map(|change| (change.batch_id, change.place)).collect(), known)
    }

    /// The newest versions, arriving one after the other.
    fn fold(&self, places: &HashMap<Uuid, i64>) -> Vec<Account> {
        let mut versions: BTreeMap<(Uuid, i64), &Snapshot> = BTreeMap::new();
        for snapshot in self.histories.snapshots.iter().filter(|s| s.known_from <= self.known_at) {
            let version = versions.entry((snapshot.batch_id, snapshot.record_no)).or_insert(snapshot);
            if snapshot.publication_no > version.publication_no {
                *version = snapshot;
            }
        }
        let counts = |s: &&Snapshot| {
            places.contains_key(&s.batch_id) && !s.withdrawn && s.account.as_of_date <= self.as_of
        };
        let mut arrivals: Vec<&Snapshot> = versions.into_values().filter(counts).collect();
        arrivals.sort_by_key(|s| {
            (s.account.as_of_date, places[&s.batch_id], Reverse(s.account.holder_role), s.record_no)
        });
        let mut accounts: BTreeMap<(SubjectId, ContributorId, String), Account> = BTreeMap::new();
        for arrival in arrivals {
            let new = &arrival.account;
            let key = (new.subject_id, new.contributor_id, new.account_ref.clone());
            let months = merge(accounts.get(&key).map_or(&[][..], |known| &known.months), month_of(new));
            let current = match accounts.remove(&key) {
                Some(known) if !becomes_current(known.as_of_date, new.as_of_date) => known,
                _ => Account { listed: self.listed(arrival), ..new.clone() },
            };
            accounts.insert(key, Account { months, ..current });
        }
        accounts.into_values().collect()
    }

    fn listed(&self, snapshot: &Snapshot) -> Option<Sen> {
        let account = &snapshot.account;
        let mine = self.histories.delistings.iter().filter(|delisting| {
            (delisting.contributor_id, &delisting.account_ref)
                == (account.contributor_id, &account.account_ref)
        });
        let taken_back = mine.filter(|d| d.delisted_at <= self.known_at).map(|d| d.delisted_on).max();
        let stands = snapshot.listing_requested
            && snapshot.evidence
            && account.overdue.0 >= 15_000
            && account.dpd > 60
            && matches!(account.status, AccountStatus::Active | AccountStatus::WrittenOff)
            && account.settled_date.is_none()
            && taken_back.is_none_or(|day| day < account.as_of_date);
        stands.then_some(account.overdue)
    }

    /// As lookups are told of it: after the events, and unless something is in the way.
    fn as_served(&self, account: Account, events: &[Posted]) -> Option<Account> {
        let in_force = self.histories.restrictions.iter().filter(|restriction| {
            (restriction.contributor_id, &restriction.account_ref)
                == (account.contributor_id, &account.account_ref)
                && restriction.opened_at <= self.known_at
                && restriction.lifted_at.is_none_or(|lifted| lifted > self.known_at)
        });
        let kinds: BTreeSet<_> = in_force.map(|restriction| restriction.kind).collect();
        if kinds.contains("IN_REVIEW") || kinds.contains("HIDDEN") {
            return None;
        }
        let snapshot = Standing {
            as_of_date: account.as_of_date,
            status: account.status,
            outstanding: account.outstanding,
            overdue: account.overdue,
            dpd: account.dpd,
            next_due_date: account.next_due_date,
            restructured: account.restructured,
        };
        let disputed = account.contributor_dispute || kinds.contains("DISPUTED");
        let account = Account { contributor_dispute: disputed, instalments: instalments(events), ..account };
        Some(match standing_after(&snapshot, events) {
            Some(standing) => account.as_it_stands(&standing),
            None => account,
        })
    }

    /// The events of each account in the order in which they count.
    fn events(&self, places: &HashMap<Uuid, i64>) -> HashMap<Key, Vec<Posted>> {
        let mut by_name: BTreeMap<(ContributorId, &str), &Event> = BTreeMap::new();
        let order = |e: &Event| (e.publication_no, e.batch_id, e.record_no);
        let known = |e: &&Event| places.contains_key(&e.batch_id) && e.known_from <= self.known_at;
        for event in self.histories.events.iter().filter(known) {
            let latest = by_name.entry((event.contributor_id, &event.event_id)).or_insert(event);
            if order(event) > order(latest) {
                *latest = event;
            }
        }
        by_name.retain(|_, event| event.value_date <= self.as_of);
        let reversed: HashSet<_> =
            by_name.values().filter_map(|e| Some((e.contributor_id, e.reverses.as_deref()?))).collect();
        let mut counting: Vec<&Event> = by_name
            .values()
            .copied()
            .filter(|event| {
                let original = event.reverses.as_deref().map(|name| (event.contributor_id, name));
                event.event_type != EventType::PaymentReversal
                    || original.is_some_and(|name| by_name.contains_key(&name))
            })
            .collect();
        counting.sort_by_key(|e| (e.value_date, e.publication_no, e.record_no, e.batch_id));
        let mut events: HashMap<Key, Vec<Posted>> = HashMap::new();
        for event in counting {
            events.entry((event.contributor_id, event.account_ref.clone())).or_default().push(Posted {
                event_type: event.event_type,
                value_date: event.value_date,
                amount: Sen(event.amount.unwrap_or(0)),
                instalment_due_date: event.instalment_due_date,
                new_due_date: event.new_due_date,
                reversed: reversed.contains(&(event.contributor_id, event.event_id.as_str())),
            });
        }
        events
    }
}

fn month_of(account: &Account) -> Month {
    Month {
        as_of_date: account.as_of_date,
        status: account.status,
        dpd: account.dpd,
        outstanding: account.outstanding,
        overdue: account.overdue,
    }
}
