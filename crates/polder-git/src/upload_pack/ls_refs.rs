//! The command `ls-refs` of protocol version 2.
//!
//! Source: git `Documentation/gitprotocol-v2.adoc`, `ls-refs.c`.

use crate::capabilities::push_id;
use crate::pkt_line::{write_data, write_flush};
use crate::{Error, Ref, Result, Snapshot};

/// With more prefixes than this a client is shown every ref, as git does.
const PREFIXES_MAX: usize = 65_536;

/// What to show.
#[derive(Debug, Clone, Default)]
pub(super) struct LsRefs {
    peel: bool,
    symrefs: bool,
    unborn: bool,
    prefixes: Vec<String>,
}

impl LsRefs {
    /// Takes one argument line.
    pub(super) fn take(&mut self, line: &str) -> Result<()> {
        match line {
            "peel" => self.peel = true,
            "symrefs" => self.symrefs = true,
            "unborn" => self.unborn = true,
            _ => match line.strip_prefix("ref-prefix ") {
                Some(_) if self.prefixes.len() >= PREFIXES_MAX => self.prefixes = vec![String::new()],
                Some(prefix) => self.prefixes.push(prefix.to_owned()),
                None => return Err(Error::refused(format!("unexpected line: '{line}'"))),
            },
        }
        Ok(())
    }

    /// Sorts the prefixes and drops those that a shorter one covers.
    fn settle(&mut self) {
        self.prefixes.sort_unstable();
        self.prefixes.dedup_by(|later, kept| later.starts_with(kept.as_str()));
    }

    fn shows_head(&self) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| "HEAD".starts_with(prefix.as_str()))
    }

    /// Appends the answer.
    pub(super) fn write(mut self, snapshot: &Snapshot, out: &mut Vec<u8>) {
        self.settle();
        let mut line = Vec::with_capacity(128);
        if self.shows_head() {
            match snapshot.head_ref() {
                Some(head) => self.write_ref(&mut line, "HEAD", head, Some(snapshot.head()), out),
                None if self.unborn => {
                    line.extend_from_slice(b"unborn HEAD");
                    if self.symrefs {
                        line.extend_from_slice(b" symref-target:");
                        line.extend_from_slice(snapshot.head().as_bytes());
                    }
                    line.push(b'\n');
                    write_data(out, &line);
                }
                None => {}
            }
        }
        let everything = [String::new()];
        let prefixes = if self.prefixes.is_empty() { &everything[..] } else { &self.prefixes };
        // None of them covers another, so in their order the refs are in theirs.
        for shown in prefixes.iter().flat_map(|prefix| snapshot.visible_refs_below(prefix)) {
            self.write_ref(&mut line, &shown.name, shown, None, out);
        }
        write_flush(out);
    }

    fn write_ref(
        &self,
        line: &mut Vec<u8>,
        name: &str,
        shown: &Ref,
        target: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        line.clear();
        push_id(line, &shown.oid);
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        if let (true, Some(target)) = (self.symrefs, target) {
            line.extend_from_slice(b" symref-target:");
            line.extend_from_slice(target.as_bytes());
        }
        if let (true, Some(peeled)) = (self.peel, &shown.peeled) {
            line.extend_from_slice(b" peeled:");
            push_id(line, peeled);
        }
        line.push(b'\n');
        write_data(out, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::ObjectId;

    fn answer(head: &str, lines: &[&str]) -> String {
        let oid = |byte| ObjectId::new([byte; 20]);
        let names = ["refs/tags/v1", "refs/heads/main", "refs/polder/x", "refs/pr/1", "refs/heads/maint"];
        let refs = names.iter().map(|name| Ref {
            name: (*name).to_owned(),
            oid: oid(0x11),
            peeled: name.contains("tags").then(|| oid(0x22)),
        });
        let snapshot = Snapshot::new(1, head.to_owned(), refs.collect(), Vec::new());
        let mut request = LsRefs::default();
        for line in lines {
            request.take(line).unwrap();
        }
        let mut out = Vec::new();
        request.write(&snapshot, &mut out);
        let text =
            String::from_utf8(out).unwrap().replace(&"11".repeat(20), "A").replace(&"22".repeat(20), "B");
        text.lines().map(|line| line[4..].to_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn refs_are_shown_by_prefix_and_hidden_ones_never() {
        let all = "A HEAD|A refs/heads/main|A refs/heads/maint|A refs/pr/1|A refs/tags/v1|";
        assert_eq!(answer("refs/heads/main", &[]), all);
        assert_eq!(answer("refs/heads/main", &["ref-prefix "]), all);
        assert_eq!(answer("refs/heads/main", &["ref-prefix refs/polder/"]), "");
        assert_eq!(
            answer(
                "refs/heads/main",
                &["ref-prefix refs/tags/", "ref-prefix refs/heads/main", "peel", "symrefs"]
            ),
            "A refs/heads/main|A refs/heads/maint|A refs/tags/v1 peeled:B|"
        );
        assert_eq!(
            answer("refs/heads/main", &["ref-prefix HEAD", "ref-prefix H", "symrefs"]),
            "A HEAD symref-target:refs/heads/main|"
        );
    }

    #[test]
    fn an_unborn_head_is_told_to_those_who_ask() {
        assert_eq!(
            answer("refs/heads/new", &["ref-prefix HEAD", "symrefs", "unborn"]),
            "unborn HEAD symref-target:refs/heads/new|"
        );
        assert_eq!(answer("refs/heads/new", &["ref-prefix HEAD", "symrefs"]), "");
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        let error = LsRefs::default().take("peal").unwrap_err();
        assert_eq!(error.to_string(), "unexpected line: 'peal'");
    }
}
