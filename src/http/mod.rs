//! The HTTP API: the only place that knows status codes. [`router`] is its table of contents.

pub mod auth;
pub mod connection;
pub mod extract;
pub mod headers;
pub mod layers;
pub mod pace;
pub mod page;
pub mod problem;
pub mod routes;
pub mod server;

pub use auth::Authorized;
pub use problem::{Problem, ProblemKind};
