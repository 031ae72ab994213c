//! The OpenAPI document: the checked-in one is the one of the handlers, and its examples are true.
//!
//! Every operation has an example. Here each one is sent to a real app, and the answer compared with the status
//! and the shape that the document promises.

use std::collections::BTreeMap;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use etrplus::access::Scope;
use etrplus::domain::contract::version::Definition;
use etrplus::domain::contract::{Dataset, spec};
use etrplus::http::document_text;
use etrplus::ids::ContributorId;
use etrplus::jobs::schedule;
use etrplus::pipeline::notices;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::app::{Answer, Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};
use crate::support::shape::Shape;
use crate::{aggregates, archive};

#[test]
fn the_checked_in_document_is_the_one_that_the_handlers_make() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    assert!(checked_in == document_text(), "run `cargo run -- openapi > openapi/openapi.json`");
}

fn document() -> Value {
    serde_json::from_str(&document_text()).unwrap()
}

/// One request that the document shows, and what it promises as the answer.
struct Example {
    operation_id: String,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<(String, Value)>,
    /// Answers that are promised: media types with their schemas and examples, by status.
    promised: BTreeMap<String, Value>,
    scope: Option<Scope>,
}

/// Every example of a request: one for each body that an operation shows, or one without a body.
fn examples(document: &Value) -> Vec<Example> {
    let mut examples = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let bodies: Vec<Option<(String, Value)>> = match operation["requestBody"]["content"].as_object() {
                None => vec![None],
                Some(content) => content
                    .iter()
                    .map(|(media_type, body)| Some((media_type.clone(), body["example"].clone())))
                    .collect(),
            };
            examples.extend(bodies.into_iter().map(|body| example(template, method, operation, body)));
        }
    }
    examples
}

fn example(template: &str, method: &str, operation: &Value, body: Option<(String, Value)>) -> Example {
    let mut path = template.to_owned();
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
        let Some(value) = parameter["example"].as_str() else {
            assert_ne!(
                parameter["required"], true,
                "{method} {template}: {name} is required and has no example"
            );
            continue;
        };
        match place {
            "path" => path = path.replace(&format!("{{{name}}}"), value),
            "query" => query.push(format!("{name}={value}")),
            _ => headers.push((name.to_owned(), value.to_owned())),
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let security = operation["security"].as_array().unwrap();
    Example {
        operation_id: operation["operationId"].as_str().unwrap().to_owned(),
        method: method.to_uppercase().parse().unwrap(),
        path,
        headers,
        body,
        promised: serde_json::from_value(operation["responses"].clone()).unwrap(),
        scope: security
            .first()
            .map(|requirement| requirement["oauth2"][0].as_str().unwrap().parse().unwrap()),
    }
}

impl Example {
    /// Whether the operation shows anything: a body to send or an answer to expect.
    fn shows_something(&self) -> bool {
        let shown = |answer: &Value| {
            answer["content"]
                .as_object()
                .is_some_and(|content| content.values().any(|body| !body["example"].is_null()))
        };
        self.body.as_ref().is_some_and(|(_, body)| !body.is_null()) || self.promised.values().any(shown)
    }

    fn body_bytes(&self) -> Vec<u8> {
        match &self.body {
            None => Vec::new(),
            Some((media_type, Value::Object(members)))
                if media_type == "application/x-www-form-urlencoded" =>
            {
                let pairs: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap().replace(' ', "+")))
                    .collect();
                pairs.join("&").into_bytes()
            }
            Some((_, Value::String(text))) => text.clone().into_bytes(),
            Some((_, value)) => value.to_string().into_bytes(),
        }
    }

    /// The status that the example leads to: the success that comes first in the document.
    fn promised_status(&self) -> u16 {
        // A submission answers at once, unless the caller waits.
        if ["create_batch", "replay_rejects"].contains(&self.operation_id.as_str()) {
            return 202;
        }
        // A first request makes something; a second one finds it.
        if ["request_recall", "create_correction", "request_rekey"].contains(&self.operation_id.as_str()) {
            return 201;
        }
        self.promised
            .keys()
            .filter_map(|status| status.parse().ok())
            .find(|status| (200..300).contains(status))
            .unwrap()
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut places = vec![&document];
    let mut references = 0;
    while let Some(place) = places.pop() {
        if let Some(reference) = place.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            references += 1;
        }
        places.extend(place.as_object().into_iter().flat_map(|members| members.values()));
        places.extend(place.as_array().into_iter().flatten());
    }
    assert!(references > 10, "{references} references were found");
}

