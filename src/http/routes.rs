//! Deny by default: a route can only be added together with who may call it.
//!
//! [`Routes`] has no way to add a handler without an [`Access`], so a route that forgets to declare one does
//! not compile. The same declaration guards the route and is written into the OpenAPI document.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::auth;
use super::layers::time_limit;
use super::problem::PROBLEM_JSON;
use crate::access::Scope;
use crate::app::AppState;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a token. Each of these is public for a reason that the router tells.
    Public,
    /// A client whose token carries the scope.
    Scoped(Scope),
}

/// How long a request to a route may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeLimit {
    /// `ETR_REQUEST_SECONDS`.
    Standard,
    /// None of its own: the body's pace is guarded instead, and each step after it has a limit.
    Streaming,
}

struct Entry {
    access: Access,
    time_limit: TimeLimit,
    route: UtoipaMethodRouter<AppState>,
}

/// The routes of the API, each with its access.
#[derive(Default)]
pub struct Routes {
    entries: Vec<Entry>,
    pages: Vec<(&'static str, MethodRouter<AppState>)>,
}

impl Routes {
    pub fn new() -> Routes {
        Routes::default()
    }

    /// Adds a route that anybody may call.
    pub fn public(self, route: UtoipaMethodRouter<AppState>) -> Routes {
        self.with(Access::Public, TimeLimit::Standard, route)
    }

    /// Adds a route for clients with a scope.
    pub fn scoped(self, scope: Scope, route: UtoipaMethodRouter<AppState>) -> Routes {
        self.with(Access::Scoped(scope), TimeLimit::Standard, route)
    }

    /// Adds a route for clients with a scope whose body is streamed and may take as long as it keeps pace, or
    /// that honours `Prefer: wait`.
    pub fn scoped_streaming(self, scope: Scope, route: UtoipaMethodRouter<AppState>) -> Routes {
        self.with(Access::Scoped(scope), TimeLimit::Streaming, route)
    }

    /// Adds a page for people, which is public and no operation of the API.
    pub fn page(mut self, path: &'static str, page: MethodRouter<AppState>) -> Routes {
        self.pages.push((path, page));
        self
    }

    fn with(mut self, access: Access, time_limit: TimeLimit, route: UtoipaMethodRouter<AppState>) -> Routes {
        self.entries.push(Entry { access, time_limit, route });
        self
    }

    /// Writes every route into the document, with its security requirement and the problems it may answer.
    pub fn document(self, openapi: OpenApi) -> OpenApi {
        let router = self.entries.into_iter().fold(OpenApiRouter::with_openapi(openapi), |router, entry| {
            router.routes(described(entry.access, entry.route))
        });
        router.into_openapi()
    }

    /// The routes as a service, each behind its guard.
    pub fn into_router(self, app: &AppState) -> Router<AppState> {
        let guarded = self.entries.into_iter().map(|entry| guarded(app, entry));
        let api: Router<AppState> = guarded.fold(OpenApiRouter::default(), OpenApiRouter::routes).into();
        self.pages.into_iter().fold(api, |router, (path, page)| router.route(path, page))
    }
}

/// Puts the guards around a route. `route_layer` leaves a 405 as it is: no token is needed to learn it.
fn guarded(app: &AppState, entry: Entry) -> UtoipaMethodRouter<AppState> {
    let Entry { access, time_limit: limit, route } = entry;
    let route = match access {
        Access::Public => route,
        Access::Scoped(scope) => route.map(|methods| {
            methods.route_layer(from_fn_with_state((app.clone(), scope), auth::require_scope))
        }),
    };
    match limit {
        TimeLimit::Streaming => route,
        TimeLimit::Standard => {
            let limit = app.config.limits.request_timeout;
            route.map(|methods| methods.route_layer(from_fn_with_state(limit, time_limit)))
        }
    }
}

fn described(access: Access, route: UtoipaMethodRouter<AppState>) -> UtoipaMethodRouter<AppState> {
    let (schemas, mut paths, methods) = route;
    for operation in paths.paths.values_mut().flat_map(operations) {
        problem_response(operation, "default", "Any other outcome, as a problem");
        if let Access::Scoped(scope) = access {
            operation.security = Some(vec![
                SecurityRequirement::new("oauth2", [scope.as_str()]),
                SecurityRequirement::new("bearer", [scope.as_str()]),
            ]);
            problem_response(operation, "401", "`unauthenticated`: no valid access token");
            problem_response(
                operation,
                "403",
                &format!("`missing-scope`: the token lacks `{}`", scope.as_str()),
            );
        } else {
            // An empty list says "no security" even if the document ever gets a global requirement.
            operation.security = Some(Vec::new());
        }
    }
    (schemas, paths, methods)
}

/// Adds a problem response where the handler's own description has none for that status.
fn problem_response(operation: &mut Operation, status: &str, description: &str) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build().into()
    });
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, query, .. } = item;
    [get, put, post, delete, options, head, patch, trace, query].into_iter().flatten()
}
