//! What went wrong, in our words. No HTTP here: `http/problem.rs` holds the only map to status codes.

use std::borrow::Cow;

/// A failure of an operation. Variants name causes; text that a client may read is marked as such.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be served as sent; the text tells the client what to change.
    #[error("bad request ({code}): {public}")]
    BadRequest { code: &'static str, public: Cow<'static, str> },
    /// The thing does not exist, or is not the caller's to know of. Both look the same.
    #[error("not found")]
    NotFound,
    /// The state of the thing forbids it; the text names what is allowed.
    #[error("conflict ({code}): {public}")]
    Conflict { code: &'static str, public: Cow<'static, str> },
    /// The caller is known and may not do this.
    #[error("forbidden ({code}): {public}")]
    Forbidden { code: &'static str, public: Cow<'static, str> },
    /// Credentials are missing or wrong. One text for every cause, so that nothing can be probed.
    #[error("unauthenticated: {internal}")]
    Unauthenticated { internal: Cow<'static, str> },
    /// Understood and well-formed, but the content cannot be processed.
    #[error("unprocessable ({code}): {public}")]
    Unprocessable { code: &'static str, public: Cow<'static, str> },
    #[error("payload too large: {public}")]
    PayloadTooLarge { public: Cow<'static, str> },
    #[error("unsupported media: {public}")]
    UnsupportedMedia { public: Cow<'static, str> },
    /// Postgres cannot be reached or does not answer in time; safe to retry.
    #[error("database unavailable")]
    DatabaseUnavailable(#[source] sqlx::Error),
    /// Postgres answered with something that we did not expect.
    #[error("database")]
    Database(#[source] sqlx::Error),
    /// The object store cannot be reached or refused; safe to retry.
    #[error("object store: {0}")]
    Store(String),
    /// Temporary files cannot be written or read; safe to retry when there is room.
    #[error("temporary files: {0}")]
    Disk(String),
    /// Shed on purpose; safe to retry.
    #[error("overloaded: {0}")]
    Overloaded(&'static str),
    /// A row of our own contradicts itself: names table, column and row, never a person.
    #[error("inconsistent row in {table}.{column} ({row})")]
    Inconsistent { table: &'static str, column: &'static str, row: String },
    #[error("cryptography: {0}")]
    Crypto(&'static str),
    #[error("internal: {0}")]
    Internal(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    /// Tells an outage, which a retry may cure, from a fault of ours.
    fn from(error: sqlx::Error) -> Error {
        let outage = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(db) => db.code().is_some_and(|code| is_outage(&code)),
            _ => false,
        };
        if outage { Error::DatabaseUnavailable(error) } else { Error::Database(error) }
    }
}

/// SQLSTATE classes that pass by themselves: connection trouble, resources, operator intervention, read-only
/// transactions, serialization failures and lock time-outs.
fn is_outage(sqlstate: &str) -> bool {
    sqlstate.starts_with("08")
        || sqlstate.starts_with("53")
        || sqlstate.starts_with("57")
        || matches!(sqlstate, "25006" | "40001" | "40P01" | "55P03")
}

impl Error {
    pub fn bad_request(code: &'static str, public: impl Into<Cow<'static, str>>) -> Error {
        Error::BadRequest { code, public: public.into() }
    }

    pub fn conflict(code: &'static str, public: impl Into<Cow<'static, str>>) -> Error {
        Error::Conflict { code, public: public.into() }
    }

    pub fn forbidden(code: &'static str, public: impl Into<Cow<'static, str>>) -> Error {
        Error::Forbidden { code, public: public.into() }
    }

    pub fn unprocessable(code: &'static str, public: impl Into<Cow<'static, str>>) -> Error {
        Error::Unprocessable { code, public: public.into() }
    }

    pub fn unauthenticated(internal: impl Into<Cow<'static, str>>) -> Error {
        Error::Unauthenticated { internal: internal.into() }
    }

    /// Trouble of ours that may pass: the work is safe to try again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::DatabaseUnavailable(_) | Error::Store(_) | Error::Disk(_) | Error::Overloaded(_)
        )
    }
}
