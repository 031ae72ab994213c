//! Synthetic lives: what some people's contributors may send, take back and correct. Fields contradict each other at will;
//! amounts are what the contract takes.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use etrplus::domain::contract::*;
use etrplus::domain::history::Account;
use etrplus::domain::money::Sen;
use etrplus::ids::{ContributorId, SubjectId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

/// Contributors, and the batches that each of them sent.
const CONTRIBUTORS: usize = 3;
const BATCHES: usize = 4;

/// Everything that a lake knows.
#[derive(Debug, Default)]
pub struct Histories {
    pub snapshots: Vec<Snapshot>,
    pub events: Vec<Event>,
    pub applications: Vec<Application>,
    pub changes: Vec<Change>,
    pub restrictions: Vec<Restriction>,
    pub delistings: Vec<Delisting>,
}

/// A version of a record.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub batch_id: Uuid,
    pub record_no: i64,
    pub publication_no: i64,
    pub known_from: DateTime<Utc>,
    pub withdrawn: bool,
    pub listing_requested: bool,
    pub evidence: bool,
    /// Without its months.
    pub account: Account,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub batch_id: Uuid,
    pub record_no: i64,
    pub publication_no: i64,
    pub known_from: DateTime<Utc>,
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub event_id: String,
    pub event_type: EventType,
    pub value_date: NaiveDate,
    pub amount: Option<i64>,
    pub instalment_due_date: Option<NaiveDate>,
    pub new_due_date: Option<NaiveDate>,
    pub reverses: Option<String>,
}

/// A word on an application.
#[derive(Clone, Debug)]
pub struct Application {
    pub batch_id: Uuid,
    pub record_no: i64,
    pub publication_no: i64,
    pub known_from: DateTime<Utc>,
    pub contributor_id: ContributorId,
    pub subject_id: SubjectId,
    pub application_ref: String,
    pub holder_role: HolderRole,
    pub decision: Decision,
    pub applied_at: DateTime<Utc>,
}

/// A batch came to count, or ceased to.
#[derive(Clone, Debug)]
pub struct Change {
    pub batch_id: Uuid,
    pub transition_no: i64,
    pub known_from: DateTime<Utc>,
    pub contributor_id: ContributorId,
    pub state: &'static str,
    pub place: i64,
}

#[derive(Clone, Debug)]
pub struct Restriction {
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub kind: &'static str,
    pub opened_at: DateTime<Utc>,
    pub lifted_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
pub struct Delisting {
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub delisted_on: NaiveDate,
    pub delisted_at: DateTime<Utc>,
}

/// Draws the lives of some people, told at a day and an instant.
pub fn draw(people: usize, as_of: NaiveDate, known_at: DateTime<Utc>) -> Histories {
    let mut runner = TestRunner::default();
    let mut draw = Draw { runner: &mut runner, as_of, known_at };
    let batches: Vec<Batch> = (0..CONTRIBUTORS * BATCHES).map(|n| draw.batch(n)).collect();
    let mut histories = Histories::default();
    histories.changes.extend(batches.iter().flat_map(|batch| batch.changes.clone()));
    for person in 0..people {
        for number in 0..draw.one(0usize..4) {
            draw.account(&mut histories, &batches, person, number);
        }
        draw.applications(&mut histories, &batches, person);
    }
    histories
}

#[derive(Clone, Debug)]
struct Batch {
    batch_id: Uuid,
    contributor_id: ContributorId,
    place: i64,
    known_from: DateTime<Utc>,
    changes: Vec<Change>,
}

struct Draw<'a> {
    runner: &'a mut TestRunner,
    as_of: NaiveDate,
    known_at: DateTime<Utc>,
}

/// What a record says, day aside.
type Words = (AccountStatus, PortfolioType, Option<PaymentFrequency>, bool);

