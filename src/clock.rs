//! Time comes from here and nowhere else, so that a test can hold it still.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate, SubsecRound as _, Utc};

use crate::domain::dates;

/// A source of the present instant.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// Stands at the instant a test gave it until the test moves it.
    Fixed(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    pub fn fixed(at: DateTime<Utc>) -> Clock {
        Clock::Fixed(Arc::new(Mutex::new(at)))
    }

    /// To the microsecond, which is what Postgres keeps: an instant that is told or signed at once must be the
    /// one that is read back later.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Clock::System => Utc::now().trunc_subsecs(6),
            // A poisoned lock still holds a valid instant.
            Clock::Fixed(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// The business day in Malaysia.
    pub fn today(&self) -> NaiveDate {
        dates::business_date(self.now())
    }

    /// Moves a fixed clock forward; the system clock does not obey.
    pub fn advance(&self, by: chrono::TimeDelta) {
        if let Clock::Fixed(at) = self {
            let mut at = at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *at += by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_no_more_digits_than_the_database_keeps() {
        for _ in 0..100 {
            assert_eq!(Clock::System.now().timestamp_subsec_nanos() % 1000, 0);
        }
    }
}
