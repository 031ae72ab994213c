//! Decode and all rules that a row meets (V, I, X, L, S, F024) on one core, without I/O: what the rules add to decoding
//! alone; and beside the bare parse of the same bytes by `serde_json` and `csv` into a struct of the record's own types,
//! and into one that leaves dates and words as text.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use chrono::NaiveDate;
use csv::StringRecord;
use etrplus::config::Limits;
use etrplus::domain::calendar::WorkingDays;
use etrplus::domain::contract::csv::CsvHeader;
use etrplus::domain::contract::ndjson::NdjsonReader;
use etrplus::domain::contract::row::Row;
use etrplus::domain::contract::{
    AccountStatus, FieldSet, HolderRole, IdType, Mode, MoneyUnit, PaymentFrequency, PortfolioType,
    ProductType, SettlementType, SubjectType, Terms, spec,
};
use etrplus::domain::dates::business_date;
use etrplus::domain::envelope::Format;
use etrplus::domain::finding::Finding;
use etrplus::domain::rules::field::{FieldContext, MoneyForms, read_snapshot};
use etrplus::domain::rules::identity::{IdentityContext, check_identity};
use etrplus::domain::rules::{Concentration, RowContext, RowSet, Spill, check_policy, check_row};
use etrplus::pipeline::decode::{self, Fault, Feed, Source};
use etrplus::pipeline::pack::Packer;
use etrplus::pipeline::refine::Totals;
use serde::Deserialize;

use crate::Scale;
use crate::decoded::typed;
use crate::load::Samples;
use crate::report::{self, Aim, thousands, total_rate};
use crate::rows::{Rows, scramble};

/// The published calendar.
pub static WORKING_DAYS: LazyLock<WorkingDays> = LazyLock::new(WorkingDays::default);

/// The record as a parser without rules would fill it. `&str` and not `Cow`: serde borrows into no `Option<Cow>`, and
/// these rows have no escapes. The arguments are the types of what the contract restricts.
macro_rules! bare_record {
    ($name:ident, $date:ty, $subject_type:ty, $id_type:ty, $role:ty, $product:ty, $portfolio:ty, $status:ty,
     $frequency:ty, $settlement:ty) => {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only filled")]
        struct $name<'a> {
            subject_type: Option<$subject_type>,
            id_type: Option<$id_type>,
            id_number: Option<&'a str>,
            id_country: Option<&'a str>,
            secondary_id_type: Option<$id_type>,
            secondary_id_number: Option<&'a str>,
            full_name: Option<&'a str>,
            date_of_birth: Option<$date>,
            phone: Option<&'a str>,
            postcode: Option<&'a str>,
            holder_role: Option<$role>,
            account_ref: Option<&'a str>,
            product_type: Option<$product>,
            portfolio_type: Option<$portfolio>,
            islamic: Option<bool>,
            merchant_category: Option<&'a str>,
            as_of_date: Option<$date>,
            opened_date: Option<$date>,
            maturity_date: Option<$date>,
            closed_date: Option<$date>,
            status: Option<$status>,
            status_date: Option<$date>,
            currency: Option<&'a str>,
            original_amount: Option<i64>,
            credit_limit: Option<i64>,
            instalment_amount: Option<i64>,
            instalments_total: Option<u16>,
            instalments_paid: Option<u16>,
            instalments_overdue: Option<u16>,
            payment_frequency: Option<$frequency>,
            outstanding: Option<i64>,
            overdue: Option<i64>,
            fees_outstanding: Option<i64>,
            dpd: Option<u16>,
            oldest_unpaid_due_date: Option<$date>,
            first_delinquency_date: Option<$date>,
            aging_current: Option<i64>,
            aging_1_30: Option<i64>,
            aging_31_60: Option<i64>,
            aging_61_90: Option<i64>,
            aging_91_120: Option<i64>,
            aging_121_150: Option<i64>,
            aging_151_180: Option<i64>,
            aging_181_plus: Option<i64>,
            amount_paid_period: Option<i64>,
            scheduled_amount_period: Option<i64>,
            last_payment_date: Option<$date>,
            last_payment_amount: Option<i64>,
            next_due_date: Option<$date>,
            next_due_amount: Option<i64>,
            write_off_date: Option<$date>,
            write_off_amount: Option<i64>,
            sold_to: Option<&'a str>,
            sold_date: Option<$date>,
            settled_date: Option<$date>,
            settlement_type: Option<$settlement>,
            restructured: Option<bool>,
            hardship: Option<bool>,
            legal_action: Option<bool>,
            contributor_dispute: Option<bool>,
            listing_requested: Option<bool>,
            evidence_ref: Option<&'a str>,
        }

        impl Bare for $name<'_> {
            fn from_json(line: &[u8]) -> Result<()> {
                black_box(serde_json::from_slice::<$name<'_>>(line)?);
                Ok(())
            }

            fn from_csv(record: &StringRecord, header: &StringRecord) -> Result<()> {
                black_box(record.deserialize::<$name<'_>>(Some(header))?);
                Ok(())
            }
        }
    };
}
bare_record!(
    Typed,
    NaiveDate,
    SubjectType,
    IdType,
    HolderRole,
    ProductType,
    PortfolioType,
    AccountStatus,
    PaymentFrequency,
    SettlementType
);
bare_record!(AsText, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str);

