//! A read model over `contributors` and `holidays`: the working days by which a contributor's deeds are in time.

use sqlx::PgPool;

use super::{holidays, reporting};
use crate::domain::calendar::WorkingDays;
use crate::error::{Error, Result};
use crate::ids::ContributorId;

/// The calendar as operators changed it, in the contributor's state.
///
/// # Errors
/// `NotFound` for a contributor that is not there.
pub async fn of(pool: &PgPool, contributor: ContributorId) -> Result<WorkingDays> {
    let state = reporting::calendar_state(pool, contributor).await?.ok_or(Error::NotFound)?;
    Ok(WorkingDays { calendar: holidays::calendar(pool).await?, state })
}
