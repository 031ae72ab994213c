//! Contract versions as operators change them: drafted, checked, published, deprecated, retired; and who is pinned.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::access::Principal;
use crate::access::agreement::Operator;
use crate::access::contracts::{self, Contracts, Draft};
use crate::app::{App, AppState};
use crate::db::contracts::{Compatibility, User};
use crate::domain::contract::Dataset;
use crate::domain::contract::version::{Definition, Objection, parse_version};
use crate::http::auth::Authorized;
use crate::http::contracts::{ContractSummary, ContractView};
use crate::http::dates;
use crate::http::examples::contracts as examples;
use crate::http::extract::{Json, Path};
use crate::http::page::Page;
use crate::http::problem::{FieldProblem, Problem, ProblemKind};

/// A version to be.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    pub definition: Definition,
    /// `backward` when absent: whatever keeps to the version before must keep to this one.
    pub compatibility: Option<Compatibility>,
    /// Why it breaks the version before; needed with `none`.
    #[validate(length(min = 10, max = 1000, message = "must have 10 to 1000 characters"))]
    #[schema(min_length = 10, max_length = 1000)]
    pub compatibility_reason: Option<String>,
}

impl From<DraftRequest> for Draft {
    fn from(request: DraftRequest) -> Draft {
        Draft {
            definition: request.definition,
            compatibility: request.compatibility.unwrap_or(Compatibility::Backward),
            reason: request.compatibility_reason,
        }
    }
}

/// How a version stands to the one before it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    /// Whether it could be published as backward compatible.
    pub compatible: bool,
    /// The newest open version before it; null for the first.
    pub against: Option<u32>,
    /// What is wrong with the definition as such.
    pub objections: Vec<Objection>,
    /// Why records that keep to the version before might break this one.
    pub incompatibilities: Vec<Objection>,
}

#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DeprecationRequest {
    /// The first day on which the version may be refused.
    #[serde(deserialize_with = "dates::date")]
    pub sunset_on: NaiveDate,
}

#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RetirementRequest {
    /// Why it ends although somebody is left on it; absent: refused while somebody is.
    #[validate(length(min = 10, max = 1000, message = "must have 10 to 1000 characters"))]
    #[schema(min_length = 10, max_length = 1000)]
    pub force_reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// A published or deprecated version.
    pub version: u32,
}

/// What `schema_version` means for a contributor that does not say.
#[derive(Debug, Serialize, ToSchema)]
pub struct PinView {
    pub contributor: String,
    pub dataset: Dataset,
    pub version: u32,
}

/// A contributor that is left on a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractUserView {
    pub contributor: String,
    pub pinned: bool,
    /// When it last sent a batch with it; null when it never did.
    pub last_received_at: Option<DateTime<Utc>>,
}

impl From<User> for ContractUserView {
    fn from(user: User) -> ContractUserView {
        ContractUserView {
            contributor: user.slug,
            pinned: user.pinned,
            last_received_at: user.last_received_at,
        }
    }
}

fn deeds<'a>(app: &'a App, operator: &'a Operator) -> Contracts<'a> {
    Contracts { db: &app.db, clock: &app.clock, directory: &app.contracts, operator }
}

fn operator(principal: &Principal) -> Operator {
    Operator::client(principal)
}

/// The words of a path; what is none of ours is not there.
fn place(dataset: &str, version: &str) -> Result<(Dataset, u32), Problem> {
    Dataset::parse(dataset).zip(parse_version(version)).ok_or_else(|| Problem::new(ProblemKind::NotFound))
}

/// List every version of a dataset's contract, drafts as well, oldest first.
#[utoipa::path(
    get, path = "/v1/operations/contracts/{dataset}", operation_id = "list_contract_versions", tag = "operations",
    params(("dataset" = Dataset, Path, example = "account_snapshot")),
    responses((status = 200, description = "all versions", body = Page<ContractSummary>, example = json!(examples::list())),
        (status = 404, description = "no such dataset")),
)]
pub async fn list_versions(
    State(app): State<AppState>,
    Path(dataset): Path<String>,
) -> Result<axum::Json<Page<ContractSummary>>, Problem> {
    let dataset = Dataset::parse(&dataset).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let versions = contracts::versions_of(&app.db, dataset).await?;
    let items = versions.iter().map(ContractSummary::from).collect();
    Ok(axum::Json(Page { items, next_cursor: None }))
}

