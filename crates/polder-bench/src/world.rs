//! The repositories that are asked for, made by git itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Scale;
use crate::tools::{Result, Tools, output, output_of};

/// Commits of the history; each brings a commit, two trees and a blob: 300 objects.
const COMMITS: u32 = 75;
/// Tags beside the one branch.
const TAGS: u32 = 20;
/// Clients that push at once, each to a repository of its own.
pub(crate) const PUSHERS: u32 = 16;

/// Of this many requests that are asked for, one is made when it is a push.
pub(crate) const PUSH_SHARE: u32 = 30;

/// Repositories and pushes, the same for every server.
#[derive(Debug)]
pub(crate) struct World {
    /// Holds the bare repositories `m.git` (cloned) and `p0.git` … (pushed to).
    pub(crate) root: PathBuf,
    /// The head of the branch `main` of each.
    pub(crate) head: String,
    /// One-commit pushes onto that head, all different.
    pub(crate) pushes: Vec<Push>,
}

/// One commit with its file, ready to be pushed.
#[derive(Debug)]
pub(crate) struct Push {
    commit: String,
    pack: Vec<u8>,
}

impl Push {
    /// The body of a push that makes the branch `name`.
    pub(crate) fn body(&self, name: &str) -> Vec<u8> {
        let zeros = "0".repeat(40);
        let line = format!("{zeros} {} refs/heads/{name}\0 report-status agent=bench", self.commit);
        let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
        body.extend_from_slice(&self.pack);
        body
    }
}

impl World {
    pub(crate) fn make(tools: &Tools, directory: &Path, scale: Scale) -> Result<Self> {
        let source = directory.join("source.git");
        let root = directory.join("peer");
        fs::create_dir_all(&root)?;
        output(tools.git(directory).args(["init", "--quiet", "--bare", "-b", "main", "source.git"]))?;
        let pushes = scale.pushes_each.max(scale.requests / PUSH_SHARE);
        output_of(tools.git(&source).args(["fast-import", "--quiet"]), history(pushes).as_bytes())?;
        let model = root.join("m.git");
        let clone =
            ["clone", "--quiet", "--bare", "--single-branch", "--branch", "main", "source.git", "peer/m.git"];
        output(tools.git(directory).args(clone))?;
        // A well-kept peer: one pack, one file of refs, and nothing started behind the answers.
        output(tools.git(&model).args(["repack", "-q", "-a", "-d"]))?;
        output(tools.git(&model).args(["pack-refs", "--all"]))?;
        for (name, value) in [("http.receivepack", "true"), ("receive.autogc", "false"), ("gc.auto", "0")] {
            output(tools.git(&model).args(["config", name, value]))?;
        }
        for pusher in 0..PUSHERS {
            copy_tree(&model, &root.join(format!("p{pusher}.git")))?;
        }
        let head = revision(tools, &source, "main")?;
        let pushes = (0..pushes).map(|n| Push::make(tools, &source, n)).collect::<Result<_>>()?;
        Ok(Self { root, head, pushes })
    }
}

impl Push {
    fn make(tools: &Tools, source: &Path, number: u32) -> Result<Self> {
        let commit = revision(tools, source, &format!("push-{number}"))?;
        let wanted = format!("{commit}\n^main\n");
        let pack = output_of(
            tools.git(source).args([
                "pack-objects",
                "-q",
                "--revs",
                "--stdout",
                "--no-reuse-delta",
                "--window=0",
            ]),
            wanted.as_bytes(),
        )?;
        Ok(Self { commit, pack })
    }
}

fn revision(tools: &Tools, repo: &Path, name: &str) -> Result<String> {
    let out = output(tools.git(repo).args(["rev-parse", "--verify", &format!("{name}^{{commit}}")]))?;
    Ok(String::from_utf8(out)?.trim().to_owned())
}

/// A stream for `git fast-import`: `main`, its tags, and one branch for each push.
fn history(pushes: u32) -> String {
    let mut commands = Vec::new();
    for number in 0..COMMITS {
        let from = if number == 0 { String::new() } else { format!("from :{number}\n") };
        commands.push(commit("main", number, &format!("mark :{}\n", number + 1), &from));
        if number < TAGS {
            commands.push(format!("reset refs/tags/v{number}\nfrom :{}\n\n", number + 1));
        }
    }
    let from = format!("from :{COMMITS}\n");
    commands.extend((0..pushes).map(|number| commit(&format!("push-{number}"), 1_000 + number, "", &from)));
    commands.concat()
}

fn commit(branch: &str, number: u32, mark: &str, from: &str) -> String {
    let noise = number.wrapping_mul(2_654_435_761);
    let lines: Vec<String> = (0..64_u32).map(|line| format!("{number} {line} {}\n", noise ^ line)).collect();
    let (content, time) = (lines.concat(), 1_700_000_000 + number);
    format!(
        "commit refs/heads/{branch}\n{mark}committer bench <bench@example.org> {time} +0000\ndata 6\nchange\n{from}\
         M 100644 inline data/{number}.txt\ndata {}\n{content}\n",
        content.len()
    )
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
