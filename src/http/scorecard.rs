//! `GET /v1/scorecard`: how well a contributor reports, from counts that it can check.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::{Query, validation_failed};
use super::problem::{FieldProblem, Problem};
use super::{dates, examples};
use crate::app::AppState;
use crate::db::scorecard::{self, FactsByPeriod, RuleRank, Span};
use crate::db::{contributors, obligations};
use crate::domain::obligations::{WORKING_DAYS, month_end};
use crate::domain::rules::{Code, rule};
use crate::domain::scorecard::{Dimension, PeriodFacts, ScoreNullReason, TREND_PERIODS, percentile, total};
use crate::error::{Error, Result as AppResult};
use crate::ids::ContributorId;

/// How many rules are named.
const TOP_RULES: i64 = 5;

/// Which period to score.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ScorecardQuery {
    /// Any day of the month; the last month that has ended when absent.
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub period_end: Option<NaiveDate>,
}

/// How well a contributor reported a month. Shares are basis points, 10,000 being the best, rounded down.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScorecardView {
    pub period_end: NaiveDate,
    /// Σ weight × score ÷ Σ weight over the dimensions that have a score; null when none has.
    pub score_bps: Option<u32>,
    /// The weights that the score rests on, in per cent. Those of dimensions without a score are shared out.
    pub weights_used: u32,
    pub dimensions: Vec<DimensionView>,
    /// The month and the five before it, the latest first.
    pub trend: Vec<TrendPoint>,
    /// The rules that most records of the month broke.
    pub top_rules: Vec<TopRule>,
    pub peers: PeersView,
    pub thresholds: ScoreThresholds,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DimensionView {
    pub dimension: Dimension,
    /// Per cent of the score.
    pub weight: u32,
    pub score_bps: Option<u32>,
    /// Why there is no score.
    pub null_reason: Option<ScoreNullReason>,
    /// What the score is made of: TIMELINESS on_time ÷ due; COMPLETENESS the mean of reported ÷ (reported + missing) and
    /// 1 − fields_missing ÷ fields_expected; VALIDITY 1 − rejected ÷ received; CONSISTENCY 1 − warnings ÷ accepted;
    /// CORRECTION_RESPONSIVENESS in_time ÷ due: listings of debts settled in the month (three working days; one that a
    /// report still asks for, L005, is late), and records found in the month to be about somebody else (five working days
    /// until a correction, a replacement or a recall).
    #[schema(value_type = BTreeMap<String, u64>)]
    pub counts: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TrendPoint {
    pub period_end: NaiveDate,
    pub score_bps: Option<u32>,
    pub weights_used: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TopRule {
    pub code: String,
    /// R rejects, W warns, W* holds the batch.
    pub severity: String,
    /// Records that broke it, over all batches of the month.
    pub records: i64,
    pub message: &'static str,
}

/// Where the score stands among those of the other contributors, whoever they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeersView {
    /// The share of peers with a lower score, equal ones counted half.
    pub percentile_bps: Option<u32>,
    pub null_reason: Option<ScoreNullReason>,
}

/// What the counts were held against.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreThresholds {
    /// Working days after the end of a period within which a batch is in time.
    pub working_days: u32,
    /// Share of rejected records above which a file is rejected (F018).
    pub reject_bps: u32,
    /// Share of records rejected by an identity rule above which a file is rejected (F019).
    pub identity_reject_bps: u32,
}

/// Read your scorecard of a month.
///
/// Five dimensions, each from counts that are shown beside it, over the batches whose period_end lies in the month. What cannot
/// be told is null with a reason, and its weight is shared out. It is computed at each read: a correction of last month
/// changes last month's card.
#[utoipa::path(
    get, path = "/v1/scorecard", operation_id = "find_scorecard", tag = "batches",
    params(ScorecardQuery),
    responses((status = 200, description = "the scorecard", body = ScorecardView, example = json!(examples::scorecard())),
        (status = 422, description = "`validation-failed`: the period is too far away")),
)]
pub async fn find_scorecard(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Query(query): Query<ScorecardQuery>,
) -> Result<axum::Json<ScorecardView>, Problem> {
    let contributor = principal.contributor()?;
    let today = app.clock.today();
    let period_end = month_end(query.period_end.unwrap_or_else(|| before(today, 1)));
    if !(1957..=2200).contains(&period_end.year()) {
        let detail = "must be a day of the years 1957 to 2200";
        return Err(validation_failed(vec![FieldProblem::new("query/period_end", "range", detail)]));
    }
    let own = read_own(&app, contributor, period_end, today).await?;
    let peers = peer_scores(&app, contributor, period_end, today).await?;
    let facts = own.of(contributor, period_end);
    let (score, weights_used) = total(&facts).unzip();
    let place = score.ok_or(ScoreNullReason::NoDimension).and_then(|score| percentile(score, &peers));
    Ok(axum::Json(ScorecardView {
        period_end,
        score_bps: score,
        weights_used: weights_used.unwrap_or(0),
        dimensions: Dimension::ALL.iter().map(|dimension| dimension_view(*dimension, &facts)).collect(),
        trend: (0..TREND_PERIODS).map(|back| own.point(contributor, before(period_end, back))).collect(),
        top_rules: own.rules.into_iter().map(top_rule).collect(),
        peers: PeersView { percentile_bps: place.ok(), null_reason: place.err() },
        thresholds: own.thresholds,
    }))
}

