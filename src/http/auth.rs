//! From the `Authorization` header to a [`Principal`]: the header is read here, `access/` decides.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::problem::{Problem, ProblemKind};
use crate::access::{Principal, Scope};
use crate::app::AppState;
use crate::error::Error;

/// The caller of a scoped route. Present only where the router declared a scope and the token carries it.
#[derive(Clone, Debug)]
pub struct Authorized(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Authorized>().cloned().ok_or_else(|| {
            let route = parts.uri.path();
            Problem::from(Error::Internal(format!("{route} asks for a principal and is declared public")))
        })
    }
}

/// Lets a request pass whose token carries the scope, and puts its [`Authorized`] into the extensions.
pub async fn require_scope(
    State((app, scope)): State<(AppState, Scope)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = bearer_token(request.headers())?;
    let claims = app.issuer.verify(token).map_err(refused)?;
    let principal = app.issuer.principal_for(&claims).await.map_err(refused)?;
    tracing::Span::current().record("client_id", tracing::field::display(principal.client_id));
    principal.require(scope).map_err(|error| lacking(scope, error))?;
    request.extensions_mut().insert(Authorized(principal));
    Ok(next.run(request).await)
}

/// Refuses unless the caller also has a scope that a part of a route asks for.
pub fn require_also(principal: &Principal, scope: Scope) -> Result<(), Problem> {
    principal.require(scope).map_err(|error| lacking(scope, error))
}

/// The one bearer token of a request (RFC 6750 section 2.1; the other ways of that standard are not offered).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Problem::new(ProblemKind::Unauthenticated)) };
    if values.next().is_some() {
        return Err(Problem::new(ProblemKind::BadRequest).detail("Send one Authorization header."));
    }
    let credentials = value.to_str().ok().and_then(|text| text.split_once(' '));
    let token = credentials
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    token.filter(|token| !token.is_empty()).ok_or_else(|| Problem::new(ProblemKind::Unauthenticated))
}

/// A token that does not hold names `invalid_token`; an outage stays an outage.
fn refused(error: Error) -> Problem {
    let problem = Problem::from(error);
    if problem.kind() == ProblemKind::Unauthenticated {
        let challenge = HeaderValue::from_static("Bearer realm=\"etrplus\", error=\"invalid_token\"");
        return problem.header(WWW_AUTHENTICATE, challenge);
    }
    problem
}

/// RFC 6750 section 3.1: the scope that would have been enough is named.
fn lacking(scope: Scope, error: Error) -> Problem {
    let problem = Problem::from(error);
    if problem.kind() != ProblemKind::MissingScope {
        return problem;
    }
    let challenge = format!("Bearer realm=\"etrplus\", error=\"insufficient_scope\", scope=\"{scope}\"");
    match HeaderValue::from_str(&challenge) {
        Ok(challenge) => problem.header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_read_and_nothing_else_passes() {
        let read = |values: &[&'static str]| {
            let headers =
                values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect();
            bearer_token(&headers).map(str::to_owned).map_err(|problem| problem.kind())
        };
        assert_eq!(read(&["Bearer abc"]), Ok("abc".into()));
        assert_eq!(read(&["bearer abc"]), Ok("abc".into()));
        for refused in [&[][..], &["abc"], &["Bearer "], &["Basic abc"], &["Bearerabc"]] {
            assert_eq!(read(refused), Err(ProblemKind::Unauthenticated), "{refused:?}");
        }
        assert_eq!(read(&["Bearer a", "Bearer b"]), Err(ProblemKind::BadRequest));
    }
}
