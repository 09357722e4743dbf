//! Amounts of bytes as people write them: `500GB`, `1.5TiB`, `1048576`.

use polder_hub::QuotaLimit;

/// What stands for no limit.
const NONE: &str = "none";
/// What stands for the configuration's limit.
const DEFAULT: &str = "default";
/// Units by their letters in small, in bytes. Decimal ones end in `b` alone, as disks are sold.
const UNITS: &[(&str, i64)] = &[
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
];
/// Digits after the point that count.
const FRACTION_DIGITS_MAX: usize = 3;

/// Reads a number with or without a unit.
///
/// # Errors
/// When it is neither.
pub(crate) fn parse_size(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a size: write a number and a unit, such as 500GB or 1.5TiB");
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > FRACTION_DIGITS_MAX {
        return Err(wrong());
    }
    let thousandths: i64 = format!("{fraction:0<FRACTION_DIGITS_MAX$}").parse().map_err(|_error| wrong())?;
    let whole: i64 = whole.parse().map_err(|_error| wrong())?;
    let bytes =
        whole.checked_mul(*scale).and_then(|bytes| bytes.checked_add(fraction_of(*scale, thousandths)));
    bytes.ok_or_else(|| format!("`{text}` is more than can be counted"))
}

fn fraction_of(scale: i64, thousandths: i64) -> i64 {
    let bytes = i128::from(scale) * i128::from(thousandths) / 1_000;
    i64::try_from(bytes).unwrap_or(scale)
}

/// Reads a size, or `none`.
///
/// # Errors
/// When it is neither.
pub(crate) fn parse_size_or_none(text: &str) -> Result<Option<i64>, String> {
    if text == NONE { Ok(None) } else { parse_size(text).map(Some) }
}

/// Reads what a namespace may store: a size, `none` or `default`.
///
/// # Errors
/// When it is none of these.
pub(crate) fn parse_limit(text: &str) -> Result<QuotaLimit, String> {
    match text {
        DEFAULT => Ok(QuotaLimit::Default),
        NONE => Ok(QuotaLimit::None),
        text => parse_size(text).map(QuotaLimit::Bytes),
    }
}

/// What [`parse_limit`] read, in words.
pub(crate) fn show_limit(limit: QuotaLimit) -> String {
    match limit {
        QuotaLimit::Default => "what the configuration says".to_owned(),
        QuotaLimit::None => "any amount".to_owned(),
        QuotaLimit::Bytes(bytes) => show_size(bytes),
    }
}

/// A size with at most one digit after the point, in the largest binary unit that it fills.
pub(crate) fn show_size(bytes: i64) -> String {
    const NAMES: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut tenths, mut name) = (i128::from(bytes) * 10, NAMES[0]);
    for larger in NAMES.iter().skip(1) {
        if tenths.abs() < 10 * 1024 {
            break;
        }
        (tenths, name) = (tenths / 1024, larger);
    }
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        tenth => format!("{}.{} {name}", tenths / 10, tenth.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_kinds_of_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("7B", 7),
            ("500GB", 500_000_000_000),
            ("500 gb", 500_000_000_000),
            ("1.5TiB", 3 << 39),
            ("0.5KiB", 512),
            ("64GiB", 64 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "GB", "-1", "1.GB", "1.2345GB", "1,5GB", "5 parsecs", "9999999PiB", "1e9", "nan"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_limit("none"), Ok(QuotaLimit::None));
        assert_eq!(parse_limit("default"), Ok(QuotaLimit::Default));
        assert_eq!(parse_limit("1KB"), Ok(QuotaLimit::Bytes(1_000)));
    }

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_024, "1 KiB"),
            (1_536, "1.5 KiB"),
            (3 << 39, "1.5 TiB"),
            (i64::MAX, "8191.9 PiB"),
        ] {
            assert_eq!(show_size(bytes), text);
        }
    }
}
