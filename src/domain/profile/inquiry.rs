//! Why somebody may ask: purposes, kinds of inquiry, and the consent that a question stands on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a profile is wanted for. A client may use the purposes in its agreement, and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    CreditApplication,
    AccountReview,
    Collection,
    FraudPrevention,
    ConsumerRequest,
}

impl Purpose {
    pub const ALL: [Purpose; 5] = [
        Purpose::CreditApplication,
        Purpose::AccountReview,
        Purpose::Collection,
        Purpose::FraudPrevention,
        Purpose::ConsumerRequest,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::CreditApplication => "CREDIT_APPLICATION",
            Purpose::AccountReview => "ACCOUNT_REVIEW",
            Purpose::Collection => "COLLECTION",
            Purpose::FraudPrevention => "FRAUD_PREVENTION",
            Purpose::ConsumerRequest => "CONSUMER_REQUEST",
        }
    }

    pub fn parse(word: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// Whether the question itself counts: other lenders see how many STANDARD inquiries there were, never SOFT
/// ones (`domain.md` 6.1 D).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InquiryType {
    Soft,
    #[default]
    Standard,
}

impl InquiryType {
    pub fn as_str(self) -> &'static str {
        match self {
            InquiryType::Soft => "SOFT",
            InquiryType::Standard => "STANDARD",
        }
    }
}

/// The person's consent to the disclosure, as the asking client holds it (CRA Act s24).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Names the consent in the client's own records.
    pub reference: String,
    pub obtained_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Why a consent does not carry a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentFault {
    ObtainedInTheFuture,
    Expired,
}

impl Consent {
    /// Whether the consent holds at an instant: from `obtained_at` until just before `expires_at`.
    pub fn check(&self, at: DateTime<Utc>) -> Result<(), ConsentFault> {
        if self.obtained_at > at {
            Err(ConsentFault::ObtainedInTheFuture)
        } else if self.expires_at <= at {
            Err(ConsentFault::Expired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_holds_from_its_beginning_until_its_end() {
        let instant = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let consent = Consent {
            reference: "synthetic-consent-1".into(),
            obtained_at: instant("2026-06-01T00:00:00Z"),
            expires_at: instant("2026-06-30T00:00:00Z"),
        };
        for (at, expected) in [
            ("2026-05-31T23:59:59Z", Err(ConsentFault::ObtainedInTheFuture)),
            ("2026-06-01T00:00:00Z", Ok(())),
            ("2026-06-29T23:59:59Z", Ok(())),
            ("2026-06-30T00:00:00Z", Err(ConsentFault::Expired)),
        ] {
            assert_eq!(consent.check(instant(at)), expected, "{at}");
        }
    }

    #[test]
    fn every_purpose_is_read_by_the_word_that_the_wire_uses() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.as_str());
        }
        assert_eq!(Purpose::parse("MARKETING"), None);
    }
}
