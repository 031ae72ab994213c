//! I014: a name that contradicts the one that an identifier is known by keeps the account from being served.

use etrplus::access::Scope;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};

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

/// Takes a batch back with both pairs of eyes.
async fn recall(operators: &[Caller; 2], batch: &str) {
    let path = format!("/v1/operations/batches/{batch}/recalls");
    let asked = operators[0].post_json(&path, &json!({"reason": "wrong names"})).await.expect(201).json();
    let id = asked["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{id}/approve")).await.expect(200);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_in_review_as_long_as_a_record_under_the_other_name_counts() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let risk_engine = eyes.risk_engine().await;
    let october = |mode: &str, name: &str| {
        Submission::ndjson(ndjson(&[named(1, "Ahmad bin Ali"), named(2, name)]))
            .period(mode, "2026-10-31".parse().unwrap())
            .with("allow_duplicate=true")
    };
    let september = account_with(
        2,
        &json!({"id_number": nric(1), "full_name": "Ahmad bin Ali", "as_of_date": "2026-09-30"}),
    );
    eyes.judged(&sender, &Submission::ndjson(ndjson(&[september]))).await;
    let held = eyes.judged(&sender, &october("FULL", "Lim Wee Chong")).await;
    let wrong = confirm(&eyes, &sender, held.id()).await;
    assert_eq!((wrong.state(), served(&risk_engine).await), ("published", 1), "{:#}", wrong.0);

    // A replacement that says it again leaves it hidden; one under the right name does not.
    let same = eyes.judged(&sender, &october("REPLACE", "Lim Wee Chong")).await;
    assert_eq!((same.state(), served(&risk_engine).await), ("published", 1), "{:#}", same.0);
    let right = eyes.judged(&sender, &october("REPLACE", "Ahmad bin Ali")).await;
    assert_eq!((right.state(), served(&risk_engine).await), ("published", 2), "{:#}", right.0);
    assert!(cases(&operators[0], "open").await.is_empty(), "there is nothing to decide");

    // Without the right one the account is as it was, and so it is before that; without all of them nothing is left of it.
    for batch in [right.id(), same.id()] {
        recall(&operators, batch).await;
        assert_eq!((cases(&operators[0], "open").await.len(), served(&risk_engine).await), (1, 1));
    }
    // Each while in which it was withheld is kept: by one record after the other, and by the first again.
    let withheld: Vec<bool> = sqlx::query_scalar(
        "/* test.withheld */ SELECT lifted_at IS NULL FROM serving_restrictions ORDER BY restriction_no",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(withheld, [false, false, false, true]);
    recall(&operators, wrong.id()).await;
    assert_eq!((cases(&operators[0], "open").await.len(), served(&risk_engine).await), (0, 1));
    let file = ndjson(&[named(2, "Lim Wee Chong")]);
    let again = eyes.judged(&sender, &Submission::ndjson(file)).await;
    assert_eq!((again.state(), again.rules().get("I014")), ("on_hold", Some(&1)), "it is asked about again");
    let again = confirm(&eyes, &sender, again.id()).await;
    assert_eq!((again.state(), served(&risk_engine).await), ("published", 0), "{:#}", again.0);
    recall(&operators, again.id()).await;
    assert_eq!(served(&risk_engine).await, 1, "september's record is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_come_in_holds_nothing() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &Submission::ndjson(ndjson(&[named(1, "Ahmad bin Ali"), account(2)]))).await;
    let settled = async |rows: &[Value]| {
        let report =
            eyes.judged(&sender, &Submission::ndjson(ndjson(rows)).with("allow_duplicate=true")).await;
        let names = report.rules().get("I014").copied();
        (report.state().to_owned(), report.count("rejected"), names)
    };
    let published = |rejected| ("published".to_owned(), rejected, None);
    // Somebody else's account: what its name says of the person is of no interest.
    assert_eq!(settled(&[named(2, "Lim Wee Chong")]).await, published(1));
    // Older than what was accepted of the account (P017).
    let stale = account_with(
        1,
        &json!({"id_number": nric(1), "full_name": "Lim Wee Chong", "as_of_date": "2026-09-30"}),
    );
    assert_eq!(settled(&[stale]).await, published(1));
    let twice = [named(3, "Lim Wee Chong"), named(3, "Lim Wee Chong")];
    assert_eq!(settled(&twice).await, ("on_hold".to_owned(), 0, Some(1)), "once, however often it was sent");
}
