//! What a token may be used for.

use std::fmt;
use std::str::FromStr;

/// One permission, in the words of OAuth 2.0 (RFC 6749, 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Send batches for the client's contributor, and cancel them.
    BatchesWrite,
    /// Read the batches of the client's contributor.
    BatchesRead,
    /// Ask for profiles, for the purposes in the client's agreement.
    ProfilesQuery,
    /// Ask with a profile for the records behind it.
    ProfilesExplain,
    /// Ask for attributes of many subjects as of the past, for the purposes in the client's agreement.
    ArchiveQuery,
    /// Read what the portfolios of all contributors add up to.
    AggregatesRead,
    /// Run the bureau.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 7] = [
        Scope::BatchesWrite,
        Scope::BatchesRead,
        Scope::ProfilesQuery,
        Scope::ProfilesExplain,
        Scope::ArchiveQuery,
        Scope::AggregatesRead,
        Scope::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::BatchesWrite => "batches:write",
            Scope::BatchesRead => "batches:read",
            Scope::ProfilesQuery => "profiles:query",
            Scope::ProfilesExplain => "profiles:explain",
            Scope::ArchiveQuery => "archive:query",
            Scope::AggregatesRead => "aggregates:read",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no scope of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a scope: the scopes are batches:write, batches:read, profiles:query, profiles:explain, archive:query, aggregates:read and admin"
)]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Scope, UnknownScope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(UnknownScope)
    }
}

/// Several permissions; reads and prints as space-separated words.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(u8);

impl ScopeSet {
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn is_subset_of(self, other: ScopeSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// The permissions that are in both.
    pub fn intersection(self, other: ScopeSet) -> ScopeSet {
        ScopeSet(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// Reads words as stored.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<ScopeSet, UnknownScope> {
        words.into_iter().map(Scope::from_str).collect()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> ScopeSet {
        ScopeSet(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }
}

impl FromStr for ScopeSet {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<ScopeSet, UnknownScope> {
        ScopeSet::from_words(text.split(' ').filter(|word| !word.is_empty()))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_back_what_it_prints() {
        for bits in 0..128u8 {
            let set = ScopeSet(bits);
            assert_eq!(set.to_string().parse::<ScopeSet>(), Ok(set));
        }
        assert_eq!("admin batches:write".parse::<ScopeSet>().unwrap().to_string(), "batches:write admin");
        assert_eq!("batches:Write".parse::<ScopeSet>(), Err(UnknownScope));
    }

    #[test]
    fn a_subset_asks_for_nothing_new() {
        let both = ScopeSet::from_iter([Scope::BatchesRead, Scope::BatchesWrite]);
        let read = ScopeSet::from_iter([Scope::BatchesRead]);
        assert!(
            read.is_subset_of(both) && !both.is_subset_of(read) && ScopeSet::default().is_subset_of(read)
        );
        assert_eq!(both.intersection(read), read);
    }
}
