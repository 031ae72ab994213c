//! What `etrplus dev` and the tests stand on.

mod databases;
mod postgres;
mod s3;
