//! Reads git's configuration format event by event, as git itself does.
//!
//! A whole-file parser will not do for `.gitmodules`: git acts on every setting before the first
//! syntax error, so a broken last line must not hide what stands above it.
//!
//! Source: git 2.47 `config.c` `git_parse_source`, `get_value`, `parse_value`, `get_extended_base_var`.

/// The text ended, or stopped making sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One setting: `[section "subsection"] key = value`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    /// Lower case.
    pub(super) section: &'a [u8],
    pub(super) subsection: Option<&'a [u8]>,
    /// Lower case.
    pub(super) key: &'a [u8],
    /// `None` for a key without `=`.
    pub(super) value: Option<&'a [u8]>,
}

/// Calls `each` for every setting up to the first error.
///
/// # Errors
/// When the rest of the text is malformed.
pub(super) fn read_settings(text: &[u8], each: &mut dyn FnMut(Setting<'_>)) -> Result<(), Malformed> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut input = Input { rest: text };
    let mut section: Vec<u8> = Vec::new();
    let mut subsection: Option<Vec<u8>> = None;
    let mut in_comment = false;
    while let Some(byte) = input.next() {
        match byte {
            b'\n' => in_comment = false,
            _ if in_comment || is_space(byte) => {}
            b'#' | b';' => in_comment = true,
            b'[' => (section, subsection) = input.header()?,
            _ if byte.is_ascii_alphabetic() => {
                let (key, value) = input.setting(byte)?;
                each(Setting {
                    section: &section,
                    subsection: subsection.as_deref(),
                    key: &key,
                    value: value.as_deref(),
                });
            }
            _ => return Err(Malformed),
        }
    }
    Ok(())
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    /// The next byte, `\r\n` as one newline.
    fn next(&mut self) -> Option<u8> {
        if let Some(rest) = self.rest.strip_prefix(b"\r\n") {
            self.rest = rest;
            return Some(b'\n');
        }
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// What follows `[`.
    fn header(&mut self) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
        let mut section = Vec::new();
        loop {
            match self.next().ok_or(Malformed)? {
                // The old form `[section.subsection]`: all lower case, split at the first dot.
                b']' => return Ok(split_at_dot(section)),
                byte if is_space(byte) => return Ok((section, Some(self.quoted_subsection(byte)?))),
                byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') => {
                    section.push(byte.to_ascii_lowercase());
                }
                _ => return Err(Malformed),
            }
        }
    }

    fn quoted_subsection(&mut self, first: u8) -> Result<Vec<u8>, Malformed> {
        let mut byte = first;
        while is_space(byte) {
            if byte == b'\n' {
                return Err(Malformed);
            }
            byte = self.next().ok_or(Malformed)?;
        }
        if byte != b'"' {
            return Err(Malformed);
        }
        let mut name = Vec::new();
        loop {
            match self.next().ok_or(Malformed)? {
                b'\n' => return Err(Malformed),
                b'"' => break,
                b'\\' => match self.next().ok_or(Malformed)? {
                    b'\n' => return Err(Malformed),
                    escaped => name.push(escaped),
                },
                byte => name.push(byte),
            }
        }
        if self.next() == Some(b']') { Ok(name) } else { Err(Malformed) }
    }

    fn setting(&mut self, first: u8) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
        let mut key = vec![first.to_ascii_lowercase()];
        let mut byte = self.next();
        while let Some(more) = byte.filter(|b| b.is_ascii_alphanumeric() || *b == b'-') {
            key.push(more.to_ascii_lowercase());
            byte = self.next();
        }
        while matches!(byte, Some(b' ' | b'\t')) {
            byte = self.next();
        }
        match byte {
            None | Some(b'\n') => Ok((key, None)),
            Some(b'=') => Ok((key, Some(self.value()?))),
            Some(_) => Err(Malformed),
        }
    }

    fn value(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut value: Vec<u8> = Vec::new();
        let mut trailing_spaces = 0_usize;
        let (mut quoted, mut in_comment) = (false, false);
        loop {
            let Some(byte) = self.next().filter(|byte| *byte != b'\n') else {
                if quoted {
                    return Err(Malformed);
                }
                value.truncate(value.len().saturating_sub(trailing_spaces));
                return Ok(value);
            };
            match byte {
                _ if in_comment => {}
                _ if is_space(byte) && !quoted => {
                    if !value.is_empty() {
                        value.push(byte);
                        trailing_spaces += 1;
                    }
                }
                b'#' | b';' if !quoted => in_comment = true,
                b'\\' => {
                    trailing_spaces = 0;
                    match self.next() {
                        Some(b'\n') => {}
                        Some(b't') => value.push(b'\t'),
                        Some(b'b') => value.push(8),
                        Some(b'n') => value.push(b'\n'),
                        Some(literal @ (b'\\' | b'"')) => value.push(literal),
                        _ => return Err(Malformed),
                    }
                }
                b'"' => {
                    trailing_spaces = 0;
                    quoted = !quoted;
                }
                _ => {
                    trailing_spaces = 0;
                    value.push(byte);
                }
            }
        }
    }
}

fn split_at_dot(name: Vec<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
    match name.iter().position(|byte| *byte == b'.') {
        Some(dot) => {
            let (section, subsection) = name.split_at(dot);
            (section.to_vec(), Some(subsection.get(1..).unwrap_or_default().to_vec()))
        }
        None => (name, None),
    }
}

/// git's `isspace`: no vertical tab, no form feed.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> (Vec<String>, bool) {
        let mut seen = Vec::new();
        let end = read_settings(text.as_bytes(), &mut |s| {
            let show = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            let subsection = s.subsection.map(|name| format!(" {}", show(name))).unwrap_or_default();
            let value = s.value.map(|value| format!("={}", show(value))).unwrap_or_default();
            seen.push(format!("[{}{subsection}]{}{value}", show(s.section), show(s.key)));
        });
        (seen, end.is_ok())
    }

    #[test]
    fn settings_before_a_syntax_error_are_still_seen() {
        let (seen, complete) = settings("[submodule \"a\\\\b\"]\n\tURL = \"x ; y\" # c\n flag\n[broken");
        assert_eq!(seen, ["[submodule a\\b]url=x ; y", "[submodule a\\b]flag"]);
        assert!(!complete);
    }

    #[test]
    fn values_read_as_git_reads_them() {
        let text = "[A.B]\r\nk = one\\\ntwo  \r\nq = \" s \"t\\n\n[s]n=\n";
        let (seen, complete) = settings(text);
        assert_eq!(seen, ["[a b]k=onetwo", "[a b]q= s t\n", "[s]n="]);
        assert!(complete);
        for bad in ["=", "[s]\nk = \"open\n", "[s]k = \\x", "[s \"a\nb\"]", "[s]k v", "[s \"a\" ]"] {
            assert!(!settings(bad).1, "{bad:?}");
        }
    }
}
