//! The demo: two contributors, a risk engine, an operator, and a first batch.

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::NaiveDate;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tower::ServiceExt as _;

use super::manifest::{ClientCredentials, Manifest};
use super::samples;
use crate::access::Scope;
use crate::access::registry::{NewClient, NewContributor, NewCredential, Registry};
use crate::app::App;
use crate::db;
use crate::domain::contract::Terms;
use crate::ids::ContributorId;

/// Who the audit trail names.
const ACTOR: &str = "dev";
const SENDING: [Scope; 2] = [Scope::BatchesWrite, Scope::BatchesRead];
const NAMES: [&str; 4] = ["demo-bnpl", "demo-bureau", "demo-risk", "demo-operator"];

/// The demo's clients with secrets that work: those of the manifest while the database still knows them, else
/// fresh ones.
pub async fn clients(app: &App, known: Option<&Manifest>) -> Result<Vec<ClientCredentials>> {
    if let Some(manifest) = known
        && all_known(app, manifest).await?
    {
        return Ok(manifest.clients.clone());
    }
    let registry = Registry { pool: &app.db.system, keys: &app.keys, clock: &app.clock, actor: ACTOR };
    let bnpl = contributor("demo-bnpl", "Demo BNPL Sdn Bhd", Terms::default());
    let bureau = contributor("demo-bureau", "Demo Bureau Sdn Bhd", bureau_terms());
    let bnpl = registry.ensure_contributor(&bnpl).await?;
    let bureau = registry.ensure_contributor(&bureau).await?;
    let purposes = ["CREDIT_APPLICATION", "ACCOUNT_REVIEW"].map(str::to_owned).to_vec();
    let wanted = [
        client(NAMES[0], Some(bnpl), &SENDING, vec![]),
        client(NAMES[1], Some(bureau), &SENDING, vec![]),
        client(NAMES[2], None, &[Scope::ProfilesQuery], purposes),
        client(NAMES[3], None, &[Scope::Admin], vec![]),
    ];
    let mut clients = Vec::with_capacity(wanted.len());
    for new in &wanted {
        let issued = registry.ensure_client(new).await?;
        let secret = issued.secret.with_context(|| format!("{} has no secret", new.name))?;
        clients.push(ClientCredentials {
            name: new.name.clone(),
            client_id: issued.client_id.to_string(),
            client_secret: secret.expose_secret().to_owned(),
            scopes: new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        });
    }
    Ok(clients)
}

async fn all_known(app: &App, manifest: &Manifest) -> Result<bool> {
    for name in NAMES {
        let Some(kept) = manifest.client(name) else { return Ok(false) };
        let found = db::clients::find_by_name(&app.db.system, name).await?;
        if found.is_none_or(|client| client.client_id.to_string() != kept.client_id) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contributor(slug: &str, name: &str, terms: Terms) -> NewContributor {
    NewContributor { slug: slug.to_owned(), name: name.to_owned(), terms }
}

/// Old books with many defects can be sent for trying out.
fn bureau_terms() -> Terms {
    Terms {
        backfill_from: NaiveDate::from_ymd_opt(2000, 1, 1),
        reject_threshold_bps: 2000,
        ..Terms::default()
    }
}

fn client(
    name: &str,
    contributor_id: Option<ContributorId>,
    scopes: &[Scope],
    purposes: Vec<String>,
) -> NewClient {
    let scopes = scopes.iter().copied().collect();
    NewClient { name: name.to_owned(), contributor_id, scopes, purposes, credential: NewCredential::Secret }
}

/// Sends the first sample through the API, as any client would. Sent again, it is the same batch.
pub async fn first_batch(api: Router, client: &ClientCredentials, period_end: NaiveDate) -> Result<()> {
    let basic = BASE64.encode(format!("{}:{}", client.client_id, client.client_secret));
    let request = Request::post("/oauth/token")
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("grant_type=client_credentials"))?;
    let answer = call(api.clone(), request, StatusCode::OK).await.context("the first token was refused")?;
    let token: Token = serde_json::from_slice(&answer)?;
    let body = samples::render(samples::FIRST, period_end);
    let target = format!("/v1/batches?dataset=account_snapshot&mode=DELTA&period_end={period_end}");
    let request = Request::post(target)
        .header(header::AUTHORIZATION, format!("Bearer {}", token.access_token))
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .header("idempotency-key", format!("demo-first-{period_end}"))
        .body(Body::from(body))?;
    call(api, request, StatusCode::ACCEPTED).await.context("the first sample was refused")?;
    Ok(())
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

async fn call(api: Router, request: Request<Body>, wanted: StatusCode) -> Result<bytes::Bytes> {
    let response = api.oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != wanted {
        // Problems hold no secret: they are made for clients.
        bail!("{status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}
