//! Forged, borrowed, replayed and malformed tokens: none of them opens a door (RFC 8725).

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chrono::TimeDelta;
use etrplus::access::{Credential, PublicKey};
use etrplus::error::Error;
use etrplus::ids::ClientId;
use etrplus::privacy::{Aad, random};
use serde_json::{Value, json};

use crate::access::{Bureau, URL, is_unauthenticated};

/// A compact JWS of exactly these texts.
fn jws(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", B64.encode(header), B64.encode(claims));
    let signature = B64.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn ed25519() -> Ed25519KeyPair {
    Ed25519KeyPair::generate().unwrap()
}

fn ed25519_jwk(key: &Ed25519KeyPair) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": B64.encode(key.public_key())})
}

/// The bureau's own signing key, as only a thief could have it.
async fn stolen_key(bureau: &Bureau) -> (String, Ed25519KeyPair) {
    let row = etrplus::db::signing_keys::list(&bureau.pool).await.unwrap().remove(0);
    let aad = Aad { table: "signing_keys", column: "sealed_private", owner: row.kid.as_bytes() };
    let private = bureau.keys.open(&aad, &row.sealed_private).unwrap();
    (row.kid, Ed25519KeyPair::from_pkcs8_maybe_unchecked(&private).unwrap())
}

/// Claims that the server itself could have made.
fn honest_claims(bureau: &Bureau, client: ClientId) -> Value {
    let now = bureau.clock.now().timestamp();
    json!({
        "iss": URL, "sub": client, "aud": URL, "exp": now + 300, "iat": now, "jti": "6f9f2d1c7b6a4e0f",
        "client_id": client, "scope": "batches:read", "contributor_id": bureau.acme, "cv": 1,
    })
}

fn with(claims: &Value, member: &str, value: Value) -> String {
    let mut claims = claims.clone();
    claims[member] = value;
    claims.to_string()
}

fn without(claims: &Value, member: &str) -> String {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(member);
    claims.to_string()
}

