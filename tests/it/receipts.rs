//! Receipts: what we signed is checked the way a contributor would, with a JOSE library and the published keys.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::TimeDelta;
use etrplus::access::Rotation;
use etrplus::domain::contract::Terms;
use serde_json::{Value, json};

use crate::support::app::{Submission, TestApp};
use crate::support::records::{account, ndjson};

/// The claims of a receipt, if a published key signed it; and that key's id.
async fn verified(eyes: &TestApp, receipt: &str) -> Option<(Value, String)> {
    let request = http::Request::get("/.well-known/jwks.json").body(axum::body::Body::empty()).unwrap();
    let published: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(eyes.anybody(request).await.json()).unwrap();
    let header = jsonwebtoken::decode_header(receipt).ok()?;
    let kid = header.kid?;
    let key = jsonwebtoken::DecodingKey::from_jwk(published.find(&kid)?).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    (rules.required_spec_claims, rules.validate_exp) = (["iss".to_owned()].into(), false);
    rules.set_issuer(&["https://etrplus.example"]);
    let claims = jsonwebtoken::decode::<Value>(receipt, &key, &rules).ok()?.claims;
    Some((claims, kid))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_what_was_received_and_outlives_the_key_that_signed_it() {
    let eyes = TestApp::start().await;
    let mut sender = eyes.contributor("sender", Terms::default()).await;
    let submission = Submission::ndjson(ndjson(&[account(1)]));
    let received = sender.send(&submission).await.expect(202).json();
    let receipt = received["receipt"].as_str().unwrap().to_owned();
    let id = received["batch"]["id"].as_str().unwrap();

    let (claims, first_key) = verified(&eyes, &receipt).await.unwrap();
    assert_eq!(claims["batch_id"], id);
    assert_eq!(claims["sha256"], hex::encode(digest(&SHA256, &submission.body)));
    assert_eq!(claims["bytes"], submission.body.len());
    assert_eq!(claims["dataset"], "account_snapshot");
    assert_eq!(claims["contributor_id"], json!(sender.contributor_id));
    assert_eq!(claims["received_at"], received["batch"]["received_at"]);
    assert_eq!(claims["idempotency_key"], submission.key.clone().unwrap());
    let path = format!("/v1/batches/{id}/receipt");
    assert_eq!(sender.get(&path).await.expect(200).json()["receipt"], receipt);

    // One changed character, anywhere, and it is nobody's word.
    let (payload_start, payload_end) = (receipt.find('.').unwrap() + 1, receipt.rfind('.').unwrap());
    for at in [payload_start, (payload_start + payload_end) / 2, payload_end + 1, receipt.len() - 2] {
        let mut forged = receipt.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert!(verified(&eyes, std::str::from_utf8(&forged).unwrap()).await.is_none(), "changed at {at}");
    }

    // A new key signs from now on; the old receipt verifies as before, and a retry gets that one again.
    eyes.app.issuer.rotate(Rotation::Planned, "test").await.unwrap();
    eyes.advance(TimeDelta::minutes(11));
    sender.renew_token().await;
    let later = sender.send(&Submission::ndjson(ndjson(&[account(2)]))).await.expect(202).json();
    let (_, second_key) = verified(&eyes, later["receipt"].as_str().unwrap()).await.unwrap();
    assert_ne!(first_key, second_key);
    assert_eq!(verified(&eyes, &receipt).await.unwrap().1, first_key);
    assert_eq!(sender.send(&submission).await.expect(202).json()["receipt"], receipt);
    assert_eq!(sender.get(&path).await.expect(200).json()["receipt"], receipt);
}
