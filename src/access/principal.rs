//! The caller of a request, as decided from its token and what we know of the client now.

use std::sync::Arc;

use super::scope::{Scope, ScopeSet};
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId};

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Principal {
    pub client_id: ClientId,
    pub client_name: Arc<str>,
    /// Whose data the client sends and reads; `None` for risk engines and operators.
    pub contributor_id: Option<ContributorId>,
    /// What the token grants and the client still has.
    pub scopes: ScopeSet,
    /// Purposes in the client's agreement.
    pub purposes: Arc<[String]>,
    /// Whether the client's contributor is suspended (F001).
    pub contributor_suspended: bool,
}

impl Principal {
    /// Refuses unless the caller may do what the scope names. A suspended contributor may still read what
    /// became of its batches, and nothing else.
    ///
    /// # Errors
    /// `Forbidden` with code `missing-scope` or `contributor-suspended`.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if !self.scopes.contains(scope) {
            return Err(Error::forbidden(
                "missing-scope",
                format!("the token does not have the scope {scope}"),
            ));
        }
        if self.contributor_suspended && scope != Scope::BatchesRead {
            return Err(Error::forbidden("contributor-suspended", "the contributor is suspended"));
        }
        Ok(())
    }

    /// The contributor that the caller acts for.
    ///
    /// # Errors
    /// `Forbidden` with code `no-contributor` when the client acts for none.
    pub fn contributor(&self) -> Result<ContributorId> {
        self.contributor_id
            .ok_or_else(|| Error::forbidden("no-contributor", "the client does not belong to a contributor"))
    }

    /// Whether the purpose is in the client's agreement.
    pub fn may_ask_for(&self, purpose: &str) -> bool {
        self.purposes.iter().any(|agreed| agreed == purpose)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn principal(suspended: bool) -> Principal {
        Principal {
            client_id: ClientId(Uuid::nil()),
            client_name: "acme".into(),
            contributor_id: Some(ContributorId(Uuid::nil())),
            scopes: ScopeSet::from_iter([Scope::BatchesRead, Scope::BatchesWrite]),
            purposes: Arc::from(["CREDIT_APPLICATION".to_owned()]),
            contributor_suspended: suspended,
        }
    }

    fn code(result: &Result<()>) -> &'static str {
        match result {
            Ok(()) => "ok",
            Err(Error::Forbidden { code, .. }) => code,
            Err(_) => "other",
        }
    }

    #[test]
    fn a_suspended_contributor_may_read_and_no_more() {
        assert_eq!(code(&principal(false).require(Scope::BatchesWrite)), "ok");
        assert_eq!(code(&principal(true).require(Scope::BatchesWrite)), "contributor-suspended");
        assert_eq!(code(&principal(true).require(Scope::BatchesRead)), "ok");
        assert_eq!(code(&principal(false).require(Scope::Admin)), "missing-scope");
    }

    #[test]
    fn a_purpose_outside_the_agreement_is_not_asked_for() {
        assert!(principal(false).may_ask_for("CREDIT_APPLICATION"));
        assert!(!principal(false).may_ask_for("ACCOUNT_REVIEW"));
        assert!(!principal(false).may_ask_for(""));
    }
}
