//! Records that name the wrong person: two operators give them to the right one, and they do not wander back.

use etrplus::access::Scope;
use etrplus::db::corrections::{self, Decision};
use etrplus::domain::contract::Dataset;
use etrplus::ids::{CaseId, ClientId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};

/// The n-th synthetic person, as a request names them.
fn person(n: u32) -> Value {
    json!({"subject_type": "INDIVIDUAL", "id_type": "NRIC", "id_number": nric(n), "full_name": "SUBJECT SYNTHETIC"})
}

/// The n-th account is the other person's, all of it.
fn rekey(n: u32, person: &Value) -> Value {
    json!({
        "account_ref": format!("ACC-{n:06}"), "as_of_from": "2026-01-01", "as_of_to": "2026-10-31",
        "rekey": {"person": person}, "reason": "WRONG_SUBJECT", "evidence_ref": "cases/2026-7",
    })
}

/// The same as an operator asks for it.
fn by_operator(mut request: Value) -> Value {
    request.as_object_mut().unwrap().remove("reason");
    request
}

struct Cast {
    eyes: TestApp,
    sender: Caller,
    operators: [Caller; 2],
    risk_engine: Caller,
}

/// September and October of two accounts, each under its number's person.
async fn published() -> Cast {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let risk_engine = eyes.risk_engine().await;
    let cast = Cast { eyes, sender, operators, risk_engine };
    for day in ["2026-09-30", "2026-10-31"] {
        let record = |n| account_with(n, &json!({"as_of_date": day}));
        cast.month(day, &[record(1), record(2)]).await;
    }
    cast
}

impl Cast {
    async fn month(&self, period_end: &str, records: &[Value]) -> Report {
        let submission = Submission::ndjson(ndjson(records)).period("DELTA", period_end.parse().unwrap());
        self.eyes.judged(&self.sender, &submission.with("allow_duplicate=true")).await
    }

    /// What the risk engine is told of a person: the months of each account.
    async fn told(&self, n: u32) -> Vec<String> {
        let profile = self.risk_engine.ask(&nric(n), "2026-11-24").await.expect(200).json();
        let accounts = profile["accounts"].as_array().unwrap();
        accounts.iter().map(|account| account["grid"].as_str().unwrap()[..3].to_owned()).collect()
    }

    /// An operator asks, and the other one approves.
    async fn moved(&self, request: &Value) -> Value {
        let asked = self.operators[0]
            .post_json("/v1/operations/contributors/sender/rekeys", &by_operator(request.clone()))
            .await
            .expect(201)
            .json();
        self.approve(1, &asked).await
    }

    async fn approve(&self, operator: usize, asked: &Value) -> Value {
        let path = format!("/v1/operations/corrections/{}/approve", asked["correction_id"].as_str().unwrap());
        self.operators[operator].post(&path).await.expect(200).json()
    }

    async fn recall(&self, batch: &str) {
        let path = format!("/v1/operations/batches/{batch}/recalls");
        let asked =
            self.operators[0].post_json(&path, &json!({"reason": "a mistake"})).await.expect(201).json();
        let id = asked["recall_id"].as_str().unwrap();
        self.operators[1].post(&format!("/v1/operations/recalls/{id}/approve")).await.expect(200);
    }

