//! What an operator types, from an empty database to a token and back to nothing.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Parser;
use etrplus::access::{Credential, Scope, TokenIssuer};
use etrplus::clock::Clock;
use etrplus::commands::{client, contributor, signing_key};
use etrplus::config::Config;
use etrplus::domain::contract::{Dataset, Terms};
use etrplus::privacy::Keyring;
use sqlx::{ConnectOptions as _, PgPool};

use crate::support;

#[derive(Parser)]
enum Operator {
    Client(client::ClientArgs),
    Contributor(contributor::ContributorArgs),
    SigningKey(signing_key::SigningKeyArgs),
}

fn config(pool: &PgPool) -> Config {
    let mut url = pool.connect_options().to_url_lossy();
    url.set_query(None);
    let key = format!("1:{}", BASE64.encode([7; 32]));
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("ETR_S3_BUCKET", "none"),
        ("ETR_S3_ACCESS_KEY_ID", "none"),
        ("ETR_S3_SECRET_ACCESS_KEY", "none"),
        ("ETR_TOKEN_KEY", &key),
        ("ETR_SEAL_KEYS", &key),
        ("ETR_PUBLIC_URL", "https://etr.example"),
    ];
    let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Config::from_variables(&variables).unwrap()
}

/// Types a command; answers what is printed.
async fn type_in(config: &Config, line: &str) -> anyhow::Result<String> {
    let mut out = Vec::new();
    match Operator::try_parse_from(format!("etrplus {line}").split(' '))? {
        Operator::Client(args) => client::run(args, config, &mut out).await?,
        Operator::Contributor(args) => contributor::run(args, config, &mut out).await?,
        Operator::SigningKey(args) => signing_key::run(args, config, &mut out).await?,
    }
    Ok(String::from_utf8(out)?)
}

/// The value printed after a word at the start of a line.
fn value(printed: &str, word: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix(word));
    line.unwrap_or_else(|| panic!("no {word} in:\n{printed}")).trim().to_owned()
}

