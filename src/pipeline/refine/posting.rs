//! Events against their accounts: what is looked up for many at once, and the decision about each.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::db::events;
use crate::db::staged_events::EventRow;
use crate::domain::finding::Finding;
use crate::domain::rules::RulePolicy;
use crate::domain::rules::events::AccountLedger;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// The accounts of one contributor as far as some events need them, carried on as these are posted.
pub struct Accounts {
    contributor: ContributorId,
    /// The batches whose events do not count any more, because these take their place.
    replaced: Vec<BatchId>,
    ledgers: HashMap<String, AccountLedger>,
    contents: HashMap<String, Vec<u8>>,
}

impl Accounts {
    pub fn new(contributor: ContributorId, replaced: Vec<BatchId>) -> Accounts {
        Accounts { contributor, replaced, ledgers: HashMap::new(), contents: HashMap::new() }
    }

    /// Looks up what the given events need, which stand in the order of their accounts. Of what was looked up before
    /// only the first of their accounts is kept: the events before may have been posted to it.
    pub async fn load<'e>(
        &mut self,
        connection: &mut PgConnection,
        events: impl Iterator<Item = &'e EventRow>,
    ) -> Result<()> {
        let events: Vec<&EventRow> = events.collect();
        let Some(first) = events.first().map(|event| event.account_ref.as_str()) else { return Ok(()) };
        let carried = self.ledgers.remove_entry(first);
        self.ledgers.clear();
        self.ledgers.extend(carried);
        let mut refs: Vec<&str> = events.iter().map(|event| event.account_ref.as_str()).collect();
        refs.dedup();
        refs.retain(|account_ref| !self.ledgers.contains_key(*account_ref));
        for (account_ref, account) in
            events::accounts(&mut *connection, self.contributor, &refs, &self.replaced).await?
        {
            self.ledgers.insert(account_ref, AccountLedger::new(account));
        }
        self.load_targets(connection, &events).await?;
        let ids: Vec<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
        let known = events::known_contents(connection, self.contributor, &ids, &self.replaced).await?;
        self.contents = known.into_iter().collect();
        Ok(())
    }

    async fn load_targets(&mut self, connection: &mut PgConnection, events: &[&EventRow]) -> Result<()> {
        let named: Vec<&str> = events.iter().filter_map(|event| event.reverses_event_id.as_deref()).collect();
        if named.is_empty() {
            return Ok(());
        }
        for (event_id, account_ref, target) in
            events::targets(connection, self.contributor, &named, &self.replaced).await?
        {
            // What was posted since the last look-up is known better already.
            if let Some(ledger) = self.ledgers.get_mut(&account_ref) {
                ledger.know(&event_id, target);
            }
        }
        Ok(())
    }

    /// The content of the accepted or parked event of this name.
    pub fn known_content(&self, event_id: &str) -> Option<&[u8]> {
        self.contents.get(event_id).map(Vec::as_slice)
    }

    /// What the account says to the event, which is posted if nothing refuses it. `None`: there is no such account.
    pub fn judge(&mut self, row: &EventRow, policy: &RulePolicy) -> Result<Option<Vec<Finding>>> {
        let Some(ledger) = self.ledgers.get_mut(&row.account_ref) else { return Ok(None) };
        let event = row.event()?;
        let mut findings = Vec::new();
        ledger.check(&event, &mut findings);
        policy.apply_to(&mut findings);
        if !findings.iter().any(Finding::rejects) {
            ledger.post(&event);
        }
        Ok(Some(findings))
    }
}
