//! Profiles: a question about one subject, and what may be told.
//!
//! The identity stands in the body, so that no identifier is ever in a URL or a log. Policy is checked before
//! the database is asked; `pipeline::footprints` sees to it that the question is recorded before the answer
//! leaves.

use std::borrow::Cow;

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::auth::{self, Authorized};
use super::dates;
use super::examples;
use super::extract::{Json, Query};
use super::problem::Problem;
use super::provenance::{ExplainQuery, ProvenanceView};
use crate::access::{Principal, Scope};
use crate::app::AppState;
use crate::domain::contract::{AccountStatus, IdType, PortfolioType, ProductType};
use crate::domain::dates::business_date;
use crate::domain::identity::{NormalisedId, normalise};
use crate::domain::money::Sen;
use crate::domain::profile::inquiry::{Consent, ConsentFault, InquiryType, Purpose};
use crate::domain::profile::{
    ATTRIBUTE_SET_VERSION, AccountLine, Attribute, Freshness, HitStatus, NullReason, PROFILE_VERSION, Unit,
    Value,
};
use crate::domain::rules::RULES_VERSION;
use crate::error::{Error, Result};
use crate::ids::QueryId;
use crate::pipeline::explain;
use crate::pipeline::footprints::{Answer, Question};
use crate::privacy::{Keyring, random};

/// Who is asked about. The number is normalised first; separators and case do not matter.
#[derive(Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectIdentity {
    pub id_type: IdType,
    /// Never repeated in any answer.
    #[validate(length(min = 1, max = 40))]
    #[schema(example = "A00000000", max_length = 40)]
    pub id_number: String,
}

/// The person's consent to this disclosure, as the client keeps it.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentGiven {
    /// Names the consent in the client's own records.
    #[validate(length(min = 1, max = 100), custom(function = "printable"))]
    #[schema(example = "consent-2026-000123")]
    pub reference: String,
    #[serde(deserialize_with = "dates::instant")]
    pub obtained_at: DateTime<Utc>,
    #[serde(deserialize_with = "dates::instant")]
    pub expires_at: DateTime<Utc>,
}

/// A question about one subject.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileQuery {
    #[validate(nested)]
    pub subject: SubjectIdentity,
    /// CREDIT_APPLICATION, ACCOUNT_REVIEW, COLLECTION, FRAUD_PREVENTION or CONSUMER_REQUEST; must be in the
    /// client's agreement.
    #[schema(example = "CREDIT_APPLICATION")]
    pub purpose: String,
    /// Required; a question without it is refused.
    #[validate(nested)]
    #[schema(required = true, nullable = false)]
    pub consent: Option<ConsentGiven>,
    /// The client's own name for this question; comes back in the answer.
    #[validate(length(min = 1, max = 100), custom(function = "printable"))]
    #[schema(example = "checkout-000123")]
    pub client_reference: String,
    /// The person at the client who asks, where there is one (CRA Act s27).
    #[validate(length(min = 1, max = 100), custom(function = "printable"))]
    pub end_user: Option<String>,
    #[serde(default)]
    pub inquiry_type: InquiryType,
    /// The business day to speak of; today when absent. Reaches back 24 months.
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub as_of: Option<NaiveDate>,
}

/// Text that is stored and shown again must not carry control characters.
fn printable(text: &str) -> std::result::Result<(), ValidationError> {
    match text.chars().any(char::is_control) {
        true => Err(ValidationError::new("control-characters")
            .with_message(Cow::Borrowed("must not contain control characters"))),
        false => Ok(()),
    }
}

/// A question that policy allows.
struct Allowed {
    query: ProfileQuery,
    subject: NormalisedId,
    purpose: Purpose,
    consent: Consent,
    as_of: NaiveDate,
}

/// Checks what can be checked without the database: first that the question is understood (400), then that
/// the client may ask it (403).
fn allow(mut query: ProfileQuery, principal: &Principal, now: DateTime<Utc>) -> Result<Allowed> {
    let purpose = Purpose::parse(&query.purpose).ok_or_else(|| {
        let known = Purpose::ALL.map(Purpose::as_str).join(", ");
        Error::bad_request("invalid-purpose", format!("purpose must be one of {known}"))
    })?;
    let consent = query.consent.take().ok_or_else(|| {
        Error::bad_request(
            "consent-missing",
            "consent with reference, obtained_at and expires_at is required",
        )
    })?;
    let as_of = as_of_day(query.as_of, business_date(now))?;
    // The reason is a fixed text about the form; what was sent is not repeated.
    let subject = normalise(query.subject.id_type, &query.subject.id_number)
        .map_err(|fault| Error::bad_request("invalid-identifier", format!("subject.id_number: {fault}")))?;

    if !principal.may_ask_for(purpose.as_str()) {
        let public = format!("{} is not in the client's agreement", purpose.as_str());
        return Err(Error::forbidden("purpose-not-allowed", public));
    }
    let consent = Consent {
        reference: consent.reference,
        obtained_at: consent.obtained_at,
        expires_at: consent.expires_at,
    };
    consent.check(now).map_err(|fault| {
        let public = match fault {
            ConsentFault::ObtainedInTheFuture => "consent.obtained_at is in the future",
            ConsentFault::Expired => "the consent has expired",
        };
        Error::forbidden("consent-required", public)
    })?;
    Ok(Allowed { query, subject, purpose, consent, as_of })
}

