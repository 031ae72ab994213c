//! Stands in front of the API while the process is still being wired: alive, and not ready.
//!
//! A server whose database is down when it starts must not crash in a loop; it listens, says so, and begins to
//! serve when it can.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::health;
use super::problem::{Problem, ProblemKind};

/// Closed until a router is given; every request goes through.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Router>>);

impl Gate {
    /// Lets requests through to the router from now on. A gate opens once.
    pub fn open(&self, router: Router) {
        if self.0.set(router).is_err() {
            tracing::error!("the API was wired twice; the second wiring is ignored");
        }
    }

    pub fn router(&self) -> Router {
        Router::new().fallback(pass).with_state(self.clone())
    }
}

async fn pass(State(gate): State<Gate>, request: Request) -> Response {
    match gate.0.get() {
        Some(router) => router.clone().oneshot(request).await.into_response(),
        None if request.uri().path() == "/healthz" => health::find_health().await.into_response(),
        None => Problem::new(ProblemKind::NotReady).detail("The server is starting.").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn a_closed_gate_is_alive_and_not_ready_and_an_open_one_is_the_api() {
        let gate = Gate::default();
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            gate.router().oneshot(request).await.unwrap().status()
        };
        assert_eq!(ask("/healthz").await, StatusCode::OK);
        assert_eq!(ask("/v1/limits").await, StatusCode::SERVICE_UNAVAILABLE);
        gate.open(Router::new().route("/v1/limits", get(|| async { "limits" })));
        assert_eq!(ask("/v1/limits").await, StatusCode::OK);
    }
}