/// A struct that a parser fills by itself.
trait Bare {
    fn from_json(line: &[u8]) -> Result<()>;
    fn from_csv(record: &StringRecord, header: &StringRecord) -> Result<()>;
}

/// The same rows in both formats.
struct Files {
    ndjson: Vec<u8>,
    csv: Vec<u8>,
    stored_ndjson: Stored,
    stored_csv: Stored,
    rows: u64,
    period_end: NaiveDate,
}

/// A body as it is kept in the store.
struct Stored {
    frames: Vec<Bytes>,
    received_bytes: u64,
    sha256: Vec<u8>,
}

impl Stored {
    fn pack(body: &[u8]) -> Result<Stored> {
        let mut packer = Packer::packing(&[])?;
        let mut frames = Vec::new();
        // As much as is packed in one go; see `pipeline::accept`.
        for chunk in body.chunks(1 << 20) {
            let (next, frame) = packer.pack(Bytes::copy_from_slice(chunk));
            frames.push(frame?);
            packer = next;
        }
        let sha256 = packer.finish().sha256.to_vec();
        Ok(Stored { frames, received_bytes: body.len() as u64, sha256 })
    }

    /// Reads the object as a worker does.
    fn each(&self, format: Format, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let (send, feed) = tokio::sync::mpsc::channel(self.frames.len() + 1);
        for frame in &self.frames {
            send.try_send(Feed::Bytes(frame.clone()))?;
        }
        send.try_send(Feed::End)?;
        let source = Source::new(feed, "zstd", "identity")?;
        let limits = Limits {
            max_batch_bytes: u64::MAX,
            max_decoded_bytes: u64::MAX,
            max_records: u64::MAX,
            max_ratio: 100,
            max_line_bytes: 1 << 20,
            request_timeout: Duration::MAX,
        };
        let contract = &spec::ACCOUNT_SNAPSHOT;
        decode::for_each_row(&source, contract, FieldSet::EMPTY, format, &limits, |_, row| {
            let row = row.map_err(|error| Fault::Ours(error.to_string()))?;
            visit(&row).map_err(|error| Fault::Ours(error.to_string()))
        })?;
        Ok(source.verify(&self.sha256, self.received_bytes)?)
    }
}

pub fn run(scale: Scale) -> Result<()> {
    let files = Files::make(scale.pick(10_000, 40_000, 100_000))?;
    println!("rules: decode and all rules of a row and of a set of rows, one core ({} rows)", files.rows);
    let rounds = scale.pick(3, 12, 40);
    let json = [
        Files::judge_ndjson,
        Files::decode_ndjson,
        Files::parse_ndjson::<Typed>,
        Files::parse_ndjson::<AsText>,
    ];
    compare("NDJSON", rounds, &files, json)?;
    add("NDJSON as stored", rounds, &files, [Files::judge_stored_ndjson, Files::decode_stored_ndjson])?;
    let csv = [Files::judge_csv, Files::decode_csv, Files::parse_csv::<Typed>, Files::parse_csv::<AsText>];
    compare("CSV", rounds, &files, csv)?;
    add("CSV as stored", rounds, &files, [Files::judge_stored_csv, Files::decode_stored_csv])
}

type Pass = fn(&Files) -> Result<u64>;

