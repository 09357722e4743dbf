//! dulwich and pygit2, in the versions that `tests/run` installs.
#![cfg(test)]

use polder_tests::{Client, Git, Hub, Token, Work, fixtures, have, python};

const DULWICH: &str = r"
import sys, os
from dulwich import porcelain
from dulwich.repo import Repo
url, target, user, secret, protocol = sys.argv[1:6]
protocol = int(protocol)
auth = dict(username=user, password=secret)
repo = porcelain.clone(url, target, protocol_version=protocol, errstream=open(os.devnull, 'wb'), **auth)
with open(os.path.join(target, 'dulwich %d.txt' % protocol), 'w') as f:
    f.write('written by dulwich\n')
porcelain.add(repo, [os.path.join(target, 'dulwich %d.txt' % protocol)])
porcelain.commit(repo, message=b'From dulwich', author=b'Ada <ada@example.org>', committer=b'Ada <ada@example.org>')
quiet = open(os.devnull, 'wb')
porcelain.push(repo, url, b'refs/heads/main:refs/heads/main', outstream=quiet, errstream=quiet, **auth)
porcelain.push(repo, url, b'refs/heads/main:refs/heads/from-dulwich', outstream=quiet, errstream=quiet, **auth)
porcelain.fetch(repo, url, errstream=quiet, **auth)
print(repo.head().decode())
";

const PYGIT2: &str = r"
import sys, os, pygit2
url, target, user, secret = sys.argv[1:5]
class Callbacks(pygit2.RemoteCallbacks):
    def credentials(self, url, username_from_url, allowed_types):
        return pygit2.UserPass(user, secret)
    def push_update_reference(self, refname, message):
        if message:
            raise SystemExit('%s: %s' % (refname, message))
repo = pygit2.clone_repository(url, target, callbacks=Callbacks())
with open(os.path.join(target, 'pygit2.txt'), 'w') as f:
    f.write('written by pygit2\n')
repo.index.add('pygit2.txt')
repo.index.write()
who = pygit2.Signature('Ada', 'ada@example.org')
tree = repo.index.write_tree()
commit = repo.create_commit('HEAD', who, who, 'From pygit2', tree, [repo.head.target])
repo.remotes['origin'].push(['refs/heads/main', 'refs/heads/main:refs/heads/from-pygit2'], callbacks=Callbacks())
repo.remotes['origin'].fetch(callbacks=Callbacks())
print(commit)
";

/// A private repository with the fixture `acme/history` in it.
fn place() -> (Hub, Token, Work) {
    let hub = Hub::start();
    let token = hub.acme();
    hub.cli(&["repo", "add", "acme/history", "--private"]).ok();
    let work = Work::new();
    let source = fixtures().join("acme/history.git");
    work.git.ok(&source, &["push", "-q", "--mirror", &hub.repo_url_as("acme/history", &token)]);
    (hub, token, work)
}

fn tip(git: &Git, work: &Work, url: &str, name: &str) -> String {
    let line = git.ok(&work.path(), &["ls-remote", url, name]);
    line.split('\t').next().unwrap_or_default().to_owned()
}

#[test]
fn dulwich_clones_pushes_and_fetches_in_every_protocol_it_knows() {
    if !have(&[Client::Python]) {
        return;
    }
    let (hub, token, work) = place();
    let url = hub.repo_url_as("acme/history", &token);
    for protocol in ["0", "2"] {
        let target = work.beside(&format!("dulwich{protocol}"));
        let args =
            [&hub.repo_url("acme/history"), target.to_str().unwrap(), &token.user, &token.secret, protocol];
        let done = python(&work.beside(""), DULWICH, &args);
        let commit = done.ok();
        let commit = commit.lines().last().unwrap();
        assert_eq!(tip(&work.git, &work, &url, "refs/heads/main"), commit, "protocol {protocol}");
        assert_eq!(tip(&work.git, &work, &url, "refs/heads/from-dulwich"), commit, "protocol {protocol}");
        work.git.fsck(&target);
        work.ok(&["push", "-q", &url, ":from-dulwich"]);
    }
    hub.fsck();
}

#[test]
fn dulwich_without_a_token_is_refused() {
    if !have(&[Client::Python]) {
        return;
    }
    let (hub, _token, work) = place();
    let script = "import sys\nfrom dulwich import porcelain\nporcelain.ls_remote(sys.argv[1])";
    let told = python(&work.beside(""), script, &[&hub.repo_url("acme/history")]).fails();
    assert!(told.contains("Unauthorized") || told.contains("401"), "{told}");
}

#[test]
fn pygit2_clones_pushes_and_fetches() {
    if !have(&[Client::Python]) {
        return;
    }
    let (hub, token, work) = place();
    let target = work.beside("pygit2");
    let args = [&hub.repo_url("acme/history"), target.to_str().unwrap(), &token.user, &token.secret];
    let commit = python(&work.beside(""), PYGIT2, &args).ok();
    let url = hub.repo_url_as("acme/history", &token);
    assert_eq!(tip(&work.git, &work, &url, "refs/heads/main"), commit);
    assert_eq!(tip(&work.git, &work, &url, "refs/heads/from-pygit2"), commit);
    work.git.fsck(&target);
    hub.fsck();
}
