//! `/v1/operations`: what operators do. Every route asks for the scope `admin`.

mod agreements;
pub mod batches;
pub mod constants;
pub mod contracts;
pub mod corrections;
pub mod erasure;
pub mod identity_reviews;
pub mod overrides;
pub mod recalls;
pub mod reconciliations;
pub mod redisclosures;
pub mod shadows;
