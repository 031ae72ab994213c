//! Contract versions: drafted, checked, published for good, deprecated with a date, retired when nobody is left.

use etrplus::domain::contract::version::Definition;
use etrplus::domain::contract::{Dataset, spec};
use serde_json::{Value, json};

use crate::support::app::{Answer, Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, csv, ndjson};

const SNAPSHOTS: &str = "/v1/operations/contracts/account_snapshot";

fn first() -> Value {
    json!(Definition::of(spec::contract(Dataset::AccountSnapshot)))
}

/// The first version with one field changed.
fn with(name: &str, member: &str, value: Value) -> Value {
    let mut definition = first();
    let fields = definition["fields"].as_array_mut().unwrap();
    fields.iter_mut().find(|field| field["name"] == name).unwrap()[member] = value;
    definition
}

fn without(name: &str) -> Value {
    let mut definition = first();
    definition["fields"].as_array_mut().unwrap().retain(|field| field["name"] != name);
    definition
}

async fn draft(operator: &Caller, definition: Value) -> Answer {
    operator.post_json(SNAPSHOTS, &json!({ "definition": definition })).await
}

async fn put(caller: &Caller, path: &str, body: &Value) -> Answer {
    let body = serde_json::to_vec(body).unwrap();
    caller.request(http::Method::PUT, path, &[("content-type", "application/json")], body).await
}

/// Publishes a version 2 that breaks version 1, for a stated reason.
async fn break_with(operator: &Caller, definition: Value) {
    let request = json!({
        "definition": definition, "compatibility": "none", "compatibility_reason": "agreed with every contributor",
    });
    operator.post_json(SNAPSHOTS, &request).await.expect(201);
    operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(200);
}

async fn send(sender: &Caller, n: u32, parameter: &str) -> Answer {
    sender.send(&Submission::ndjson(ndjson(&[account(n)])).with(parameter)).await
}

