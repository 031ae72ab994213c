//! What stands behind `etrplus dev` and the tests: a private Postgres and an in-process S3.
//!
//! Both hand back an address and credentials and nothing more: production code cannot tell whose Postgres it
//! speaks to. Only `commands::dev` and the tests import this module.

pub mod postgres;
pub mod s3;

use std::path::PathBuf;

/// Why an embedded server does not run: one sentence for a person, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "PostgreSQL {needed} is not installed and could not be fetched ({cause}): install it (Debian: `apt-get \
         install postgresql`, macOS: `brew install postgresql`), or set ETR_PG_BIN to the folder that holds its \
         `postgres` and `initdb`"
    )]
    PostgresMissing { needed: String, cause: String },
    #[error(
        "ETR_PG_BIN is {folder}, which holds no PostgreSQL server that can run here ({cause}): set it to the folder that holds `postgres` and `initdb`, or unset it"
    )]
    WrongPgBin { folder: PathBuf, cause: String },
    #[error(
        "{data} was made by PostgreSQL {made_by}, found {found}: install PostgreSQL {made_by}, set ETR_PG_BIN to its folder, or start over with an empty data directory (`--reset`)"
    )]
    OtherMajor { data: PathBuf, made_by: u32, found: String },
    #[error("{0} holds files that are not eTR+'s: choose an empty or a new directory")]
    NotOurs(PathBuf),
    #[error(
        "{path} cannot be used ({cause}): make it readable and writable for {user}, or choose another directory"
    )]
    NoPermission { path: PathBuf, user: String, cause: std::io::Error },
    #[error(
        "PostgreSQL does not run as root and runs as `{user}` instead, who may not enter {path}: choose a data directory that every user can reach, such as /var/lib/etrplus"
    )]
    Unreachable { path: PathBuf, user: String },
    #[error(
        "there is no user `postgres` or `nobody` for PostgreSQL to run as, and it refuses to run as root: run as another user"
    )]
    NoAccount,
    #[error("another PostgreSQL already runs on {0}: stop it, or choose another data directory")]
    InUse(PathBuf),
    #[error("PostgreSQL did not start ({cause}); {log} says more")]
    PostgresFailed { cause: String, log: PathBuf },
    #[error(
        "the private PostgreSQL could not be prepared ({0}): try again, or start over with an empty data directory"
    )]
    Bootstrap(#[source] sqlx::Error),
    #[error(
        "the S3 port {port} on 127.0.0.1 cannot be opened ({cause}): stop what uses it, or choose another port"
    )]
    PortInUse { port: u16, cause: std::io::Error },
    #[error("the embedded S3 cannot use {path} ({cause}): make it writable, or choose another directory")]
    ObjectDirectory { path: PathBuf, cause: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
