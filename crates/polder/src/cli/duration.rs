//! Lengths of time as an operator writes them.

use std::time::Duration;

/// The longest time, in seconds (100 years).
const SECONDS_MAX: u64 = 100 * 365 * 86_400;

/// Reads `90d`, `12h`, `30m`, `45s` or `2w`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time: write a number and a unit, such as 90d, 12h or 30m");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_error| wrong())?;
    match number.checked_mul(seconds) {
        Some(0) => Err(format!("`{text}` is over before it begins")),
        Some(life) if life <= SECONDS_MAX => Ok(Duration::from_secs(life)),
        _ => Err(format!("`{text}` is longer than 100 years")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        assert_eq!(parse_duration("90d"), Ok(Duration::from_hours(2_160)));
        assert_eq!(parse_duration("1w"), Ok(Duration::from_hours(168)));
        for wrong in ["", "d", "90", "-1d", "1.5h", "90 d", "0d", "99999999999999999999d", "36501d", "1y"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
