//! A hub with an account, and what is looked at before and after it dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use polder_tests::{Hub, LargeObject, Token, Work, poll};

pub(crate) struct Place {
    pub(crate) hub: Hub,
    pub(crate) token: Token,
}

impl Place {
    pub(crate) fn new(hub: Hub) -> Self {
        let token = hub.acme();
        Self { hub, token }
    }

    /// A repository with a commit on `main`, and the working repository it came from.
    pub(crate) fn work(&self, repo: &str) -> Work {
        self.hub.repo(repo);
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["push", "-q", &self.url(repo), "main"]);
        work
    }

    pub(crate) fn url(&self, repo: &str) -> String {
        self.hub.repo_url_as(repo, &self.token)
    }

    pub(crate) fn refs(&self, work: &Work, repo: &str) -> BTreeMap<String, String> {
        let listed = work.ok(&["ls-remote", "--refs", &self.url(repo)]);
        listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(id, name)| (name.into(), id.into()))
            .collect()
    }

    /// Starts the server so that it dies at the next `point` of a request, not one of its own work.
    pub(crate) fn arm(&mut self, point: &str) {
        let armed = self.hub.temporary().join("armed");
        std::fs::remove_file(&armed).ok();
        self.hub.serve(Some(&format!("{point}@{}", armed.display())));
        assert!(self.settles(), "the server died by itself\n{}", self.hub.log());
        std::fs::write(armed, "").unwrap();
    }

    /// Waits until the server has written nothing for a while; says whether it lives.
    fn settles(&mut self) -> bool {
        const QUIET: Duration = Duration::from_millis(400);
        let log = self.hub.data().join("polder.db-wal");
        let written = || std::fs::metadata(&log).and_then(|meta| meta.modified()).ok();
        let (mut last, mut since) = (written(), Instant::now());
        let quiet = poll(20, || {
            if written() != last {
                (last, since) = (written(), Instant::now());
            }
            (!self.hub.is_running() || since.elapsed() >= QUIET).then_some(())
        });
        quiet.is_some() && self.hub.is_running()
    }

    pub(crate) fn download(&self, repo: &str, object: &LargeObject) -> Option<Vec<u8>> {
        let href = object.action(self.hub.http(), repo, "download", Some(&self.token))?;
        let answer = self.hub.http().get(&href).send();
        (answer.status == 200).then_some(answer.body)
    }

    pub(crate) fn nothing_is_left_over(&self) {
        let files = self.hub.stored_files();
        let left: Vec<&String> =
            files.iter().filter(|name| name.contains("quarantine/") || name.contains("lost/")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
