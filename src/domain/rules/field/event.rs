//! V rules of `repayment_event`.

use super::FieldContext;
use super::cells::Cells;
use crate::domain::contract::row::Row;
use crate::domain::contract::{EventType, Field, PaymentChannel, RepaymentEvent};
use crate::domain::finding::Finding;
use crate::domain::rules::Code;

/// Reads a row by type and puts down what is wrong with each field. An event that moves money says how much
/// (V001); one that moves a due date should say where to (V001 as a warning).
pub fn read_event<'a>(
    row: &'a Row<'_>,
    context: &FieldContext<'_>,
    findings: &mut Vec<Finding>,
) -> RepaymentEvent<'a> {
    let mut cells = Cells::new(row, context, findings);
    let mut event = RepaymentEvent {
        event_id: cells.text(Field::EventId),
        account_ref: cells.text(Field::AccountRef),
        event_type: cells.word(Field::EventType, EventType::parse),
        event_at: cells.instant(Field::EventAt),
        value_date: cells.date(Field::ValueDate),
        amount: cells.money(Field::Amount),
        instalment_no: cells.count(Field::InstalmentNo),
        instalment_due_date: cells.date(Field::InstalmentDueDate),
        new_due_date: cells.date(Field::NewDueDate),
        reverses_event_id: cells.text(Field::ReversesEventId),
        channel: cells.word(Field::Channel, PaymentChannel::parse),
        ..RepaymentEvent::default()
    };
    event.unreadable = cells.unreadable;
    let lacks = |field, absent: bool| absent && !event.unreadable.contains(field);
    if event.event_type.is_some_and(EventType::moves_money) && lacks(Field::Amount, event.amount.is_none()) {
        findings.push(Finding::at(Code::V001, Field::Amount));
    }
    let moved = event.event_type == Some(EventType::Reschedule);
    if moved && lacks(Field::NewDueDate, event.new_due_date.is_none()) {
        findings.push(Finding::at(Code::V001, Field::NewDueDate).as_warning());
    }
    event
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader};

    use serde_json::{Value, json};

    use super::super::MoneyForms;
    use super::*;
    use crate::domain::contract::ndjson::NdjsonReader;
    use crate::domain::contract::{MoneyUnit, Terms, spec};
    use crate::domain::rules::events::check_event;

    /// A payment, with some fields set anew; null takes a field away.
    fn read(changes: &Value) -> String {
        let mut line = json!({
            "event_id": "E-1", "account_ref": "ACC-1", "event_type": "PAYMENT", "value_date": "2026-01-31",
            "amount": 12_000
        });
        line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let line = serde_json::to_vec(&line).unwrap();
        let row = NdjsonReader::new(&spec::REPAYMENT_EVENT).read(&line).unwrap();
        let (terms, money_forms) = (Terms::default(), MoneyForms::default());
        let context = FieldContext { terms: &terms, money: MoneyUnit::Sen, money_forms: &money_forms };
        let mut findings = Vec::new();
        read_event(&row, &context, &mut findings);
        let show = |f: &Finding| format!("{} {} {}", f.code, f.severity.as_str(), f.field.unwrap().name());
        findings.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn an_event_that_moves_money_says_how_much() {
        assert_eq!(read(&json!({})), "");
        assert_eq!(read(&json!({"amount": null})), "V001 R amount");
        assert_eq!(read(&json!({"amount": null, "event_type": "RESTRUCTURE"})), "");
        assert_eq!(read(&json!({"amount": "12.00"})), "V002 R amount");
        assert_eq!(read(&json!({"amount": -1})), "V005 R amount");
        assert_eq!(read(&json!({"event_type": "RESCHEDULE", "amount": null})), "V001 W new_due_date");
    }

    #[test]
    fn what_an_event_cannot_live_without() {
        for field in ["event_id", "account_ref", "event_type", "value_date"] {
            assert_eq!(read(&json!({field: null})), format!("V001 R {field}"));
        }
    }

    #[test]
    fn instants_words_and_references_have_their_form() {
        assert_eq!(read(&json!({"event_at": "2026-01-31T09:30:00+08:00"})), "");
        assert_eq!(read(&json!({"event_at": "2026-01-31T01:30:00.123456789Z"})), "");
        assert_eq!(read(&json!({"event_at": "2026-01-31"})), "V002 R event_at");
        assert_eq!(read(&json!({"event_at": "1949-12-31T00:00:00Z"})), "V009 W event_at");
        assert_eq!(read(&json!({"event_type": "PAID"})), "V004 R event_type");
        assert_eq!(read(&json!({"event_id": "E 1"})), "V003 R event_id");
        assert_eq!(read(&json!({"channel": "FPX"})), "");
    }

    /// 18,183 real payments with computed identities, kept outside the repository for their licence.
    #[test]
    fn the_payments_of_a_real_lender_are_late_by_the_calendar() {
        let file = "shared/data/canonical/superlender.events.ndjson.gz";
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let Some(path) = place.ancestors().map(|folder| folder.join(file)).find(|path| path.exists()) else {
            println!("not checked: {file} is not here");
            return;
        };
        let lines = BufReader::new(flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()));
        let (terms, money_forms) = (Terms::default(), MoneyForms::default());
        let context = FieldContext { terms: &terms, money: MoneyUnit::Sen, money_forms: &money_forms };
        let mut reader = NdjsonReader::new(&spec::REPAYMENT_EVENT);
        let (mut late, mut sum, mut rows_by_code) = (Vec::new(), 0, BTreeMap::new());
        for line in lines.lines() {
            let line = line.unwrap();
            let row = reader.read(line.as_bytes()).unwrap();
            let mut findings = Vec::new();
            let event = read_event(&row, &context, &mut findings);
            check_event(&event, "2017-12-31".parse().unwrap(), &mut findings);
            late.push(event.days_late().unwrap());
            sum += event.amount.map_or(0, |amount| amount.0);
            for finding in findings {
                *rows_by_code.entry(finding.code).or_insert(0) += 1;
            }
        }
        assert_eq!(rows_by_code, BTreeMap::from([(Code::V001, 2_894), (Code::E008, 17)]));
        let count = |which: fn(i64) -> bool| late.iter().filter(|days| which(**days)).count();
        let counts = [count(|d| d > 0), count(|d| d == 0), count(|d| d < 0), count(|d| d > 30)];
        assert_eq!(counts, [3_161, 3_391, 11_631, 123]);
        assert_eq!((late.iter().max(), late.iter().min()), (Some(&351), Some(&-32)));
        assert_eq!(sum, 28_457_138_660);
    }
}
