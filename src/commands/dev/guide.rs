//! What `etrplus dev` says when it is ready: commands that can be pasted as they are.

use std::fmt::Write as _;
use std::path::Path;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};

use super::manifest::{ClientCredentials, Manifest};
use super::samples;

/// The files that the commands send.
pub struct SampleFiles<'a> {
    pub accepted: &'a Path,
    pub with_bad_rows: &'a Path,
    pub period_end: NaiveDate,
}

/// The whole text. Needs `curl` and `sed` to be followed, nothing else.
pub fn text(
    manifest: &Manifest,
    files: &SampleFiles<'_>,
    manifest_path: &Path,
    now: DateTime<Utc>,
) -> String {
    let base = &manifest.base_url;
    let period = files.period_end;
    let (Some(bureau), Some(risk)) = (manifest.client("demo-bureau"), manifest.client("demo-risk")) else {
        return String::new();
    };
    let mut text = format!(
        "eTR+ is ready.\n  API      {base}/v1   (docs: {base}/docs)\n  metrics  {}\n  scripts  {}\n\n",
        manifest.metrics_url,
        manifest_path.display()
    );
    let mut step = |title: &str, command: &str| {
        // Writing to a String does not fail.
        let _ = write!(text, "# {title}\n{command}\n\n");
    };
    step("Get a token for the contributor demo-bureau", &token(base, "TOKEN", bureau));
    let accepted = submit(base, files.accepted, &format!("demo-accepted-{period}"), period);
    step("Send a batch that is accepted, and wait for its report", &format!("{accepted}; echo"));
    let bad = submit(base, files.with_bad_rows, &format!("demo-bad-rows-{period}"), period);
    step(
        "Send one with bad rows, and read why they were rejected",
        &format!(
            "BATCH=$({bad} | sed -E 's/.*\"batch\":\\{{\"id\":\"([^\"]+)\".*/\\1/')\n\
             curl -sS \"{base}/v1/batches/$BATCH/rejects\" -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/x-ndjson'; echo"
        ),
    );
    step(
        "Ask as the risk engine demo-risk for the profile of a (made-up) person",
        &format!("{}\n{}", token(base, "RISK", risk), profile(base, now)),
    );
    text.push_str("Ctrl-C stops everything; the data stays. `etrplus dev --reset` starts over.\n");
    text
}

fn token(base: &str, variable: &str, client: &ClientCredentials) -> String {
    format!(
        "{variable}=$(curl -sS -u '{}:{}' -d grant_type=client_credentials {base}/oauth/token | sed -E 's/.*\"access_token\":\"([^\"]+)\".*/\\1/')",
        client.client_id, client.client_secret
    )
}

fn submit(base: &str, file: &Path, key: &str, period: NaiveDate) -> String {
    format!(
        "curl -sS \"{base}/v1/batches?dataset=account_snapshot&mode=DELTA&period_end={period}\" \
         -H \"Authorization: Bearer $TOKEN\" -H 'Idempotency-Key: {key}' -H 'Prefer: wait=10' \
         -H 'Content-Type: application/x-ndjson' --data-binary @{}",
        quoted(file)
    )
}

fn profile(base: &str, now: DateTime<Utc>) -> String {
    let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let body = serde_json::json!({
        "subject": {"id_type": "NRIC", "id_number": samples::PERSON},
        "purpose": "CREDIT_APPLICATION",
        "consent": {
            "reference": "demo-consent-1",
            "obtained_at": instant(now - TimeDelta::minutes(1)),
            "expires_at": instant(now + TimeDelta::days(30)),
        },
        "client_reference": "demo-1",
    });
    format!(
        "curl -sS {base}/v1/profiles/query -H \"Authorization: Bearer $RISK\" -H 'Content-Type: application/json' -d '{body}'; echo"
    )
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::dev::manifest::ObjectStore;

    fn manifest() -> Manifest {
        let client = |name: &str| ClientCredentials {
            name: name.into(),
            client_id: format!("id-of-{name}"),
            client_secret: "etr_secret_example".into(),
            scopes: vec![],
        };
        Manifest {
            base_url: "http://127.0.0.1:8080".into(),
            metrics_url: "http://127.0.0.1:9090/metrics".into(),
            database_url: "postgres://etrplus@%2Ftmp/etrplus".into(),
            s3: ObjectStore {
                endpoint: "http://127.0.0.1:9000".into(),
                bucket: "etrplus".into(),
                region: "us-east-1".into(),
                access_key_id: "id".into(),
                secret_access_key: "secret".into(),
            },
            clients: vec![client("demo-bureau"), client("demo-risk")],
        }
    }

    #[test]
    fn every_printed_line_is_a_comment_or_a_command_that_a_shell_can_read() {
        let files = SampleFiles {
            accepted: Path::new("/home/o'brien/.etrplus/accepted.ndjson"),
            with_bad_rows: Path::new("/srv/bad.ndjson"),
            period_end: NaiveDate::from_ymd_opt(2026, 2, 28).unwrap(),
        };
        let now = DateTime::from_timestamp(1_772_500_000, 0).unwrap();
        let text = text(&manifest(), &files, Path::new("/srv/dev.json"), now);
        let script = text.split_once("# Get a token").unwrap().1;
        let script = script.rsplit_once("Ctrl-C").unwrap().0;
        let checked =
            std::process::Command::new("/bin/sh").args(["-n", "-c", &format!("#{script}")]).output();
        let checked = checked.unwrap();
        assert!(checked.status.success(), "{}\n{text}", String::from_utf8_lossy(&checked.stderr));
        assert_eq!(script.matches("id-of-").count(), 2);
    }
}
