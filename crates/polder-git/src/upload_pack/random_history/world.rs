//! Histories made up at random, written by `git fast-import`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::{ObjectId, PackId};
use proptest::prelude::*;

use super::super::fixture::FIRST_DATE;
use super::reach::reachable;
use crate::id_set::IdSet;
use crate::{ObjectKind, Pack, Ref, Snapshot, peel};

/// Where files can be; none is another's directory.
const PATHS: [&str; 7] = ["a", "b", "d/a", "d/b", "d/e/a", "d/e/f/a", "g/a"];
/// How far apart commits are, in seconds.
const TICK: i64 = 60;

#[derive(Debug, Clone)]
pub(crate) struct CommitPlan {
    /// How far back each parent is.
    parents: Vec<usize>,
    /// Ticks since the commit before; 0 makes dates that tie.
    ticks: i64,
    /// Path and content; content 0 deletes.
    edits: Vec<(usize, u32)>,
}

#[derive(Debug, Clone)]
pub(crate) enum RefPlan {
    Branch(usize),
    Light(usize),
    Annotated(usize),
    /// A tag on the tag before, if there is one.
    Nested,
    TagOnBlob(usize),
    LightOnTree,
    Proposal(usize),
    Other(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct HistoryPlan {
    pub(crate) commits: Vec<CommitPlan>,
    pub(crate) refs: Vec<RefPlan>,
    /// Whether files at different paths differ, so that none looks like another one moved.
    pub(crate) is_distinct: bool,
}

pub(crate) fn histories() -> impl Strategy<Value = HistoryPlan> {
    let parents = prop_oneof![
        8 => Just(vec![0]),
        3 => proptest::collection::vec(0_usize..6, 1),
        3 => proptest::collection::vec(0_usize..8, 2..4),
        1 => Just(Vec::new()),
    ];
    let edits = proptest::collection::vec((0..PATHS.len(), 0_u32..9), 0..4);
    let commit =
        (parents, 0_i64..4, edits).prop_map(|(parents, ticks, edits)| CommitPlan { parents, ticks, edits });
    let at = || 0_usize..40;
    let name = prop_oneof![
        4 => at().prop_map(RefPlan::Branch),
        1 => at().prop_map(RefPlan::Light),
        3 => at().prop_map(RefPlan::Annotated),
        1 => Just(RefPlan::Nested),
        1 => at().prop_map(RefPlan::TagOnBlob),
        1 => Just(RefPlan::LightOnTree),
        1 => at().prop_map(RefPlan::Proposal),
        1 => at().prop_map(RefPlan::Other),
    ];
    (proptest::collection::vec(commit, 1..24), proptest::collection::vec(name, 1..9))
        .prop_map(|(commits, refs)| HistoryPlan { commits, refs, is_distinct: false })
}

/// A repository on disk, and the same read as a snapshot.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) snapshot: Snapshot,
    /// The commits that visible refs reach, oldest first.
    pub(crate) commits: Vec<ObjectId>,
    /// The trees and blobs that visible refs reach.
    pub(crate) inner: Vec<ObjectId>,
    pub(crate) dates: BTreeMap<ObjectId, i64>,
}

struct Script {
    text: String,
    marks: u32,
    date: i64,
    commits: Vec<(u32, BTreeMap<usize, u32>)>,
    last_tag: Option<u32>,
    blobs: BTreeMap<(u32, Option<usize>), u32>,
    is_distinct: bool,
    refs: Vec<(String, u32)>,
}

impl Script {
    fn mark(&mut self) -> u32 {
        self.marks += 1;
        self.marks
    }