#[test]
fn every_operation_shows_an_example_and_every_example_has_its_shape() {
    let document = document();
    for example in examples(&document) {
        let name = &example.operation_id;
        assert!(example.shows_something(), "{name} has no example");
        for (status, answer) in &example.promised {
            for (media_type, body) in answer["content"].as_object().into_iter().flatten() {
                if !body["example"].is_null() {
                    let faults =
                        Shape { document: &document, schema: &body["schema"] }.faults(&body["example"], "");
                    assert!(faults.is_empty(), "{name}, {status} {media_type}: {faults:#?}");
                }
            }
        }
        let Some((media_type, body)) = &example.body else { continue };
        assert!(!body.is_null(), "{name} shows no body of {media_type}");
        let schema = &find_operation(&document, name)["requestBody"]["content"][media_type]["schema"];
        let faults = Shape { document: &document, schema }.faults(body, "");
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
}

fn find_operation<'a>(document: &'a Value, operation_id: &str) -> &'a Value {
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    operations.into_iter().find(|operation| operation["operationId"] == operation_id).unwrap()
}

/// What the examples speak of: batches in the states that the operations want.
struct Stage {
    eyes: TestApp,
    caller: Caller,
    published: String,
    held: String,
    obligation: String,
    review: String,
    notice: String,
    corrections: BTreeMap<&'static str, String>,
    /// What archive queries are about or which one it is, by operation.
    archive: BTreeMap<&'static str, String>,
    overrides: BTreeMap<&'static str, String>,
    constants: BTreeMap<&'static str, String>,
}

/// Corrections that wait for an operator, by the operation that decides on them.
async fn corrections(eyes: &TestApp, contributor: Option<ContributorId>) -> BTreeMap<&'static str, String> {
    let sender = eyes.client("corrector", contributor, &[Scope::BatchesWrite, Scope::BatchesRead], &[]).await;
    let mut waiting = BTreeMap::new();
    for (n, operation) in [(301, "approve_correction"), (302, "refuse_correction")] {
        eyes.judged(&sender, &Submission::ndjson(ndjson(&[account(n)]))).await;
        let request = json!({
            "account_ref": format!("ACC-{n:06}"), "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
            "delete": true, "reason": "DUPLICATE",
        });
        let asked = sender.post_json("/v1/corrections", &request).await.expect(201).json();
        waiting.insert(operation, asked["correction_id"].as_str().unwrap().to_owned());
    }
    waiting
}

/// A case about a name that contradicts the one that its identifier is known by.
async fn review(eyes: &TestApp, caller: &Caller) -> String {
    let named = |n: u32, name: &str| account_with(n, &json!({"id_number": nric(8), "full_name": name}));
    eyes.judged(caller, &Submission::ndjson(ndjson(&[named(201, "AHMAD BIN ALI")]))).await;
    let held = eyes.judged(caller, &Submission::ndjson(ndjson(&[named(202, "LIM WEE CHONG")]))).await;
    let explanation = json!({"explanation": "The name is right as it is."});
    caller.post_json(&format!("/v1/batches/{}/confirm", held.id()), &explanation).await.expect(200);
    eyes.run_jobs().await;
    let cases = caller.get("/v1/operations/identity-reviews").await.expect(200).json();
    cases["items"][0]["case_id"].as_str().unwrap().to_owned()
}

/// A notice to the caller that what it was told is corrected.
async fn notice(eyes: &TestApp, caller: &Caller) -> String {
    eyes.judged(caller, &Submission::ndjson(ndjson(&[account(303)]))).await;
    caller.ask(&nric(303), "2026-11-24").await.expect(200);
    let request = json!({
        "account_ref": "ACC-000303", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": {"outstanding": 50_000}, "reason": "DATA_ERROR",
    });
    caller.post_json("/v1/corrections", &request).await.expect(201);
    notices::send(&eyes.app).await.unwrap();
    eyes.advance(TimeDelta::seconds(61));
    notices::send(&eyes.app).await.unwrap();
    let page = caller.get("/v1/notices").await.expect(200).json();
    page["items"][0]["notice_id"].as_str().unwrap().to_owned()
}