/// The end of the month so many months before that of a day.
fn before(day: NaiveDate, months: u32) -> NaiveDate {
    month_end(day.checked_sub_months(Months::new(months)).unwrap_or(day))
}

fn first_day(month_end: NaiveDate) -> NaiveDate {
    month_end.with_day(1).unwrap_or(month_end)
}

/// What a contributor's card is made of.
struct Own {
    facts: FactsByPeriod,
    rules: Vec<RuleRank>,
    thresholds: ScoreThresholds,
}

impl Own {
    fn of(&self, contributor: ContributorId, period_end: NaiveDate) -> PeriodFacts {
        self.facts.get(&(contributor, period_end)).copied().unwrap_or_default()
    }

    fn point(&self, contributor: ContributorId, period_end: NaiveDate) -> TrendPoint {
        let (score_bps, weights_used) = total(&self.of(contributor, period_end)).unzip();
        TrendPoint { period_end, score_bps, weights_used: weights_used.unwrap_or(0) }
    }
}

async fn read_own(
    app: &AppState,
    contributor: ContributorId,
    period_end: NaiveDate,
    today: NaiveDate,
) -> AppResult<Own> {
    let month = Span { contributor: Some(contributor), from: first_day(period_end), to: period_end };
    let months = Span { from: first_day(before(period_end, TREND_PERIODS - 1)), ..month };
    let mut tx = app.db.as_contributor(contributor).await?;
    let terms = contributors::find(&mut *tx, contributor).await?.ok_or(Error::NotFound)?.terms;
    let mut facts = scorecard::batch_facts(&mut *tx, &months).await?;
    let owed = obligations::between(&mut *tx, Some(contributor), months.from, months.to).await?;
    let rules = scorecard::top_rules(&mut *tx, &month, TOP_RULES).await?;
    tx.commit().await?;
    scorecard::count_obligations(&mut facts, &owed, today);
    scorecard::count_answers(&app.db.system, &mut facts, &months, today).await?;
    let thresholds = ScoreThresholds {
        working_days: WORKING_DAYS,
        reject_bps: terms.reject_threshold_bps,
        identity_reject_bps: terms.identity_threshold_bps,
    };
    Ok(Own { facts, rules, thresholds })
}

/// The scores of everybody else, without names.
async fn peer_scores(
    app: &AppState,
    contributor: ContributorId,
    period_end: NaiveDate,
    today: NaiveDate,
) -> AppResult<Vec<u32>> {
    let span = Span { contributor: None, from: first_day(period_end), to: period_end };
    let mut facts = scorecard::batch_facts(&app.db.system, &span).await?;
    let owed = obligations::between(&app.db.system, None, span.from, span.to).await?;
    scorecard::count_obligations(&mut facts, &owed, today);
    scorecard::count_answers(&app.db.system, &mut facts, &span, today).await?;
    let others = facts.iter().filter(|((other, _), _)| *other != contributor);
    Ok(others.filter_map(|(_, facts)| Some(total(facts)?.0)).collect())
}

fn dimension_view(dimension: Dimension, facts: &PeriodFacts) -> DimensionView {
    let score = dimension.score(facts);
    DimensionView {
        dimension,
        weight: dimension.weight(),
        score_bps: score.ok(),
        null_reason: score.err(),
        counts: dimension.counts(facts),
    }
}

fn top_rule(rank: RuleRank) -> TopRule {
    let text = Code::parse(&rank.code).map(rule);
    TopRule {
        message: text.map_or("", |rule| rule.message_en),
        code: rank.code,
        severity: rank.severity,
        records: rank.records,
    }
}