/// The day to speak of. A day before the 24 months that an account keeps is not refused: attributes that reach
/// past what is kept say so themselves, and a back-filled book is asked about at its own dates.
fn as_of_day(asked: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate> {
    let as_of = asked.unwrap_or(today);
    if as_of > today {
        return Err(Error::bad_request("invalid-as-of", "as_of is in the future"));
    }
    Ok(as_of)
}

impl Allowed {
    fn into_question(self, query_id: QueryId, principal: &Principal, keys: &Keyring) -> Question {
        Question {
            query_id,
            subject: keys.token(self.subject.id_type(), self.subject.as_str()),
            as_of: self.as_of,
            client_id: principal.client_id,
            end_user: self.query.end_user,
            purpose: self.purpose,
            inquiry_type: self.query.inquiry_type,
            consent: self.consent,
            client_reference: self.query.client_reference,
        }
    }
}

/// One attribute. Either `value` or `null_reason` is null, never both.
#[derive(Serialize, ToSchema)]
pub struct AttributeView {
    pub value: Option<Value>,
    pub unit: Unit,
    pub null_reason: Option<NullReason>,
}

/// One account as it stood at `as_of`; amounts in sen.
#[derive(Serialize, ToSchema)]
#[schema(as = ProfileAccount)]
pub struct AccountView {
    pub product_type: ProductType,
    pub portfolio_type: PortfolioType,
    pub status: AccountStatus,
    pub opened_date: NaiveDate,
    #[schema(value_type = i64, example = 15_000)]
    pub outstanding: Sen,
    #[schema(value_type = i64, example = 0)]
    pub overdue: Sen,
    /// Days past due.
    pub dpd: u16,
    /// 24 months, newest first, the first that of `as_of`: `0` on time, `1` 1-29 days late, `2` 30-59, `3` 60-89,
    /// `4` 90-119, `5` 120-149, `6` 150-179, `7` 180 or more, `W` written off, `C` closed, `-` not reported, `B`
    /// before opening.
    #[schema(example = "001000BBBBBBBBBBBBBBBBBB")]
    pub grid: String,
    /// The day that the account was last reported for.
    pub as_of_date: NaiveDate,
}

#[derive(Serialize, ToSchema)]
pub struct FreshnessView {
    /// The latest report among the accounts.
    pub newest_as_of: Option<NaiveDate>,
    /// The open account reported longest ago.
    pub oldest_as_of: Option<NaiveDate>,
    /// Open accounts without a report for more than 45 days.
    pub stale_accounts: u32,
}

#[derive(Serialize, ToSchema)]
pub struct CoverageView {
    /// Distinct contributors behind the accounts told here.
    pub contributors_reporting: u32,
}

/// What may be told about a subject: facts with their reasons, never a decision.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileView {
    /// Names the footprint of this question.
    pub query_id: QueryId,
    pub client_reference: String,
    pub hit_status: HitStatus,
    pub as_of: NaiveDate,
    /// Everything known before this instant was taken into account.
    pub known_at: DateTime<Utc>,
    pub profile_version: &'static str,
    pub attribute_set_version: &'static str,
    pub rules_version: &'static str,
    /// By name; always all attributes of the set.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = std::collections::BTreeMap<String, AttributeView>)]
    pub attributes: Vec<Attribute>,
    /// Most recently opened first.
    pub accounts: Vec<AccountView>,
    pub freshness: FreshnessView,
    pub coverage: CoverageView,
    /// The reference of the consent that the answer was given under.
    pub consent_ref: String,
    /// What is behind the answer, when `explain=provenance` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceView>,
}

/// Keeps the order of the catalogue, which groups attributes by family.
fn by_name<S: Serializer>(attributes: &[Attribute], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(attributes.len()))?;
    for Attribute { name, value, unit, null_reason } in attributes {
        map.serialize_entry(name, &AttributeView { value: *value, unit: *unit, null_reason: *null_reason })?;
    }
    map.end()
}