impl Stage {
    async fn set() -> Stage {
        let eyes = TestApp::start().await;
        let contributor = eyes.contributor("documented", patient()).await;
        let caller =
            eyes.client("all-scopes", contributor.contributor_id, &Scope::ALL, &["CREDIT_APPLICATION"]).await;
        let listed = json!({
            "account_ref": "PLAN-000009", "outstanding": 45_000, "overdue": 45_000, "dpd": 90,
            "listing_requested": true, "evidence_ref": "contracts/PLAN-000009",
        });
        let records = [account(1), account_with(2, &json!({"dpd": 40})), account_with(9, &listed)];
        let published = eyes.judged(&caller, &Submission::ndjson(ndjson(&records))).await.id().to_owned();
        let one_person: Vec<Value> =
            (101..=151).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
        let held = eyes.judged(&caller, &Submission::ndjson(ndjson(&one_person))).await;
        assert_eq!(held.state(), "on_hold");
        let held = held.id().to_owned();
        // A worker has run everything once.
        schedule::run_due(&eyes.app).await.unwrap();
        let owed = caller.get("/v1/obligations").await.expect(200).json();
        let obligation = owed["items"][0]["id"].as_str().unwrap().to_owned();
        let (overrides, constants) = agreements(&eyes).await;
        contract_versions(&eyes).await;
        let review = review(&eyes, &caller).await;
        let corrections = corrections(&eyes, contributor.contributor_id).await;
        let (notice, archive) = (notice(&eyes, &caller).await, archive::shown(&eyes, &caller).await);
        aggregates::shown(&eyes, &caller).await;
        Stage {
            eyes,
            caller,
            published,
            held,
            obligation,
            review,
            notice,
            corrections,
            archive,
            overrides,
            constants,
        }
    }

    /// What an operation is shown with: its path with things that are there.
    async fn path_of(&self, example: &Example) -> String {
        let operation = example.operation_id.as_str();
        let batch = self.batch_for(operation).await;
        let mut path = example.path.replace("01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b5e", &batch);
        path = path.replace("5d2f6c1e-3b0a-4e57-9c8d-7a1b2c3d4e5f", &self.obligation);
        path = path.replace("3c9a1f40-6d2b-4f1e-8a57-0b9c8d7e6f5a", &self.review);
        path = path.replace("01936f80-4b1c-7a52-8d3e-6f7a8b9c0d1e", &self.notice);
        if let Some(id) = self.corrections.get(operation) {
            path = path.replace("01936f70-9a4e-7d21-b5c8-1e2f3a4b5c6d", id);
        }
        if let Some(id) = self.archive.get(operation) {
            path = path.replace("01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b71", id);
        }
        path = path.replace("/contributors/acme/", "/contributors/documented/");
        if let Some(id) = self.overrides.get(operation) {
            path = path.replace("5b0f9a52-4f7e-4c44-9d0a-6a2f6a0c1e01", id);
        }
        if let Some(id) = self.constants.get(operation) {
            path = path.replace("5b0f9a52-4f7e-4c44-9d0a-6a2f6a0c1e02", id);
        }
        if operation.ends_with("_recall") {
            self.eyes.run_jobs().await;
            if path.contains("/recalls/") {
                path = path.replace("01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b60", &self.recall_of(&batch).await);
            }
        }
        if path.contains("/shadows/") {
            path = path.replace("01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b61", &self.shadow_of(&batch).await);
        }
        path
    }

    /// The batch that an operation is shown with.
    async fn batch_for(&self, operation_id: &str) -> String {
        match operation_id {
            "cancel_batch" => self.caller.submit(&Submission::ndjson(ndjson(&[account(4)]))).await,
            "confirm_batch" => self.held.clone(),
            "replay_batch" => self.failed_batch().await,
            "request_recall" | "approve_recall" | "refuse_recall" => {
                self.caller
                    .submit(&Submission::ndjson(ndjson(&[account(5)])).with("allow_duplicate=true"))
                    .await
            }
            _ => self.published.clone(),
        }
    }

    /// A batch that every attempt has failed at.
    async fn failed_batch(&self) -> String {
        let id = self.caller.submit(&Submission::ndjson(ndjson(&[account(6)]))).await;
        self.eyes.bury(&id, "the stored object is missing").await;
        id
    }