#[tokio::test]
async fn an_operator_brings_a_contributor_in_and_takes_its_client_out() {
    let pool = support::database().await;
    let config = config(&pool);
    let keys = Keyring::from_config(&config).unwrap();
    let issuer = TokenIssuer::load_or_create(&pool, &keys, &Clock::System, &config.public_url).await.unwrap();

    let created = type_in(
        &config,
        "contributor create demo-bureau --name Bureau --backfill-from 2000-01-01 \
         --reject-threshold-percent 20 --dataset account_snapshot --notice-attested-until 2026-12-31 \
         --retention 60 --operator aminah",
    );
    assert!(created.await.unwrap().starts_with("Contributor demo-bureau created."));
    let stored = etrplus::db::contributors::find_by_slug(&pool, "demo-bureau").await.unwrap().unwrap();
    let expected = Terms {
        datasets: vec![Dataset::AccountSnapshot],
        backfill_from: Some("2000-01-01".parse().unwrap()),
        reject_threshold_bps: 2000,
        notice_attested_until: Some("2026-12-31".parse().unwrap()),
        retention_months: 60,
        ..Terms::default()
    };
    assert_eq!(stored.terms, expected);
    type_in(&config, "contributor attest demo-bureau --until 2027-12-31").await.unwrap();
    let renewed = etrplus::db::contributors::find_by_slug(&pool, "demo-bureau").await.unwrap().unwrap();
    assert_eq!(renewed.terms.notice_attested_until, "2027-12-31".parse().ok());

    let printed = type_in(
        &config,
        "client create --name upload --contributor demo-bureau --scope batches:write,batches:read",
    )
    .await
    .unwrap();
    let (client_id, secret) = (value(&printed, "client_id"), value(&printed, "client_secret"));
    let log_in =
        async |secret: &str| issuer.authenticate(Credential::Basic { client_id: &client_id, secret }).await;
    let token = issuer.access_token(&log_in(&secret).await.unwrap(), None).unwrap().token;
    let principal = issuer.authorize(&token, Scope::BatchesWrite).await.unwrap();
    assert_eq!(principal.contributor_id, Some(stored.contributor_id));

    let printed = type_in(&config, &format!("client rotate {client_id} --overlap 0")).await.unwrap();
    assert!(log_in(&secret).await.is_err());
    assert!(log_in(&value(&printed, "client_secret")).await.is_ok());

    let kid = type_in(&config, "signing-key rotate --compromised").await.unwrap();
    issuer.refresh().await.unwrap();
    assert!(kid.contains(issuer.jwks()["keys"][0]["kid"].as_str().unwrap()), "{kid}");
    assert!(issuer.verify(&token).is_err());

    type_in(&config, &format!("client revoke {client_id}")).await.unwrap();
    assert!(log_in(&value(&printed, "client_secret")).await.is_err());
    type_in(&config, "contributor suspend demo-bureau").await.unwrap();

    let actor: String =
        sqlx::query_scalar("/* test */ SELECT actor FROM audit_entries WHERE action = 'contributor.create'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(actor, "cli:aminah");
}

#[tokio::test]
async fn a_mistyped_command_says_what_is_wrong() {
    let config = config(&support::database().await);
    for (line, reason) in [
        ("client create --name x --scope root", "the scopes are batches:write"),
        ("client create --name x --scope batches:write", "needs a contributor"),
        ("client create --name x --scope admin --contributor nobody", "no contributor has the slug nobody"),
        ("client create --name x --scope admin --auth private_key_jwt", "--jwk"),
        (
            "client create --name x --scope admin --auth private_key_jwt --jwk /nowhere",
            "cannot read /nowhere",
        ),
        ("client rotate 1", "invalid"),
        ("contributor create Demo --name x", "the slug must be"),
        ("contributor create demo --name x --reject-threshold-percent 101", "a percentage from 0 to 100"),
        ("contributor create demo --name x --dataset ledger", "the datasets are account_snapshot"),
        ("contributor suspend demo", "not found"),
    ] {
        let error = format!("{:#}", type_in(&config, line).await.unwrap_err());
        assert!(error.contains(reason), "{line}: {error}");
    }
}

#[tokio::test]
async fn where_two_operators_have_to_agree_each_types_a_command_of_its_own() {
    let pool = support::database().await;
    let config = config(&pool);
    type_in(&config, "contributor create demo-bureau --name Bureau").await.unwrap();
    let until = (Clock::System.now() + chrono::TimeDelta::days(30)).date_naive();
    let terms = || async {
        etrplus::db::contributors::find_by_slug(&pool, "demo-bureau").await.unwrap().unwrap().terms
    };
    let soften = format!(
        "contributor override demo-bureau X007 --effect warn --until {until} --reason rounds-overdue-down"
    );
    let lent = "contributor constant demo-bureau opened_date 2005-04-01 --reason no-such-column";
    let nobody = type_in(&config, &soften).await.unwrap_err();
    assert!(nobody.to_string().contains("--operator"), "{nobody}");

    let asked = type_in(&config, &format!("{soften} --operator aminah")).await.unwrap();
    let override_id = value(&asked, "override_id");
    let constant_id =
        value(&type_in(&config, &format!("{lent} --operator aminah")).await.unwrap(), "constant_id");
    assert_eq!(
        type_in(&config, &format!("{soften} --operator aminah")).await.unwrap(),
        asked,
        "once is enough"
    );
    let approvals = [format!("approve-override {override_id}"), format!("approve-constant {constant_id}")];
    for (approval, herself) in approvals.iter().zip(["aminah", "Aminah"]) {
        let alone = type_in(&config, &format!("contributor {approval} --operator {herself}")).await;
        assert!(alone.unwrap_err().to_string().contains("another operator"), "{herself}");
    }
    assert_eq!((terms().await.overrides, terms().await.constants), (vec![], vec![]));
    for approval in &approvals {
        for _ in 0..2 {
            type_in(&config, &format!("contributor {approval} --operator farid")).await.unwrap();
        }
    }
    let agreed = terms().await;
    assert_eq!((agreed.overrides.len(), agreed.constants.len()), (1, 1));

    type_in(&config, &format!("contributor revoke-override {override_id}")).await.unwrap();
    type_in(&config, &format!("contributor revoke-constant {constant_id}")).await.unwrap();
    assert_eq!((terms().await.overrides, terms().await.constants), (vec![], vec![]));
}