impl Draw<'_> {
    fn one<T: std::fmt::Debug>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        strategy.new_tree(self.runner).unwrap().current()
    }

    fn among<T: Clone + std::fmt::Debug + 'static>(&mut self, all: &[T]) -> T {
        self.one(prop::sample::select(all.to_vec()))
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.one(0u32..100) < percent
    }

    fn maybe<T>(&mut self, percent: u32, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance(percent) { Some(value(self)) } else { None }
    }

    fn day(&mut self, from: i64, to: i64) -> NaiveDate {
        self.as_of + TimeDelta::days(self.one(from..=to))
    }

    fn sen(&mut self) -> Sen {
        Sen(self.one(prop_oneof![2 => Just(0i64), 3 => 1i64..60_000, 2 => 0i64..1_000_000_000]))
    }

    /// A batch and its fate: it stands, it is replaced or recalled, comes back, or is not known of yet.
    fn batch(&mut self, n: usize) -> Batch {
        let (batch_id, contributor_id) = (id(1, n), ContributorId(id(2, n % CONTRIBUTORS)));
        let place = 10 * (n as i64 + 1);
        let early = self.known_at - TimeDelta::days(400 - place);
        let late = self.known_at + TimeDelta::days(1);
        let known_from = if self.chance(8) { late } else { early };
        let fate: &[(&'static str, DateTime<Utc>)] = match self.one(0..10) {
            0 => &[("superseded", early)],
            1 => &[("recalled", early)],
            2 => &[("superseded", early), ("published", early)],
            3 => &[("recalled", late)],
            4 | 5 => &[("curated", early)],
            _ => &[],
        };
        let published = [("published", known_from)];
        let changes = published.iter().chain(fate).zip(1..).map(|(change, number)| Change {
            batch_id,
            transition_no: number,
            known_from: change.1.max(known_from),
            contributor_id,
            state: change.0,
            place,
        });
        let changes = changes.collect();
        Batch { batch_id, contributor_id, place, known_from, changes }
    }

    fn account(&mut self, into: &mut Histories, batches: &[Batch], person: usize, number: usize) {
        let contributor = self.one(0..CONTRIBUTORS);
        let account_ref = format!("account-{person}-{number}");
        let opened = self.among(&[-1, 0, 29, 30, 89, 90, 179, 180, 400, 900, 2000]);
        let opened_date = self.as_of - TimeDelta::days(opened);
        let product = self
            .one(prop_oneof![3 => Just(ProductType::BnplPlan), 2 => prop::sample::select(ProductType::ALL)]);
        let mut holders = vec![(person, HolderRole::Primary)];
        holders.extend(
            self.maybe(20, |draw| (person + 1, draw.among(&[HolderRole::Joint, HolderRole::Guarantor]))),
        );
        for round in 0..self.one(1..=BATCHES) {
            let batch = &batches[contributor + CONTRIBUTORS * round];
            for month in 0..self.among(&[1, 2, 5, 27]) {
                let shift = self.among(&[-20, 0, 1, 10, 28, 31]);
                let as_of_date = self.as_of - TimeDelta::days(shift + month * 30);
                for (holder, role) in holders.clone() {
                    let bare = bare(holder, batch.contributor_id, &account_ref);
                    let bare =
                        Account { holder_role: role, product_type: product, opened_date, as_of_date, ..bare };
                    self.record(into, batch, bare, person);
                }
            }
            self.events(into, batch, &account_ref);
        }
        let key = (ContributorId(id(2, contributor)), account_ref);
        self.standing(into, key);
    }

    /// A record and, now and then, a later version of it: other values, another person, or none.
    fn record(&mut self, into: &mut Histories, batch: &Batch, bare: Account, person: usize) {
        let snapshot = Snapshot {
            batch_id: batch.batch_id,
            record_no: into.snapshots.len() as i64 + 1,
            publication_no: batch.place,
            known_from: batch.known_from,
            withdrawn: false,
            listing_requested: self.chance(50),
            evidence: self.chance(80),
            account: self.filled(bare),
        };
        let later = self.maybe(6, |draw| {
            let mut later = Snapshot { publication_no: 1000 + batch.place, ..snapshot.clone() };
            later.withdrawn = draw.chance(30);
            later.known_from = draw.among(&[batch.known_from, draw.known_at + TimeDelta::days(2)]);
            later.account = draw.filled(later.account);
            if draw.chance(25) {
                later.account.subject_id = SubjectId(id(3, person + 1));
            }
            later
        });
        into.snapshots.push(snapshot);
        into.snapshots.extend(later);
    }

    fn words(&mut self) -> Words {
        let status =
            prop_oneof![4 => Just(AccountStatus::Active), 2 => prop::sample::select(AccountStatus::ALL)];
        let frequency = self.maybe(90, |draw| draw.among(PaymentFrequency::ALL));
        (self.one(status), self.among(PortfolioType::ALL), frequency, self.chance(4))
    }

    fn filled(&mut self, bare: Account) -> Account {
        let (status, portfolio_type, payment_frequency, contributor_dispute) = self.words();
        let (outstanding, overdue) = (self.sen(), self.sen());
        Account {
            status,
            portfolio_type,
            payment_frequency,
            contributor_dispute,
            outstanding,
            overdue,
            dpd: self.one(
                prop_oneof![2 => Just(0u16), 3 => prop::sample::select(vec![1, 29, 30, 59, 60, 61, 90, 400])],
            ),
            closed_date: self.maybe(35, |draw| draw.day(-800, 20)),
            settled_date: self.maybe(25, |draw| draw.day(-800, 20)),
            write_off_date: self.maybe(20, |draw| draw.day(-900, 20)),
            write_off_amount: self.maybe(50, Self::sen),
            original_amount: self.maybe(60, Self::sen),
            credit_limit: self.maybe(60, Self::sen),
            instalment_amount: self.maybe(70, Self::sen),
            next_due_amount: self.maybe(50, Self::sen),
            next_due_date: self.maybe(80, |draw| draw.day(-500, 45)),
            instalments_total: self.maybe(50, |draw| draw.one(0u16..70)),
            instalments_paid: self.maybe(70, |draw| draw.one(0u16..12)),
            restructured: self.chance(10),
            hardship: self.chance(10),
            legal_action: self.chance(10),
            ..bare
        }
    }

    /// Some events of an account. Few names, so that the same one comes again, and reversals meet what they reverse.
    fn events(&mut self, into: &mut Histories, batch: &Batch, account_ref: &str) {
        // Some pay every few days: more instalments than are kept.
        let (count, names) = self.among(&[(0, 1), (0, 1), (1, 6), (4, 6), (4, 6), (5, 6), (140, 1000)]);
        for _ in 0..count {
            let any = prop::sample::select(EventType::ALL);
            let event_type = self.one(prop_oneof![1 => Just(EventType::Payment), 1 => any]);
            let name = |draw: &mut Self| format!("{account_ref}-{}", draw.one(0..names));
            let event = Event {
                batch_id: batch.batch_id,
                record_no: 100_000 + into.events.len() as i64,
                publication_no: batch.place,
                known_from: batch.known_from,
                contributor_id: batch.contributor_id,
                account_ref: account_ref.to_owned(),
                event_id: name(self),
                event_type,
                value_date: self.day(-45, 3),
                amount: event_type.moves_money().then(|| self.sen().0),
                instalment_due_date: self.maybe(70, |draw| draw.day(-400, 10)),
                new_due_date: self.maybe(60, |draw| draw.day(-10, 40)),
                reverses: (event_type == EventType::PaymentReversal).then(|| name(self)),
            };
            into.events.push(event);
        }
    }

    /// Words on few applications, on days at whose ends it is another day in Malaysia than in UTC.
    fn applications(&mut self, into: &mut Histories, batches: &[Batch], person: usize) {
        for _ in 0..self.among(&[0, 0, 1, 3, 8]) {
            let batch = self.among(batches);
            let day = self.day(-95, 2).and_time(NaiveTime::MIN).and_utc();
            let application = Application {
                batch_id: batch.batch_id,
                record_no: 500_000 + into.applications.len() as i64,
                publication_no: batch.place,
                known_from: batch.known_from,
                contributor_id: batch.contributor_id,
                subject_id: SubjectId(id(3, person)),
                application_ref: format!("application-{person}-{}", self.one(0..4)),
                holder_role: self.among(HolderRole::ALL),
                decision: self.among(Decision::ALL),
                applied_at: day + TimeDelta::minutes(self.among(&[0, 959, 960, 1439])),
            };
            into.applications.push(application);
        }
    }

    fn standing(&mut self, into: &mut Histories, (contributor_id, account_ref): (ContributorId, String)) {
        let known = self.known_at - TimeDelta::days(1);
        let restriction = self.maybe(12, |draw| Restriction {
            contributor_id,
            account_ref: account_ref.clone(),
            kind: draw.among(&["IN_REVIEW", "DISPUTED", "DISPUTED", "HIDDEN"]),
            opened_at: draw.among(&[known, known, draw.known_at + TimeDelta::days(1)]),
            lifted_at: draw.maybe(30, |draw| draw.among(&[known, draw.known_at + TimeDelta::days(1)])),
        });
        into.restrictions.extend(restriction);
        let delisting = self.maybe(20, |draw| Delisting {
            contributor_id,
            account_ref: account_ref.clone(),
            delisted_on: draw.day(-60, 5),
            delisted_at: draw.among(&[known, draw.known_at + TimeDelta::days(1)]),
        });
        into.delistings.extend(delisting);
    }
}

