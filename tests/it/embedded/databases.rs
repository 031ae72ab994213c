//! What every story about data starts from: a database of its own.

use etrplus::db::MIGRATOR;
use etrplus::ids::ContributorId;
use sqlx::Executor as _;
use uuid::Uuid;

use crate::support::database::fresh_database;

#[tokio::test]
async fn two_tests_have_two_databases_with_every_migration_in_them() {
    let (one, other) = tokio::join!(fresh_database(), fresh_database());
    assert_ne!(one.url, other.url);
    one.pool.execute("CREATE TABLE only_here (id int)").await.unwrap();
    let seen: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('only_here')::text").fetch_one(&other.pool).await.unwrap();
    assert_eq!(seen, None);
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(&other.pool)
        .await
        .unwrap();
    assert_eq!(usize::try_from(applied).unwrap(), MIGRATOR.iter().count());
}

#[tokio::test]
async fn the_role_of_the_tests_is_held_by_row_level_security() {
    let database = fresh_database().await;
    let (superuser, bypasses): (bool, bool) =
        sqlx::query_as("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert!(!superuser && !bypasses);
    let scope = "SELECT etr_is_system()";
    let db = database.db();
    assert!(sqlx::query_scalar::<_, bool>(scope).fetch_one(&db.system).await.unwrap());
    let mut tx = db.as_contributor(ContributorId(Uuid::nil())).await.unwrap();
    assert!(!sqlx::query_scalar::<_, bool>(scope).fetch_one(&mut *tx).await.unwrap());
}
