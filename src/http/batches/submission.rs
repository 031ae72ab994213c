//! From query and headers to a [`Submission`]: the envelope is read and refused before a byte of the body is.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use http::{HeaderMap, header};
use serde::Deserialize;

use crate::access::Principal;
use crate::access::contracts::DatasetVersions;
use crate::app::App;
use crate::db::contributors::Contributor;
use crate::domain::contract::version::parse_version;
use crate::domain::contract::{AccountStatus, Dataset, Environment, Mode, MoneyUnit};
use crate::domain::dates;
use crate::domain::envelope::{Envelope, Format};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::{Admission, Code, Declared, envelope_findings, rule};
use crate::http::headers::ContentDigest;
use crate::http::problem::{FieldProblem, Problem, ProblemKind};
use crate::ids::{BatchId, CaseId, ContributorId};
use crate::pipeline::accept::{ContentEncoding, Submission};
use crate::pipeline::pack::DeclaredDigest;

/// The envelope of a batch: what you declare about the file (`domain.md` 6.1).
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SubmissionQuery {
    #[param(example = "account_snapshot")]
    pub dataset: Dataset,
    #[param(example = "DELTA")]
    pub mode: Mode,
    /// Last day of the period that the file describes, YYYY-MM-DD.
    #[param(example = "2026-10-31")]
    pub period_end: NaiveDate,
    /// Version of the contract; when absent, the one that you are pinned to, else the newest published one (F002).
    pub schema_version: Option<String>,
    /// `ndjson` or `csv`; read from Content-Type when absent.
    #[param(inline)]
    pub format: Option<Format>,
    /// CSV only: what an amount counts. Without it a value with a decimal point is ringgit and one without is sen.
    #[param(inline)]
    pub money_unit: Option<MoneyUnit>,
    /// TEST or PROD; refused when it is not the server's (F017).
    #[param(inline)]
    pub environment: Option<Environment>,
    /// Records in the file (F008).
    pub record_count: Option<u64>,
    /// Sum of `outstanding` over all records, in sen (F009).
    #[serde(alias = "sum_outstanding")]
    pub sum_outstanding_sen: Option<i64>,
    /// Sum of `overdue` over all records, in sen (F009).
    #[serde(alias = "sum_overdue")]
    pub sum_overdue_sen: Option<i64>,
    /// Events: sum of `amount`; applications: sum of `amount_requested`; over all records, in sen (F009).
    #[serde(alias = "sum_amount")]
    pub sum_amount_sen: Option<i64>,
    /// Records per status, as `ACTIVE:120,SETTLED:3` (F009).
    pub count_by_status: Option<String>,
    /// Number of this DELTA in your sequence.
    pub sequence_no: Option<u64>,
    /// SHA-256 of the body as sent, in hex; like Content-Digest (F003).
    pub sha256: Option<String>,
    /// The period has nothing to report, and the body is empty (F007).
    pub nil_return: Option<bool>,
    /// The batch that this one takes the place of.
    pub replaces: Option<BatchId>,
    /// The batch of yours whose rejected records this DELTA brings again, mended.
    pub fixes: Option<BatchId>,
    /// The deletion (a correction's id) whose records this batch brings again on purpose; without it they are rejected, P012.
    pub case_id: Option<CaseId>,
    /// The same bytes were sent before, and that is meant.
    pub allow_duplicate: Option<bool>,
    /// Only rehearse: the file is judged and reported on as it would be, and changes nothing. Its bytes are kept for a day.
    pub dry_run: Option<bool>,
}

/// Everything of a submission but its body.
pub struct Request<'a> {
    pub query: SubmissionQuery,
    pub key: String,
    pub digest: ContentDigest,
    pub headers: &'a HeaderMap,
}

impl Request<'_> {
    pub fn read(
        self,
        app: &App,
        principal: &Principal,
        contributor: &Contributor,
        versions: &DatasetVersions,
    ) -> Result<Submission, Problem> {
        let content_type = text_of(self.headers, &header::CONTENT_TYPE).unwrap_or_default();
        let format = self.query.format.or_else(|| format_of(&content_type)).ok_or_else(unknown_type)?;
        let digests = self.digests()?;
        let content_encoding = encoding_of(self.headers)?;
        let content_length =
            text_of(self.headers, &header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let schema_version_declared = self.query.schema_version.is_some();
        let version = meant_version(&self.query, contributor, versions);
        let envelope = envelope(&self.query, format, version)?;
        refuse_envelope(app, contributor, versions, &envelope)?;
        Ok(Submission {
            contributor_id: ContributorId(contributor.contributor_id.0),
            client_id: principal.client_id,
            envelope,
            schema_version_declared,
            idempotency_key: self.key,
            content_type,
            content_encoding,
            digests,
            content_length,
            replayed: Vec::new(),
        })
    }

    fn digests(&self) -> Result<Vec<DeclaredDigest>, Problem> {
        let mut digests: Vec<DeclaredDigest> = Vec::new();
        digests.extend(self.digest.sha256.map(|digest| DeclaredDigest::Sha256(digest.to_vec())));
        digests.extend(self.digest.sha512.map(|digest| DeclaredDigest::Sha512(digest.to_vec())));
        if let Some(text) = &self.query.sha256 {
            let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 32);
            let bytes = bytes.ok_or_else(|| wrong_parameter("sha256", "must be 64 hexadecimal digits"))?;
            digests.push(DeclaredDigest::Sha256(bytes));
        }
        Ok(digests)
    }
}