impl ProfileView {
    fn new(query_id: QueryId, client_reference: String, consent_ref: String, answer: Answer) -> ProfileView {
        let Answer { known_at, profile } = answer;
        ProfileView {
            query_id,
            client_reference,
            hit_status: profile.hit_status,
            as_of: profile.as_of,
            known_at,
            profile_version: PROFILE_VERSION,
            attribute_set_version: ATTRIBUTE_SET_VERSION,
            rules_version: RULES_VERSION,
            attributes: profile.attributes,
            accounts: profile.accounts.into_iter().map(AccountView::from).collect(),
            freshness: profile.freshness.into(),
            coverage: CoverageView { contributors_reporting: profile.contributors_reporting },
            consent_ref,
            provenance: None,
        }
    }
}

impl From<AccountLine> for AccountView {
    fn from(line: AccountLine) -> AccountView {
        AccountView {
            product_type: line.product_type,
            portfolio_type: line.portfolio_type,
            status: line.status,
            opened_date: line.opened_date,
            outstanding: line.outstanding,
            overdue: line.overdue,
            dpd: line.dpd,
            grid: line.grid,
            as_of_date: line.as_of_date,
        }
    }
}

impl From<Freshness> for FreshnessView {
    fn from(freshness: Freshness) -> FreshnessView {
        FreshnessView {
            newest_as_of: freshness.newest_as_of,
            oldest_as_of: freshness.oldest_as_of,
            stale_accounts: freshness.stale_accounts,
        }
    }
}

