//! Measures of portfolios, from the version of gold that is in force.

use crate::app::App;
use crate::db::gold_versions::GoldVersion;
use crate::domain::aggregates::{Cell, Measure, Span, cells};
use crate::domain::contract::ProductType;
use crate::error::Result;
use crate::lake::portfolios::table_of;

/// The cells of a measure as a version has them, withheld where they must be; `None` when the lake does not have the version
/// whole, as after it was switched off or made anew.
///
/// # Errors
/// When the catalog or the store fails.
pub async fn measure(
    app: &App,
    version: &GoldVersion,
    measure: Measure,
    span: Span,
    product_type: Option<ProductType>,
) -> Result<Option<Vec<Cell>>> {
    let Some(lake) = &app.lake else { return Ok(None) };
    // Whole cells are chosen: what is withheld does not depend on what is asked for.
    let portfolio = lake.portfolio(measure, version.gold_version, move |key| {
        span.contains(key.month) && product_type.is_none_or(|product| product.as_str() == key.product_type)
    });
    let portfolio = portfolio.await?;
    let is_whole = told(version, measure)["rows"].as_u64() == Some(portfolio.rows);
    Ok(is_whole.then(|| cells(measure, &portfolio.parts)))
}

/// The snapshot of the gold table that came with the version; `None` when it has no rows there.
pub fn snapshot_of(version: &GoldVersion, measure: Measure) -> Option<i64> {
    told(version, measure)["snapshot_id"].as_i64()
}

/// What the version says of the measure's table.
fn told(version: &GoldVersion, measure: Measure) -> serde_json::Value {
    let tables = version.tables.as_ref();
    tables.and_then(|tables| tables.get(table_of(measure).full_name())).cloned().unwrap_or_default()
}