    /// Rows of a query, each as one text.
    async fn rows(&self, query: &'static str) -> Vec<String> {
        sqlx::query_scalar(query).fetch_all(&self.eyes.database.pool).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_give_an_account_to_the_person_whose_it_is() {
    let cast = published().await;
    let request = rekey(1, &person(7));
    let mut unproven = request.clone();
    unproven.as_object_mut().unwrap().remove("evidence_ref");
    cast.sender.post_json("/v1/corrections", &unproven).await.expect(422);
    let asked = cast.sender.post_json("/v1/corrections", &request).await.expect(201).json();
    assert_eq!(
        (&asked["kind"], &asked["state"], &asked["records"], &asked["changes"]),
        (&json!("REKEY"), &json!("requested"), &json!(2), &json!({"holder_role": "PRIMARY"}))
    );
    assert_eq!(cast.sender.post_json("/v1/corrections", &request).await.expect(200).json(), asked);
    let other = rekey(1, &person(8));
    assert_eq!(cast.sender.post_json("/v1/corrections", &other).await.expect(409).json()["code"], "conflict");

    // The contributor and one operator are not enough, however often that one agrees.
    for _ in 0..2 {
        let agreed = cast.approve(0, &asked).await;
        assert_eq!(
            (&agreed["state"], &agreed["agreed_by"]),
            (&json!("requested"), &json!(cast.operators[0].client_id))
        );
    }
    assert_eq!((cast.told(1).await, cast.told(7).await), (vec!["-00".to_owned()], vec![]));
    for _ in 0..2 {
        assert_eq!(cast.approve(1, &asked).await["state"], "applied");
    }
    assert_eq!((cast.told(1).await, cast.told(7).await), (vec![], vec!["-00".to_owned()]));
    let again = cast.sender.post_json("/v1/corrections", &request).await.expect(200).json();
    assert_eq!(again["correction_id"], asked["correction_id"]);

    // Each record has its old version, one that takes it from the wrong person, and the right person's.
    let versions = cast.rows(
        "/* test.versions */ SELECT format('%s %s', as_of_date,
            string_agg(CASE WHEN withdrawn THEN '-' ELSE '+' END || CASE WHEN subject_id = first THEN 'wrong' ELSE 'right' END,
                ' ' ORDER BY publication_no))
        FROM (SELECT *, first_value(subject_id) OVER (PARTITION BY batch_id, record_no ORDER BY publication_no) AS first
              FROM account_snapshots WHERE account_ref = 'ACC-000001') s GROUP BY as_of_date ORDER BY as_of_date",
    );
    assert_eq!(versions.await, ["2026-09-30 +wrong -wrong +right", "2026-10-31 +wrong -wrong +right"]);
    let edges = "/* test.edges */ SELECT DISTINCT to_kind FROM lineage_edges WHERE from_kind = 'correction' ORDER BY 1";
    assert_eq!(cast.rows(edges).await, ["corrected_batch", "journal"]);
    let deeds = "/* test.deeds */ SELECT action FROM audit_entries WHERE object_kind = 'correction' ORDER BY at, action";
    let mut deeds = cast.rows(deeds).await;
    deeds.sort();
    assert_eq!(deeds, ["correction.agree", "correction.approve", "correction.request"]);
    let kept = "/* test.kept */ SELECT row_to_json(r)::text FROM rekeys r
        UNION ALL SELECT row_to_json(c)::text FROM corrections c UNION ALL SELECT row_to_json(a)::text FROM audit_entries a";
    for row in cast.rows(kept).await {
        assert!(!row.contains(&nric(7)) && !row.contains("SYNTHETIC"), "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_batch_under_the_wrong_person_does_not_move_it_back() {
    let cast = published().await;
    assert_eq!(cast.moved(&rekey(1, &person(7))).await["state"], "applied");
    let november = |n: u32| account_with(1, &json!({"id_number": nric(n), "as_of_date": "2026-11-20"}));
    let refused =
        cast.month("2026-11-23", &[november(1), account_with(2, &json!({"as_of_date": "2026-11-20"}))]).await;
    assert_eq!((refused.state(), refused.rules().get("P002")), ("published", Some(&1)), "{:#}", refused.0);
    assert_eq!((cast.told(1).await, cast.told(7).await), (vec![], vec!["-00".to_owned()]));
    let taken = cast.month("2026-11-23", &[november(7)]).await;
    assert_eq!(taken.count("accepted"), 1, "{:#}", taken.0);
    assert_eq!(cast.told(7).await, ["000"]);

    // When nothing of the account is left, it is still not the wrong person's.
    let mut gone = rekey(1, &json!(null));
    gone.as_object_mut()
        .unwrap()
        .extend([("delete".into(), json!(true)), ("as_of_to".into(), json!("2026-11-23"))]);
    gone.as_object_mut().unwrap().remove("rekey");
    let gone = cast.sender.post_json("/v1/corrections", &gone).await.expect(201).json();
    cast.approve(0, &gone).await;
    let december = account_with(1, &json!({"as_of_date": "2026-11-22"}));
    let case = format!("case_id={}", gone["correction_id"].as_str().unwrap());
    let again =
        Submission::ndjson(ndjson(&[december])).period("DELTA", "2026-11-23".parse().unwrap()).with(&case);
    let again = cast.eyes.judged(&cast.sender, &again).await;
    assert_eq!(again.rules().get("P002"), Some(&1), "{:#}", again.0);

    // Unless two operators find that it was the first person's after all.
    let back = cast.moved(&rekey(2, &person(1))).await;
    assert_eq!(back["state"], "applied");
    let back = cast.moved(&rekey(2, &person(2))).await;
    assert_eq!(back["state"], "applied");
    let taken = cast.month("2026-11-23", &[account_with(2, &json!({"as_of_date": "2026-11-22"}))]).await;
    assert_eq!(taken.count("accepted"), 1, "{:#}", taken.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_finds_another_person_ends_when_the_account_is_theirs() {
    let cast = published().await;
    let named = |name: &str| account_with(5, &json!({"id_number": nric(1), "full_name": name}));
    let file = Submission::ndjson(ndjson(&[named("LIM WEE CHONG")]));
    let held = cast.eyes.published(&cast.sender, &file).await;
    let cases = async |state: &str| {
        let path = format!("/v1/operations/identity-reviews?state={state}");
        let page = cast.operators[0].get(&path).await.expect(200).json();
        page["items"].as_array().unwrap().clone()
    };
    let case = cases("open").await.remove(0);
    let resolve = format!("/v1/operations/identity-reviews/{}/resolve", case["case_id"].as_str().unwrap());
    cast.operators[0].post_json(&resolve, &json!({"outcome": "other_person"})).await.expect(200);
    assert_eq!(cast.told(1).await.len(), 1, "hidden until it is keyed to the right one");

    let mut right = person(9);
    right["full_name"] = json!("LIM WEE CHONG");
    let done = cast.moved(&rekey(5, &right)).await;
    assert_eq!((cast.told(1).await.len(), cast.told(9).await.len()), (1, 1), "served under the right person");
    let ended = cases("other_person").await.remove(0);
    assert_eq!(ended["correction_id"], done["correction_id"]);

    // The wrong number comes again, with the same name: refused, and nothing is hidden.
    let again = cast.eyes.judged(&cast.sender, &file.clone().with("allow_duplicate=true").key("again")).await;
    assert_eq!((again.state(), again.rules().get("P002")), ("published", Some(&1)), "{:#}", again.0);
    assert_eq!(cast.told(9).await.len(), 1);
    // Judged again, its batch neither takes the account back nor hides it.
    let shadows = format!("/v1/operations/batches/{held}/shadows");
    let shadow = cast.operators[0].post(&shadows).await.expect(202).json();
    cast.eyes.run_jobs().await;
    let path = format!("/v1/operations/shadows/{}", shadow["shadow_id"].as_str().unwrap());
    let judged = cast.operators[0].get(&path).await.expect(200).json();
    assert_eq!(judged["difference"]["changed"]["records"], 0, "{judged:#}");
    cast.operators[1].post(&format!("{path}/promote")).await.expect(202);
    cast.eyes.run_jobs().await;
    assert_eq!(cast.operators[0].get(&path).await.expect(200).json()["state"], "promoted");
    assert_eq!((cast.told(1).await.len(), cast.told(9).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_review_is_decided_by_the_rekey() {
    let cast = published().await;
    let named = account_with(5, &json!({"id_number": nric(1), "full_name": "LIM WEE CHONG"}));
    cast.eyes.published(&cast.sender, &Submission::ndjson(ndjson(&[named]))).await;
    let mut right = person(9);
    right["full_name"] = json!("LIM WEE CHONG");
    let done = cast.moved(&rekey(5, &right)).await;
    let page =
        cast.operators[0].get("/v1/operations/identity-reviews?state=other_person").await.expect(200).json();
    assert_eq!(page["items"][0]["correction_id"], done["correction_id"], "{page:#}");
    assert_eq!(cast.told(9).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn joint_holders_and_guarantors_are_moved_alone() {
    let cast = published().await;
    let holder = |n: u32, role: &str| account_with(6, &json!({"id_number": nric(n), "holder_role": role}));
    let family =
        [holder(6, "PRIMARY"), holder(11, "JOINT"), holder(12, "GUARANTOR"), holder(13, "GUARANTOR")];
    cast.month("2026-10-31", &family).await;
    let guarantor = |who: Option<u32>| {
        let mut request = rekey(6, &person(20));
        request["rekey"]["holder_role"] = json!("GUARANTOR");
        if let Some(n) = who {
            request["rekey"]["reported_under"] = json!({"id_type": "NRIC", "id_number": nric(n)});
        }
        request
    };
    let ambiguous = cast.sender.post_json("/v1/corrections", &guarantor(None)).await.expect(422).json();
    assert!(ambiguous["detail"].as_str().unwrap().contains("reported_under"), "{ambiguous}");
    cast.sender.post_json("/v1/corrections", &guarantor(Some(11))).await.expect(404);
    let guarantors = "/* test.guarantors */ SELECT subject_id::text FROM accounts WHERE holder_role = 2";
    let before = cast.rows(guarantors).await;
    cast.moved(&guarantor(Some(12))).await;
    let after = cast.rows(guarantors).await;
    assert_eq!((after.len(), after.iter().filter(|one| before.contains(one)).count()), (2, 1));
    let mut joint = rekey(6, &person(21));
    joint["rekey"]["holder_role"] = json!("JOINT");
    cast.moved(&joint).await;
    assert_eq!((cast.told(11).await.len(), cast.told(21).await.len(), cast.told(6).await.len()), (0, 1, 1));
    // The rest of the account comes in; the two that were wrong do not.
    let again = cast.month("2026-10-31", &family).await;
    assert_eq!((again.rules().get("P002"), again.count("accepted")), (Some(&2), 2), "{:#}", again.0);
    assert_eq!((cast.told(11).await.len(), cast.rows(guarantors).await.len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn some_months_of_an_account_may_be_another_persons() {
    let cast = published().await;
    let mut september = rekey(1, &person(7));
    september["as_of_to"] = json!("2026-09-30");
    cast.moved(&september).await;
    assert_eq!((cast.told(1).await, cast.told(7).await), (vec!["-0-".to_owned()], vec!["--0".to_owned()]));
    // What comes later goes on from the newest record, and the month that was moved does not come back.
    let november = cast.month("2026-11-23", &[account_with(1, &json!({"as_of_date": "2026-11-20"}))]).await;
    assert_eq!(november.count("accepted"), 1, "{:#}", november.0);
    let older = Submission::ndjson(ndjson(&[account_with(1, &json!({"as_of_date": "2026-09-30"}))]))
        .period("REPLACE", "2026-09-30".parse().unwrap())
        .with("allow_duplicate=true");
    let older = cast.eyes.judged(&cast.sender, &older).await;
    assert_eq!(older.rules().get("P002"), Some(&1), "{:#}", older.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_in_part_is_remembered_in_the_rest() {
    let cast = published().await;
    cast.moved(&rekey(1, &person(7))).await;
    let mut september = rekey(1, &person(1));
    september["as_of_to"] = json!("2026-09-30");
    cast.moved(&september).await;
    let codes = async |n: u32, day: &str| {
        let record = account_with(1, &json!({"id_number": nric(n), "as_of_date": day}));
        let report = cast.month(if day > "2026-11" { "2026-11-23" } else { day }, &[record]).await;
        (report.count("accepted"), report.rules().get("P002").copied())
    };
    assert_eq!(codes(1, "2026-11-20").await, (0, Some(1)), "October and what comes later stay moved");
    assert_eq!(codes(1, "2026-10-31").await, (0, Some(1)));
    assert_eq!(codes(7, "2026-11-20").await, (1, None));
    assert_eq!((cast.told(1).await, cast.told(7).await), (vec!["--0".to_owned()], vec!["00-".to_owned()]));

    // Once more in full, and the newest months alone are given back.
    cast.moved(&rekey(2, &person(7))).await;
    let mut october = rekey(2, &person(2));
    october["as_of_from"] = json!("2026-10-01");
    cast.moved(&october).await;
    let codes = async |day: &str| {
        let record = account_with(2, &json!({"as_of_date": day}));
        let report = cast.month(if day > "2026-11" { "2026-11-23" } else { day }, &[record]).await;
        (report.count("accepted"), report.rules().get("P002").copied())
    };
    assert_eq!(codes("2026-11-20").await, (1, None));
    assert_eq!(codes("2026-09-30").await, (0, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_agrees_to_what_is_refused_at_the_same_moment() {
    let cast = published().await;
    let asked = cast.sender.post_json("/v1/corrections", &rekey(1, &person(7))).await.expect(201).json();
    let id = asked["correction_id"].as_str().unwrap();
    let by: Uuid = cast.operators[1].client_id.parse().unwrap();
    let decision = Decision { by: Some(ClientId(by)), at: cast.eyes.app.clock.now() };
    let mut refusing = cast.eyes.app.db.system.begin().await.unwrap();
    assert!(corrections::refuse_in_tx(&mut refusing, CaseId(id.parse().unwrap()), decision).await.unwrap());
    let path = format!("/v1/operations/corrections/{id}/approve");
    let refused = async {
        cast.eyes.until_somebody_waits_for_a_lock().await;
        refusing.commit().await.unwrap();
    };
    let (approved, ()) = tokio::join!(cast.operators[0].post(&path), refused);
    assert_eq!(approved.expect(409).json()["code"], "conflict");
    let deeds = "/* test.deeds */ SELECT action FROM audit_entries WHERE object_kind = 'correction'";
    assert_eq!(cast.rows(deeds).await, ["correction.request"], "no agreement that never was");
}

#[tokio::test(flavor = "multi_thread")]
async fn recalls_replacements_and_corrections_go_on_from_what_was_moved() {
    let cast = published().await;
    let october = cast.month("2026-10-31", &[account(3)]).await.id().to_owned();
    cast.moved(&rekey(3, &person(7))).await;
    let change = json!({
        "account_ref": "ACC-000003", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": {"outstanding": 50_000}, "reason": "DATA_ERROR",
    });
    cast.sender.post_json("/v1/corrections", &change).await.expect(201);
    let owed = async |n: u32| {
        let profile = cast.risk_engine.ask(&nric(n), "2026-11-24").await.expect(200).json();
        profile["attributes"]["total_outstanding"]["value"].as_i64()
    };
    assert_eq!((owed(7).await, cast.told(3).await.len()), (Some(50_000), 0));

    // Its place is taken by a batch with the right person, and given back.
    let right = account_with(3, &json!({"id_number": nric(7), "outstanding": 40_000}));
    let replacing = Submission::ndjson(ndjson(&[right]))
        .period("REPLACE", "2026-10-31".parse().unwrap())
        .with(&format!("replaces={october}&allow_duplicate=true"));
    let replacing = cast.eyes.published(&cast.sender, &replacing).await;
    assert_eq!((owed(7).await, cast.told(3).await.len()), (Some(40_000), 0));
    cast.recall(&replacing).await;
    assert_eq!((owed(7).await, cast.told(3).await.len()), (Some(50_000), 0));
    // Without the batch there is nothing to be anybody's.
    cast.recall(&october).await;
    assert_eq!((cast.told(7).await.len(), cast.told(3).await.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_follow_the_account_and_applications_stay_their_applicants() {
    let cast = published().await;
    let payment = json!({"event_id": "PAY-1", "account_ref": "ACC-000001", "event_type": "PAYMENT",
        "value_date": "2026-11-15", "amount": 10_000});
    let events = Submission {
        query: "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".into(),
        ..Submission::ndjson(ndjson(&[payment]))
    };
    cast.eyes.published(&cast.sender, &events).await;
    let application = json!({
        "subject_type": "INDIVIDUAL", "id_type": "NRIC", "id_number": nric(1), "full_name": "SUBJECT SYNTHETIC",
        "application_ref": "APP-1", "applied_at": "2026-11-20T01:00:00Z", "product_type": "PERSONAL_LOAN",
        "amount_requested": 120_000, "decision": "APPROVED", "decision_at": "2026-11-20T02:00:00Z",
        "amount_approved": 120_000, "account_ref": "ACC-000001",
    });
    let applications = Submission {
        query: format!("dataset={}&mode=DELTA&period_end=2026-11-23", Dataset::Application),
        ..Submission::ndjson(ndjson(&[application]))
    };
    cast.eyes.published(&cast.sender, &applications).await;
    let applicant = "/* test.applicant */ SELECT subject_id::text FROM applications";
    let before = cast.rows(applicant).await;

    cast.moved(&rekey(1, &person(7))).await;
    let profile = cast.risk_engine.ask(&nric(7), "2026-11-24").await.expect(200).json();
    assert_eq!(profile["attributes"]["total_outstanding"]["value"], 50_000, "the payment is the account's");
    assert_eq!(
        cast.rows(applicant).await,
        before,
        "who applied is another question than whose the account is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_person_keeps_to_the_identity_rules() {
    let cast = published().await;
    let with = |member: &str, value: Value| {
        let mut person = person(7);
        person[member] = value;
        rekey(1, &person)
    };
    let erased = json!({"id_type": "NRIC", "id_number": nric(8), "case_id": "CASE-2026-1"});
    cast.operators[0].post_json("/v1/operations/erasure-tombstones", &erased).await.expect(201);
    let mut second = with("secondary_id_type", json!("NRIC"));
    second["rekey"]["person"]["secondary_id_number"] = json!(nric(2));
    let half = with("secondary_id_type", json!("NRIC"));
    for (request, place, code) in [
        (with("id_number", json!("123")), "id_number", "I001"),
        (with("id_number", json!("150101140001")), "opened_date", "I013"),
        (with("subject_type", json!("BUSINESS")), "id_type", "I012"),
        (with("id_number", json!(nric(8))), "id_number", "L009"),
        (second, "secondary_id_number", "I017"),
        (half, "secondary_id_number", "missing"),
        (
            rekey(
                1,
                &json!({"subject_type": "INDIVIDUAL", "id_type": "NRIC", "id_number": nric(2),
            "full_name": "LIM WEE CHONG"}),
            ),
            "full_name",
            "I014",
        ),
        (with("full_name", json!("9\u{7}9")), "full_name", "invalid"),
    ] {
        let refused = cast.sender.post_json("/v1/corrections", &request).await.expect(422);
        let (text, problem) = (refused.text(), refused.json());
        assert_eq!(problem["errors"][0]["code"], code, "{problem:#}");
        assert_eq!(problem["errors"][0]["pointer"], format!("/rekey/person/{place}"), "{problem:#}");
        assert!(!text.contains(&nric(8)) && !text.contains("WEE"), "{text}");
    }
    let nothing = cast.sender.post_json("/v1/corrections", &rekey(1, &person(1))).await.expect(422).json();
    assert!(nothing["detail"].as_str().unwrap().contains("already"), "{nothing}");
    let mut reason = rekey(1, &person(7));
    reason["reason"] = json!("DATA_ERROR");
    cast.sender.post_json("/v1/corrections", &reason).await.expect(422);
    cast.operators[0]
        .post_json("/v1/operations/contributors/nobody/rekeys", &by_operator(rekey(1, &person(7))))
        .await
        .expect(404);
    // Nothing of all that is kept.
    let kept = "/* test.kept */ SELECT correction_id::text FROM corrections UNION SELECT correction_id::text FROM rekeys";
    assert!(cast.rows(kept).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_is_applied_once_and_a_refused_one_forgets_the_person() {
    let cast = published().await;
    let asked = cast.sender.post_json("/v1/corrections", &rekey(1, &person(7))).await.expect(201).json();
    cast.approve(0, &asked).await;
    let third = cast.eyes.client("operator-c", None, &[Scope::Admin], &[]).await;
    let path = format!("/v1/operations/corrections/{}", asked["correction_id"].as_str().unwrap());
    let approve = format!("{path}/approve");
    let (one, two) = tokio::join!(cast.operators[1].post(&approve), third.post(&approve));
    for answer in [one, two] {
        assert_eq!(answer.expect(200).json()["state"], "applied");
    }
    let versions =
        "/* test.count */ SELECT count(*)::text FROM account_snapshots WHERE account_ref = 'ACC-000001'";
    assert_eq!(cast.rows(versions).await, ["6"], "two records, three versions each");

    // A new person whom a batch names in the meantime is one person.
    let asked = cast.sender.post_json("/v1/corrections", &rekey(2, &person(8))).await.expect(201).json();
    cast.month("2026-10-31", &[account(8)]).await;
    cast.approve(0, &asked).await;
    cast.approve(1, &asked).await;
    assert_eq!((cast.told(8).await.len(), cast.told(2).await.len()), (2, 0));

    let asked = cast.sender.post_json("/v1/corrections", &rekey(8, &person(9))).await.expect(201).json();
    let refuse = format!("/v1/operations/corrections/{}/refuse", asked["correction_id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(cast.operators[1].post(&refuse).await.expect(200).json()["state"], "refused");
    }
    let sealed = "/* test.sealed */ SELECT correction_id::text FROM rekeys WHERE coalesce(sealed_number, sealed_name) IS NOT NULL";
    assert!(cast.rows(sealed).await.is_empty());
}
