//! Commit and tag objects: header lines and identities.
//!
//! Source: git 2.47 `fsck.c` `verify_headers`, `fsck_commit`, `fsck_tag_standalone`, `fsck_ident`.

use polder_types::ObjectId;

use super::check::Problem;
use crate::check_ref_name;

type Checked<T = ()> = Result<T, Problem>;

/// Checks one commit.
pub(super) fn check_commit(data: &[u8], report: &mut dyn FnMut(Problem)) {
    if let Err(problem) = commit(data, report) {
        report(problem);
    }
}

/// Checks one annotated tag.
pub(super) fn check_tag(data: &[u8], report: &mut dyn FnMut(Problem)) {
    if let Err(problem) = tag(data, report) {
        report(problem);
    }
}

fn commit(data: &[u8], report: &mut dyn FnMut(Problem)) -> Checked {
    header_ends(data)?;
    let rest = data.strip_prefix(b"tree ").ok_or(Problem::MissingTree)?;
    let mut rest = oid_line(rest).ok_or(Problem::BadTreeSha1)?;
    while let Some(parent) = rest.strip_prefix(b"parent ") {
        rest = oid_line(parent).ok_or(Problem::BadParentSha1)?;
    }
    let mut authors = 0_u32;
    while let Some(author) = rest.strip_prefix(b"author ") {
        authors = authors.saturating_add(1);
        rest = identity(author, report);
    }
    match authors {
        0 => return Err(Problem::MissingAuthor),
        1 => {}
        _ => report(Problem::MultipleAuthors),
    }
    let committer = rest.strip_prefix(b"committer ").ok_or(Problem::MissingCommitter)?;
    identity(committer, report);
    if data.contains(&0) {
        report(Problem::NulInCommit);
    }
    Ok(())
}

fn tag(data: &[u8], report: &mut dyn FnMut(Problem)) -> Checked {
    header_ends(data)?;
    let rest = data.strip_prefix(b"object ").ok_or(Problem::MissingObject)?;
    let rest = oid_line(rest).ok_or(Problem::BadObjectSha1)?;
    let rest = rest.strip_prefix(b"type ").ok_or(Problem::MissingTypeEntry)?;
    let (kind, rest) = split_line(rest).ok_or(Problem::MissingType)?;
    if !matches!(kind, b"commit" | b"tree" | b"blob" | b"tag") {
        return Err(Problem::BadType);
    }
    let rest = rest.strip_prefix(b"tag ").ok_or(Problem::MissingTagEntry)?;
    let (name, rest) = split_line(rest).ok_or(Problem::MissingTag)?;
    if !str::from_utf8(name).is_ok_and(|name| check_ref_name(&format!("refs/tags/{name}")).is_ok()) {
        report(Problem::BadTagName);
    }
    match rest.strip_prefix(b"tagger ") {
        Some(tagger) => {
            identity(tagger, report);
        }
        None => report(Problem::MissingTaggerEntry),
    }
    Ok(())
}

/// The header must end in an empty line, or with the object; no NUL before that.
fn header_ends(data: &[u8]) -> Checked {
    let mut last = 0;
    for byte in data {
        match byte {
            0 => return Err(Problem::NulInHeader),
            b'\n' if last == b'\n' => return Ok(()),
            _ => last = *byte,
        }
    }
    if last == b'\n' { Ok(()) } else { Err(Problem::UnterminatedHeader) }
}

fn split_line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    Some((data.get(..end)?, data.get(end + 1..)?))
}

/// Skips 40 digits and the newline. Git would take capital letters too, but never writes them, and our
/// walks read lower case only: a parent that they miss must not pass here.
fn oid_line(data: &[u8]) -> Option<&[u8]> {
    let (oid, rest) = data.split_at_checked(ObjectId::BYTES * 2)?;
    ObjectId::from_hex(oid).ok()?;
    rest.strip_prefix(b"\n")
}

/// Checks the identity that starts here and returns what follows its line.
fn identity<'a>(data: &'a [u8], report: &mut dyn FnMut(Problem)) -> &'a [u8] {
    let (line, rest) = split_line(data).unwrap_or((data, &[]));
    if let Err(problem) = identity_line(line) {
        report(problem);
    }
    rest
}

fn identity_line(line: &[u8]) -> Checked {
    if line.first() == Some(&b'<') {
        return Err(Problem::MissingNameBeforeEmail);
    }
    let bracket = |from: &[u8]| from.iter().position(|byte| matches!(byte, b'<' | b'>'));
    let (name, rest) = line.split_at(bracket(line).unwrap_or(line.len()));
    let email = match rest {
        [b'>', ..] => return Err(Problem::BadName),
        [b'<', email @ ..] => email,
        _ => return Err(Problem::MissingEmail),
    };
    if name.last() != Some(&b' ') {
        return Err(Problem::MissingSpaceBeforeEmail);
    }
    let (_, rest) = email.split_at(bracket(email).unwrap_or(email.len()));
    let rest = rest.strip_prefix(b">").ok_or(Problem::BadEmail)?;
    let rest = rest.strip_prefix(b" ").ok_or(Problem::MissingSpaceBeforeDate)?;
    date(rest)
}

fn date(text: &[u8]) -> Checked {
    let start = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let text = text.get(start..).unwrap_or_default();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (seconds, rest) = text.split_at(digits);
    match seconds {
        [] => return Err(Problem::BadDate),
        [b'0', ..] if text.get(1) != Some(&b' ') => return Err(Problem::ZeroPaddedDate),
        _ => {}
    }
    // git's own limit: what a signed 64-bit time holds.
    if !str::from_utf8(seconds).is_ok_and(|text| text.parse::<i64>().is_ok()) {
        return Err(Problem::BadDateOverflow);
    }
    let zone = rest.strip_prefix(b" ").ok_or(Problem::BadDate)?;
    match zone {
        [b'+' | b'-', digits @ ..] if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(Problem::BadTimezone),
    }
}