/// Draft the next version of a dataset's contract.
///
/// A definition selects from the dictionary of the dataset (its first version): it may leave out what is optional, ask
/// for more, allow fewer words or shorter texts. A dataset has one draft at a time.
#[utoipa::path(
    post, path = "/v1/operations/contracts/{dataset}", operation_id = "create_contract", tag = "operations",
    params(("dataset" = Dataset, Path, example = "account_snapshot")),
    request_body(content = DraftRequest, example = json!(examples::draft())),
    responses((status = 201, description = "the draft", body = ContractView, example = json!(examples::drafted())),
        (status = 404, description = "no such dataset"),
        (status = 409, description = "`conflict`: the dataset has another draft"),
        (status = 422, description = "`unprocessable`: compatibility is given up without a reason")),
)]
pub async fn create_contract(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(dataset): Path<String>,
    Json(request): Json<DraftRequest>,
) -> Result<Response, Problem> {
    let dataset = Dataset::parse(&dataset).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let created = deeds(&app, &operator(&principal)).create_draft(dataset, &request.into()).await?;
    Ok((StatusCode::CREATED, axum::Json(ContractView::from(&created))).into_response())
}

/// Write another definition into a draft.
#[utoipa::path(
    put, path = "/v1/operations/contracts/{dataset}/{version}", operation_id = "change_contract", tag = "operations",
    params(("dataset" = Dataset, Path, example = "repayment_event"), ("version" = String, Path, example = "2")),
    request_body(content = DraftRequest, example = json!(examples::event_draft())),
    responses((status = 200, description = "the draft", body = ContractView, example = json!(examples::drafted())),
        (status = 404, description = "no such version"),
        (status = 409, description = "`conflict`: it is a draft no longer, and never changes")),
)]
pub async fn change_contract(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path((dataset, version)): Path<(String, String)>,
    Json(request): Json<DraftRequest>,
) -> Result<axum::Json<ContractView>, Problem> {
    let (dataset, version) = place(&dataset, &version)?;
    let changed = deeds(&app, &operator(&principal)).change_draft(dataset, version, &request.into()).await?;
    Ok(axum::Json(ContractView::from(&changed)))
}

/// Check whether a version may be published, with the reasons.
#[utoipa::path(
    get, path = "/v1/operations/contracts/{dataset}/{version}/compatibility", operation_id = "check_contract", tag = "operations",
    params(("dataset" = Dataset, Path, example = "repayment_event"), ("version" = String, Path, example = "2")),
    responses((status = 200, description = "how it stands to the version before", body = CheckView, example = json!(examples::check())),
        (status = 404, description = "no such version")),
)]
pub async fn check_contract(
    State(app): State<AppState>,
    Path((dataset, version)): Path<(String, String)>,
) -> Result<axum::Json<CheckView>, Problem> {
    let (dataset, version) = place(&dataset, &version)?;
    let check = contracts::check(&contracts::versions_of(&app.db, dataset).await?, version)?;
    Ok(axum::Json(CheckView {
        compatible: check.objections.is_empty() && check.incompatibilities.is_empty(),
        against: check.against,
        objections: check.objections,
        incompatibilities: check.incompatibilities,
    }))
}

/// Publish a draft: from now on it never changes, and batches may be sent with it.
///
/// Refused when records that keep to the version before might break it. A draft that gives compatibility up, for a
/// stated reason, is published all the same, and contributors without a pin are pinned to the version before.
#[utoipa::path(
    post, path = "/v1/operations/contracts/{dataset}/{version}/publish", operation_id = "publish_contract", tag = "operations",
    params(("dataset" = Dataset, Path, example = "repayment_event"), ("version" = String, Path, example = "2")),
    responses((status = 200, description = "the version; doing it again changes nothing", body = ContractView, example = json!(examples::published())),
        (status = 404, description = "no such version"),
        (status = 409, description = "`incompatible-contract`: `errors` has the reasons; `conflict`: it is deprecated or retired")),
)]
pub async fn publish_contract(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path((dataset, version)): Path<(String, String)>,
) -> Result<axum::Json<ContractView>, Problem> {
    let (dataset, version) = place(&dataset, &version)?;
    match deeds(&app, &operator(&principal)).publish(dataset, version).await? {
        Ok(published) => Ok(axum::Json(ContractView::from(&published))),
        Err(objections) => Err(refused(objections)),
    }
}