    fn blob(&mut self, content: u32, path: Option<usize>) -> u32 {
        let path = path.filter(|_| self.is_distinct);
        if let Some(mark) = self.blobs.get(&(content, path)) {
            return *mark;
        }
        let mark = self.mark();
        let mut text = format!("content {content}\n");
        if let Some(path) = path {
            writeln!(text, "at {path}").unwrap();
        }
        for line in 0..if content.is_multiple_of(2) { 60 } else { 1 } {
            writeln!(text, "line {line} {}", if line % 7 == 0 { content } else { 0 }).unwrap();
        }
        writeln!(self.text, "blob\nmark :{mark}\ndata {}\n{text}", text.len()).unwrap();
        self.blobs.insert((content, path), mark);
        mark
    }

    fn commit(&mut self, plan: &CommitPlan) {
        let count = self.commits.len();
        let mut parents: Vec<usize> = Vec::new();
        for back in &plan.parents {
            let parent = count.checked_sub(1 + back % count.max(1));
            parents.extend(parent.filter(|parent| !parents.contains(parent)));
        }
        let mut files = parents.first().map(|parent| self.commits[*parent].1.clone()).unwrap_or_default();
        for (path, content) in &plan.edits {
            if *content == 0 {
                files.remove(path);
            } else {
                files.insert(*path, *content);
            }
        }
        let listed: Vec<_> =
            files.iter().map(|(path, content)| (*path, self.blob(*content, Some(*path)))).collect();
        self.date += plan.ticks * TICK;
        let mark = self.mark();
        let message = format!("commit {count}");
        let who = format!("A <a@b> {} +0000", self.date);
        let text = &mut self.text;
        writeln!(text, "commit refs/all/{count}\nmark :{mark}\nauthor {who}\ncommitter {who}").unwrap();
        writeln!(text, "data {}\n{message}", message.len()).unwrap();
        for (at, parent) in parents.iter().enumerate() {
            let word = if at == 0 { "from" } else { "merge" };
            writeln!(text, "{word} :{}", self.commits[*parent].0).unwrap();
        }
        text.push_str("deleteall\n");
        for (path, blob) in listed {
            writeln!(text, "M 100644 :{blob} {}", PATHS[path]).unwrap();
        }
        self.commits.push((mark, files));
    }

    fn tag(&mut self, number: usize, target: u32) {
        let mark = self.mark();
        let date = self.date;
        writeln!(
            self.text,
            "tag t{number}\nmark :{mark}\nfrom :{target}\ntagger A <a@b> {date} +0000\ndata 1\nt"
        )
        .unwrap();
        self.last_tag = Some(mark);
        self.refs.push((format!("refs/tags/t{number}"), mark));
    }

