//! Whether an object is well formed: git fsck's rules, by git's names and with git's severities.
//!
//! Source: git 2.47 `fsck.h` (`FOREACH_FSCK_MSG_ID`) and `fsck.c`; what `--strict` turns into an error is
//! an error here. `severity.md` has the table for readers.

use polder_types::ObjectId;

use super::check_commit::{check_commit, check_tag};
use super::check_tree::check_tree;
use crate::ObjectKind;

/// Most findings kept of one pack; the count goes on.
const FINDINGS_MAX: usize = 100;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gravity {
    /// Refused everywhere.
    Error,
    /// Refused in a push; accepted and reported by an import, because old histories have it and it
    /// harms nobody.
    Blemish,
    /// Accepted and reported.
    Note,
}

macro_rules! problems {
    ($($name:ident $id:literal $gravity:ident $words:literal;)*) => {
        /// One of git fsck's messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Problem { $($name),* }

        impl Problem {
            #[cfg(test)]
            pub(super) const EVERY: &[Self] = &[$(Self::$name),*];

            /// Git's name for it.
            pub(super) fn id(self) -> &'static str {
                match self { $(Self::$name => $id),* }
            }

            /// Git's words for it.
            fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }

            pub(super) fn gravity(self) -> Gravity {
                match self { $(Self::$name => Gravity::$gravity),* }
            }
        }
    };
}

problems! {
    NulInHeader "nulInHeader" Error "unterminated header: NUL";
    UnterminatedHeader "unterminatedHeader" Error "unterminated header";
    BadDate "badDate" Error "invalid author/committer line - bad date";
    BadDateOverflow "badDateOverflow" Blemish "invalid author/committer line - date causes integer overflow";
    BadEmail "badEmail" Blemish "invalid author/committer line - bad email";
    BadName "badName" Blemish "invalid author/committer line - bad name";
    BadObjectSha1 "badObjectSha1" Error "invalid 'object' line format - bad sha1";
    BadParentSha1 "badParentSha1" Error "invalid 'parent' line format - bad sha1";
    BadTimezone "badTimezone" Blemish "invalid author/committer line - bad time zone";
    BadTree "badTree" Error "cannot be parsed as a tree";
    BadTreeSha1 "badTreeSha1" Error "invalid 'tree' line format - bad sha1";
    BadType "badType" Error "invalid 'type' value";
    DuplicateEntries "duplicateEntries" Error "contains duplicate file entries";
    GitattributesBlob "gitattributesBlob" Error "non-blob found at .gitattributes";
    GitattributesLarge "gitattributesLarge" Error ".gitattributes too large to parse";
    GitattributesLineLength "gitattributesLineLength" Error ".gitattributes has too long lines to parse";
    GitmodulesBlob "gitmodulesBlob" Error "non-blob found at .gitmodules";
    GitmodulesName "gitmodulesName" Error "disallowed submodule name";
    GitmodulesPath "gitmodulesPath" Error "disallowed submodule path";
    GitmodulesSymlink "gitmodulesSymlink" Error ".gitmodules is a symbolic link";
    GitmodulesUpdate "gitmodulesUpdate" Error "disallowed submodule update setting";
    GitmodulesUrl "gitmodulesUrl" Error "disallowed submodule url";
    MissingAuthor "missingAuthor" Error "invalid format - expected 'author' line";
    MissingCommitter "missingCommitter" Error "invalid format - expected 'committer' line";
    MissingEmail "missingEmail" Blemish "invalid author/committer line - missing email";
    MissingNameBeforeEmail "missingNameBeforeEmail" Blemish "invalid author/committer line - missing space before email";
    MissingObject "missingObject" Error "invalid format - expected 'object' line";
    MissingSpaceBeforeDate "missingSpaceBeforeDate" Blemish "invalid author/committer line - missing space before date";
    MissingSpaceBeforeEmail "missingSpaceBeforeEmail" Blemish "invalid author/committer line - missing space before email";
    MissingTag "missingTag" Error "invalid format - unexpected end after 'type' line";
    MissingTagEntry "missingTagEntry" Error "invalid format - expected 'tag' line";
    MissingTree "missingTree" Error "invalid format - expected 'tree' line";
    MissingType "missingType" Error "invalid format - unexpected end after 'object' line";
    MissingTypeEntry "missingTypeEntry" Error "invalid format - expected 'type' line";
    MultipleAuthors "multipleAuthors" Blemish "invalid format - multiple 'author' lines";
    TreeNotSorted "treeNotSorted" Error "not properly sorted";
    ZeroPaddedDate "zeroPaddedDate" Blemish "invalid author/committer line - zero-padded date";
    FullPathname "fullPathname" Error "contains full pathnames";
    HasDot "hasDot" Error "contains '.'";
    HasDotdot "hasDotdot" Error "contains '..'";
    HasDotgit "hasDotgit" Error "contains '.git'";
    LargePathname "largePathname" Error "contains excessively large pathname";
    NullSha1 "nullSha1" Error "contains entries pointing to null sha1";
    NulInCommit "nulInCommit" Blemish "NUL byte in the commit object body";
    ZeroPaddedFilemode "zeroPaddedFilemode" Blemish "contains zero-padded file modes";
    BadFilemode "badFilemode" Note "contains bad file modes";
    BadTagName "badTagName" Note "invalid 'tag' name";
    GitmodulesParse "gitmodulesParse" Note "could not parse gitmodules blob";
    GitattributesSymlink "gitattributesSymlink" Note ".gitattributes is a symlink";
    MissingTaggerEntry "missingTaggerEntry" Note "invalid format - expected 'tagger' line";
}

/// A problem of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) object: ObjectId,
    pub(super) problem: Problem,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "object {}: {}: {}", self.object, self.problem.id(), self.problem.words())
    }
}

/// What the objects of one pack showed, gathered while they were hashed.
#[derive(Debug, Default)]
pub(super) struct PackChecks {
    findings: Vec<Finding>,
    more: u64,
    /// Blobs that some tree of the pack calls `.gitmodules`.
    pub(super) modules: Vec<ObjectId>,
    /// Blobs that some tree of the pack calls `.gitattributes`.
    pub(super) attributes: Vec<ObjectId>,
}

impl PackChecks {
    /// Checks a commit, tree or tag; blobs are only checked once a tree names them.
    pub(super) fn object(&mut self, id: ObjectId, kind: ObjectKind, data: &[u8]) {
        match kind {
            ObjectKind::Commit => check_commit(data, &mut |problem| self.add(id, problem)),
            ObjectKind::Tag => check_tag(data, &mut |problem| self.add(id, problem)),
            ObjectKind::Tree => {
                let named = check_tree(data, &mut |problem| self.add(id, problem));
                self.modules.extend(named.modules);
                self.attributes.extend(named.attributes);
            }
            ObjectKind::Blob => {}
        }
    }

    /// Notes a problem. Errors are never crowded out by notes.
    pub(super) fn add(&mut self, object: ObjectId, problem: Problem) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { object, problem });
            return;
        }
        self.more += 1;
        if problem.gravity() == Gravity::Error
            && let Some(note) = self.findings.iter_mut().find(|kept| kept.problem.gravity() != Gravity::Error)
        {
            *note = Finding { object, problem };
        } else if problem.gravity() == Gravity::Blemish
            && let Some(note) = self.findings.iter_mut().find(|kept| kept.problem.gravity() == Gravity::Note)
        {
            *note = Finding { object, problem };
        }
    }

    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings are not among [`Self::findings`].
    pub(super) fn more(&self) -> u64 {
        self.more
    }
}