fn refused(objections: Vec<Objection>) -> Problem {
    let place = |objection: Objection| {
        FieldProblem::new(format!("/definition/fields/{}", objection.field), "incompatible", objection.reason)
    };
    Problem::new(ProblemKind::IncompatibleContract)
        .detail("The version is not published; errors has a reason for each field. Change the draft, or give compatibility up and say why.")
        .errors(objections.into_iter().map(place).collect())
}

/// Announce the day on which a version ends: answers to whoever sends with it carry `Deprecation` and `Sunset`.
#[utoipa::path(
    post, path = "/v1/operations/contracts/{dataset}/{version}/deprecate", operation_id = "deprecate_contract", tag = "operations",
    params(("dataset" = Dataset, Path, example = "application"), ("version" = String, Path, example = "2")),
    request_body(content = DeprecationRequest, example = json!(examples::deprecation())),
    responses((status = 200, description = "the version; another day moves its end", body = ContractView, example = json!(examples::deprecated())),
        (status = 404, description = "no such version"),
        (status = 409, description = "`conflict`: it is not published, or nothing newer is")),
)]
pub async fn deprecate_contract(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path((dataset, version)): Path<(String, String)>,
    Json(request): Json<DeprecationRequest>,
) -> Result<axum::Json<ContractView>, Problem> {
    let (dataset, version) = place(&dataset, &version)?;
    let changed = deeds(&app, &operator(&principal)).deprecate(dataset, version, request.sunset_on).await?;
    Ok(axum::Json(ContractView::from(&changed)))
}

/// End a deprecated version, or throw a draft away.
#[utoipa::path(
    post, path = "/v1/operations/contracts/{dataset}/{version}/retire", operation_id = "retire_contract", tag = "operations",
    params(("dataset" = Dataset, Path, example = "application"), ("version" = String, Path, example = "1")),
    request_body(content = RetirementRequest, example = json!(examples::retirement())),
    responses((status = 200, description = "the version; doing it again changes nothing", body = ContractView, example = json!(examples::retired())),
        (status = 404, description = "no such version"),
        (status = 409, description = "`contract-in-use`: somebody is left on it; `conflict`: it is published and not deprecated")),
)]
pub async fn retire_contract(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path((dataset, version)): Path<(String, String)>,
    Json(request): Json<RetirementRequest>,
) -> Result<axum::Json<ContractView>, Problem> {
    let (dataset, version) = place(&dataset, &version)?;
    let force = request.force_reason.as_deref();
    let changed = deeds(&app, &operator(&principal)).retire(dataset, version, force).await?;
    Ok(axum::Json(ContractView::from(&changed)))
}

/// List who is left on a version: pinned to it, or sent with it.
#[utoipa::path(
    get, path = "/v1/operations/contracts/{dataset}/{version}/contributors", operation_id = "list_contract_users", tag = "operations",
    params(("dataset" = Dataset, Path, example = "account_snapshot"), ("version" = String, Path, example = "1")),
    responses((status = 200, description = "all of them, by name", body = Page<ContractUserView>, example = json!(examples::users())),
        (status = 404, description = "no such version")),
)]
pub async fn list_contract_users(
    State(app): State<AppState>,
    Path((dataset, version)): Path<(String, String)>,
) -> Result<axum::Json<Page<ContractUserView>>, Problem> {
    let (dataset, version) = place(&dataset, &version)?;
    let users = contracts::users_of(&app.db, dataset, version).await?;
    let items = users.into_iter().map(ContractUserView::from).collect();
    Ok(axum::Json(Page { items, next_cursor: None }))
}

/// Pin a contributor to a version: what `schema_version` means when it does not say.
#[utoipa::path(
    put, path = "/v1/operations/contributors/{slug}/contracts/{dataset}", operation_id = "pin_contract", tag = "operations",
    params(("slug" = String, Path, example = json!(crate::http::examples::operations::SLUG)), ("dataset" = Dataset, Path, example = "account_snapshot")),
    request_body(content = PinRequest, example = json!(examples::pin_request())),
    responses((status = 200, description = "the pin; doing it again changes nothing", body = PinView, example = json!(examples::pin())),
        (status = 404, description = "no such contributor or version"),
        (status = 409, description = "`conflict`: batches cannot be sent with the version")),
)]
pub async fn pin_contract(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path((slug, dataset)): Path<(String, String)>,
    Json(request): Json<PinRequest>,
) -> Result<axum::Json<PinView>, Problem> {
    let dataset = Dataset::parse(&dataset).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    deeds(&app, &operator(&principal)).pin(&slug, dataset, request.version).await?;
    Ok(axum::Json(PinView { contributor: slug, dataset, version: request.version }))
}
