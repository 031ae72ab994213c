//! OAuth 2.0 for machines: the token endpoint, its metadata and our public keys.
//!
//! RFC 6749 (client credentials), RFC 7523 (`private_key_jwt`), RFC 8414 (metadata), RFC 7517 (JWKS).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::examples;
use super::extract::Form;
use super::problem::{Problem, ProblemKind};
use crate::access::Credential;
use crate::app::AppState;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a cache may keep our public keys; new keys are published ten minutes before they sign.
const JWKS_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A token request. Parameters that we do not know are ignored, and those without a value count as left out, as
/// RFC 6749 section 3.2 asks.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct TokenRequest {
    /// Always `client_credentials`.
    #[schema(example = "client_credentials")]
    #[serde(default, deserialize_with = "unless_empty")]
    grant_type: Option<String>,
    /// Scopes, separated by spaces; all of the client's when absent.
    #[schema(example = "batches:write batches:read")]
    #[serde(default, deserialize_with = "unless_empty")]
    scope: Option<String>,
    #[serde(default, deserialize_with = "unless_empty")]
    client_id: Option<String>,
    /// With an assertion: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    #[serde(default, deserialize_with = "unless_empty")]
    client_assertion_type: Option<String>,
    /// A JWT that the client signed with its own key (EdDSA or ES256).
    #[serde(default, deserialize_with = "unless_empty")]
    client_assertion: Option<String>,
    /// Not supported: a secret belongs into the Authorization header.
    #[schema(ignore)]
    #[serde(default, deserialize_with = "unless_empty")]
    client_secret: Option<Zeroizing<String>>,
}

fn unless_empty<'de, D: Deserializer<'de>, T: From<String>>(value: D) -> Result<Option<T>, D::Error> {
    let value = Option::<String>::deserialize(value)?;
    Ok(value.filter(|text| !text.is_empty()).map(T::from))
}

/// An access token.
#[derive(Serialize, utoipa::ToSchema)]
pub struct TokenResponse {
    /// Send as `Authorization: Bearer …`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 300)]
    expires_in: u32,
    #[schema(example = "batches:write batches:read")]
    scope: String,
}

/// Get an access token
///
/// Client credentials, authenticated by HTTP Basic or by an assertion signed with the client's key
/// (`private_key_jwt`). Errors are problems that also carry RFC 6749's `error` and `error_description`.
#[utoipa::path(
    post, path = "/oauth/token", tag = "access",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded", example = json!(examples::token_request())),
    responses(
        (status = 200, description = "A token", body = TokenResponse, example = json!(examples::token())),
        (status = 400, description = "`invalid-request`, `unsupported-grant-type` or `invalid-scope`", body = super::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`invalid-client`", body = super::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn issue_token(
    State(app): State<AppState>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Result<Response, Problem> {
    match request.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(Problem::new(ProblemKind::UnsupportedGrantType).detail("Use client_credentials."));
        }
        None => return Err(invalid("grant_type is required")),
    }
    let basic = basic_credentials(&headers)?;
    let credential = credential(&request, basic.as_ref())?;
    let client = app.issuer.authenticate(credential).await.map_err(not_this_client)?;
    let token = app.issuer.access_token(&client, request.scope.as_deref())?;
    tracing::Span::current().record("client_id", tracing::field::display(client.client_id));
    let answer = TokenResponse {
        access_token: token.token,
        token_type: "Bearer",
        expires_in: token.expires_in,
        scope: token.scope.to_string(),
    };
    // RFC 6749 section 5.1; `Cache-Control: no-store` is on every answer.
    Ok(([(header::PRAGMA, "no-cache")], Json(answer)).into_response())
}

type Basic = (String, Zeroizing<String>);