/// Ask for a profile
///
/// Tells what is known about one subject at a date: attributes with units and reasons for absence, accounts
/// with 24 months each, and how fresh it all is. Whether somebody is known is an answer, not an error: see
/// `hit_status`. The question is recorded before the answer leaves, and the person may see it.
///
/// With `explain=provenance` the answer also tells the records behind each attribute, down to batch, record number and byte
/// range, for clients with the scope `profiles:explain`; who sent them is not told.
#[utoipa::path(
    post, path = "/v1/profiles/query", tag = "profiles",
    params(ExplainQuery),
    request_body(content = ProfileQuery, example = json!(examples::question())),
    responses(
        (status = 200, description = "What is known, also when that is nothing", body = ProfileView),
        (status = 400, description = "`invalid-identifier`, `invalid-purpose`, `consent-missing` or `invalid-as-of`"),
        (status = 403, description = "`purpose-not-allowed`, `consent-required`, or `missing-scope` for an explanation"),
    )
)]
pub async fn query_profile(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Query(wish): Query<ExplainQuery>,
    Json(query): Json<ProfileQuery>,
) -> Result<axum::Json<ProfileView>, Problem> {
    if wish.explain.is_some() {
        auth::require_also(&principal, Scope::ProfilesExplain)?;
    }
    let now = app.clock.now();
    let allowed = allow(query, &principal, now)?;
    let question = allowed.into_question(QueryId(random::uuid_v7(now)), &principal, &app.keys);

    let (query_id, client_reference) = (question.query_id, question.client_reference.clone());
    let consent_ref = question.consent.reference.clone();
    if wish.explain.is_none() {
        let answer = app.lookups.ask(question).await?;
        return Ok(axum::Json(ProfileView::new(query_id, client_reference, consent_ref, answer)));
    }
    let (answer, behind) = explain::explain(&app, question).await?;
    let provenance = Some(ProvenanceView::new(&behind));
    let view = ProfileView::new(query_id, client_reference, consent_ref, answer);
    Ok(axum::Json(ProfileView { provenance, ..view }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Document, json};

    use super::*;
    use crate::access::ScopeSet;
    use crate::domain::profile::attributes;
    use crate::ids::ClientId;

    const NOW: &str = "2026-06-30T04:00:00Z";

    fn now() -> DateTime<Utc> {
        NOW.parse().unwrap()
    }

    fn risk_engine() -> Principal {
        Principal {
            client_id: ClientId(uuid::Uuid::nil()),
            client_name: "engine".into(),
            contributor_id: None,
            scopes: ScopeSet::from_iter([Scope::ProfilesQuery]),
            purposes: Arc::from(["CREDIT_APPLICATION".to_owned()]),
            contributor_suspended: false,
        }
    }

    /// A question that is allowed, about a synthetic passport.
    fn question() -> Document {
        json!({
            "subject": { "id_type": "PASSPORT", "id_number": "x 000-0000" },
            "purpose": "CREDIT_APPLICATION",
            "consent": {
                "reference": "consent-1",
                "obtained_at": "2026-06-30T03:59:00Z",
                "expires_at": "2026-07-30T00:00:00Z",
            },
            "client_reference": "checkout-1",
        })
    }

    /// The question with one member replaced, or taken out where the replacement is null.
    fn with(pointer: &str, value: Document) -> Document {
        let mut question = question();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = question.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Document::Null => drop(parent.remove(name)),
            value => drop(parent.insert(name.to_owned(), value)),
        }
        question
    }

    fn read(question: Document) -> ProfileQuery {
        serde_json::from_value(question).unwrap()
    }

    /// `ok`, or status family, code and text of the refusal.
    fn verdict(question: Document) -> String {
        match allow(read(question), &risk_engine(), now()) {
            Ok(_) => "ok".into(),
            Err(Error::BadRequest { code, public }) => format!("400 {code}: {public}"),
            Err(Error::Forbidden { code, public }) => format!("403 {code}: {public}"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_allowed_question_is_normalised_and_speaks_of_today() {
        let allowed = allow(read(question()), &risk_engine(), now()).unwrap();
        assert_eq!(allowed.subject.as_str(), "X0000000");
        assert_eq!(allowed.as_of.to_string(), "2026-06-30");
        assert_eq!(allowed.query.inquiry_type, InquiryType::Standard);
        // Four in the afternoon UTC is tomorrow in Malaysia.
        let late = "2026-06-30T16:00:00Z".parse().unwrap();
        assert_eq!(allow(read(question()), &risk_engine(), late).unwrap().as_of.to_string(), "2026-07-01");
    }

    #[test]
    fn policy_refuses_with_a_reason() {
        let consent = |member: &str, instant: &str| with(&format!("/consent/{member}"), json!(instant));
        for (question, expected) in [
            (with("/purpose", json!("MARKETING")), "400 invalid-purpose"),
            (with("/purpose", json!("COLLECTION")), "403 purpose-not-allowed: COLLECTION"),
            (with("/consent", Document::Null), "400 consent-missing"),
            (consent("expires_at", NOW), "403 consent-required: the consent has expired"),
            (consent("obtained_at", "2026-06-30T04:00:01Z"), "403 consent-required: consent.obtained_at"),
            (with("/as_of", json!("2026-07-01")), "400 invalid-as-of: as_of is in the future"),
            (with("/as_of", json!("2018-05-31")), "ok"),
        ] {
            let verdict = verdict(question);
            assert!(verdict.starts_with(expected), "{verdict} instead of {expected}");
        }
    }

    #[test]
    fn a_malformed_identifier_is_refused_and_never_repeated() {
        for number in ["X0", "Z9Z9Z9;DROP", "é1234567"] {
            let verdict = verdict(with("/subject/id_number", json!(number)));
            assert!(verdict.starts_with("400 invalid-identifier: subject.id_number: I007"), "{verdict}");
            assert!(!verdict.contains(number), "{verdict}");
        }
    }

    #[test]
    fn text_that_is_kept_carries_no_control_characters() {
        assert!(read(question()).validate().is_ok());
        for pointer in ["/client_reference", "/end_user", "/consent/reference"] {
            for text in ["a\u{0}b", "a\nb", ""] {
                assert!(read(with(pointer, json!(text))).validate().is_err(), "{pointer} {text:?}");
            }
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        let extra = with("/subject/full_name", json!("Somebody Synthetic"));
        assert!(serde_json::from_value::<ProfileQuery>(extra).is_err());
    }

    #[test]
    fn an_answer_names_versions_reasons_and_the_consent() {
        let answer = Answer { known_at: now(), profile: attributes(&[], &[], "2026-06-30".parse().unwrap()) };
        let view =
            ProfileView::new(QueryId(uuid::Uuid::nil()), "checkout-1".into(), "consent-1".into(), answer);
        let mut document = serde_json::to_value(&view).unwrap();
        let attributes = document.as_object_mut().unwrap().remove("attributes").unwrap();
        assert_eq!(
            attributes["worst_dpd_12m"],
            json!({ "value": null, "unit": "days", "null_reason": "NO_RECORD" })
        );
        assert_eq!(attributes["thin_file"], json!({ "value": true, "unit": "bool", "null_reason": null }));
        insta::assert_json_snapshot!(document, { ".rules_version" => "[rules]" }, @r#"
        {
          "accounts": [],
          "as_of": "2026-06-30",
          "attribute_set_version": "2026.11.1",
          "client_reference": "checkout-1",
          "consent_ref": "consent-1",
          "coverage": {
            "contributors_reporting": 0
          },
          "freshness": {
            "newest_as_of": null,
            "oldest_as_of": null,
            "stale_accounts": 0
          },
          "hit_status": "NO_HIT",
          "known_at": "2026-06-30T04:00:00Z",
          "profile_version": "1.0",
          "query_id": "00000000-0000-0000-0000-000000000000",
          "rules_version": "[rules]"
        }
        "#);
    }
}
