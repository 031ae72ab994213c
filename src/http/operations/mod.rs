//! `/v1/operations`: what operators do. Every route asks for the scope `admin`.

mod agreements;
pub mod constants;
pub mod overrides;