#[tokio::test]
async fn claims_that_we_would_not_write_are_refused_even_with_our_signature() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await.client_id;
    let (kid, key) = stolen_key(&bureau).await;
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).to_string();
    let sign = |message: &[u8]| key.sign(message).as_ref().to_vec();
    let honest = honest_claims(&bureau, client);
    assert!(bureau.issuer.verify(&jws(&header, &honest.to_string(), sign)).is_ok(), "the base case is good");

    let now = bureau.clock.now().timestamp();
    let text = honest.to_string();
    let doubled = |member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let raw_exp = |value: &str| text.replace(&(now + 300).to_string(), value);
    let mut hostile = vec![
        ("another issuer", with(&honest, "iss", json!("https://evil.example"))),
        ("issuer with a slash", with(&honest, "iss", json!(format!("{URL}/")))),
        ("issuers", with(&honest, "iss", json!([URL]))),
        ("another audience", with(&honest, "aud", json!("https://other.example"))),
        ("audience list", with(&honest, "aud", json!([URL]))),
        ("audience prefix", with(&honest, "aud", json!(format!("{URL}.evil.example")))),
        ("expired", with(&honest, "exp", json!(now))),
        ("expired long ago", with(&honest, "exp", json!(0))),
        ("negative exp", with(&honest, "exp", json!(-1))),
        ("exp as text", with(&honest, "exp", json!((now + 300).to_string()))),
        ("exp null", with(&honest, "exp", Value::Null)),
        ("exp as float", raw_exp(&format!("{}.0", now + 300))),
        ("exp as power", raw_exp("1e309")),
        ("exp beyond time", raw_exp(&i64::MAX.to_string())),
        ("exp beyond i64", raw_exp("99999999999999999999")),
        ("a long life", with(&honest, "exp", json!(now + 301))),
        ("from the future", text.replace(&now.to_string(), &(now + 11).to_string())),
        ("iat as float", text.replace(&format!("\"iat\":{now}"), &format!("\"iat\":{now}.5"))),
        ("another subject", with(&honest, "sub", json!(random::uuid_v4()))),
        ("subject is no id", with(&honest, "sub", json!("' OR 1=1 --"))),
        ("unknown scope", with(&honest, "scope", json!("root"))),
        ("scope list", with(&honest, "scope", json!(["admin"]))),
        ("version as text", with(&honest, "cv", json!("1"))),
        ("a claim too many", with(&honest, "nbf", json!(now))),
        ("exp twice", doubled(&format!("\"exp\":{}", now + 9))),
        ("scope twice", doubled("\"scope\":\"admin\"")),
        ("a list", "[]".into()),
        ("not JSON", "claims".into()),
        ("not UTF-8 text", format!("{text}\u{0}")),
        ("two objects", format!("{text}{text}")),
        ("nothing", String::new()),
    ];
    for member in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "cv"] {
        hostile.push((member, without(&honest, member)));
    }
    for (why, claims) in hostile {
        assert!(is_unauthenticated(&bureau.issuer.verify(&jws(&header, &claims, sign))), "{why}: {claims}");
    }
    // Well-formed and signed, for a client or version that is not: refused one step later.
    for (why, claims) in [
        ("unknown client", {
            let other = json!(random::uuid_v4());
            let mut claims = honest.clone();
            (claims["sub"], claims["client_id"]) = (other.clone(), other);
            claims.to_string()
        }),
        ("later version", with(&honest, "cv", json!(2))),
        ("another contributor", with(&honest, "contributor_id", json!(random::uuid_v4()))),
        ("no contributor", without(&honest, "contributor_id")),
    ] {
        let claims = bureau.issuer.verify(&jws(&header, &claims, sign)).unwrap();
        assert!(is_unauthenticated(&bureau.issuer.principal_for(&claims).await), "{why}");
    }
    // A scope that the client never had is not granted by saying so.
    let claims = bureau.issuer.verify(&jws(&header, &with(&honest, "scope", json!("admin")), sign)).unwrap();
    assert!(bureau.issuer.principal_for(&claims).await.unwrap().scopes.is_empty());
}

