//! Checking the chain: in the database, or in a file that was exported.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::line::{HASH_FOLLOWS, NOTHING_BEFORE, hash_of, hashed_part, signed_text};
use crate::Hub;
use crate::error::{Error, Result};

/// Rows read at a time.
const PAGE: i64 = 500;
/// Longest line of a file, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What a check of the chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Place of the first line that was checked; 0 if there was none.
    pub first: i64,
    /// Place of the last one.
    pub last: i64,
    /// Its hash.
    pub hash: String,
    /// What is wrong, the first thing only: nothing after it means anything.
    pub problem: Option<String>,
}

/// The last line of an export.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "head")]
    index: i64,
    hash: String,
    time: String,
    key: String,
    signature: String,
}

/// What the chain needs of any other line.
#[derive(Deserialize)]
struct Link {
    index: i64,
    prev: String,
}

impl AuditReport {
    fn starting_after(index: i64, hash: &str) -> Self {
        Self { last: index, hash: hash.to_owned(), ..Self::default() }
    }

    /// Takes the next line, if it follows the one before.
    fn follow(&mut self, index: i64, prev: &str, hash: &str, hashed: &str) -> Result<(), String> {
        if hash_of(hashed) != hash {
            return Err(format!("line {index}: its content is not what its hash says: it was altered"));
        }
        if index != self.last + 1 || prev != self.hash {
            return Err(format!(
                "line {index}: it does not follow line {}: lines were dropped, added or moved",
                self.last
            ));
        }
        if self.first == 0 {
            self.first = index;
        }
        (self.last, self.hash) = (index, hash.to_owned());
        Ok(())
    }
}

impl Hub {
    /// Checks the whole chain as the database has it.
    ///
    /// # Errors
    /// When it cannot be read; what is wrong with it is in the report.
    pub async fn verify_audit(&self) -> Result<AuditReport> {
        self.chain_audit().await?;
        let head = self.db.audit_head().await?;
        let mut report = AuditReport::starting_after(head.gone_index, &head.gone_hash);
        while report.problem.is_none() && report.last < head.index {
            let page = self.db.audit_after(report.last, PAGE).await?;
            if page.is_empty() {
                report.problem = Some(format!("lines after {} of {} are missing", report.last, head.index));
            }
            for row in page {
                let Some((index, hash)) = &row.chain else { continue };
                let prev = report.hash.clone();
                let followed = report.follow(*index, &prev, hash, &hashed_part(&row, *index, &prev));
                if let Err(problem) = followed {
                    report.problem = Some(problem);
                    break;
                }
                if *index == head.index {
                    break;
                }
            }
        }
        if report.problem.is_none() && report.hash != head.hash {
            report.problem = Some(format!("line {} is not the one that the chain ended with", report.last));
        }
        Ok(report)
    }

    /// Checks an exported file, which this hub must have signed.
    ///
    /// # Errors
    /// When it cannot be read; what is wrong with it is in the report.
    pub async fn verify_audit_file(&self, path: &Path) -> Result<AuditReport> {
        let (path, key) = (path.to_owned(), self.keys.public_key());
        self.leaf.run(move || verify_file(&path, &key)).await
    }
}

fn verify_file(path: &Path, key: &str) -> Result<AuditReport> {
    let failed = |error: std::io::Error| {
        Error::invalid(format!("cannot read `{}`: {error}", path.display())).caused_by(error)
    };
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    let mut report = AuditReport::starting_after(0, NOTHING_BEFORE);
    let (mut is_first, mut ended) = (true, false);
    loop {
        let mut line = String::new();
        lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).map_err(failed)?;
        let Some(line) = line.strip_suffix('\n') else {
            if report.problem.is_none() && !(line.is_empty() && ended) {
                report.problem = Some("its end is missing: the last line must be the signed one".to_owned());
            }
            return Ok(report);
        };
        let taken = if ended {
            Err("there is more after the signed line".to_owned())
        } else if let Ok(head) = serde_json::from_str::<Head>(line) {
            ended = true;
            check_head(&report, &head, key)
        } else {
            take_line(&mut report, line, is_first)
        };
        if let Err(problem) = taken {
            report.problem = Some(problem);
            return Ok(report);
        }
        is_first = false;
    }
}

fn take_line(report: &mut AuditReport, line: &str, is_first: bool) -> Result<(), String> {
    let unreadable = || format!("the line after {} cannot be read: it was altered", report.last);
    let (hashed, rest) = line.rsplit_once(HASH_FOLLOWS).ok_or_else(unreadable)?;
    let hash = rest.strip_suffix("\"}").ok_or_else(unreadable)?;
    let place: Link = serde_json::from_str(&format!("{hashed}}}")).map_err(|_error| unreadable())?;
    if is_first && place.index > 1 {
        // An export from the middle: its beginning is taken as it is.
        (report.last, report.hash) = (place.index - 1, place.prev.clone());
    }
    report.follow(place.index, &place.prev, hash, hashed)
}

fn check_head(report: &AuditReport, head: &Head, key: &str) -> Result<(), String> {
    let text = signed_text(head.index, &head.hash, &head.time);
    if head.key != key {
        return Err(format!("it was signed with {}, not with this hub's {key}", head.key));
    }
    if !crate::keys::verify(&head.key, &text, &head.signature) {
        return Err("the signature under its last line is wrong".to_owned());
    }
    let is_empty = report.first == 0;
    if !is_empty && (head.index, &head.hash) != (report.last, &report.hash) {
        return Err(format!("it ended with line {}, of which {} is the last left", head.index, report.last));
    }
    Ok(())
}
