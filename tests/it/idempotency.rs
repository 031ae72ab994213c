//! Retries: one key is one submission, whatever is sent with it, how often, and however it was cut off.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use etrplus::access::Scope;
use etrplus::db::batches::{NewBatch, insert_receiving};
use etrplus::domain::contract::{Dataset, Mode, Terms};
use etrplus::domain::envelope::{Envelope, Format};
use etrplus::ids::BatchId;
use etrplus::pipeline::sweep;
use etrplus::privacy::random;
use etrplus::store::StorageKey;
use futures::future::join_all;
use serde_json::json;
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinHandle;

use crate::support::app::{Answer, Caller, Submission, TestApp};
use crate::support::records::{account, ndjson};

fn one(n: u32) -> Submission {
    Submission::ndjson(ndjson(&[account(n)]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_submission() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let twin =
        eyes.client("sender-2", sender.contributor_id, &[Scope::BatchesWrite, Scope::BatchesRead], &[]).await;
    let submission = one(1).key("k-1");
    let first = sender.send(&submission).await.expect(202);
    assert_eq!(first.header("idempotency-replayed"), None);

    // The same again: the original answer, however the batch has moved on.
    for _ in 0..2 {
        let again = sender.send(&submission).await.expect(202);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.json()["receipt"], first.json()["receipt"]);
        assert_eq!(again.header("location"), first.header("location"));
        eyes.run_jobs().await;
    }
    // Quotes of a structured field are not part of the key.
    sender.send(&submission.clone().key("\"k-1\"")).await.expect(202);

    // Other content, or the same under another envelope, is not the same submission.
    for other in [
        one(2).key("k-1"),
        submission.clone().with("record_count=1"),
        submission.clone().with("allow_duplicate=true"),
    ] {
        assert_eq!(sender.send(&other).await.expect(422).json()["code"], "idempotency-key-reused");
    }
    // Keys belong to a client: another client's key is another key.
    let theirs = twin.send(&one(3).key("k-1")).await.expect(202).json();
    assert_ne!(theirs["batch"]["id"], first.json()["batch"]["id"]);
    assert_eq!(eyes.batches_by_state().await.values().sum::<i64>(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_1_to_255_visible_characters() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    sender.send(&one(1).key(&"k".repeat(255))).await.expect(202);
    for refused in [
        Submission { key: None, ..one(2) },
        one(2).key(&"k".repeat(256)),
        one(2).key(""),
        one(2).key("two words"),
    ] {
        assert_eq!(sender.send(&refused).await.expect(400).json()["code"], "idempotency-key-required");
    }
    assert_eq!(eyes.batches_by_state().await, [("received".to_owned(), 1)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_checked_and_a_refused_body_leaves_its_key_free() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let submission = one(1).key("k-1");
    let sha256 = |body: &[u8]| format!("sha-256=:{}:", BASE64_STANDARD.encode(digest(&SHA256, body)));
    let sha512 = |body: &[u8]| format!("sha-512=:{}:", BASE64_STANDARD.encode(digest(&SHA512, body)));

    for wrong in
        [sha256(b"other"), sha512(b"other"), format!("{}, {}", sha256(&submission.body), sha512(b"other"))]
    {
        let refused = sender.send(&submission.clone().header("content-digest", wrong)).await.expect(400);
        assert_eq!(refused.json()["code"], "content-digest-mismatch");
        assert!(refused.header("want-content-digest").is_some_and(|wanted| wanted.contains("sha-256")));
    }
    let hexadecimal = format!("sha256={}", hex::encode(digest(&SHA256, b"other")));
    assert_eq!(
        sender.send(&submission.clone().with(&hexadecimal)).await.expect(400).json()["code"],
        "content-digest-mismatch"
    );
    for malformed in ["sha-256=abc", "sha-256=:AAAA:", "sha-256"] {
        let refused = sender.send(&submission.clone().header("content-digest", malformed)).await.expect(400);
        assert_eq!(refused.json()["code"], "invalid-content-digest", "{malformed}");
    }
    let lying = sender.send(&submission.clone().header("content-length", "5")).await.expect(400);
    assert_eq!(lying.json()["code"], "bad-request");
    assert_nothing_but_swept(&eyes).await;

    // The key was never used up. An algorithm that proves nothing is not looked at.
    let both =
        format!("md5=:AAAAAAAAAAAAAAAAAAAAAA==:, {}, {}", sha256(&submission.body), sha512(&submission.body));
    sender.send(&submission.clone().header("content-digest", both)).await.expect(202);
    assert_eq!(eyes.run_jobs().await, 1);
}

/// No batch, no job, no object; what was tried is a row without data.
async fn assert_nothing_but_swept(eyes: &TestApp) {
    let states = eyes.batches_by_state().await;
    assert!(states.keys().all(|state| state == "swept"), "{states:?}");
    let keys: Vec<String> = sqlx::query_scalar("/* test.objects */ SELECT object_key FROM batches")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap();
    for key in keys {
        assert!(eyes.app.store.get(&key).await.unwrap().is_none(), "{key} is left");
    }
    assert_eq!(eyes.run_jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_a_new_key_need_a_word() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let other = eyes.contributor("other", Terms::default()).await;
    let first = sender.submit(&one(1)).await;
    let refused = sender.send(&one(1)).await.expect(409).json();
    assert_eq!(refused["code"], "duplicate-content");
    assert!(refused["detail"].as_str().unwrap().contains(&first), "the earlier batch is named: {refused}");
    assert_eq!(refused["detail"].as_str().unwrap().matches(&first).count(), 2, "twice: once in the remedy");

    sender.send(&one(1).with("allow_duplicate=true")).await.expect(202);
    let replacing = sender.send(&one(1).with(&format!("replaces={first}"))).await.expect(202).json();
    assert_eq!(replacing["batch"]["replaces"], first);
    // What others sent is theirs, and no reason to refuse anything.
    other.send(&one(1)).await.expect(202);
    // A replacement names a batch of one's own and of the same period.
    let missing = sender.send(&one(2).with(&format!("replaces={}", random::uuid_v4()))).await.expect(422);
    let foreign = other.send(&one(2).with(&format!("replaces={first}"))).await.expect(422);
    assert_eq!(missing.json()["detail"], foreign.json()["detail"]);
    let september = one(3).period("DELTA", "2026-09-30".parse().unwrap()).with(&format!("replaces={first}"));
    sender.send(&september).await.expect(422);
}

/// An upload whose body the story holds in its hand.
struct Upload {
    pieces: Option<mpsc::Sender<std::io::Result<Bytes>>>,
    answer: JoinHandle<Answer>,
}

impl Upload {
    /// Starts to send and returns once the server has the upload in its books.
    async fn begin(eyes: &TestApp, sender: &Caller, submission: &Submission) -> Upload {
        let (pieces, received) = mpsc::channel(4);
        let body = Body::from_stream(futures::stream::unfold(received, |mut received| async move {
            received.recv().await.map(|piece| (piece, received))
        }));
        let (sender, submission) = (sender.clone(), submission.clone());
        let answer = tokio::spawn(async move { sender.send_body(&submission, body).await });
        let upload = Upload { pieces: Some(pieces), answer };
        // The first chunk is a mebibyte; the server opens its books when it has that.
        upload.send(Ok(big_half())).await;
        while eyes.batches_by_state().await.get("receiving") != Some(&1) {
            tokio::task::yield_now().await;
        }
        upload
    }

    async fn send(&self, piece: std::io::Result<Bytes>) {
        self.pieces.as_ref().unwrap().send(piece).await.unwrap();
    }

    async fn end(mut self) -> Answer {
        self.pieces = None;
        self.answer.await.unwrap()
    }
}

/// More than the server reads ahead, and blank: it has no records.
fn big_half() -> Bytes {
    Bytes::from(vec![b'\n'; (1 << 20) + 1])
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_key_is_in_flight_its_twin_waits() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let submission = one(1).key("k-1");
    let upload = Upload::begin(&eyes, &sender, &submission).await;
    let twin = sender.send(&submission).await.expect(409);
    assert_eq!(twin.json()["code"], "idempotency-key-in-flight");
    assert!(twin.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    assert!(sender.get("/v1/batches").await.json()["items"].as_array().unwrap().is_empty(), "not there yet");

    upload.send(Ok(submission.body.clone().into())).await;
    let first = upload.end().await.expect(202).json();
    assert_eq!(first["batch"]["bytes"], big_half().len() + submission.body.len());
    let whole = Submission { body: [&big_half()[..], &submission.body].concat(), ..submission };
    assert_eq!(sender.send(&whole).await.expect(202).json()["receipt"], first["receipt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_off_leaves_nothing_and_its_key_is_free() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let submission = one(1).key("k-1");
    let upload = Upload::begin(&eyes, &sender, &submission).await;
    upload.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
    assert_eq!(upload.end().await.expect(400).json()["code"], "bad-request");
    assert_nothing_but_swept(&eyes).await;
    sender.send(&submission).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_hangs_up_leaves_nothing_either() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let submission = one(1).key("k-1");
    let upload = Upload::begin(&eyes, &sender, &submission).await;
    // The connection's task is dropped where it stands; what it began is undone by its own task.
    upload.answer.abort();
    upload.send(Err(std::io::ErrorKind::BrokenPipe.into())).await;
    while eyes.batches_by_state().await.contains_key("receiving") {
        tokio::task::yield_now().await;
    }
    sender.send(&submission).await.expect(202);
}

/// Makes every unfinished upload look as if nobody had heard of it for longer than its lease.
async fn let_leases_run_out(eyes: &TestApp) {
    sqlx::query("/* test.expire */ UPDATE batches SET receiving_until = clock_timestamp() - interval '1 second' WHERE state = 'receiving'")
        .execute(&eyes.database.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_comes_back_from_the_dead_is_not_acknowledged() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let submission = one(1).key("k-1");
    let upload = Upload::begin(&eyes, &sender, &submission).await;
    let_leases_run_out(&eyes).await;
    assert_eq!(sweep::abandoned_uploads(&eyes.app).await.unwrap(), 1);
    upload.send(Ok(submission.body.clone().into())).await;
    let late = upload.end().await.expect(503);
    assert!(late.header("retry-after").is_some());
    sender.send(&submission).await.expect(202);
    assert_eq!(eyes.run_jobs().await, 1, "one batch, the one that was acknowledged");
}

/// What a server leaves that is killed after the object is written and before the acknowledgement.
async fn crashed_upload(eyes: &TestApp, sender: &Caller, key: &str) -> String {
    let now = eyes.app.clock.now();
    let (id, contributor_id) = (BatchId(random::uuid_v7(now)), sender.contributor_id.unwrap());
    let object = StorageKey::bronze(contributor_id, id);
    let new = NewBatch {
        id,
        contributor_id,
        client_id: sender.client_id.parse().unwrap(),
        envelope: Envelope::new(
            Dataset::AccountSnapshot,
            Mode::Delta,
            "2026-10-31".parse().unwrap(),
            Format::Ndjson,
        ),
        idempotency_key: key.into(),
        content_type: "application/x-ndjson".into(),
        content_encoding: "identity",
        stored_encoding: "zstd",
        object_key: object.to_string(),
        created_at: now,
    };
    assert!(insert_receiving(&eyes.app.db.system, &new, std::time::Duration::from_secs(15)).await.unwrap());
    eyes.app.store.put(&object, Bytes::from_static(b"half a file")).await.unwrap();
    object.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_uploads_are_swept_with_their_objects() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let (swept, taken_over) =
        (crashed_upload(&eyes, &sender, "k-1").await, crashed_upload(&eyes, &sender, "k-2").await);

    // As long as the upload may be alive, its key is taken and nothing is swept.
    assert_eq!(sweep::abandoned_uploads(&eyes.app).await.unwrap(), 0);
    assert_eq!(sender.send(&one(1).key("k-1")).await.expect(409).json()["code"], "idempotency-key-in-flight");

    let_leases_run_out(&eyes).await;
    // A sender that comes back with its key need not wait for the sweeper.
    sender.send(&one(2).key("k-2")).await.expect(202);
    assert!(eyes.app.store.get(&taken_over).await.unwrap().is_none());
    assert_eq!(sweep::abandoned_uploads(&eyes.app).await.unwrap(), 1);
    assert!(eyes.app.store.get(&swept).await.unwrap().is_none());
    assert_eq!(eyes.batches_by_state().await, [("received".into(), 1), ("swept".into(), 2)].into());
    sender.send(&one(1).key("k-1")).await.expect(202);
    assert_eq!(sweep::abandoned_uploads(&eyes.app).await.unwrap(), 0, "doing it again changes nothing");
}

/// Sends at the same moment as all others; while the server says "later", asks again.
async fn send_with_others(sender: Caller, submission: Submission, gate: Arc<Barrier>) -> Answer {
    gate.wait().await;
    loop {
        let answer = sender.send(&submission).await;
        let later = answer.status == 503
            || answer.status == 409 && answer.json()["code"] == "idempotency-key-in-flight";
        if !later {
            return answer;
        }
        assert!(answer.header("retry-after").is_some(), "{}", answer.text());
        tokio::task::yield_now().await;
    }
}

const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_identical_submissions_at_once_become_one_batch() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let gate = Arc::new(Barrier::new(AT_ONCE));
    let submission = one(1).key("k-1");
    // Two processes share the database and the store; which of them is asked makes no difference.
    let nodes = [sender.clone(), sender.at(&eyes.sibling().await)];
    let sent = (0..AT_ONCE)
        .map(|n| tokio::spawn(send_with_others(nodes[n % 2].clone(), submission.clone(), Arc::clone(&gate))));
    let answers: Vec<Answer> =
        join_all(sent).await.into_iter().map(|answer| answer.unwrap().expect(202)).collect();

    let receipt = answers[0].json()["receipt"].clone();
    assert!(answers.iter().all(|answer| answer.json()["receipt"] == receipt));
    let originals = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!(originals, 1);
    assert_eq!(eyes.batches_by_state().await, [("received".into(), 1)].into());
    assert_eq!(eyes.run_jobs().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_times_the_same_bytes_under_fifty_keys_become_one_batch() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let gate = Arc::new(Barrier::new(AT_ONCE));
    let sent =
        (0..AT_ONCE).map(|_| tokio::spawn(send_with_others(sender.clone(), one(1), Arc::clone(&gate))));
    let answers: Vec<Answer> = join_all(sent).await.into_iter().map(Result::unwrap).collect();

    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((taken.len(), refused.len()), (1, AT_ONCE - 1));
    let id = taken[0].json()["batch"]["id"].as_str().unwrap().to_owned();
    for answer in refused {
        let problem = answer.expect(409).json();
        assert_eq!(problem["code"], json!("duplicate-content"));
        assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem}");
    }
    assert_eq!(eyes.batches_by_state().await.get("received"), Some(&1));
    assert_eq!(eyes.run_jobs().await, 1);
}
