//! The wall clock in the units of others: milliseconds, nanoseconds and seconds since 1970.
//!
//! Kafka counts milliseconds in an `i64`, OTLP counts nanoseconds in a `u64`, and Prometheus counts seconds in a
//! float. A clock that is set to a time before 1970 reads as 1970: it is wrong anyway, and nothing may panic of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

/// The time since 1970; zero for an instant before.
pub fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An instant in milliseconds since 1970, Kafka's unit of timestamps.
pub fn unix_ms(at: SystemTime) -> i64 {
    ms(since_1970(at))
}

/// An instant in nanoseconds since 1970.
pub fn unix_nanos(at: SystemTime) -> u64 {
    u64::try_from(since_1970(at).as_nanos()).unwrap_or(u64::MAX)
}

/// An instant in seconds since 1970, with fractions.
pub fn unix_seconds(at: SystemTime) -> f64 {
    since_1970(at).as_secs_f64()
}

/// The instant that is this many milliseconds after 1970; `None` for a negative number, which Kafka uses for "no
/// timestamp", and for one that the clock cannot hold.
pub fn from_unix_ms(ms: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(ms).ok()?))
}

/// The instant that is this many seconds after 1970; `None` for a negative number and for one that the clock cannot
/// hold.
pub fn from_unix_seconds(seconds: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// A duration in whole milliseconds.
pub fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_way_to_milliseconds_and_back() {
        let at = from_unix_ms(1_780_000_000_123).expect("an instant of this century");
        assert_eq!(unix_ms(at), 1_780_000_000_123);
        assert_eq!(unix_nanos(at), 1_780_000_000_123_000_000);
        assert!((unix_seconds(at) - 1_780_000_000.123).abs() < 1e-6);
        assert_eq!(from_unix_seconds(1_780_000_000).map(unix_ms), Some(1_780_000_000_000));
    }

    #[test]
    fn instants_before_1970_read_as_1970() {
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(from_unix_ms(-1), None);
        assert_eq!(from_unix_seconds(-1), None);
        assert_eq!(from_unix_seconds(i64::MAX).map(unix_ms), Some(i64::MAX));
    }
}
