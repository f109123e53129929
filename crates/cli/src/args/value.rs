//! Words of the command line, parsed into checked values.

use std::str::FromStr;

use clap::ValueEnum;
use keyway_host::rank::Trust;

/// Trust that an operator can give at installation. `builtin` is not among them: it belongs to
/// what is compiled into the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstallTrust {
    /// Anybody's.
    Community,
    /// Signed or reviewed.
    Trusted,
}

impl From<InstallTrust> for Trust {
    fn from(trust: InstallTrust) -> Self {
        match trust {
            InstallTrust::Community => Self::Community,
            InstallTrust::Trusted => Self::Trusted,
        }
    }
}

/// A stretch of time, written as a number and a unit: `90s`, `30m`, `12h`, `7d`, `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime(i64);

impl Lifetime {
    /// Returns the stretch in milliseconds, always positive.
    pub(crate) fn as_ms(self) -> i64 {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "expected a number and a unit such as 90s, 30m, 12h, 7d or 2w, got `{}`",
                text.escape_default()
            )
        };
        let unit_at = text.len().checked_sub(1).ok_or_else(refused)?;
        let (count, unit) = text.split_at_checked(unit_at).ok_or_else(refused)?;
        let unit_ms = unit_ms(unit).ok_or_else(refused)?;
        let count: u32 = count.parse().map_err(|_| refused())?;
        if count == 0 {
            return Err("a grant that ends at once is no grant; give at least 1s".to_owned());
        }
        Ok(Self(i64::from(count) * unit_ms))
    }
}

/// Reads a reason: what an audit trail keeps must say something.
pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("say why; the audit trail keeps it".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A setting and its value, written `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("expected KEY=VALUE".to_owned()),
        }
    }
}

fn unit_ms(unit: &str) -> Option<i64> {
    const SECOND: i64 = 1_000;
    match unit {
        "s" => Some(SECOND),
        "m" => Some(60 * SECOND),
        "h" => Some(3_600 * SECOND),
        "d" => Some(24 * 3_600 * SECOND),
        "w" => Some(7 * 24 * 3_600 * SECOND),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Lifetime;

    #[test]
    fn a_lifetime_is_a_number_and_a_unit() {
        let table = [
            ("90s", Some(90_000)),
            ("30m", Some(1_800_000)),
            ("12h", Some(43_200_000)),
            ("7d", Some(604_800_000)),
            ("2w", Some(1_209_600_000)),
            ("0d", None),
            ("d", None),
            ("", None),
            ("7", None),
            ("-7d", None),
            ("7 d", None),
            ("7é", None),
            ("99999999999d", None),
        ];
        for (text, want) in table {
            let got = text.parse::<Lifetime>().ok().map(Lifetime::as_ms);
            assert_eq!(got, want, "{text}");
        }
    }
}