/// What the database says to a statement that it refuses.
async fn refused_by(pool: &sqlx::PgPool, statement: &'static str) -> String {
    sqlx::query(statement).execute(pool).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_versions_are_the_engines_own_dictionary() {
    let eyes = TestApp::start().await;
    for dataset in Dataset::ALL {
        let page = format!("/v1/datasets/{dataset}/contracts/1");
        let shown = eyes.anybody(get(&page)).await.expect(200).json();
        assert_eq!(shown["definition"], json!(Definition::of(spec::contract(*dataset))), "{dataset}");
        assert_eq!(shown["contract"]["state"], "published");
    }
    let list = eyes.anybody(get("/v1/datasets/account_snapshot/contracts")).await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    for missing in ["/v1/datasets/payslip/contracts", "/v1/datasets/account_snapshot/contracts/2"] {
        eyes.anybody(get(missing)).await.expect(404);
    }
}

fn get(path: &str) -> http::Request<axum::body::Body> {
    http::Request::get(path).body(axum::body::Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_changed_until_it_is_compatible_and_never_after() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operator = eyes.operator("one").await;
    let created = draft(&operator, without("phone")).await.expect(201).json();
    assert_eq!(
        (&created["contract"]["version"], &created["contract"]["state"]),
        (&json!(2), &json!("draft"))
    );
    // The same draft again is the draft; another one has to wait.
    assert_eq!(draft(&operator, without("phone")).await.expect(201).json(), created);
    draft(&operator, first()).await.expect(409);
    // Nobody sends with a draft, and nobody outside sees it.
    assert_eq!(send(&sender, 1, "schema_version=2").await.expect(422).json()["errors"][0]["code"], "F002");
    eyes.anybody(get("/v1/datasets/account_snapshot/contracts/2")).await.expect(404);

    let check = operator.get(&format!("{SNAPSHOTS}/2/compatibility")).await.expect(200).json();
    assert_eq!((&check["compatible"], &check["against"]), (&json!(false), &json!(1)));
    let refused = operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(409).json();
    assert_eq!(refused["code"], "incompatible-contract");
    assert_eq!(refused["errors"][0]["pointer"], "/definition/fields/phone");
    assert_eq!(refused["errors"][0]["detail"], "is no longer there");

    // A definition that lets go of what the store needs is refused whatever it promises.
    let change = |definition: Value| json!({ "definition": definition });
    let careless = json!({
        "definition": without("dpd"), "compatibility": "none", "compatibility_reason": "nobody needs arrears",
    });
    put(&operator, &format!("{SNAPSHOTS}/2"), &careless).await.expect(200);
    operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(409);

    let described = with("dpd", "description", json!("Days past due, counted in calendar days."));
    put(&operator, &format!("{SNAPSHOTS}/2"), &change(described.clone())).await.expect(200);
    let published = operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(200).json();
    assert_eq!(published["contract"]["state"], "published");
    assert_eq!(operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(200).json(), published);

    // Published: it never changes, in the API or underneath.
    put(&operator, &format!("{SNAPSHOTS}/2"), &change(first())).await.expect(409);
    for statement in [
        "UPDATE contracts SET definition = '{}' WHERE version = 2",
        "UPDATE contracts SET state = 'draft' WHERE version = 2",
        "DELETE FROM contracts WHERE version = 2",
    ] {
        assert!(refused_by(&eyes.database.pool, statement).await.contains("never changes"), "{statement}");
    }
    // Who does not say means the newest version now; the stamp on every record says which it was.
    send(&sender, 1, "allow_duplicate=true").await.expect(202);
    send(&sender, 2, "schema_version=1.0").await.expect(202);
    eyes.run_jobs().await;
    let stamps: Vec<(String, String, String)> = sqlx::query_as(
        "/* test.stamps */ SELECT account_ref, contract, rules_version FROM account_snapshots ORDER BY account_ref",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    let rules = etrplus::domain::rules::RULES_VERSION.to_owned();
    assert_eq!(
        stamps,
        [
            ("ACC-000001".into(), "account_snapshot/2".into(), rules.clone()),
            ("ACC-000002".into(), "account_snapshot/1".into(), rules)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_breaks_the_one_before_leaves_everybody_where_they_are() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operator = eyes.operator("one").await;
    let before = Submission::ndjson(ndjson(&[account(1)]));
    let first_answer = sender.send(&before).await.expect(202).json();
    let narrower = with("status", "words", json!(["ACTIVE", "SETTLED"]));
    let promise = json!({ "definition": narrower, "compatibility": "none" });
    operator.post_json(SNAPSHOTS, &promise).await.expect(422);
    break_with(&operator, narrower).await;

    // Whoever sent with version 1 without saying so goes on to; the newcomer means version 2.
    let newcomer = eyes.contributor("newcomer", patient()).await;
    let closed = |n| {
        let closed = json!({"status": "CLOSED", "closed_date": "2026-10-31"});
        Submission::ndjson(ndjson(&[account_with(n, &closed)]))
    };
    let old = eyes.judged(&sender, &closed(2)).await;
    assert_eq!(old.count("accepted"), 1, "{:#}", old.0);
    let new = eyes.judged(&newcomer, &closed(2)).await;
    assert_eq!(new.rules().get("V004"), Some(&1), "{:#}", new.0);
    let declared = eyes.judged(&sender, &closed(3).with("schema_version=2")).await;
    assert_eq!(declared.rules().get("V004"), Some(&1));

    // A retry of what was sent before is still the same submission.
    let replayed = sender.send(&before).await;
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(replayed.expect(202).json()["batch"]["id"], first_answer["batch"]["id"]);

    // Pinned to version 2, it means version 2, and the first submission is still the first.
    let pin = "/v1/operations/contributors/sender/contracts/account_snapshot";
    put(&operator, pin, &json!({"version": 2})).await.expect(200);
    assert_eq!(eyes.judged(&sender, &closed(4)).await.rules().get("V004"), Some(&1));
    assert_eq!(sender.send(&before).await.header("idempotency-replayed"), Some("true"));
    put(&operator, pin, &json!({"version": 3})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_narrows_what_a_file_may_hold() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operator = eyes.operator("one").await;
    let mut definition = without("postcode");
    for field in definition["fields"].as_array_mut().unwrap() {
        match field["name"].as_str().unwrap() {
            "phone" => field["need"] = json!("required"),
            "account_ref" => field["max_length"] = json!(10),
            _ => {}
        }
    }
    break_with(&operator, definition).await;
    let phoned = |n: u32, changes: Value| {
        let mut record = account_with(n, &changes);
        record["phone"] = json!("+60123456789");
        record
    };
    let judged = async |body: Submission| {
        let report = eyes.judged(&sender, &body.with("schema_version=2&allow_duplicate=true")).await;
        report.assert_conservation();
        let rules = report.0["rules"].as_array().unwrap().clone();
        let rejecting = rules.into_iter().filter(|rule| rule["severity"] == "R");
        rejecting.map(|rule| rule["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(judged(Submission::ndjson(ndjson(&[phoned(1, json!({}))]))).await, [""; 0]);
    assert_eq!(judged(Submission::ndjson(ndjson(&[account(2)]))).await, ["V001"]);
    assert_eq!(judged(Submission::csv(csv(&[account(3)]))).await, ["F006"]);
    let long = phoned(4, json!({"account_ref": "ACC-0000004"}));
    assert_eq!(judged(Submission::ndjson(ndjson(&[long]))).await, ["V003"]);
    let located = phoned(5, json!({"postcode": "50000"}));
    assert_eq!(judged(Submission::ndjson(ndjson(&[located]))).await, ["F005"]);
    let schema = eyes.anybody(get("/v1/datasets/account_snapshot/schema?version=2")).await.expect(200).json();
    assert_eq!(schema["$id"], "urn:etrplus:contract:account_snapshot:2");
    assert!(schema["properties"].get("postcode").is_none());
    assert_eq!(schema["properties"]["account_ref"]["maxLength"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_version_is_announced_and_waits_for_the_last_one() {
    let eyes = TestApp::start().await;
    let (sender, operator) = (eyes.contributor("sender", patient()).await, eyes.operator("one").await);
    let ends = json!({"sunset_on": "2027-07-01"});
    // Nothing newer to change to.
    operator.post_json(&format!("{SNAPSHOTS}/1/deprecate"), &ends).await.expect(409);
    break_with(&operator, without("postcode")).await;
    let plain = send(&sender, 1, "schema_version=1").await.expect(202);
    assert!(plain.header("deprecation").is_none() && plain.header("sunset").is_none());

    operator
        .post_json(&format!("{SNAPSHOTS}/1/deprecate"), &json!({"sunset_on": "2026-11-23"}))
        .await
        .expect(422);
    operator.post_json(&format!("{SNAPSHOTS}/1/deprecate"), &ends).await.expect(200);
    let warned = send(&sender, 2, "schema_version=1").await.expect(202);
    let page = eyes.anybody(get("/v1/datasets/account_snapshot/contracts/1")).await.expect(200);
    let schema = eyes.anybody(get("/v1/datasets/account_snapshot/schema?version=1")).await.expect(200);
    for answer in [&warned, &page, &schema] {
        assert_eq!(answer.header("deprecation"), Some("@1795492800"));
        assert_eq!(answer.header("sunset"), Some("Thu, 01 Jul 2027 00:00:00 GMT"));
        let next = "</v1/datasets/account_snapshot/contracts/2>; rel=\"successor-version\"";
        assert_eq!(answer.header("link"), Some(next));
    }
    assert!(send(&sender, 3, "schema_version=2").await.expect(202).header("deprecation").is_none());

    // Who is left: pinned when version 2 broke with it, and just sent with it.
    let left = operator.get(&format!("{SNAPSHOTS}/1/contributors")).await.expect(200).json();
    assert_eq!(left["items"][0]["contributor"], "sender");
    assert_eq!((&left["items"][0]["pinned"], left["items"].as_array().unwrap().len()), (&json!(true), 1));
    let refused = operator.post_json(&format!("{SNAPSHOTS}/1/retire"), &json!({})).await.expect(409).json();
    assert_eq!(refused["code"], "contract-in-use");
    assert!(refused["detail"].as_str().unwrap().contains("sender"));

    let forced = json!({"force_reason": "its sender has agreed by telephone"});
    let retired = operator.post_json(&format!("{SNAPSHOTS}/1/retire"), &forced).await.expect(200).json();
    assert_eq!(
        operator.post_json(&format!("{SNAPSHOTS}/1/retire"), &forced).await.expect(200).json(),
        retired
    );
    // Refused at the door from now on; what was received is judged by what it was sent with.
    assert_eq!(send(&sender, 4, "schema_version=1").await.expect(422).json()["errors"][0]["code"], "F002");
    assert_eq!(send(&sender, 4, "record_count=1").await.expect(422).json()["errors"][0]["code"], "F002");
    eyes.run_jobs().await;
    assert_eq!(eyes.batches_by_state().await, [("published".to_owned(), 3)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_knows_a_new_version_within_seconds() {
    let eyes = TestApp::start().await;
    let sibling = eyes.sibling().await;
    let known = |app: std::sync::Arc<etrplus::app::App>| async move {
        app.contracts
            .versions_of(Dataset::AccountSnapshot)
            .await
            .unwrap()
            .newest_published()
            .unwrap()
            .row
            .version
    };
    assert_eq!(known(sibling.clone()).await, 1);
    let operator = eyes.operator("one").await;
    draft(&operator, first()).await.expect(201);
    operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(200);
    assert_eq!(known(eyes.app.clone()).await, 2);
    for _ in 0..80 {
        if known(sibling.clone()).await == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the other process still knows the old version");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_with_a_new_version_is_judged_by_a_process_that_does_not_know_it_yet() {
    let eyes = TestApp::start().await;
    let (sender, operator) = (eyes.contributor("sender", patient()).await, eyes.operator("one").await);
    let sibling = eyes.sibling().await;
    sibling.contracts.versions_of(Dataset::AccountSnapshot).await.unwrap();
    draft(&operator, first()).await.expect(201);
    operator.post(&format!("{SNAPSHOTS}/2/publish")).await.expect(200);
    let sent = send(&sender, 1, "schema_version=2").await.expect(202).json();
    assert!(etrplus::jobs::runner::work_once(&sibling).await.unwrap());
    let batch = sender.batch(sent["batch"]["id"].as_str().unwrap()).await;
    assert_eq!(batch["state"], "published", "{batch:#}");
    // A version that nobody has published stays unknown.
    assert!(sibling.contracts.contract(Dataset::AccountSnapshot, "3").await.is_err());
}