/// Turn by turn, so that what disturbs one disturbs all.
fn sampled<const N: usize>(rounds: usize, files: &Files, passes: [Pass; N]) -> Result<[Vec<Samples>; N]> {
    let mut samples = [const { Vec::new() }; N];
    for pass in passes {
        files.timed(pass)?;
    }
    for _ in 0..rounds {
        for (pass, samples) in passes.into_iter().zip(&mut samples) {
            samples.push(files.timed(pass)?);
        }
    }
    Ok(samples)
}

/// What the rules add where decoding begins with the object in the store: unpacking, digest and caps are a part of it,
/// and the worker's own readers of lines and tables.
fn add(label: &str, rounds: usize, files: &Files, passes: [Pass; 2]) -> Result<()> {
    let [ours, decoded] = sampled(rounds, files, passes)?;
    report::line(label, &format!("{} rows/s", thousands(total_rate(&ours))));
    report::line("  decoding alone", &format!("{} rows/s", thousands(total_rate(&decoded))));
    let added = (total_rate(&decoded) / total_rate(&ours) - 1.0) * 100.0;
    report::figure("rules add", added, "%", Aim::AtMost(40.0));
    Ok(())
}

fn compare(format: &str, rounds: usize, files: &Files, passes: [Pass; 4]) -> Result<()> {
    let [ours, decoded, typed, text] = sampled(rounds, files, passes)?;
    let rate = total_rate(&ours);
    report::line(format, &format!("{} rows/s", thousands(rate)));
    report::figure("", rate / 1e6, "M rows/s", Aim::AtLeast(0.5));
    report::line("  decoding alone", &format!("{} rows/s", thousands(total_rate(&decoded))));
    report::figure("rules add", (total_rate(&decoded) / rate - 1.0) * 100.0, "%", Aim::AtMost(40.0));
    report::line("  floor: same types", &format!("{} rows/s", thousands(total_rate(&typed))));
    report::ratio("", &ours, &typed, Aim::AtLeast(0.6));
    report::line("  floor: dates as text", &format!("{} rows/s", thousands(total_rate(&text))));
    report::ratio("", &ours, &text, Aim::AtLeast(0.6));
    Ok(())
}

impl Files {
    fn make(count: u64) -> Result<Files> {
        let rows = Rows::of_last_month();
        let (mut ndjson, mut csv) = (Vec::new(), Rows::csv_header().into_bytes());
        for n in 0..count {
            rows.write_ndjson(n, &mut ndjson);
            rows.write_csv(n, &mut csv);
        }
        let (stored_ndjson, stored_csv) = (Stored::pack(&ndjson)?, Stored::pack(&csv)?);
        Ok(Files { ndjson, csv, stored_ndjson, stored_csv, rows: count, period_end: rows.period_end })
    }

    /// One pass in CPU time of this thread, so that others on the machine count for little.
    fn timed(&self, pass: Pass) -> Result<Samples> {
        let (wall, cpu) = (Instant::now(), thread_time());
        let rows = pass(self)?;
        let elapsed = match (cpu, thread_time()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => wall.elapsed(),
        };
        ensure!(rows == self.rows, "{rows} rows were read of {}", self.rows);
        // A rate is all that is wanted of it.
        Ok(Samples { latencies: vec![Duration::ZERO; rows as usize], elapsed })
    }

    fn judge_ndjson(&self) -> Result<u64> {
        self.judge(|visit| self.each_ndjson(visit))
    }

    fn judge_csv(&self) -> Result<u64> {
        self.judge(|visit| self.each_csv(visit))
    }

    fn judge_stored_ndjson(&self) -> Result<u64> {
        self.judge(|visit| self.stored_ndjson.each(Format::Ndjson, visit))
    }

    fn judge_stored_csv(&self) -> Result<u64> {
        self.judge(|visit| self.stored_csv.each(Format::Csv, visit))
    }

    fn judge(&self, each: impl FnOnce(&mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()>) -> Result<u64> {
        let terms = Terms::default();
        let money_forms = MoneyForms::default();
        let mut rules = Rules::new(&terms, self.period_end, &money_forms);
        each(&mut |row| rules.judge(row))?;
        rules.finish()
    }

    fn decode_ndjson(&self) -> Result<u64> {
        decode(|visit| self.each_ndjson(visit))
    }

    fn decode_csv(&self) -> Result<u64> {
        decode(|visit| self.each_csv(visit))
    }

    fn decode_stored_ndjson(&self) -> Result<u64> {
        decode(|visit| self.stored_ndjson.each(Format::Ndjson, visit))
    }

    fn decode_stored_csv(&self) -> Result<u64> {
        decode(|visit| self.stored_csv.each(Format::Csv, visit))
    }

    fn each_ndjson(&self, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut reader = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT);
        lines(&self.ndjson).try_for_each(|line| visit(&reader.read(line)?))
    }

