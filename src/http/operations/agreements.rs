//! What overrides and constants have in common for their readers.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::agreement::{Agreements, Operator};
use crate::app::App;
use crate::db::approvals::Approval;

/// Whether an agreement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgreementState {
    /// Waits for another operator; nothing is judged under it.
    Requested,
    Approved,
    /// Over for good.
    Revoked,
}

/// The signatures under an agreement. Operators are `client:<id>` or `cli:<name>`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    pub state: AgreementState,
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    pub approved_by: Option<String>,
    pub approved_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<String>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<Approval> for ApprovalView {
    fn from(approval: Approval) -> ApprovalView {
        let state = match (&approval.approved_at, &approval.revoked_at) {
            (_, Some(_)) => AgreementState::Revoked,
            (Some(_), None) => AgreementState::Approved,
            (None, None) => AgreementState::Requested,
        };
        ApprovalView {
            state,
            requested_by: approval.requested_by,
            requested_at: approval.requested_at,
            approved_by: approval.approved_by,
            approved_at: approval.approved_at,
            revoked_by: approval.revoked_by,
            revoked_at: approval.revoked_at,
        }
    }
}

/// Agreements in the name of the caller.
pub fn agreements<'a>(app: &'a App, operator: &'a Operator) -> Agreements<'a> {
    Agreements { db: &app.db, clock: &app.clock, operator }
}
