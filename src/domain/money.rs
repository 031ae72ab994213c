//! Money is an integer number of sen (1/100 ringgit). No float ever touches it.

use serde::{Deserialize, Serialize};

/// An amount in sen. Negative only where a contributor sent a negative value (rule V005 rejects it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sen(pub i64);

impl Sen {
    pub const ZERO: Sen = Sen(0);
    /// One ringgit.
    pub const RINGGIT: Sen = Sen(100);

    pub fn is_positive(self) -> bool {
        self.0 > 0
    }
}