    fn each_csv(&self, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(self.csv.as_slice());
        let mut record = StringRecord::new();
        reader.read_record(&mut record)?;
        let header = CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, &record)
            .ok()
            .context("the header is refused")?;
        while reader.read_record(&mut record)? {
            visit(&header.fill(&record)?)?;
        }
        Ok(())
    }

    fn parse_ndjson<R: Bare>(&self) -> Result<u64> {
        let mut rows = 0;
        for line in lines(&self.ndjson) {
            R::from_json(line)?;
            rows += 1;
        }
        Ok(rows)
    }

    fn parse_csv<R: Bare>(&self) -> Result<u64> {
        let mut reader = csv::Reader::from_reader(self.csv.as_slice());
        let header = reader.headers()?.clone();
        let mut record = StringRecord::new();
        let mut rows = 0;
        while reader.read_record(&mut record)? {
            R::from_csv(&record, &header)?;
            rows += 1;
        }
        Ok(rows)
    }
}

fn decode(each: impl FnOnce(&mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()>) -> Result<u64> {
    let mut rows = 0;
    each(&mut |row| {
        let record = typed(row);
        ensure!(record.outstanding.is_some() && record.as_of_date.is_some(), "a row is not as it should be");
        black_box(&record);
        rows += 1;
        Ok(())
    })?;
    Ok(rows)
}

/// All rules that a worker asks about a row, by itself and among the others: see `pipeline::refine`.
struct Rules<'a> {
    fields: FieldContext<'a>,
    row: RowContext<'a>,
    identity: IdentityContext,
    findings: Vec<Finding>,
    totals: Totals,
    concentration: Concentration,
    row_set: RowSet<Memory>,
    rows: u64,
}

impl<'a> Rules<'a> {
    fn new(terms: &'a Terms, period_end: NaiveDate, money_forms: &'a MoneyForms) -> Rules<'a> {
        let today = business_date(etrplus::clock::Clock::System.now());
        Rules {
            fields: FieldContext { terms, money: MoneyUnit::Sen, money_forms },
            row: RowContext { terms, mode: Mode::Delta, period_end, today, working_days: &WORKING_DAYS },
            identity: IdentityContext { today },
            findings: Vec::new(),
            totals: Totals::default(),
            concentration: Concentration::new([1; 16]),
            row_set: RowSet::new([2; 16], Memory),
            rows: 0,
        }
    }

    fn judge(&mut self, row: &Row<'_>) -> Result<()> {
        self.findings.clear();
        let record = read_snapshot(row, &self.fields, &mut self.findings);
        let identity = check_identity(&record, &self.identity, &mut self.findings);
        check_row(&record, &self.row, &mut self.findings);
        check_policy(&record, &self.row, &mut self.findings);
        self.totals.add(&record);
        self.concentration.add(&record);
        ensure!(
            self.findings.is_empty() && identity.is_some(),
            "a row is not as it should be: {:?}",
            self.findings
        );
        // Stands in for the keyed token of the person, which is no rule.
        let subject = [scramble(self.rows), scramble(!self.rows)].map(u64::to_le_bytes);
        self.row_set.add(self.rows, &record, std::array::from_fn(|i| subject[i / 8][i % 8]))?;
        self.rows += 1;
        black_box((&record, &identity));
        Ok(())
    }

    /// Judges the rows as a set; how many there are.
    fn finish(self) -> Result<u64> {
        let outcome = self.row_set.finish()?;
        ensure!(
            outcome.rejected.is_empty() && outcome.duplicates.is_empty(),
            "rows that contradict each other"
        );
        black_box(self.concentration.fullest());
        Ok(self.rows)
    }
}

/// So few rows are kept in memory.
struct Memory;

impl Spill for Memory {
    type Error = std::io::Error;

    fn append(&mut self, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::OutOfMemory.into())
    }

    fn read(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).map(move |end| {
        let line = &text[start..end];
        start = end + 1;
        line
    })
}

/// Time that this thread has run, where the system tells.
pub fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