    /// Another operator asks for the recall of a batch.
    async fn recall_of(&self, batch: &str) -> String {
        let other = self.eyes.client(&format!("operator-{batch}"), None, &[Scope::Admin], &[]).await;
        let path = format!("/v1/operations/batches/{batch}/recalls");
        let asked = other.post_json(&path, &json!({"reason": "a mistake"})).await.expect(201).json();
        asked["recall_id"].as_str().unwrap().to_owned()
    }

    /// A shadow of a batch that another operator asked for.
    async fn shadow_of(&self, batch: &str) -> String {
        let other = self.eyes.operator(&format!("shadows-{}", uuid::Uuid::now_v7())).await;
        let path = format!("/v1/operations/batches/{batch}/shadows");
        let asked = other.post(&path).await.expect(202).json();
        self.eyes.run_jobs().await;
        asked["shadow_id"].as_str().unwrap().to_owned()
    }

    async fn send(&self, example: &Example) -> Answer {
        let path = self.path_of(example).await;
        let mut request = Request::builder().method(example.method.clone()).uri(path);
        for (name, value) in &example.headers {
            // A key is for one submission: each of the shown bodies is another.
            let own = example
                .body
                .as_ref()
                .filter(|_| name == "Idempotency-Key")
                .map(|(media_type, _)| media_type.as_str());
            request = request.header(name, format!("{value}{}", own.unwrap_or_default()));
        }
        if let Some((media_type, _)) = &example.body {
            request = request.header("content-type", media_type);
        }
        let Caller { client_id, client_secret, token, .. } = &self.caller;
        let basic = BASE64_STANDARD.encode(format!("{client_id}:{client_secret}"));
        match (example.scope, example.operation_id.as_str()) {
            (Some(_), _) => request = request.header("authorization", format!("Bearer {token}")),
            (None, "issue_token") => request = request.header("authorization", format!("Basic {basic}")),
            (None, _) => {}
        }
        let body = String::from_utf8(example.body_bytes()).unwrap();
        let body =
            body.replace("01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b62", &self.archive["create_archive_query"]);
        self.eyes.anybody(request.body(Body::from(body)).unwrap()).await
    }
}

/// Overrides and constants that another operator asked for: one to agree to, one to end.
async fn agreements(eyes: &TestApp) -> (BTreeMap<&'static str, String>, BTreeMap<&'static str, String>) {
    let operator = eyes.operator("another-operator").await;
    let (mut overrides, mut constants) = (BTreeMap::new(), BTreeMap::new());
    for (operation, code) in [("approve_override", "X005"), ("revoke_override", "X006")] {
        let request = json!({"code": code, "effect": "warn", "reason": "shown by the document", "expires_on": "2026-12-31"});
        let path = "/v1/operations/contributors/documented/overrides";
        let asked = operator.post_json(path, &request).await.expect(201).json();
        overrides.insert(operation, asked["id"].as_str().unwrap().to_owned());
    }
    for (operation, field) in [("approve_constant", "overdue"), ("revoke_constant", "outstanding")] {
        let request = json!({"dataset": "account_snapshot", "field": field, "value": "0", "reason": "shown by the document"});
        let path = "/v1/operations/contributors/documented/constants";
        let asked = operator.post_json(path, &request).await.expect(201).json();
        constants.insert(operation, asked["id"].as_str().unwrap().to_owned());
    }
    (overrides, constants)
}

/// A draft of one dataset's contract, and three versions of another: deprecated, published, published.
async fn contract_versions(eyes: &TestApp) {
    let operator = eyes.operator("contract-operator").await;
    let whole = |dataset| json!({"definition": Definition::of(spec::contract(dataset))});
    let post = async |path: &str, body: &Value, status| {
        operator.post_json(&format!("/v1/operations/contracts/{path}"), body).await.expect(status);
    };
    post("repayment_event", &whole(Dataset::RepaymentEvent), 201).await;
    for version in ["2", "3"] {
        post("application", &whole(Dataset::Application), 201).await;
        operator.post(&format!("/v1/operations/contracts/application/{version}/publish")).await.expect(200);
    }
    post("application/1/deprecate", &json!({"sunset_on": "2027-01-31"}), 200).await;
}

