//! The private Postgres: where it is found, what it keeps, and that it never outlives who started it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use etrplus::embedded::Error;
use etrplus::embedded::postgres::{Options, Postgres, Search};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

fn usual() -> Options {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    Options { search: Search::from_variables(&variables), discard: false, may_create_databases: false }
}

/// A folder that the server's user may enter also when the tests run as root.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn is_alive(process: u32) -> bool {
    let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
    rustix::process::test_kill_process(process).is_ok()
}

/// Waits until the process is gone; false when it is still there after five seconds.
fn is_gone_soon(process: u32) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if !is_alive(process) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[tokio::test]
async fn it_keeps_rows_over_a_restart_and_leaves_no_process() {
    let folder = folder();
    let home = folder.path().join("postgres");
    let first = Postgres::start(&home, usual()).await.unwrap();
    let mut connection = PgConnection::connect(&first.database_url()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    connection.close().await.unwrap();
    let process = first.process_id();
    first.stop();
    assert!(!is_alive(process), "the server outlived stop()");

    let begun = Instant::now();
    let second = Postgres::start(&home, usual()).await.unwrap();
    let warm = begun.elapsed();
    let mut connection = PgConnection::connect(&second.database_url()).await.unwrap();
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
    eprintln!("warm start: {warm:?}");
    let process = second.process_id();
    drop(second);
    assert!(!is_alive(process), "the server outlived its handle");
}

#[tokio::test]
async fn the_role_is_no_superuser_sees_all_scopes_and_commits_durably() {
    let folder = folder();
    let postgres = Postgres::start(&folder.path().join("postgres"), usual()).await.unwrap();
    let mut connection = PgConnection::connect(&postgres.database_url()).await.unwrap();
    let (role, superuser, scope): (String, bool, String) = sqlx::query_as(
        "SELECT rolname::text, rolsuper OR rolbypassrls OR rolcreatedb, current_setting('etr.scope') \
         FROM pg_roles WHERE rolname = current_user",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((role.as_str(), superuser, scope.as_str()), ("etrplus", false, "system"));
    for (setting, value) in
        [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on"), ("listen_addresses", "")]
    {
        let actual: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(actual, value, "{setting}");
    }
}

#[tokio::test]
async fn psql_understands_the_address() {
    let folder = folder();
    let postgres = Postgres::start(&folder.path().join("postgres"), usual()).await.unwrap();
    let output = Command::new(postgres.binaries.program("psql"))
        .arg(postgres.database_url())
        .args(["-XAtc", "SELECT current_user, current_setting('etr.scope')"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "etrplus|system", "{output:?}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let folder = folder();
    let home = folder.path().join("a-long-name-".repeat(8)).join("with, odd 'letters'");
    let postgres = Postgres::start(&home, usual()).await.unwrap();
    PgConnection::connect(&postgres.database_url()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused_in_one_sentence() {
    let folder = folder();
    let home = folder.path().join("postgres");
    let first = Postgres::start(&home, usual()).await.unwrap();
    let error = Postgres::start(&home, usual()).await.unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    assert!(is_alive(first.process_id()), "the first one suffered from it");
}

#[tokio::test]
async fn a_directory_of_another_major_version_is_named_with_both_versions() {
    let folder = folder();
    let home = folder.path().join("postgres");
    std::fs::create_dir_all(home.join("data")).unwrap();
    std::fs::write(home.join("data/PG_VERSION"), "12\n").unwrap();
    let error = Postgres::start(&home, usual()).await.unwrap_err().to_string();
    assert!(error.contains("was made by PostgreSQL 12, found ") && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn an_interrupted_creation_leaves_nothing_that_stands_in_the_way() {
    let folder = folder();
    let home = folder.path().join("postgres");
    std::fs::create_dir_all(home.join("data.unfinished/base")).unwrap();
    let postgres = Postgres::start(&home, usual()).await.unwrap();
    assert!(!home.join("data.unfinished").exists());
    drop(postgres);
}

#[tokio::test]
async fn a_server_to_be_discarded_goes_with_its_directory() {
    let home = std::env::temp_dir().join(format!("etrplus-discarded-{}", std::process::id()));
    let postgres = Postgres::start(&home, Options { discard: true, ..usual() }).await.unwrap();
    assert!(home.exists());
    postgres.stop();
    assert!(!home.exists());
}

/// Not a test: the process that the next story kills. It starts a server, says where, and waits.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn start_a_server_and_wait_for_the_end() {
    let home = PathBuf::from(std::env::var_os("ETR_TEST_HOME").unwrap());
    let postgres = Postgres::start(&home, usual()).await.unwrap();
    eprintln!("server {} {}", postgres.process_id(), postgres.database_url());
    std::future::pending::<()>().await;
}

fn start_in_another_process(home: &Path) -> (Child, u32, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "embedded::postgres::start_a_server_and_wait_for_the_end",
            "--ignored",
            "--nocapture",
        ])
        .env("ETR_TEST_HOME", home)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.starts_with("server ")).expect("no server was started");
    let mut words = line.split(' ').skip(1);
    let process = words.next().unwrap().parse().unwrap();
    (child, process, words.next().unwrap().to_owned())
}

#[tokio::test]
async fn killing_its_starter_ends_the_server_and_loses_nothing() {
    let folder = folder();
    let home = folder.path().join("postgres");
    let (mut child, process, url) = start_in_another_process(&home);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute("CREATE TABLE committed AS SELECT 7 AS answer").await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    // At once, while the old server may still be on its way out.
    let again = Postgres::start(&home, usual()).await.unwrap();
    assert!(is_gone_soon(process), "the server outlived its starter");
    let mut connection = PgConnection::connect(&again.database_url()).await.unwrap();
    let answer: i32 =
        sqlx::query_scalar("SELECT answer FROM committed").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 7);
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_recovers() {
    let folder = folder();
    let home = folder.path().join("postgres");
    let mut first = Postgres::start(&home, usual()).await.unwrap();
    let mut connection = PgConnection::connect(&first.database_url()).await.unwrap();
    connection.execute("CREATE TABLE committed AS SELECT 7 AS answer").await.unwrap();
    let process = rustix::process::Pid::from_raw(first.process_id().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    let begun = Instant::now();
    while first.exited().is_none() && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(first.exited().is_some(), "the end of the server went unnoticed");
    drop(first);

    let again = Postgres::start(&home, usual()).await.unwrap();
    let mut connection = PgConnection::connect(&again.database_url()).await.unwrap();
    let answer: i32 =
        sqlx::query_scalar("SELECT answer FROM committed").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 7);
}

#[tokio::test]
async fn without_an_installed_server_one_is_fetched_and_kept() {
    let caches = vec![
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("etrplus-cache"),
        std::env::temp_dir().join("etrplus-tests-cache"),
    ];
    let search = Search { explicit: None, folders: vec![], caches, fetch: true };
    let folder = folder();
    let home = folder.path().join("postgres");
    let postgres = match Postgres::start(&home, Options { search: search.clone(), ..usual() }).await {
        Ok(postgres) => postgres,
        Err(error @ Error::PostgresMissing { .. }) => {
            eprintln!("skipped, nothing can be fetched here: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert!(postgres.binaries.version.starts_with("18."), "{}", postgres.binaries.version);
    let mut connection = PgConnection::connect(&postgres.database_url()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 18 AS answer").await.unwrap();
    drop(postgres);

    // The second start fetches nothing.
    let offline = Options { search: Search { fetch: false, ..search }, ..usual() };
    let again = Postgres::start(&home, offline).await.unwrap();
    let mut connection = PgConnection::connect(&again.database_url()).await.unwrap();
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 18);
}
