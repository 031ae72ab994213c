//! The page of one rule, for people: both languages side by side, the example as it is sent. Made on the server,
//! without scripts; everything that is shown is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::domain::contract::Dataset;
use crate::domain::rules::{Example, ExampleStep, ExampleSubmission, RuleView};

/// The page may style itself and nothing else.
pub const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}\
table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.4rem .6rem;text-align:left;vertical-align:top}\
pre{background:#f4f4f4;padding:.6rem;overflow-x:auto;white-space:pre-wrap}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
.breaks{border-left:.3rem solid #b3261e}.passes{border-left:.3rem solid #1b7f3b}";

/// The whole page.
pub fn page(rule: &RuleView, version: &str) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{code} · eTR+</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n",
        code = escape(rule.code),
    );
    heading(&mut html, rule, version);
    if let Some(example) = &rule.example {
        story(&mut html, example, &rule.base_records);
    }
    html.push_str("</body></html>\n");
    html
}

fn heading(html: &mut String, rule: &RuleView, version: &str) {
    let pair = |html: &mut String, name: [&str; 2], en: &str, ms: &str| {
        let [name_en, name_ms] = name;
        let (en, ms) = (escape(en), escape(ms));
        let _ = writeln!(
            html,
            "<tr><td lang=\"en\"><b>{name_en}</b><br>{en}</td><td lang=\"ms\"><b>{name_ms}</b><br>{ms}</td></tr>"
        );
    };
    let [en, ms] = [rule.title.en, rule.title.ms].map(escape);
    let _ = writeln!(html, "<h1>{}: {en} · <span lang=\"ms\">{ms}</span></h1>\n<table>", escape(rule.code));
    pair(html, ["What is wrong", "Apa yang salah"], rule.message.en, rule.message.ms);
    pair(html, ["What to do", "Apa yang perlu dibuat"], rule.remedy.en, rule.remedy.ms);
    let [severity_en, severity_ms] = effect(rule);
    pair(html, ["Effect", "Kesan"], severity_en, severity_ms);
    html.push_str("</table>\n<table>\n");
    let words: Vec<&str> = rule.datasets.iter().map(|dataset| dataset.as_str()).collect();
    let fields = if rule.fields.is_empty() { "any, or none".to_owned() } else { rule.fields.join(", ") };
    let overridable = if rule.overridable { "yes · ya" } else { "no · tidak" };
    for (name, value) in [
        ("Datasets · Set data", words.join(", ")),
        ("Fields · Medan", fields),
        ("Judged from · Berkuat kuasa mulai", rule.enabled_from.to_string()),
        (
            "The bureau may soften it for one contributor · Biro boleh melonggarkannya bagi satu penyumbang",
            overridable.into(),
        ),
        ("Rules version · Versi peraturan", version.to_owned()),
    ] {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{}</td></tr>", escape(&value));
    }
    html.push_str("</table>\n");
}

fn effect(rule: &RuleView) -> [&'static str; 2] {
    use crate::domain::finding::Severity;
    match rule.severity {
        Severity::Reject => ["R: it is rejected.", "R: ia ditolak."],
        Severity::Hold => [
            "W*: the batch is held until you confirm or explain.",
            "W*: kelompok ditahan sehingga anda mengesahkan atau menjelaskan.",
        ],
        Severity::Warning => ["W: it is accepted with a warning.", "W: ia diterima dengan amaran."],
    }
}

fn story(html: &mut String, example: &Example, base_records: &BTreeMap<Dataset, Value>) {
    html.push_str(
        "<h2>Example · <span lang=\"ms\">Contoh</span></h2>\n<p>Sent on 24 November 2026 by a made-up contributor about \
         made-up people. · <span lang=\"ms\">Dihantar pada 24 November 2026 oleh penyumbang rekaan tentang orang \
         rekaan.</span></p>\n",
    );
    for step in &example.before {
        let (title, text) = before(step);
        block(html, "", title, &text);
    }
    block(html, "breaks", "This breaks the rule · Ini melanggar peraturan", &shown(&example.breaks));
    block(html, "passes", "This passes · Ini lulus", &shown(&example.passes));
    for (dataset, record) in base_records {
        let record = serde_json::to_string_pretty(record).unwrap_or_default();
        block(html, "", &format!("Base record of {dataset} · Rekod asas {dataset}"), &record);
    }
}

