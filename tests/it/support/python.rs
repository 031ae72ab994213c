//! The Python of the tests, which has the readers that others use: PyIceberg, DuckDB and their like.
//!
//! A virtual environment in the target directory with the packages of `tests/python/requirements.txt`, made once
//! (half a minute) by whoever needs it first; others wait. `ETR_TEST_PYTHON` names another interpreter, which has
//! these packages already. Scripts in `tests/python` are asked with JSON and answer with JSON.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

const REQUIREMENTS: &str = include_str!("../../python/requirements.txt");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// An interpreter with the packages of the tests. Panics with what is missing and what to do about it.
pub fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(find_or_make).clone()
}

/// Asks a script of `tests/python`; other tests go on meanwhile.
#[track_caller]
pub fn ask(script: &str, question: &Value) -> impl Future<Output = Value> + use<> {
    let (script, question) = (script.to_owned(), question.to_string());
    let asked = tokio::task::spawn_blocking(move || ask_and_wait(&script, &question));
    async { asked.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic())) }
}

fn ask_and_wait(script: &str, question: &str) -> Value {
    let mut asked = Command::new(python())
        .arg(Path::new(SCRIPTS).join(script))
        // Nothing is written beside the sources, and no configuration of the user takes part.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYICEBERG_HOME", SCRIPTS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Read to its end before it answers, and far smaller than a pipe.
    asked.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = asked.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{script} answers no JSON:\n{said}"))
}

fn find_or_make() -> PathBuf {
    if let Some(named) = std::env::var_os("ETR_TEST_PYTHON") {
        return named.into();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let (home, made_of) = (target.join("python"), target.join("python/made-of.txt"));
    let lock = File::create(target.join("python.lock")).unwrap();
    // Until the end of this function, also against another run of the tests.
    lock.lock().unwrap();
    if fs::read_to_string(&made_of).is_ok_and(|text| text == REQUIREMENTS) {
        return home.join("bin/python");
    }
    make(&home).unwrap_or_else(|cause| {
        panic!(
            "no Python for the tests: {cause}\nThey need Python 3.11 or later with venv and pip (Debian: `apt-get install \
             python3-venv`) and a package index that pip reaches, or ETR_TEST_PYTHON with the path of an interpreter that has \
             the packages of tests/python/requirements.txt"
        )
    });
    // Last, so that what is half made is made again.
    fs::write(&made_of, REQUIREMENTS).unwrap();
    home.join("bin/python")
}

fn make(home: &Path) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home))?;
    let quiet = ["install", "--quiet", "--no-input", "--disable-pip-version-check", "--only-binary", ":all:"];
    let wanted = Path::new(SCRIPTS).join("requirements.txt");
    run(Command::new(home.join("bin/python"))
        .args(["-m", "pip"])
        .args(quiet)
        // The list is whole: nothing is searched for.
        .args(["--no-deps", "--requirement"])
        .arg(wanted))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&said).trim()))
}