/// Compares an answer with what the document promises for its status.
fn assert_as_promised(document: &Value, example: &Example, answer: &Answer) {
    let name = &example.operation_id;
    assert_eq!(answer.status.as_u16(), example.promised_status(), "{name}: {}", answer.text());
    let content = &example.promised[&answer.status.as_u16().to_string()]["content"];
    let media_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let promised = &content[media_type];
    assert!(promised.is_object(), "{name} answers with {media_type}, which is not documented: {content}");
    let shape = Shape { document, schema: &promised["schema"] };
    let values: Vec<Value> = match media_type {
        "application/x-ndjson" => {
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
        "text/html" | "text/csv" => vec![json!(answer.text())],
        _ => vec![answer.json()],
    };
    assert!(!values.is_empty(), "{name}: an empty answer proves nothing");
    for value in &values {
        let faults = shape.faults(value, "");
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        // What an example shows, an answer has.
        for (member, _) in promised["example"].as_object().into_iter().flatten() {
            let optional = ["next_cursor"].contains(&member.as_str());
            assert!(optional || value.get(member).is_some(), "{name}: {member} is shown and not there");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_leads_to_what_the_document_promises() {
    let document = document();
    let stage = Stage::set().await;
    let mut seen = 0;
    for example in examples(&document) {
        let answer = stage.send(&example).await;
        assert_as_promised(&document, &example, &answer);
        seen += 1;
        if example.operation_id == "create_batch" {
            // The example files are good ones: every record is accepted, without a warning that we could avoid.
            stage.eyes.run_jobs().await;
            let id = answer.json()["batch"]["id"].as_str().unwrap().to_owned();
            let report = stage.caller.report(&id).await;
            assert_eq!(report["batch"]["counts"]["accepted"], 1, "{report:#}");
            assert_eq!(report["batch"]["counts"]["rejected"], 0, "{report:#}");
        }
    }
    assert!(seen > 20, "{seen}");
    // The person of the examples has the two accounts of the example files.
    let question =
        examples(&document).into_iter().find(|example| example.operation_id == "query_profile").unwrap();
    let profile = stage.send(&question).await.expect(200).json();
    assert_eq!(profile["accounts"].as_array().unwrap().len(), 2, "{profile:#}");
    assert_eq!(profile["attributes"]["total_outstanding"]["value"], 35_000, "{profile:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_the_documented_shape_of_a_problem() {
    let document = document();
    let stage = Stage::set().await;
    let problem = &document["components"]["schemas"]["Problem"];
    let shape = Shape { document: &document, schema: problem };
    for example in examples(&document).iter().filter(|example| example.scope.is_some()) {
        let request =
            Request::builder().method(example.method.clone()).uri(&example.path).body(Body::empty()).unwrap();
        let refused = stage.eyes.anybody(request).await.expect(401);
        let faults = shape.faults(&refused.json(), "");
        assert!(faults.is_empty(), "{}: {faults:#?}", example.operation_id);
    }
    let wrong = stage.caller.post_json("/v1/profiles/query", &json!({"purpose": 1})).await.expect(422);
    let faults = shape.faults(&wrong.json(), "");
    assert!(faults.is_empty() && !wrong.json()["errors"].as_array().unwrap().is_empty(), "{faults:#?}");
}

#[test]
fn a_value_of_another_shape_is_noticed() {
    let document = json!({"components": {"schemas": {"Word": {"type": "string", "enum": ["a", "b"]}}}});
    let schema = json!({
        "type": "object",
        "required": ["word"],
        "properties": {
            "word": {"$ref": "#/components/schemas/Word"},
            "count": {"type": ["integer", "null"]},
            "list": {"type": "array", "items": {"oneOf": [{"type": "null"}, {"type": "boolean"}]}},
        },
    });
    let faults = |value: Value| Shape { document: &document, schema: &schema }.faults(&value, "").len();
    assert_eq!(faults(json!({"word": "a", "count": null, "list": [true, null]})), 0);
    for wrong in [
        json!({}),
        json!({"word": "c"}),
        json!({"word": "a", "count": "1"}),
        json!({"word": "a", "more": 1}),
        json!([]),
    ] {
        assert_eq!(faults(wrong.clone()), 1, "{wrong}");
    }
    assert_ne!(faults(json!({"word": "a", "list": [1]})), 0);
}
