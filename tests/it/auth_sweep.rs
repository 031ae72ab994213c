//! Who may call what: walks every operation of the OpenAPI document.

use axum::body::Body;
use etrplus::access::Scope;
use etrplus::http::document_text;
use http::{Method, Request};
use serde_json::Value;

use crate::support::app::{Answer, Caller, TestApp, patient};

/// Operations that need no token. One more is a decision to be argued where the route is declared.
const PUBLIC: [&str; 13] = [
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /healthz",
    "GET /openapi.json",
    "GET /problems",
    "GET /readyz",
    "GET /v1/datasets/{dataset}/contracts",
    "GET /v1/datasets/{dataset}/contracts/{version}",
    "GET /v1/datasets/{dataset}/schema",
    "GET /v1/limits",
    "GET /v1/rules",
    "GET /v1/rules/{code}",
    "POST /oauth/token",
];

struct Operation {
    method: Method,
    /// As documented, with its placeholders.
    template: String,
    scope: Option<Scope>,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// A path that the route takes; nothing needs to be there for a guard to speak first.
    fn path(&self) -> String {
        self.template
            .replace("{code}", "X007")
            .replace("{dataset}", "account_snapshot")
            .replace("{batch_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{archive_query_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{measure}", "exposure")
            .replace("{recall_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{shadow_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{name}", "sweep_abandoned_uploads")
            .replace("{obligation_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{case_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{correction_id}", "00000000-0000-4000-8000-000000000000")
            .replace("{slug}", "sender")
    }
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&document_text()).unwrap();
    let mut operations = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"]
                .as_array()
                .unwrap_or_else(|| panic!("{method} {template} declares nothing"));
            let scope = security
                .first()
                .map(|requirement| requirement["oauth2"][0].as_str().unwrap().parse().unwrap());
            assert!(
                operation["operationId"].is_string() && operation["tags"][0].is_string(),
                "{method} {template}"
            );
            assert!(
                operation["responses"]["default"].is_object(),
                "{method} {template} may fail without a problem"
            );
            let method = method.to_uppercase().parse().unwrap();
            operations.push(Operation { method, template: template.clone(), scope });
        }
    }
    operations
}

async fn call(eyes: &TestApp, operation: &Operation, authorization: Option<&str>) -> Answer {
    let mut request = Request::builder().method(operation.method.clone()).uri(operation.path());
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    eyes.anybody(request.body(Body::empty()).unwrap()).await
}

#[test]
fn the_public_operations_are_these_and_no_others() {
    let mut public: Vec<String> =
        operations().iter().filter(|operation| operation.scope.is_none()).map(Operation::name).collect();
    public.sort_unstable();
    assert_eq!(public, PUBLIC);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_operation_needs_a_token_with_its_scope() {
    let eyes = TestApp::start().await;
    let contributor = eyes.contributor("sender", patient()).await;
    let client =
        eyes.client("all-scopes", contributor.contributor_id, &Scope::ALL, &["CREDIT_APPLICATION"]).await;
    let forged = format!("Bearer {}x", client.token);
    let lied_about = format!("Bearer {}", unsigned(&client.token));
    for operation in operations() {
        let name = operation.name();
        let Some(scope) = operation.scope else {
            let status = call(&eyes, &operation, None).await.status;
            // The token endpoint refuses a request without a client; that is its business, not a guard's.
            assert!(status != 401 || operation.template == "/oauth/token", "{name}");
            assert_ne!(status, 403, "{name}");
            continue;
        };
        for authorization in
            [None, Some("Bearer wrong"), Some("Basic dXNlcjpwYXNz"), Some(forged.as_str()), Some(&lied_about)]
        {
            let refused = call(&eyes, &operation, authorization).await;
            assert_eq!(refused.status, 401, "{name} with {authorization:?}");
            assert_eq!(refused.json()["code"], "unauthenticated", "{name}");
            assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer "), "{name}");
        }
        // The client has every scope; a token that it asked for without this one does not open the route.
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let refused = call(&eyes, &operation, Some(&bearer(&eyes, &client, &others).await)).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (403, &"missing-scope".into()),
            "{name}"
        );
        assert!(refused.header("www-authenticate").unwrap().contains(scope.as_str()), "{name}");

        let welcome = call(&eyes, &operation, Some(&bearer(&eyes, &client, &[scope]).await)).await;
        assert!(![401, 403, 405].contains(&welcome.status.as_u16()), "{name}: {}", welcome.text());
    }
}

/// The token with its signature taken off and its header saying that none is needed.
fn unsigned(token: &str) -> String {
    use base64::Engine as _;
    let header = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    format!("{header}.{}.", token.split('.').nth(1).unwrap())
}

async fn bearer(eyes: &TestApp, client: &Caller, scopes: &[Scope]) -> String {
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let mut client = client.clone();
    client.renew_token_for(&words.join("+")).await;
    // A token is good anywhere; it is the same app.
    assert!(!client.token.is_empty() && eyes.app.issuer.verify(&client.token).is_ok());
    format!("Bearer {}", client.token)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_is_what_is_served() {
    let eyes = TestApp::start().await;
    let operations = operations();
    for operation in &operations {
        // No route takes TRACE, so the answer lists what this path takes.
        let request =
            Request::builder().method(Method::TRACE).uri(operation.path()).body(Body::empty()).unwrap();
        let refused = eyes.anybody(request).await.expect(405);
        let mut allowed: Vec<&str> = refused.header("allow").unwrap().split(',').map(str::trim).collect();
        allowed.retain(|method| *method != "HEAD");
        allowed.sort_unstable();
        let mut documented: Vec<&str> = operations
            .iter()
            .filter(|other| other.template == operation.template)
            .map(|other| other.method.as_str())
            .collect();
        documented.sort_unstable();
        assert_eq!(allowed, documented, "{}", operation.template);
    }
}

/// Operations are added by `routes!`, which documents and serves at once. The other ways to add a route are few,
/// and none of them reaches under `/v1`.
#[test]
fn nothing_under_v1_is_served_without_being_documented() {
    let routes = include_str!("../../src/http/mod.rs");
    let pages: Vec<&str> = routes.lines().filter_map(|line| line.trim().strip_prefix(".page(\"")).collect();
    assert!(!pages.is_empty() && pages.iter().all(|page| page.starts_with("/docs")), "{pages:?}");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut adding = Vec::new();
    for file in crate::tidy::rust_files(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if code.contains(".route(") || code.contains(".nest(") || code.contains(".merge(") {
            adding.push(file.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    // routes.rs adds the pages above; metrics.rs serves another listener.
    assert_eq!(adding, ["metrics.rs", "routes.rs"]);
}