fn before(step: &ExampleStep) -> (&'static str, String) {
    match step {
        ExampleStep::Sent(submission) => ("Before, accepted · Sebelum ini, diterima", shown(submission)),
        ExampleStep::InFlight(submission) => {
            ("Before, not judged yet · Sebelum ini, belum dinilai", shown(submission))
        }
        ExampleStep::Deleted(account_ref) => (
            "Before, the account was deleted as wrong · Sebelum ini, akaun dipadam kerana silap",
            account_ref.clone(),
        ),
        ExampleStep::Erased(id_number) => (
            "Before, the person was erased by law · Sebelum ini, orang ini dipadam menurut undang-undang",
            id_number.clone(),
        ),
    }
}

/// Query, then terms, then each row's changes.
fn shown(submission: &ExampleSubmission) -> String {
    let mut text = format!("POST /v1/batches?dataset={}", submission.dataset);
    for (name, value) in &submission.query {
        let _ = write!(text, "&{name}={value}");
    }
    text.push('\n');
    if let Some(day) = submission.sent_on {
        let _ = writeln!(text, "# sent on {day}");
    }
    if let Some(key) = &submission.key {
        let _ = writeln!(text, "Idempotency-Key: {key}");
    }
    if let Ok(Value::Object(terms)) = serde_json::to_value(&submission.terms)
        && !terms.is_empty()
    {
        let _ = writeln!(text, "# terms: {}", changes(&terms));
    }
    if let Some(bytes) = submission.line_bytes {
        let _ = writeln!(text, "# each line has {bytes} bytes");
    }
    if submission.csv {
        text.push_str("# as CSV\n");
    }
    match (&submission.body, submission.rows.is_empty()) {
        (Some(body), _) => {
            let _ = writeln!(text, "{}", body.escape_debug());
        }
        (None, true) => text.push_str("# no row\n"),
        (None, false) => rows(&mut text, submission),
    }
    text
}

fn rows(text: &mut String, submission: &ExampleSubmission) {
    for row in &submission.rows {
        let mut row_and_each = submission.each.clone();
        row_and_each.extend(row.clone());
        let what = if row_and_each.is_empty() {
            "the base record".to_owned()
        } else {
            format!("the base record with {}", changes(&row_and_each))
        };
        let times = submission.copies.map(|copies| format!("{copies} times ")).unwrap_or_default();
        let _ = writeln!(text, "{times}{what}");
    }
}

fn changes(fields: &Map<String, Value>) -> String {
    let one = |(name, value): (&String, &Value)| format!("{name}: {value}");
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn block(html: &mut String, class: &str, title: &str, text: &str) {
    let (title, text) = (escape(title), escape(text.trim_end()));
    let _ = writeln!(html, "<h3>{title}</h3>\n<pre class=\"{class}\">{text}</pre>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::{RULES, RULES_VERSION};

    #[test]
    fn every_rule_has_a_page_in_two_languages_with_its_example() {
        for rule in RULES {
            let view = RuleView::with_example(rule);
            let html = page(&view, RULES_VERSION);
            for text in [rule.title_en, rule.title_ms, rule.message_en, rule.message_ms, rule.remedy_ms] {
                assert!(html.contains(&escape(text)), "{}: {text}", rule.code);
            }
            for part in ["class=\"breaks\"", "class=\"passes\"", "POST /v1/batches?dataset="] {
                assert!(html.contains(part), "{}: {part}", rule.code);
            }
            assert!(!html.contains("<script"), "{}", rule.code);
        }
    }

    #[test]
    fn what_is_shown_is_escaped() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