/// The one way in which a request authenticates; none or two of them are refused.
fn credential<'a>(request: &'a TokenRequest, basic: Option<&'a Basic>) -> Result<Credential<'a>, Problem> {
    if request.client_secret.is_some() {
        return Err(invalid("client_secret does not belong into the form: use HTTP Basic"));
    }
    match (basic, request.client_assertion.as_deref()) {
        (Some(_), Some(_)) => Err(invalid("use one way to authenticate, not two")),
        (Some((client_id, secret)), None) => {
            if request.client_id.as_ref().is_some_and(|id| id != client_id) {
                return Err(invalid("client_id differs from the one in the Authorization header"));
            }
            Ok(Credential::Basic { client_id, secret })
        }
        (None, Some(assertion)) => {
            if request.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
                return Err(invalid(
                    "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ));
            }
            Ok(Credential::Assertion { assertion, client_id: request.client_id.as_deref() })
        }
        (None, None) => Err(Problem::new(ProblemKind::InvalidClient)
            .detail("Authenticate with HTTP Basic or with client_assertion.")),
    }
}

/// Id and secret from the `Authorization` header. Both are made of characters that form-encoding (RFC 6749
/// section 2.3.1) leaves as they are.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<Basic>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let decoded = value.to_str().ok().filter(|_| values.next().is_none()).and_then(|text| {
        let (scheme, encoded) = text.split_once(' ')?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim()).ok()?);
        let (client_id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        scheme
            .eq_ignore_ascii_case("basic")
            .then(|| (client_id.to_owned(), Zeroizing::new(secret.to_owned())))
    });
    decoded.map(Some).ok_or_else(|| Problem::new(ProblemKind::InvalidClient))
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::InvalidRequest).detail(detail)
}

/// The token endpoint's word for what is elsewhere a missing token.
fn not_this_client(error: crate::error::Error) -> Problem {
    let problem = Problem::from(error);
    match problem.kind() {
        ProblemKind::Unauthenticated => problem.recast(ProblemKind::InvalidClient),
        _ => problem,
    }
}

/// Where and how to get a token (RFC 8414)
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "access", responses((status = 200, description = "Authorization server metadata", body = Object, example = json!(examples::metadata()))))]
pub async fn find_metadata(State(app): State<AppState>) -> Response {
    ([(header::CACHE_CONTROL, JWKS_CACHE)], Json::<Value>(app.issuer.metadata())).into_response()
}

/// The keys that verify access tokens and receipts (RFC 7517)
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "access", responses((status = 200, description = "JSON Web Key Set", body = Object, example = json!(examples::keys()))))]
pub async fn find_keys(State(app): State<AppState>) -> Response {
    ([(header::CACHE_CONTROL, JWKS_CACHE)], Json::<Value>(app.issuer.jwks())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(form: &str) -> TokenRequest {
        let uri = format!("/?{form}").parse().unwrap();
        axum::extract::Query::try_from_uri(&uri).unwrap().0
    }

    fn headers(text: &str) -> HeaderMap {
        [(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap())].into_iter().collect()
    }

    fn kind<T>(result: Result<T, Problem>) -> Option<ProblemKind> {
        result.err().map(|problem| problem.kind())
    }

    #[test]
    fn basic_credentials_are_read_or_refused_alike() {
        let good = headers(&format!("Basic {}", BASE64_STANDARD.encode("id:se:cret")));
        let (id, secret) = basic_credentials(&good).unwrap().unwrap();
        assert_eq!((id.as_str(), secret.as_str()), ("id", "se:cret"));
        assert!(basic_credentials(&HeaderMap::new()).unwrap().is_none());
        for text in
            ["Basic ???", "Basic", "Bearer abc", &format!("Basic {}", BASE64_STANDARD.encode("no-colon"))]
        {
            assert_eq!(kind(basic_credentials(&headers(text))), Some(ProblemKind::InvalidClient), "{text}");
        }
    }

    #[test]
    fn a_client_authenticates_in_exactly_one_way() {
        let basic = ("a".to_owned(), Zeroizing::new("s".to_owned()));
        let jwt = format!("client_assertion=x&client_assertion_type={ASSERTION_TYPE}");
        assert!(matches!(
            credential(&request("client_id=a"), Some(&basic)),
            Ok(Credential::Basic { client_id: "a", .. })
        ));
        assert!(matches!(
            credential(&request(&jwt), None),
            Ok(Credential::Assertion { assertion: "x", client_id: None })
        ));
        assert_eq!(kind(credential(&request(""), None)), Some(ProblemKind::InvalidClient));
        let empty = request("scope=&client_id=&client_assertion=&client_secret=");
        assert_eq!(empty.scope, None, "a parameter without a value is left out");
        assert!(matches!(credential(&empty, Some(&basic)), Ok(Credential::Basic { client_id: "a", .. })));
        for (form, basic) in [
            (jwt.as_str(), Some(&basic)),
            ("client_id=b", Some(&basic)),
            ("client_secret=s&client_id=a", None),
            ("client_assertion=x", None),
        ] {
            assert_eq!(kind(credential(&request(form), basic)), Some(ProblemKind::InvalidRequest), "{form}");
        }
    }
}
