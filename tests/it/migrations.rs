//! Migrations: applied in order onto tables with rows in them, and never changed once they are shipped.
//!
//! `tests/data/migrations/<version>.sql` fills what its migration made, so that every later one meets rows.

use std::path::Path;

use etrplus::db::MIGRATOR;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::database::fresh_database;

/// What is shipped, for good. A new migration adds a line; a line that must change means that a shipped file was
/// edited: put it back and write a new one.
const SHIPPED: &[(i64, &str)] = &[
    (
        20_261_124_000_000,
        "2aec17aa819c94f41ee7d8f45fc04eb55348eda1d84bc2937c6dac129227a2883fdf75005bd8a94634a63f531ba9df47",
    ),
    (
        20_261_124_000_100,
        "7281cb74686b7b7a187f79ffa21a5556b7181a85bfe4576a02439785760b9a18726927c04d197fa32132aeb700b7d50f",
    ),
    (
        20_261_124_000_200,
        "3f25adcc503ea287924684d580b7ac26743cbe474b673d90a003c52a29126de309d93a4e1fd9f528823e0706e902f15c",
    ),
    (
        20_261_124_000_300,
        "6f04d8ce97e916392061b90a72db67c8ff11a9d0a5a6a8e206ef5611d6e628a6d041aa7aa8409ff697dbe4799ca8ae05",
    ),
    (
        20_261_125_000_100,
        "eefb8f3fdd4be4edea1ac62fc87ab29c70faf59fb6e11d71324012cbee346744812101a4ad681bfe77b874bd80fd3bd4",
    ),
    (
        20_261_125_000_110,
        "02f2fca60f61933d5e45a663666eba45e81bc91bbc1c694ef648a3927b48578c66466c453c045bdf341e27dff8dd2c5e",
    ),
    (
        20_261_125_000_120,
        "a4590f27b3a27cfb3af0fd6cf7bd038f46e289e640069b5a9525f8063e600135419f9299733b0f7ab518b6ea4dc5904a",
    ),
    (
        20_261_125_000_130,
        "9938bdcd032e1c2fdca4802634bc72730875e1bfc5bda7b3b3522dafc0354e20af0251709c162b0af4e7f48e97650028",
    ),
    (
        20_261_125_000_200,
        "dd961cbfb3bf27cd885b5f0288edef7a8d6e2cbb4d05b025872e6688665965721025ef4b5280d73839f5712e76a7c74d",
    ),
    (
        20_261_125_000_300,
        "ffd0db9ce968489e0b7224c43627bae1ac1b613a1aed489fc8e0cfeeb26ecfdd68f40da1e16e86dbe0dbcc44e4719ef7",
    ),
    (
        20_261_125_000_310,
        "45535af1c49793cf3d24b7ad9dd5bb124c786e73ef00d9f9ab0068c9d5f47e5285fc90b5224fd4ed169a23761726c914",
    ),
    (
        20_261_125_000_400,
        "37f3121d3db578118d687e958dd754aa8e5ba0e7372f720f8687f74eaedac0c833493910cb5f87361b4fecbf305104e5",
    ),
    (
        20_261_125_000_500,
        "3eeafadb05731bd3ed8fc1976f7c2d9ec991a5c695a133e19affd3ebeba2f500c27233750753d83e5dbd1485c98b621a",
    ),
    (
        20_261_125_000_510,
        "230b6d73a765c8488190cdbd52c668701176d52f79e42523996fe0f517928f3b8e0cff12945782a5c255e672bcff59ea",
    ),
    (
        20_261_125_000_550,
        "8b43ffdb7aa8374b6ecbddca0fd258106732898363e28852b6f775450bd3d25ba8f5e6532e9f89c5c0540957aa1fa1bf",
    ),
    (
        20_261_125_000_600,
        "90777b406278aa44b5ac8d9e73fc998942cc6970e1766f6af3ffbe03eea67ceaad1eb51cc3b2674e0270c02f64ebc280",
    ),
    (
        20_261_125_000_610,
        "cf3181926dd1cde5d88086a4b15336a9b1408effb73de1c3bd5d8ec1b5a94890fabadb011cdfb1595fa6af830f064378",
    ),
    (
        20_261_125_000_615,
        "172d87dad4a71ad9eb0a9ed130f14fa2a8dd3235a1528af5851e0f8ec20e44b470fff4750987dd1770108b12a5c2bb72",
    ),
    (
        20_261_125_000_620,
        "47a78d8fb2acc01da6bef2af15763ce187e522954c16ff07a5fe9388761fe2261531817274bbdfbb7f1de149951d54ea",
    ),
    (
        20_261_125_000_630,
        "b9f2f2b20a2c09ac25d89837ec17e20c9b44bce06d59ce58fddf7c83235e6e9788f6f3ce3f81b1971fc107bdecc4ad0d",
    ),
    (
        20_261_125_000_640,
        "65d25b6ce8732ddccf395970caf04a8e2a5f78efbc8baebb953ce4d86b8afef4442363ab729fe73f182b160dc922067e",
    ),
    (
        20_261_126_000_100,
        "a154d5ee211db82456c529291fb297305caebaebd32d27e2c468da4e3a45bfda1bc60fda926370759744673766383f9f",
    ),
    (
        20_261_126_000_200,
        "a9926137fe1664db1df7134054468d8d182562052b60396f0f078bcb1c264d16f0e7ed36a172c2c7be603c8d3117bff0",
    ),
    (
        20_261_126_000_210,
        "97c951406a8006c112e0187cf0c1d256b1e8a82017bdc7a1737ef00c8ef812e37d7fffc98801883816250daeb2ce0d61",
    ),
    (
        20_261_126_000_300,
        "43e214fa5127f22bee3d4c4d09483a2597573fb9a97dc1e1a055faa0844996244d1d7e662944633fba33768d510773eb",
    ),
    (
        20_261_126_000_400,
        "bfc0257eac1435cdb254abd1c2217536fd8eaa8fce1046b3b9202d31865df03d308b555b7861a2040fcf0916e91f989e",
    ),
    (
        20_261_126_000_500,
        "fb98b2802436a9f9f10f396ab1fdfdc422919d6c4e90e64b87d9173df69c2a4cd2487ff8fa9f68ad9748957771d581e6",
    ),
    (
        20_261_126_000_600,
        "3e66e84afc58e3524919c70992678fcab4684cdc660281e628175b3522976182fd368eb3007412dce119e8aeba42f20f",
    ),
    (
        20_261_126_000_610,
        "b552e64c99fc52f34f409dc1284f4b2ee5e6deac3b27f8a7d6c4483d294fd8534dcbae3ee109c298f7e662dfcb6333d2",
    ),
    (
        20_261_126_000_700,
        "082462102d02adaaa0a733b23aecc0753af50e8927357d6391279b4c7ea9999a9d3e8e7880e7dbf70e2d373366d84ecc",
    ),
];

