//! Time comes from here and nowhere else, so that a test can hold it still.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate, Utc};

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

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Clock::System => Utc::now(),
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
