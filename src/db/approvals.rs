//! What every table of two-operator agreements has: who asked, who agreed, who ended it.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

/// The signatures under an agreement. It holds once approved and until revoked.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Approval {
    /// `client:<id>` or `cli:<operator>`.
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    /// Never who asked.
    pub approved_by: Option<String>,
    pub approved_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<String>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Approval {
    /// Signed by the first operator alone.
    pub fn requested(by: &str, at: DateTime<Utc>) -> Approval {
        Approval {
            requested_by: by.to_owned(),
            requested_at: at,
            approved_by: None,
            approved_at: None,
            revoked_by: None,
            revoked_at: None,
        }
    }
}

/// A signature that is put under an agreement.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    pub by: &'a str,
    pub at: DateTime<Utc>,
}
