//! The life of an archive query, and the forms of its result.

use serde::{Deserialize, Serialize};

/// Where an archive query stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = ArchiveQueryState)]
pub enum State {
    /// It waits for its turn, or for the lake to have everything that was known then.
    Queued,
    /// Its attributes are being computed.
    Running,
    /// The result can be fetched.
    Done,
    /// Our fault, after every try.
    Failed,
    /// The client does not want it any more.
    Cancelled,
    /// The result was there and is removed.
    Expired,
}

impl State {
    pub const ALL: [State; 6] =
        [State::Queued, State::Running, State::Done, State::Failed, State::Cancelled, State::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
        }
    }

    pub fn parse(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Where a query may go from here.
    pub fn next(self) -> &'static [State] {
        match self {
            State::Queued => &[State::Running, State::Cancelled],
            // Back to the queue when the attempt failed and another one may not.
            State::Running => &[State::Done, State::Failed, State::Queued, State::Cancelled],
            State::Done => &[State::Expired],
            State::Failed | State::Cancelled | State::Expired => &[],
        }
    }

    pub fn may_become(self, next: State) -> bool {
        self.next().contains(&next)
    }
}

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ArchiveFormat)]
pub enum Format {
    Parquet,
    Csv,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Parquet => "PARQUET",
            Format::Csv => "CSV",
        }
    }

    pub fn parse(word: &str) -> Option<Format> {
        [Format::Parquet, Format::Csv].into_iter().find(|format| format.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_what_has_ended_stays_ended() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
            assert!(!state.may_become(state));
        }
        assert!(State::Done.may_become(State::Expired) && !State::Done.may_become(State::Cancelled));
        assert!(State::Running.may_become(State::Queued) && State::Cancelled.next().is_empty());
        for format in [Format::Parquet, Format::Csv] {
            assert_eq!(Format::parse(format.as_str()), Some(format));
        }
    }
}
