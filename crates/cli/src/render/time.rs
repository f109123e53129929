//! Times for people: UTC, to the second.

use jiff::Timestamp;

/// Writes Unix milliseconds as `2026-02-10T14:30:00Z`.
pub(crate) fn utc(unix_ms: i64) -> String {
    match Timestamp::from_second(unix_ms.div_euclid(1000)) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("{unix_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn a_time_is_utc_to_the_second() {
        assert_eq!(utc(1_770_733_800_000), "2026-02-10T14:30:00Z");
        assert_eq!(utc(1_770_733_800_999), "2026-02-10T14:30:00Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
        assert_eq!(utc(i64::MAX), "9223372036854775807 ms");
    }
}
