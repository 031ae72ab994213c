//! Who are you, and what may you do.
//!
//! [`TokenIssuer`] is the door: it authenticates clients ([`Credential`]), signs and verifies access tokens
//! and receipts, and turns a token into a [`Principal`]. [`agreement`] is what two operators let a contributor do; [`registry`] creates, rotates and revokes clients and
//! contributors. A decision is returned; the caller acts on it. Everything is refused unless something here
//! says otherwise.

pub mod agreement;
mod authenticate;
pub mod contracts;
mod directory;
mod issuer;
mod jwk;
mod jws;
mod principal;
mod receipt;
pub mod registry;
mod scope;
mod signing;

pub use authenticate::{AuthenticatedClient, Credential};
pub use directory::ClientDirectory;
pub use issuer::{AccessToken, Claims, JWKS_PATH, METADATA_PATH, Rotation, TOKEN_PATH, TokenIssuer};
pub use jwk::PublicKey;
pub use principal::Principal;
pub use receipt::{Receipt, ReceiptClaims};
pub use scope::{Scope, ScopeSet, UnknownScope};
