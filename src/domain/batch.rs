//! The life of a batch: its states and the one table of legal transitions (design section 4).

use serde::{Deserialize, Serialize};

/// Where a batch stands. Drawn with its arrows in `docs/DATA-MODEL.md`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The row exists, the bytes are on their way. Not acknowledged.
    Receiving,
    /// Bytes and rows are durable; the contributor holds a receipt.
    Received,
    /// A worker reads it.
    Validating,
    /// A file rule, or too many rejected records, refused it as a whole.
    Rejected,
    /// A W* rule waits for the contributor to confirm or explain.
    OnHold,
    /// The verdict is favourable; publication follows in the same transaction.
    Accepted,
    /// Its records are in the serving store.
    Published,
    /// Its records are in the lake.
    Curated,
    /// Never completed: the upload broke off or was refused. Holds no data.
    Swept,
    /// Withdrawn by the contributor before publication.
    Cancelled,
    /// Our fault, after every retry; replayable.
    Failed,
    /// A replacement took its place.
    Superseded,
    /// Taken back after publication, by two operators.
    Recalled,
}

impl State {
    pub const ALL: &'static [State] = &[
        State::Receiving,
        State::Received,
        State::Validating,
        State::Rejected,
        State::OnHold,
        State::Accepted,
        State::Published,
        State::Curated,
        State::Swept,
        State::Cancelled,
        State::Failed,
        State::Superseded,
        State::Recalled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Receiving => "receiving",
            State::Received => "received",
            State::Validating => "validating",
            State::Rejected => "rejected",
            State::OnHold => "on_hold",
            State::Accepted => "accepted",
            State::Published => "published",
            State::Curated => "curated",
            State::Swept => "swept",
            State::Cancelled => "cancelled",
            State::Failed => "failed",
            State::Superseded => "superseded",
            State::Recalled => "recalled",
        }
    }

    pub fn parse(word: &str) -> Option<State> {
        State::ALL.iter().copied().find(|state| state.as_str() == word)
    }

    /// Where a batch may go from here. The only table; whoever moves a batch asks it.
    pub fn next(self) -> &'static [State] {
        match self {
            State::Receiving => &[State::Received, State::Swept],
            State::Received => &[State::Validating, State::Cancelled, State::Failed],
            // Back to received when a worker died or let go: the job is taken up again.
            State::Validating => &[
                State::Accepted,
                State::Rejected,
                State::OnHold,
                State::Failed,
                State::Received,
                State::Cancelled,
            ],
            State::OnHold => &[State::Received, State::Cancelled],
            State::Accepted => &[State::Published],
            State::Published => &[State::Curated, State::Superseded, State::Recalled],
            State::Curated => &[State::Superseded, State::Recalled],
            State::Failed => &[State::Received, State::Cancelled],
            // Back again when its replacement is recalled: as if that had never come.
            State::Superseded => &[State::Published],
            State::Rejected | State::Swept | State::Cancelled | State::Recalled => &[],
        }
    }

    pub fn may_become(self, next: State) -> bool {
        self.next().contains(&next)
    }

    /// The verdict, or the contributor, has ended the work on it; a waiting caller is answered.
    pub fn is_settled(self) -> bool {
        !matches!(self, State::Receiving | State::Received | State::Validating | State::Accepted)
    }

    /// The states from which a batch may move to the given one.
    pub fn leading_to(target: State) -> Vec<State> {
        State::ALL.iter().copied().filter(|state| state.may_become(target)).collect()
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Conservation: every record that came in is counted exactly once (design section 1, promise 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Records read from the body.
    pub received: i64,
    /// Records whose content is now in the serving store.
    pub accepted: i64,
    /// Records that break at least one rejecting rule.
    pub rejected: i64,
    /// Exact repetitions of another record of the file (S001); counted once, kept once.
    pub duplicate: i64,
    /// Good records that nothing was done with, because the file as a whole is rejected or held.
    pub unprocessed: i64,
    /// Accepted records with at least one warning.
    pub warned: i64,
}

impl Counts {
    pub fn is_conserved(&self) -> bool {
        self.received == self.accepted + self.rejected + self.duplicate + self.unprocessed
            && self.warned <= self.accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_reachable_and_its_word_reads_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(*state));
            assert!(
                *state == State::Receiving || !State::leading_to(*state).is_empty(),
                "nothing leads to {state}"
            );
        }
    }

    #[test]
    fn a_published_batch_can_no_longer_be_cancelled() {
        assert!(!State::Published.may_become(State::Cancelled));
        assert!(State::Received.may_become(State::Cancelled));
    }
}
