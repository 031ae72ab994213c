//! The one source of randomness.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

/// Fills the buffer from the operating system's generator.
pub fn fill(buffer: &mut [u8]) {
    // Unwrap safety: the generator ends the process rather than return without entropy.
    SystemRandom::new().fill(buffer).expect("the system's generator answers");
}

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    fill(&mut buffer);
    buffer
}

/// A random UUID (RFC 9562 version 4): says nothing, cannot be guessed.
pub fn uuid_v4() -> Uuid {
    Builder::from_random_bytes(bytes()).into_uuid()
}

/// A time-ordered UUID (RFC 9562 version 7): the instant in milliseconds, then 74 random bits. It tells when
/// it was made; use it for batches, never for people.
pub fn uuid_v7(at: DateTime<Utc>) -> Uuid {
    // An instant before 1970 has no place in version 7.
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn version_7_sorts_by_the_instant_it_was_given() {
        let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let (earlier, later) = (uuid_v7(at), uuid_v7(at + TimeDelta::milliseconds(1)));
        assert!(earlier < later);
        assert_eq!((earlier.get_version_num(), uuid_v4().get_version_num()), (7, 4));
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>(), bytes::<32>());
        assert_ne!(uuid_v4(), uuid_v4());
    }
}
