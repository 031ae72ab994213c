//! Typed identifiers. A bare UUID never says what it names; these do.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map($name)
            }
        }
    };
}

uuid_id!(
    /// An organisation that sends data.
    ContributorId
);
uuid_id!(
    /// A credential holder: a contributor's system, a risk engine, an operator.
    ClientId
);
uuid_id!(
    /// One submission and everything that happened to it. Time-ordered (UUIDv7), never a capability.
    BatchId
);
uuid_id!(
    /// A person or business inside eTR+: random, meaningless outside.
    SubjectId
);
uuid_id!(JobId);
uuid_id!(
    /// A batch judged again.
    ShadowId
);
uuid_id!(
    /// A case that an operator decides: whose account it is, or whether records are corrected.
    CaseId
);
uuid_id!(
    /// A request to take a published batch back.
    RecallId
);
uuid_id!(
    /// A dataset that a contributor owes for a period.
    ObligationId
);
uuid_id!(
    /// A rule that is milder for one contributor for a while.
    OverrideId
);
uuid_id!(
    /// A value that stands in for a field that a contributor does not have.
    ConstantId
);
uuid_id!(
    /// One comparison of our stores with each other. Time-ordered (UUIDv7).
    ReconciliationId
);
uuid_id!(
    /// One question about a subject; names its footprint.
    QueryId
);
uuid_id!(
    /// A question about many subjects as of a day in the past. Time-ordered (UUIDv7).
    ArchiveQueryId
);
uuid_id!(
    /// A change of what was told of a person.
    RedisclosureId
);
uuid_id!(
    /// One recipient's notice of such a change.
    NoticeId
);
uuid_id!(
    /// One HTTP request, as told to the caller in `X-Request-Id`.
    RequestId
);
