//! Keeps people unreadable: keyed tokens of identifiers, sealed values, keyed hashes, randomness.
//!
//! Start at [`Keyring`]. Nothing here knows what is stored where; a sealed value carries its place as AAD, so
//! that it opens nowhere else.

mod keyring;
mod mac;
pub mod random;
mod seal;
mod token;

pub use keyring::{KeySource, Keyring};
pub use mac::MacPurpose;
pub use seal::Aad;
pub use token::Token;
