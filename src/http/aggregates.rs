//! `GET /v1/aggregates/{measure}`: what portfolios add up to, from gold, telling nothing of fewer than ten people.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Path, Query, validation_failed};
use super::headers::is_known;
use super::problem::{FieldProblem, Problem, ProblemKind};
use super::{dates, examples};
use crate::app::AppState;
use crate::db::gold_versions::{self, GoldVersion};
use crate::domain::aggregates::{Cell, MAX_MONTHS, MIN_PEOPLE, Measure, Span, Values};
use crate::domain::contract::ProductType;
use crate::error::Error;
use crate::pipeline::aggregates;

/// Which cells to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AggregateQuery {
    /// Any day of the first month; a year before the last one when absent.
    #[serde(default, deserialize_with = "dates::optional_date")]
    from_month: Option<NaiveDate>,
    /// Any day of the last month; the month of the version's `as_of` when absent.
    #[serde(default, deserialize_with = "dates::optional_date")]
    to_month: Option<NaiveDate>,
    /// Only cells of one kind of product.
    #[param(inline)]
    product_type: Option<ProductType>,
}

/// A measure of portfolios, as a version of gold has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Aggregate)]
pub struct AggregateView {
    measure: Measure,
    /// The first day of the first month that was asked for.
    from_month: NaiveDate,
    /// The first day of the last one.
    to_month: NaiveDate,
    /// Cells that could tell of fewer people are suppressed.
    min_people: i64,
    provenance: AggregateProvenance,
    /// By month, product, months on book and buckets. A cell that nothing is in is absent.
    cells: Vec<AggregateCell>,
}

/// What an answer came from.
#[derive(Serialize, ToSchema)]
pub struct AggregateProvenance {
    gold_version: i64,
    /// Nothing of later days is in it.
    as_of: NaiveDate,
    /// Nothing that was known later is in it.
    known_at: DateTime<Utc>,
    /// The snapshot with which the gold table got the version; null when nothing is in it.
    gold_snapshot_id: Option<i64>,
    /// The snapshot of each silver table that the version was computed from; null for one that was empty.
    silver_snapshots: BTreeMap<String, Option<i64>>,
}

/// Many accounts together.
#[derive(Serialize, ToSchema)]
pub struct AggregateCell {
    /// The first day of the month; of vintages the one in which accounts were opened, of roll rates the one they went to.
    month: NaiveDate,
    product_type: String,
    /// Of vintages: calendar months since the month of opening.
    #[serde(skip_serializing_if = "Option::is_none")]
    months_on_book: Option<i64>,
    /// Of roll rates: CURRENT, DPD_1_29, DPD_30_59, DPD_60_89, DPD_90_PLUS or WRITTEN_OFF, the month before.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_bucket: Option<String>,
    /// Of roll rates: the same in the month, or ENDED.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_bucket: Option<String>,
    /// Fewer than `min_people` might be told of, here or by what other cells leave.
    suppressed: bool,
    /// Whole numbers by name: `*_sen` are sen, `*_bps` basis points rounded down. Null when suppressed.
    #[schema(value_type = Option<BTreeMap<String, i64>>)]
    values: Option<Values>,
}

impl From<Cell> for AggregateCell {
    fn from(cell: Cell) -> AggregateCell {
        AggregateCell {
            month: cell.key.month,
            product_type: cell.key.product_type,
            months_on_book: cell.key.months_on_book,
            from_bucket: cell.key.from_bucket,
            to_bucket: cell.key.to_bucket,
            suppressed: cell.values.is_none(),
            values: cell.values,
        }
    }
}

/// Read a measure of the portfolios of all contributors
///
/// From the newest version of gold of the latest day, by month and kind of product. `delinquency_rate`: `accounts` open at the end of
/// the month, the shares 30 and 90 days late or more, written off included. `exposure`: what they owe and what of it is overdue.
/// `roll_rates`: of the accounts in a bucket the month before, the share that went to each bucket. `vintage_curves`: of the accounts
/// opened in a month, the share ever 30 and 90 days late so many months on. An account belongs to its primary holder; those in dispute
/// are left out. Cells do not overlap, there are no totals, and no contributor is named. The entity tag changes with the version.
#[utoipa::path(
    get, path = "/v1/aggregates/{measure}", operation_id = "find_aggregate", tag = "aggregates",
    params(
        ("measure" = Measure, Path, description = "What is measured", example = "exposure"),
        AggregateQuery,
        ("If-None-Match" = Option<String>, Header, description = "the ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "the cells", body = AggregateView, example = json!(examples::aggregates::exposure())),
        (status = 304, description = "the version is still the one of If-None-Match"),
        (status = 404, description = "no such measure, or no version of gold yet"),
        (status = 422, description = "`validation-failed`: the months are out of order, or more than 24"),
    )
)]
pub async fn find_aggregate(
    State(app): State<AppState>,
    Path(measure): Path<String>,
    Query(query): Query<AggregateQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let measure = Measure::parse(&measure).ok_or_else(unknown_measure)?;
    let version = gold_versions::in_force(&app.db.system).await?.ok_or_else(no_version)?;
    let span = Span::new(query.from_month, query.to_month, version.as_of).ok_or_else(wrong_months)?;
    let tag = format!("\"gold-{}/{}\"", version.gold_version, env!("CARGO_PKG_VERSION"));
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let cells = aggregates::measure(&app, &version, measure, span, query.product_type).await?;
        Json(view(measure, span, version, cells.ok_or_else(no_version)?)?).into_response()
    };
    let tag = HeaderValue::from_str(&tag).map_err(|error| Error::Internal(error.to_string()))?;
    response.headers_mut().insert(header::ETAG, tag);
    let kept = HeaderValue::from_static("private, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(response)
}

fn view(
    measure: Measure,
    span: Span,
    version: GoldVersion,
    cells: Vec<Cell>,
) -> Result<AggregateView, Problem> {
    let provenance = AggregateProvenance {
        gold_version: version.gold_version,
        as_of: version.as_of,
        known_at: version.known_at,
        gold_snapshot_id: aggregates::snapshot_of(&version, measure),
        silver_snapshots: serde_json::from_value(version.sources)
            .map_err(|error| Error::Internal(format!("gold_versions: sources: {error}")))?,
    };
    Ok(AggregateView {
        measure,
        from_month: span.from,
        to_month: span.to,
        min_people: MIN_PEOPLE,
        provenance,
        cells: cells.into_iter().map(AggregateCell::from).collect(),
    })
}

fn unknown_measure() -> Problem {
    let known = Measure::ALL.map(Measure::as_str).join(", ");
    Problem::new(ProblemKind::NotFound).detail(format!("There is no such measure. Ask for one of {known}."))
}

fn no_version() -> Problem {
    Problem::new(ProblemKind::NotFound).detail(
        "No version of gold can be read yet. One is computed every hour when the lake is on; an operator makes one at once with \
         `etrplus gold refresh`.",
    )
}

fn wrong_months() -> Problem {
    let detail = format!("must not be after to_month, and at most {} months before it", MAX_MONTHS - 1);
    validation_failed(vec![FieldProblem::new("query/from_month", "range", detail)])
}
