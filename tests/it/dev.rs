//! `etrplus dev` as a newcomer and a script see it: the real binary, told to stop or killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A `dev` that has said that it is ready.
struct Dev {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// What it printed.
    said: String,
    manifest: Value,
    postgres: Pid,
}

fn command(data: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etrplus"));
    command.args(["dev", "--port", "0", "--metrics-port", "0", "--data"]).arg(data).args(options);
    // Its own Postgres, whatever the other tests use.
    command.env_remove("DATABASE_URL");
    command
}

impl Dev {
    fn start(data: &Path, options: &[&str]) -> Dev {
        let mut child = command(data, options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C stops everything") {
            if stdout.read_line(&mut said).unwrap() == 0 {
                let mut complaint = String::new();
                child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
                panic!("dev did not start: {said}{complaint}");
            }
        }
        let manifest = serde_json::from_slice(&std::fs::read(data.join("dev.json")).unwrap()).unwrap();
        let pid_file = std::fs::read_to_string(data.join("postgres/data/postmaster.pid")).unwrap();
        let postgres = Pid::from_raw(pid_file.lines().next().unwrap().parse().unwrap()).unwrap();
        Dev { child, _stdout: stdout, said, manifest, postgres }
    }

    /// Ends it by a signal; the code is `None` when it did not end by itself.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }

    fn postgres_is_gone_soon(&self) -> bool {
        let begun = Instant::now();
        while test_kill_process(self.postgres).is_ok() {
            if begun.elapsed() > Duration::from_secs(5) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Dev {
    /// A story that fails leaves nothing behind either.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that the server's user may enter also when the tests run as root.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it started");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_dev_prints_can_be_pasted_as_it_is() {
    let folder = folder();
    let mut dev = Dev::start(&folder.path().join("dev"), &[]);
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl to paste the commands to");
        return;
    }
    let commands = dev.said.split_once("# Get a token").unwrap().1.rsplit_once("Ctrl-C").unwrap().0;
    let pasted = Command::new("/bin/sh").args(["-c", &format!("#{commands}")]).output().unwrap();
    let answers = String::from_utf8(pasted.stdout).unwrap();
    for expected in [
        // The batch that is accepted, with its report. Its accounts are older than a first report should be (P015).
        r#""counts":{"received":5,"accepted":5,"rejected":0,"duplicate":0,"unprocessed":0,"warned":5}"#,
        // The two reasons of the other one.
        r#""account_ref":"BUREAU-2004","findings":[{"code":"X006""#,
        r#""account_ref":"BUREAU-2008","findings":[{"code":"X004""#,
        // The profile: one plan of the sample that dev sent by itself, one loan of the accepted batch, one more.
        r#""active_contributor_count":{"value":2,"#,
        r#""bnpl_outstanding":{"value":40000,"#,
    ] {
        assert!(answers.contains(expected), "{expected} is missing from {answers}");
    }
    assert_eq!(dev.end(Signal::INT), Some(0), "Ctrl-C is an orderly end");
    assert!(test_kill_process(dev.postgres).is_err(), "Postgres outlived dev");
}

#[test]
fn killed_and_started_again_it_is_the_same_dev_and_leaves_no_process() {
    let folder = folder();
    let data = folder.path().join("dev");
    let mut first = Dev::start(&data, &[]);
    let mode = std::fs::metadata(data.join("dev.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let scopes: Vec<String> = first.manifest["clients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|client| format!("{} {}", client["name"], client["scopes"]))
        .collect();
    assert_eq!(
        scopes,
        [
            r#""demo-bnpl" ["batches:write","batches:read"]"#,
            r#""demo-bureau" ["batches:write","batches:read"]"#,
            r#""demo-risk" ["profiles:query"]"#,
            r#""demo-operator" ["admin"]"#,
        ]
    );
    assert_eq!(first.end(Signal::KILL), None);

    // At once, while the old server may still be on its way out.
    let mut second = Dev::start(&data, &[]);
    assert!(first.postgres_is_gone_soon(), "Postgres outlived dev");
    assert_eq!(first.manifest["clients"], second.manifest["clients"], "credentials changed");
    assert_eq!(first.manifest["s3"], second.manifest["s3"]);
    assert_eq!(second.end(Signal::TERM), Some(0));
    assert!(test_kill_process(second.postgres).is_err(), "Postgres outlived dev");

    let mut third = Dev::start(&data, &["--reset"]);
    assert_ne!(first.manifest["clients"], third.manifest["clients"], "--reset kept the old clients");
    third.end(Signal::INT);
}

#[test]
fn what_stands_in_the_way_is_told_in_one_sentence_with_a_remedy() {
    let folder = folder();
    let data = folder.path().join("dev");
    let dev = Dev::start(&data, &[]);

    let second = complaint(&command(&data, &[]).output().unwrap());
    assert!(second.contains("another `etrplus dev` uses ") && second.contains("--data"), "{second}");

    let port = dev.manifest["base_url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let other = Command::new(env!("CARGO_BIN_EXE_etrplus"))
        .args(["dev", "--port", &port, "--data"])
        .arg(folder.path().join("other"))
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let in_use = complaint(&other);
    assert!(
        in_use.contains(&format!("port {port} on 127.0.0.1 is in use")) && in_use.contains("--port"),
        "{in_use}"
    );

    let without =
        command(&folder.path().join("without"), &[]).env("ETR_PG_BIN", folder.path()).output().unwrap();
    let missing = complaint(&without);
    assert!(missing.contains("ETR_PG_BIN is ") && missing.contains("or unset it"), "{missing}");

    let old = folder.path().join("old");
    Dev::start(&old, &[]).end(Signal::INT);
    // A data directory made by an older Postgres.
    std::fs::write(old.join("postgres/data/PG_VERSION"), "12\n").unwrap();
    let outdated = complaint(&command(&old, &[]).output().unwrap());
    assert!(
        outdated.contains("was made by PostgreSQL 12, found ") && outdated.contains("--reset"),
        "{outdated}"
    );

    std::fs::write(folder.path().join("thesis.tex"), "ten years").unwrap();
    let foreign = complaint(&command(folder.path(), &["--reset"]).output().unwrap());
    assert!(foreign.contains("holds files that are not eTR+'s"), "{foreign}");
    assert!(folder.path().join("thesis.tex").exists());

    for sentence in [second, in_use, missing, outdated, foreign] {
        assert_eq!(sentence.trim_end().lines().count(), 1, "{sentence}");
    }
}
