//! I014: a name that contradicts the one that an identifier is known by keeps the account from being served.

use etrplus::access::Scope;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson, nric};

/// An account of the first person, under a name.
fn named(n: u32, name: &str) -> Value {
    account_with(n, &json!({"id_number": nric(1), "full_name": name}))
}

async fn confirm(eyes: &TestApp, sender: &Caller, id: &str) -> Report {
    let explanation = json!({"explanation": "The names were checked against our file."});
    sender.post_json(&format!("/v1/batches/{id}/confirm"), &explanation).await.expect(200);
    eyes.run_jobs().await;
    Report(sender.report(id).await)
}

async fn cases(operator: &Caller, state: &str) -> Vec<Value> {
    let page =
        operator.get(&format!("/v1/operations/identity-reviews?state={state}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

async fn served(risk_engine: &Caller) -> usize {
    let profile = risk_engine.ask(&nric(1), "2026-11-24").await.expect(200).json();
    profile["accounts"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_another_name_is_reviewed_before_it_is_served() {
    let eyes = TestApp::start().await;
    let first = eyes.contributor("first", patient()).await;
    let second = eyes.contributor("second", patient()).await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let risk_engine = eyes.risk_engine().await;
    eyes.judged(&first, &Submission::ndjson(ndjson(&[named(1, "Ahmad bin Ali")]))).await;

    // The same person in another spelling is nobody's business; another name is.
    let spelled = eyes.judged(&second, &Submission::ndjson(ndjson(&[named(2, "ALI, AHMAD")]))).await;
    assert_eq!(spelled.state(), "published", "{:#}", spelled.0);
    let file = ndjson(&[named(3, "Siti Aminah binti Yusof")]);
    let held = eyes.judged(&second, &Submission::ndjson(file.clone())).await;
    assert_eq!((held.state(), held.rules().get("I014")), ("on_hold", Some(&1)), "{:#}", held.0);
    assert_eq!(held.sample("I014")["account_ref"], "ACC-000003");
    assert!(cases(&operator, "open").await.is_empty(), "nothing is published yet");

    let published = confirm(&eyes, &second, held.id()).await;
    assert_eq!((published.state(), published.count("accepted")), ("published", 1));
    let open = cases(&operator, "open").await;
    assert_eq!((open.len(), &open[0]["account_ref"]), (1, &json!("ACC-000003")));
    assert!(!open[0].to_string().to_uppercase().contains("AMINAH"), "names are not shown");
    assert_eq!(served(&risk_engine).await, 2, "the account waits");

    // Next month the same pair of names holds nothing and opens nothing.
    let again = eyes.judged(&second, &Submission::ndjson(file).with("allow_duplicate=true")).await;
    assert_eq!((again.state(), again.count("warned")), ("published", 1), "{:#}", again.0);
    assert_eq!((cases(&operator, "open").await.len(), served(&risk_engine).await), (1, 2));

    // One person with two names: the account is served, and the pair is not asked about again.
    let path = format!("/v1/operations/identity-reviews/{}/resolve", open[0]["case_id"].as_str().unwrap());
    for _ in 0..2 {
        let resolved = operator.post_json(&path, &json!({"outcome": "same_person"})).await.expect(200).json();
        assert_eq!(resolved["state"], "same_person");
    }
    operator.post_json(&path, &json!({"outcome": "other_person"})).await.expect(409);
    assert_eq!(served(&risk_engine).await, 3);
    let known = ndjson(&[account_with(
        3,
        &json!({
        "id_number": nric(1), "full_name": "SITI AMINAH BT YUSOF", "outstanding": 59_000}),
    )]);
    let known = eyes.judged(&second, &Submission::ndjson(known)).await;
    assert_eq!((known.state(), known.rules().get("I014")), ("published", None), "{:#}", known.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_another_person_stays_hidden_and_a_rehearsal_opens_no_case() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let risk_engine = eyes.risk_engine().await;
    eyes.judged(&sender, &Submission::ndjson(ndjson(&[named(1, "Ahmad bin Ali")]))).await;
    let file = Submission::ndjson(ndjson(&[named(2, "Lim Wee Chong"), named(3, "Mohd Ahmad")]));
    let rehearsed = eyes.judged(&sender, &file.clone().with("dry_run=true")).await;
    confirm(&eyes, &sender, rehearsed.id()).await;
    assert!(cases(&operator, "open").await.is_empty());

    let held = eyes.judged(&sender, &file).await;
    confirm(&eyes, &sender, held.id()).await;
    let open = cases(&operator, "open").await;
    assert_eq!((open.len(), &open[0]["account_ref"]), (1, &json!("ACC-000002")));
    let path = format!("/v1/operations/identity-reviews/{}/resolve", open[0]["case_id"].as_str().unwrap());
    operator.post_json(&path, &json!({"outcome": "other_person"})).await.expect(200);
    assert_eq!(served(&risk_engine).await, 2);
    let stored: i64 = sqlx::query_scalar("/* test.stored */ SELECT count(*) FROM accounts")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(stored, 3, "it is kept, and not shown");
}