#[tokio::test]
async fn a_token_cannot_choose_its_key_or_algorithm() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await.client_id;
    let (kid, key) = stolen_key(&bureau).await;
    let claims = honest_claims(&bureau, client).to_string();
    let ours = |message: &[u8]| key.sign(message).as_ref().to_vec();
    let thief = ed25519();
    let theirs = |message: &[u8]| thief.sign(message).as_ref().to_vec();
    let header = |extra: Value| {
        let mut header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        header.to_string()
    };

    let mut hostile = vec![
        ("another's key", jws(&header(json!({})), &claims, theirs)),
        ("embedded key", jws(&header(json!({"jwk": ed25519_jwk(&thief)})), &claims, theirs)),
        ("embedded key, our signature", jws(&header(json!({"jwk": ed25519_jwk(&thief)})), &claims, ours)),
        ("key address", jws(&header(json!({"jku": "https://evil.example/jwks"})), &claims, theirs)),
        ("certificate address", jws(&header(json!({"x5u": "https://evil.example/c"})), &claims, theirs)),
        ("critical extension", jws(&header(json!({"crit": ["b64"], "b64": false})), &claims, ours)),
        ("compressed", jws(&header(json!({"zip": "DEF"})), &claims, ours)),
        ("wrong typ", jws(&header(json!({"typ": "JWT"})), &claims, ours)),
        ("typ in capitals", jws(&header(json!({"typ": "AT+JWT"})), &claims, ours)),
        ("receipt typ", jws(&header(json!({"typ": "receipt+jws"})), &claims, ours)),
        ("unknown kid", jws(&header(json!({"kid": "nobody"})), &claims, theirs)),
        ("kid as path", jws(&header(json!({"kid": "../../dev/null"})), &claims, |_| Vec::new())),
        ("kid as SQL", jws(&header(json!({"kid": "' UNION SELECT 1 --"})), &claims, theirs)),
        ("kid as number", jws(&header(json!({"kid": 1})), &claims, ours)),
        ("no typ", jws(&json!({"alg": "EdDSA", "kid": kid}).to_string(), &claims, ours)),
        ("no kid", jws(&json!({"alg": "EdDSA", "typ": "at+jwt"}).to_string(), &claims, ours)),
        ("alg twice", jws(&header(json!({})).replacen('{', "{\"alg\":\"none\",", 1), &claims, ours)),
        ("no signature", jws(&header(json!({})), &claims, |_| Vec::new())),
        ("zero signature", jws(&header(json!({})), &claims, |_| vec![0; 64])),
        ("cut signature", jws(&header(json!({})), &claims, |message| ours(message)[..63].to_vec())),
        ("long signature", jws(&header(json!({})), &claims, |message| [ours(message), vec![0]].concat())),
    ];
    for alg in ["none", "None", "nOnE", "ES256", "ES384", "RS256", "PS256", "Ed25519", ""] {
        hostile.push((alg, jws(&header(json!({"alg": alg})), &claims, ours)));
        hostile.push((alg, jws(&header(json!({"alg": alg})), &claims, |_| Vec::new())));
    }
    // The public key is public: it must not serve as an HMAC secret, in whichever encoding.
    let jwk = bureau.issuer.jwks()["keys"][0].to_string();
    for secret in [key.public_key().as_ref(), jwk.as_bytes(), B64.encode(key.public_key()).as_bytes()] {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sign = |message: &[u8]| hmac::sign(&secret, message).as_ref().to_vec();
        hostile.push(("HS256 with the public key", jws(&header(json!({"alg": "HS256"})), &claims, sign)));
        hostile.push(("HMAC in an EdDSA token", jws(&header(json!({})), &claims, sign)));
    }
    for (why, token) in hostile {
        assert!(is_unauthenticated(&bureau.issuer.verify(&token)), "{why}: {token}");
    }
}

#[tokio::test]
async fn a_genuine_token_is_refused_once_a_character_is_touched() {
    let bureau = Bureau::open().await;
    let token = bureau.token(&bureau.client("acme-upload").await).await;
    assert!(bureau.issuer.verify(&token).is_ok());
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert!(is_unauthenticated(&bureau.issuer.verify(&altered)), "character {at}");
        assert!(is_unauthenticated(&bureau.issuer.verify(&token[..at])), "length {at}");
    }
    let parts: Vec<&str> = token.split('.').collect();
    for odd in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}.{}", parts[2]),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        token.replace('.', "\u{ff0e}"),
        "é".repeat(100),
        "A".repeat(1 << 20),
        // Well-formed in every other way.
        format!("{}.{}.{}", parts[0], B64.encode(" ".repeat(9000)), parts[2]),
    ] {
        assert!(is_unauthenticated(&bureau.issuer.verify(&odd)), "{odd:.60}");
    }
}

#[tokio::test]
async fn receipts_and_tokens_do_not_stand_in_for_each_other() {
    let bureau = Bureau::open().await;
    let token = bureau.token(&bureau.client("acme-upload").await).await;
    let (kid, key) = stolen_key(&bureau).await;
    let refused = bureau.issuer.verify_receipt(&token);
    assert!(matches!(refused, Err(Error::Unprocessable { code: "receipt-invalid", .. })));
    let receipt = json!({
        "iss": URL, "iat": 0, "batch_id": random::uuid_v4(), "sha256": "00", "bytes": 1,
        "dataset": "account_snapshot", "contributor_id": bureau.acme, "received_at": "2026-11-24T01:00:00Z",
    })
    .to_string();
    let header = json!({"alg": "EdDSA", "typ": "receipt+jws", "kid": kid}).to_string();
    let forged = jws(&header, &receipt, |message| ed25519().sign(message).as_ref().to_vec());
    assert!(bureau.issuer.verify_receipt(&forged).is_err());
    let genuine = jws(&header, &receipt, |message| key.sign(message).as_ref().to_vec());
    assert!(bureau.issuer.verify_receipt(&genuine).is_ok());
    assert!(is_unauthenticated(&bureau.issuer.verify(&genuine)));
}

