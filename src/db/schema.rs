//! What the server must know about its database before it trusts it: schema, durability, role, reachability.

use sqlx::{PgExecutor, PgPool};

use super::{Db, MIGRATOR};
use crate::error::Result;

/// How the database's schema stands to the one that this binary was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Current,
    /// So many migrations are missing.
    Behind {
        missing: usize,
    },
    /// A newer binary has migrated it.
    Ahead {
        newest: i64,
    },
    /// A migration was applied that is not the one we know under its version.
    Different {
        version: i64,
    },
    /// A migration without a transaction broke off in the middle.
    Unfinished {
        version: i64,
    },
}

#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    checksum: Vec<u8>,
    success: bool,
}

/// Compares the applied migrations with those of this binary.
pub async fn compare(executor: impl PgExecutor<'_>) -> Result<Schema> {
    let applied = sqlx::query_as::<_, Applied>(
        "/* schema.compare */ SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version",
    )
    .fetch_all(executor)
    .await;
    match applied {
        Ok(applied) => Ok(judge(&applied)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            Ok(judge(&[]))
        }
        Err(error) => Err(error.into()),
    }
}

const UNDEFINED_TABLE: &str = "42P01";

fn judge(applied: &[Applied]) -> Schema {
    for row in applied {
        let Some(known) = MIGRATOR.iter().find(|migration| migration.version == row.version) else {
            return Schema::Ahead { newest: applied.last().map_or(row.version, |last| last.version) };
        };
        if !row.success {
            return Schema::Unfinished { version: row.version };
        }
        if known.checksum.as_ref() != row.checksum {
            return Schema::Different { version: row.version };
        }
    }
    match MIGRATOR.iter().count() - applied.len() {
        0 => Schema::Current,
        missing => Schema::Behind { missing },
    }
}

/// Settings under which a commit does not survive a crash or a power loss, with their values.
pub async fn durability_gaps(executor: impl PgExecutor<'_>) -> Result<Vec<(String, String)>> {
    let gaps = sqlx::query_as(
        "/* schema.durability_gaps */ SELECT name, setting FROM pg_settings
         WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name",
    );
    Ok(gaps.fetch_all(executor).await?)
}

/// Whether row-level security does not bind the role that we connect as.
pub async fn role_escapes_row_security(executor: impl PgExecutor<'_>) -> Result<bool> {
    let escapes = sqlx::query_scalar(
        "/* schema.role_escapes_row_security */
         SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user",
    );
    Ok(escapes.fetch_one(executor).await?)
}

async fn ping(pool: &PgPool) -> Result<()> {
    sqlx::query("/* schema.ping */ SELECT 1").execute(pool).await?;
    Ok(())
}

impl Db {
    /// Asks Postgres over both pools, since either may be exhausted alone.
    pub async fn ping(&self) -> Result<()> {
        futures::try_join!(ping(&self.system), ping(&self.tenant))?;
        Ok(())
    }

    /// Each pool's name, open connections and idle connections, for the metrics.
    pub fn pool_sizes(&self) -> [(&'static str, u32, usize); 3] {
        let sizes = |name, pool: &PgPool| (name, pool.size(), pool.num_idle());
        [sizes("system", &self.system), sizes("tenant", &self.tenant), sizes("refinery", &self.refinery)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Applied> {
        let applied = MIGRATOR.iter().map(|known| Applied {
            version: known.version,
            checksum: known.checksum.to_vec(),
            success: true,
        });
        applied.collect()
    }

    #[test]
    fn the_schema_of_this_binary_is_current() {
        assert_eq!(judge(&all()), Schema::Current);
    }

    #[test]
    fn an_empty_or_older_database_is_behind() {
        let count = all().len();
        assert_eq!(judge(&[]), Schema::Behind { missing: count });
        assert_eq!(judge(&all()[..count - 1]), Schema::Behind { missing: 1 });
    }

    #[test]
    fn a_migration_from_the_future_a_changed_one_and_a_broken_one_are_told_apart() {
        let mut applied = all();
        applied.push(Applied { version: i64::MAX, checksum: Vec::new(), success: true });
        assert_eq!(judge(&applied), Schema::Ahead { newest: i64::MAX });

        let mut applied = all();
        applied[0].checksum[0] ^= 1;
        assert_eq!(judge(&applied), Schema::Different { version: applied[0].version });

        let mut applied = all();
        applied[0].success = false;
        assert_eq!(judge(&applied), Schema::Unfinished { version: applied[0].version });
    }
}
