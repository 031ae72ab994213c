//! Portfolios of a version of gold, as measures are made of them.

use arrow::array::{ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type};
use futures::TryStreamExt as _;

use super::gold_tables::{PORTFOLIO_MONTHLY, PORTFOLIO_ROLLS, PORTFOLIO_VINTAGES};
use super::read::Choice;
use super::{Lake, TableSpec};
use crate::domain::aggregates::{Key, Measure, Part};
use crate::error::{Error, Result};

/// The parts of a measure that were asked for, out of all rows of the version.
#[derive(Debug, Default)]
pub struct Portfolio {
    pub parts: Vec<Part>,
    pub rows: u64,
}

/// The table that a measure is read from.
pub fn table_of(measure: Measure) -> &'static TableSpec {
    match measure {
        Measure::DelinquencyRate | Measure::Exposure => &PORTFOLIO_MONTHLY,
        Measure::RollRates => &PORTFOLIO_ROLLS,
        Measure::VintageCurves => &PORTFOLIO_VINTAGES,
    }
}

/// The column that has the month of a cell.
fn month_column(measure: Measure) -> &'static str {
    if measure == Measure::VintageCurves { "opened_month" } else { "month" }
}

impl Lake {
    /// What a version has of a measure. The table's newest snapshot has it: gold is appended to and never changed.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn portfolio(
        &self,
        measure: Measure,
        version: i64,
        is_asked_for: impl Fn(&Key) -> bool + Send,
    ) -> Result<Portfolio> {
        let spec = table_of(measure);
        let mut portfolio = Portfolio::default();
        let Some(snapshot) = self.snapshot(spec).await? else { return Ok(portfolio) };
        let choice = Choice { gold_version: Some(version), ..Choice::default() };
        let mut rows = self.rows(spec, &snapshot, choice).await?;
        while let Some(batch) = rows.try_next().await.map_err(|error| super::trouble("read", &error))? {
            portfolio.rows += batch.num_rows() as u64;
            let reader = Reader::new(measure, &batch)?;
            for row in 0..batch.num_rows() {
                let key = reader.key(row)?;
                if is_asked_for(&key) {
                    portfolio.parts.push(reader.part(key, row));
                }
            }
        }
        Ok(portfolio)
    }
}

/// The columns of a batch that a measure needs.
struct Reader {
    month: ArrayRef,
    product_type: ArrayRef,
    contributor_id: ArrayRef,
    people: ArrayRef,
    months_on_book: Option<ArrayRef>,
    buckets: Option<(ArrayRef, ArrayRef)>,
    sums: Vec<ArrayRef>,
}

impl Reader {
    fn new(measure: Measure, batch: &RecordBatch) -> Result<Reader> {
        let column = |name: &str, kind: DataType| -> Result<ArrayRef> {
            let column = batch.column_by_name(name);
            let column = column.ok_or_else(|| Error::Internal(format!("gold: a table has no {name}")))?;
            cast(column, &kind).map_err(|error| Error::Internal(format!("gold: {name}: {error}")))
        };
        let text = |name: &str| column(name, DataType::Utf8);
        let number = |name: &str| column(name, DataType::Int64);
        Ok(Reader {
            month: column(month_column(measure), DataType::Date32)?,
            product_type: text("product_type")?,
            contributor_id: text("contributor_id")?,
            people: number("subjects")?,
            months_on_book: match measure {
                Measure::VintageCurves => Some(number("months_on_book")?),
                _ => None,
            },
            buckets: match measure {
                Measure::RollRates => Some((text("from_bucket")?, text("to_bucket")?)),
                _ => None,
            },
            sums: measure.summed().iter().map(|name| number(name)).collect::<Result<_>>()?,
        })
    }

    fn key(&self, row: usize) -> Result<Key> {
        let month = self.month.as_primitive::<Date32Type>().value_as_date(row);
        Ok(Key {
            month: month.ok_or_else(|| Error::Internal("gold: a month is no date".into()))?,
            product_type: text(&self.product_type, row),
            months_on_book: self.months_on_book.as_ref().map(|column| number(column, row)),
            from_bucket: self.buckets.as_ref().map(|(from, _)| text(from, row)),
            to_bucket: self.buckets.as_ref().map(|(_, to)| text(to, row)),
        })
    }

    fn part(&self, key: Key, row: usize) -> Part {
        Part {
            key,
            contributor_id: text(&self.contributor_id, row),
            people: number(&self.people, row),
            sums: self.sums.iter().map(|column| number(column, row)).collect(),
        }
    }
}

fn text(column: &ArrayRef, row: usize) -> String {
    column.as_string::<i32>().value(row).to_owned()
}

fn number(column: &ArrayRef, row: usize) -> i64 {
    column.as_primitive::<Int64Type>().value(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_a_measure_needs_is_in_its_table() {
        for measure in Measure::ALL {
            let columns = table_of(measure).columns;
            for name in measure.summed().iter().chain([&"subjects", &month_column(measure)]) {
                assert!(columns.iter().any(|column| column.name == *name), "{name}");
            }
        }
    }
}