    fn name(&mut self, number: usize, plan: &RefPlan) {
        let commit = |at: &usize| self.commits[at % self.commits.len()].0;
        match plan {
            RefPlan::Branch(at) => self.refs.push((format!("refs/heads/b{number}"), commit(at))),
            RefPlan::Light(at) => self.refs.push((format!("refs/tags/l{number}"), commit(at))),
            RefPlan::Proposal(at) => self.refs.push((format!("refs/pr/{number}"), commit(at))),
            RefPlan::Other(at) => self.refs.push((format!("refs/notes/n{number}"), commit(at))),
            // That of the first commit, whose id is known only afterwards; 0 stands for it.
            RefPlan::LightOnTree => self.refs.push((format!("refs/tags/tree{number}"), 0)),
            RefPlan::Annotated(at) => self.tag(number, commit(at)),
            RefPlan::Nested => {
                if let Some(tag) = self.last_tag {
                    self.tag(number, tag);
                }
            }
            RefPlan::TagOnBlob(at) => {
                let blob = self.blob(u32::try_from(at % 8).unwrap() + 1, None);
                self.tag(number, blob);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
fn fast_import(git: &Path, dir: &Path, script: &str) {
    use std::io::Write as _;
    let mut child = std::process::Command::new(git)
        .args(["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--export-marks=marks"])
        .current_dir(dir)
        .env_clear()
        .env("GIT_DIR", dir)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

impl World {
    pub(crate) fn build(plan: &HistoryPlan, git: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["objects/pack", "refs/heads"] {
            std::fs::create_dir_all(dir.path().join(part)).unwrap();
        }
        std::fs::write(dir.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
        let config = "[core]\nrepositoryformatversion = 0\nbare = true\n";
        std::fs::write(dir.path().join("config"), config).unwrap();
        let mut script = Script {
            text: String::new(),
            marks: 0,
            date: FIRST_DATE,
            commits: Vec::new(),
            last_tag: None,
            blobs: BTreeMap::new(),
            is_distinct: plan.is_distinct,
            refs: Vec::new(),
        };
        for commit in &plan.commits {
            script.commit(commit);
        }
        for (number, name) in plan.refs.iter().enumerate() {
            script.name(number, name);
        }
        script.text.push_str("done\n");
        fast_import(git, dir.path(), &script.text);
        let marks = std::fs::read_to_string(dir.path().join("marks")).unwrap();
        let marks: BTreeMap<u32, ObjectId> = marks
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(mark, id)| (mark[1..].parse().unwrap(), id.parse().unwrap()))
            .collect();
        let pack = read_pack(dir.path());
        let bare = Snapshot::new(0, String::new(), Vec::new(), vec![Arc::clone(&pack)]);
        let some_tree = || {
            let commit = bare.read(&marks[&script.commits[0].0]).unwrap().unwrap();
            crate::links::commit_links(&commit.data).unwrap().tree
        };
        let mut refs: Vec<Ref> = Vec::new();
        for (name, mark) in &script.refs {
            let oid = if *mark == 0 { some_tree() } else { marks[mark] };
            refs.push(Ref { name: name.clone(), oid, peeled: peel(&bare, oid).unwrap() });
        }
        write_refs(dir.path(), &mut refs);
        let head = refs.iter().find(|r| r.name.starts_with("refs/heads/")).map(|r| r.name.clone());
        let head = head.unwrap_or_else(|| "refs/heads/main".to_owned());
        std::fs::write(dir.path().join("HEAD"), format!("ref: {head}\n")).unwrap();
        let snapshot = Snapshot::new(1, head, refs, vec![pack]);
        Self::around(dir, snapshot, script.commits.iter().map(|(mark, _)| marks[mark]).collect())
    }

    fn around(dir: tempfile::TempDir, snapshot: Snapshot, mut commits: Vec<ObjectId>) -> Self {
        let roots: Vec<_> = snapshot.visible_refs().map(|r| r.oid).collect();
        let visible = reachable(&snapshot, &roots, &IdSet::default());
        commits.retain(|id| visible.contains(id));
        let mut inner: Vec<_> = visible
            .iter()
            .filter(|id| {
                matches!(snapshot.header(id).unwrap(), Some((ObjectKind::Blob | ObjectKind::Tree, _)))
            })
            .copied()
            .collect();
        inner.sort_unstable();
        let date = |id: &ObjectId| {
            crate::links::commit_links(&snapshot.read(id).unwrap().unwrap().data).unwrap().date
        };
        let dates = commits.iter().map(|id| (*id, date(id))).collect();
        Self { dir, snapshot, commits, inner, dates }
    }
}

fn read_pack(dir: &Path) -> Arc<Pack> {
    let files = std::fs::read_dir(dir.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    let packs: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "pack")).collect();
    assert_eq!(packs.len(), 1);
    let index = std::fs::read(packs[0].with_extension("idx")).unwrap();
    Arc::new(Pack::from_bytes(PackId(1), std::fs::read(&packs[0]).unwrap().into(), index.into()).unwrap())
}

/// Replaces what fast-import wrote by exactly these refs.
fn write_refs(dir: &Path, refs: &mut [Ref]) {
    refs.sort_by(|a, b| a.name.cmp(&b.name));
    std::fs::remove_dir_all(dir.join("refs")).unwrap();
    std::fs::create_dir_all(dir.join("refs/heads")).unwrap();
    let lines: Vec<String> = refs.iter().map(|r| format!("{} {}\n", r.oid, r.name)).collect();
    std::fs::write(dir.join("packed-refs"), lines.concat()).unwrap();
}