/// What an honest client signs.
fn assertion_claims(bureau: &Bureau, client: ClientId) -> Value {
    let now = bureau.clock.now().timestamp();
    let jti = hex::encode(random::bytes::<16>());
    json!({"iss": client, "sub": client, "aud": URL, "exp": now + 60, "iat": now, "jti": jti})
}

async fn show(bureau: &Bureau, assertion: &str) -> Result<ClientId, Error> {
    let credential = Credential::Assertion { assertion, client_id: None };
    bureau.issuer.authenticate(credential).await.map(|client| client.client_id)
}

#[tokio::test]
async fn a_client_signs_in_with_either_algorithm_and_once_per_assertion() {
    let bureau = Bureau::open().await;
    let ed = ed25519();
    let ed_key = PublicKey::from_jwk(&ed25519_jwk(&ed)).unwrap();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
    let ec_jwk =
        json!({"kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y), "kid": "upload-1"});
    let ec_key = PublicKey::from_jwk(&ec_jwk).unwrap();
    let ed_client = bureau.keyed_client("ed", ed_key).await;
    let ec_client = bureau.keyed_client("ec", ec_key).await;
    let ed_kid =
        sqlx::query_scalar::<_, String>("/* test */ SELECT kid FROM client_keys WHERE client_id = $1")
            .bind(ed_client)
            .fetch_one(&bureau.pool)
            .await
            .unwrap();

    let ed_sign = |message: &[u8]| ed.sign(message).as_ref().to_vec();
    let ec_sign = |message: &[u8]| ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    let ed_header = json!({"alg": "EdDSA", "kid": ed_kid, "typ": "JWT"}).to_string();
    let ec_header = json!({"alg": "ES256", "kid": "upload-1"}).to_string();

    let by_ed = jws(&ed_header, &assertion_claims(&bureau, ed_client).to_string(), ed_sign);
    assert_eq!(show(&bureau, &by_ed).await.unwrap(), ed_client);
    let mut claims = assertion_claims(&bureau, ec_client);
    claims["aud"] = json!([format!("{URL}/oauth/token")]);
    let by_ec = jws(&ec_header, &claims.to_string(), ec_sign);
    assert_eq!(show(&bureau, &by_ec).await.unwrap(), ec_client);

    // Replayed here, on another node, and with a clock set back after the note would have been deleted.
    assert!(is_unauthenticated(&show(&bureau, &by_ed).await));
    let node = etrplus::access::TokenIssuer::load_or_create(&bureau.pool, &bureau.keys, &bureau.clock, URL);
    let credential = Credential::Assertion { assertion: &by_ed, client_id: None };
    assert!(is_unauthenticated(&node.await.unwrap().authenticate(credential).await));
    let clock_then = bureau.clock.now() + TimeDelta::minutes(30);
    etrplus::db::client_assertions::delete_expired(&bureau.pool, clock_then).await.unwrap();
    assert!(is_unauthenticated(&show(&bureau, &by_ed).await));

    // Each other's kid, key or name.
    let ed_claims = || assertion_claims(&bureau, ed_client).to_string();
    for (why, assertion) in [
        ("another client's kid", jws(&ec_header, &ed_claims(), ec_sign)),
        ("another's algorithm", jws(&ed_header.replace("EdDSA", "ES256"), &ed_claims(), ed_sign)),
        ("another's signature", jws(&ed_header, &ed_claims(), ec_sign)),
        ("zero ES256 signature", {
            jws(&ec_header, &assertion_claims(&bureau, ec_client).to_string(), |_| vec![0; 64])
        }),
        ("no signature", jws(&ed_header, &ed_claims(), |_| Vec::new())),
        ("alg none", jws(&ed_header.replace("EdDSA", "none"), &ed_claims(), |_| Vec::new())),
        ("embedded key", {
            let header = json!({"alg": "EdDSA", "kid": ed_kid, "jwk": ed25519_jwk(&ed)}).to_string();
            jws(&header, &ed_claims(), ed_sign)
        }),
        ("access token typ", jws(&ed_header.replace("JWT", "at+jwt"), &ed_claims(), ed_sign)),
    ] {
        assert!(is_unauthenticated(&show(&bureau, &assertion).await), "{why}");
    }
    let good = jws(&ed_header, &ed_claims(), ed_sign);
    let other_name = Credential::Assertion { assertion: &good, client_id: Some("someone-else") };
    assert!(is_unauthenticated(&bureau.issuer.authenticate(other_name).await));
}

#[tokio::test]
async fn an_assertion_is_for_us_for_now_and_by_its_subject() {
    let bureau = Bureau::open().await;
    let key = ed25519();
    let public = PublicKey::from_jwk(&ed25519_jwk(&key)).unwrap();
    let client = bureau.keyed_client("ed", public).await;
    let kid: String =
        sqlx::query_scalar("/* test */ SELECT kid FROM client_keys").fetch_one(&bureau.pool).await.unwrap();
    let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
    let sign =
        |claims: &Value| jws(&header, &claims.to_string(), |message| key.sign(message).as_ref().to_vec());
    let now = bureau.clock.now().timestamp();
    let changed = |changes: Value| {
        let mut claims = assertion_claims(&bureau, client);
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    for (why, changes) in [
        ("another audience", json!({"aud": "https://other.example"})),
        ("two audiences", json!({"aud": [URL, "https://other.example"]})),
        ("no audience", json!({"aud": []})),
        ("another path", json!({"aud": format!("{URL}/v1/batches")})),
        ("another issuer", json!({"iss": random::uuid_v4()})),
        ("expired", json!({"iat": now - 60, "exp": now})),
        ("too long a life", json!({"exp": now + 301})),
        ("from the future", json!({"iat": now + 11, "exp": now + 60})),
        ("not yet", json!({"nbf": now + 11})),
        ("short jti", json!({"jti": "123456789012345"})),
        ("long jti", json!({"jti": "1".repeat(256)})),
        ("exp as text", json!({"exp": (now + 60).to_string()})),
        ("beyond time", json!({"exp": i64::MAX, "iat": i64::MAX})),
        ("no client", json!({"iss": "acme", "sub": "acme"})),
    ] {
        assert!(is_unauthenticated(&show(&bureau, &sign(&changed(changes))).await), "{why}");
    }
    // What was refused for its content did not use up anything; skew and the longest life are allowed.
    for changes in [json!({}), json!({"iat": now + 10, "exp": now + 310}), json!({"nbf": now, "extra": 1})] {
        assert!(show(&bureau, &sign(&changed(changes.clone()))).await.is_ok(), "{changes}");
    }

    bureau.registry().revoke_client(client).await.unwrap();
    assert!(is_unauthenticated(&show(&bureau, &sign(&assertion_claims(&bureau, client))).await));
}

#[tokio::test]
async fn a_client_authenticates_only_in_the_way_of_its_record() {
    let bureau = Bureau::open().await;
    let key = PublicKey::from_jwk(&ed25519_jwk(&ed25519())).unwrap();
    let client = bureau.keyed_client("ed", key).await;
    // Even with a secret of its own in the table.
    let mac = bureau.keys.mac(etrplus::privacy::MacPurpose::ClientSecret, b"sesame");
    etrplus::db::clients::insert_secret(&bureau.pool, random::uuid_v4(), client, &mac, bureau.clock.now())
        .await
        .unwrap();
    let credential = Credential::Basic { client_id: &client.to_string(), secret: "sesame" };
    assert!(is_unauthenticated(&bureau.issuer.authenticate(credential).await));
    let rotated = bureau.registry().rotate_secret(client, TimeDelta::zero()).await;
    assert!(matches!(rotated, Err(Error::Conflict { code: "client-has-no-secret", .. })));
}
