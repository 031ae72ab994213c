//! Control totals, recomputed over every readable record, rejected ones and negative amounts included: they
//! must equal what the contributor declared about the file that it sent (F008, F009).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::contract::{AccountSnapshot, AccountStatus, Application, Field, RepaymentEvent};
use crate::domain::money::Sen;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Sen. Wide enough for any file.
    pub sum_outstanding: i128,
    /// Sen.
    pub sum_overdue: i128,
    /// Sen: of events their amounts, of applications what they ask for.
    pub sum_amount: i128,
    /// Payments of an instalment after the day it was due.
    pub payments_late: u64,
    counts: [u64; 7],
}

impl Totals {
    pub fn add(&mut self, record: &AccountSnapshot<'_>) {
        // What a constant supplied is not in the file that was declared.
        let sent = |field, amount: Option<Sen>| match record.imputed.contains(field) {
            true => 0,
            false => amount.map_or(0, |sen| i128::from(sen.0)),
        };
        self.sum_outstanding += sent(Field::Outstanding, record.outstanding);
        self.sum_overdue += sent(Field::Overdue, record.overdue);
        if let Some(status) = record.status {
            self.counts[status as usize] += 1;
        }
    }

    pub fn add_event(&mut self, event: &RepaymentEvent<'_>) {
        self.sum_amount += event.amount.map_or(0, |sen| i128::from(sen.0));
        self.payments_late += u64::from(event.days_late().is_some_and(|days| days > 0));
    }

    pub fn add_application(&mut self, application: &Application<'_>) {
        self.sum_amount += application.amount_requested.map_or(0, |sen| i128::from(sen.0));
    }

    pub fn count_by_status(&self) -> BTreeMap<AccountStatus, u64> {
        AccountStatus::ALL
            .iter()
            .map(|status| (*status, self.counts[*status as usize]))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