/// The contract version as we write it: what was declared, else what the contributor is pinned to, else the newest
/// published one. A declared version that is none stays as it was declared and breaks F002.
fn meant_version(query: &SubmissionQuery, contributor: &Contributor, versions: &DatasetVersions) -> String {
    let declared = query.schema_version.as_deref();
    let newest = || versions.newest_published().map(|known| known.row.version);
    let version = match declared {
        Some(text) => parse_version(text),
        None => contributor.terms.pinned_version(query.dataset).or_else(newest),
    };
    version.map_or_else(|| declared.unwrap_or_default().to_owned(), |version| version.to_string())
}

fn envelope(query: &SubmissionQuery, format: Format, version: String) -> Result<Envelope, Problem> {
    if query.money_unit.is_some() && format == Format::Ndjson {
        return Err(wrong_parameter("money_unit", "is for CSV; NDJSON amounts are always sen"));
    }
    if query.fixes.is_some() && query.mode != Mode::Delta {
        return Err(wrong_parameter("fixes", "is for DELTA: mended records are sent alone"));
    }
    let count_by_status = query.count_by_status.as_deref().map(parse_counts).transpose()?;
    Ok(Envelope {
        schema_version: version,
        environment: query.environment,
        record_count: query.record_count,
        sum_outstanding: query.sum_outstanding_sen.map(Sen),
        sum_overdue: query.sum_overdue_sen.map(Sen),
        sum_amount: query.sum_amount_sen.map(Sen),
        count_by_status,
        sequence_no: query.sequence_no,
        nil_return: query.nil_return.unwrap_or(false),
        replaces: query.replaces,
        fixes: query.fixes,
        case_id: query.case_id,
        allow_duplicate: query.allow_duplicate.unwrap_or(false),
        dry_run: query.dry_run.unwrap_or(false),
        money_unit: query.money_unit,
        ..Envelope::new(query.dataset, query.mode, query.period_end, format)
    })
}

fn parse_counts(text: &str) -> Result<BTreeMap<AccountStatus, u64>, Problem> {
    let pair = |part: &str| {
        let (status, count) = part.split_once(':')?;
        Some((AccountStatus::parse(status.trim())?, count.trim().parse().ok()?))
    };
    text.split(',')
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| wrong_parameter("count_by_status", "must be like ACTIVE:120,SETTLED:3"))
}

/// The rules that the envelope alone can answer.
fn refuse_envelope(
    app: &App,
    contributor: &Contributor,
    versions: &DatasetVersions,
    envelope: &Envelope,
) -> Result<(), Problem> {
    let declared = Declared::from(envelope);
    let open = versions.iter().filter(|known| known.row.state.is_open());
    let open: Vec<String> = open.map(|known| known.row.version.to_string()).collect();
    let schema_versions: Vec<&str> = open.iter().map(String::as_str).collect();
    let admission = Admission {
        contributor_active: !contributor.suspended,
        dataset_in_scope: contributor.terms.datasets.contains(&envelope.dataset),
        schema_versions: &schema_versions,
        environment: app.config.environment,
    };
    let today = dates::business_date(app.clock.now());
    let mut findings = envelope_findings(&declared, &admission, &contributor.terms, today);
    contributor.terms.policy(today).apply_to(&mut findings);
    match findings.first() {
        None => Ok(()),
        Some(finding) if finding.code == Code::F001 && contributor.suspended => {
            Err(Problem::new(ProblemKind::ContributorSuspended).errors(errors(&findings)))
        }
        Some(finding) if finding.code == Code::F001 => {
            Err(Problem::new(ProblemKind::DatasetNotAllowed).errors(errors(&findings)))
        }
        Some(finding) if finding.code == Code::L003 => {
            Err(Problem::new(ProblemKind::NoticeNotAttested).errors(errors(&findings)))
        }
        Some(_) => Err(Problem::new(ProblemKind::ValidationFailed)
            .detail("The envelope breaks rules; nothing was read or kept.")
            .errors(errors(&findings))),
    }
}

fn errors(findings: &[Finding]) -> Vec<FieldProblem> {
    let error = |finding: &Finding| {
        FieldProblem::new(
            format!("query/{}", parameter_of(finding.code)),
            finding.code.as_str(),
            rule(finding.code).message_en,
        )
    };
    findings.iter().map(error).collect()
}

fn parameter_of(code: Code) -> &'static str {
    match code {
        Code::F002 => "schema_version",
        Code::F010 | Code::F011 => "period_end",
        Code::F017 => "environment",
        _ => "dataset",
    }
}

fn wrong_parameter(name: &str, expected: &'static str) -> Problem {
    Problem::new(ProblemKind::InvalidQuery)
        .detail(format!("query/{name}: {expected}"))
        .errors(vec![FieldProblem::new(format!("query/{name}"), "invalid", expected)])
}

fn unknown_type() -> Problem {
    Problem::new(ProblemKind::UnsupportedMediaType)
        .detail("Send Content-Type application/x-ndjson or text/csv, or say format=ndjson or format=csv.")
}

fn text_of(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn format_of(content_type: &str) -> Option<Format> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Some(Format::Ndjson)
        }
        "text/csv" => Some(Format::Csv),
        _ => None,
    }
}

fn encoding_of(headers: &HeaderMap) -> Result<ContentEncoding, Problem> {
    let text = text_of(headers, &header::CONTENT_ENCODING).unwrap_or_default().to_ascii_lowercase();
    match text.trim() {
        "" | "identity" => Ok(ContentEncoding::Identity),
        "gzip" | "x-gzip" => Ok(ContentEncoding::Gzip),
        "zstd" => Ok(ContentEncoding::Zstd),
        _ => Err(Problem::new(ProblemKind::UnsupportedMediaType)
            .detail("Content-Encoding may be gzip or zstd, once; send the body plain otherwise.")
            .header(header::ACCEPT_ENCODING, http::HeaderValue::from_static("gzip, zstd, identity"))),
    }
}