fn sample_rows(version: i64) -> Option<String> {
    let file = format!("{}/tests/data/migrations/{version}.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(Path::new(&file)).ok()
}

#[test]
fn a_shipped_migration_never_changes() {
    let found: Vec<(i64, String)> =
        MIGRATOR.iter().map(|migration| (migration.version, hex::encode(&migration.checksum))).collect();
    let shipped: Vec<(i64, String)> =
        SHIPPED.iter().map(|(version, sum)| (*version, (*sum).to_owned())).collect();
    assert_eq!(found, shipped);
}

#[tokio::test]
async fn every_migration_applies_onto_filled_tables() {
    let database = fresh_database().await;
    let pool = &database.pool;
    pool.execute("DROP OWNED BY CURRENT_USER").await.unwrap();
    for migration in MIGRATOR.iter() {
        let version = migration.version;
        MIGRATOR.run_to(version, pool).await.unwrap_or_else(|error| panic!("{version}: {error}"));
        let rows = sample_rows(version);
        let makes_tables = migration.sql.as_str().contains("CREATE TABLE");
        assert!(
            rows.is_some() || !makes_tables,
            "{version} makes tables: fill them in tests/data/migrations/{version}.sql"
        );
        if let Some(rows) = rows {
            pool.execute(AssertSqlSafe(rows))
                .await
                .unwrap_or_else(|error| panic!("rows of {version}: {error}"));
        }
    }
    // Every table has rows, so that a later migration cannot pass by accident.
    let tables: Vec<String> = sqlx::query_scalar(
        "/* test.tables */ SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(tables.len() > 12, "{tables:?}");
    for table in tables {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(pool)
            .await
            .unwrap();
        assert!(rows > 0, "{table} has no sample rows: add them to the file of the migration that makes it");
    }
}

/// Statements that fail on, or lock and rewrite, a table with rows in it.
fn dangers(sql: &str) -> Vec<String> {
    let code: String = sql.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join(" ");
    let code = code.to_uppercase();
    let mut dangers = Vec::new();
    for statement in code.split(';').filter(|statement| statement.contains("ALTER TABLE")) {
        for action in statement.split(',') {
            let adds =
                action.contains("ADD COLUMN") || (action.contains(" ADD ") && !action.contains("CONSTRAINT"));
            if adds
                && action.contains("NOT NULL")
                && !action.contains("DEFAULT")
                && !action.contains("GENERATED")
            {
                dangers.push(format!("a NOT NULL column without DEFAULT: {}", action.trim()));
            }
            if action.contains("SET NOT NULL") {
                dangers.push(format!("SET NOT NULL on a filled column: {}", action.trim()));
            }
        }
    }
    dangers
}

#[test]
fn no_migration_asks_filled_tables_for_what_they_do_not_have() {
    for migration in MIGRATOR.iter() {
        assert_eq!(dangers(migration.sql.as_str()), [""; 0], "{}", migration.version);
    }
    for bad in [
        "ALTER TABLE batches ADD COLUMN colour text NOT NULL;",
        "ALTER TABLE batches\n  ADD COLUMN a int, -- and\n  add column colour text not null;",
        "ALTER TABLE batches ADD colour text NOT NULL",
        "ALTER TABLE batches ALTER COLUMN failure SET NOT NULL",
    ] {
        assert_eq!(dangers(bad).len(), 1, "{bad}");
    }
    for good in [
        "ALTER TABLE batches ADD COLUMN colour text NOT NULL DEFAULT 'red'",
        "ALTER TABLE batches ADD COLUMN colour text",
        "ALTER TABLE batches ADD CONSTRAINT a CHECK (failure IS NOT NULL) NOT VALID",
        "CREATE TABLE paint (colour text NOT NULL)",
    ] {
        assert!(dangers(good).is_empty(), "{good}");
    }
}