fn bare(person: usize, contributor_id: ContributorId, account_ref: &str) -> Account {
    let day = NaiveDate::MIN;
    Account {
        contributor_id,
        account_ref: account_ref.to_owned(),
        subject_id: SubjectId(id(3, person)),
        holder_role: HolderRole::Primary,
        product_type: ProductType::Other,
        portfolio_type: PortfolioType::Instalment,
        status: AccountStatus::Active,
        status_date: day,
        as_of_date: day,
        opened_date: day,
        maturity_date: None,
        closed_date: None,
        currency: "MYR".into(),
        original_amount: None,
        credit_limit: None,
        instalment_amount: None,
        payment_frequency: None,
        instalments_total: None,
        instalments_paid: None,
        instalments_overdue: None,
        outstanding: Sen::ZERO,
        overdue: Sen::ZERO,
        dpd: 0,
        first_delinquency_date: None,
        next_due_date: None,
        next_due_amount: None,
        write_off_date: None,
        write_off_amount: None,
        settled_date: None,
        settlement_type: None,
        restructured: false,
        hardship: false,
        legal_action: false,
        contributor_dispute: false,
        listed: None,
        months: Vec::new(),
        instalments: Vec::new(),
    }
}

/// The n-th id of a kind.
fn id(kind: u128, n: usize) -> Uuid {
    Uuid::from_u128(kind << 64 | n as u128)
}

/// The lives by person, for a message about one of them.
pub fn of_person(histories: &Histories, subject: SubjectId) -> String {
    let own = histories.snapshots.iter().filter(|snapshot| snapshot.account.subject_id == subject);
    let accounts: BTreeMap<_, _> = own.map(|s| (&s.account.account_ref, s.account.contributor_id)).collect();
    let snapshots: Vec<_> =
        histories.snapshots.iter().filter(|s| accounts.contains_key(&s.account.account_ref)).collect();
    let events: Vec<_> = histories.events.iter().filter(|e| accounts.contains_key(&e.account_ref)).collect();
    let applications: Vec<_> = histories.applications.iter().filter(|a| a.subject_id == subject).collect();
    format!("{snapshots:#?}\n{events:#?}\n{applications:#?}\n{:#?}", histories.changes)
}
