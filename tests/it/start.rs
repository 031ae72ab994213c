//! What a server refuses to start on, and what it says then.

use etrplus::commands::{migrate, serve};
use etrplus::db::Db;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::database::{TestDatabase, fresh_database};

async fn refusal(database: &TestDatabase) -> Option<String> {
    serve::check_schema(&database.db()).await.err().map(|error| error.to_string())
}

#[tokio::test]
async fn an_unmigrated_database_is_refused_until_it_is_migrated() {
    let database = fresh_database().await;
    database.pool.execute("DROP OWNED BY CURRENT_USER").await.unwrap();
    let text = refusal(&database).await.unwrap();
    assert!(text.contains("etrplus migrate") && text.contains("older"), "{text}");

    let mut told = Vec::new();
    let applied = migrate::run(&database.url, &mut told).await.unwrap();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(told.lines().count(), applied + 1, "a line for each migration and one at the end:\n{told}");
    assert_eq!(refusal(&database).await, None);
    assert_eq!(
        migrate::run(&database.url, &mut Vec::new()).await.unwrap(),
        0,
        "doing it again changes nothing"
    );
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let database = fresh_database().await;
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  VALUES (99991231235959, 'from the future', true, '\\x00', 0)";
    database.pool.execute(future).await.unwrap();
    let text = refusal(&database).await.unwrap();
    assert!(text.contains("newer than this server") && text.contains("99991231235959"), "{text}");
    let error = migrate::run(&database.url, &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("99991231235959"), "{error}");
}

#[tokio::test]
async fn commits_that_a_crash_can_undo_are_refused_with_the_remedy() {
    let database = fresh_database().await;
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(&database.pool).await.unwrap();
    let statement = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    database.pool.execute(AssertSqlSafe(statement)).await.unwrap();
    let text = serve::check_durability(&database.db()).await.unwrap_err().to_string();
    assert!(
        text.contains("synchronous_commit = off")
            && text.contains("ALTER SYSTEM SET synchronous_commit = on"),
        "{text}"
    );
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for() {
    let nowhere = Db::connect("postgres://etrplus@127.0.0.1:1/nowhere", 4).unwrap();
    let error = serve::preflight(&nowhere).await.unwrap_err();
    assert!(matches!(error, serve::StartError::Unreachable(_)), "{error}");
}
