//! libgit2 (the git2 crate), which knows protocol 0 only: clone, fetch, push, delete.
#![cfg(test)]

use git2::build::{CheckoutBuilder, RepoBuilder};
use git2::{Cred, FetchOptions, PushOptions, RemoteCallbacks, Repository, Signature};
use polder_tests::{Git, Hub, Token, Work, fixtures};

fn callbacks(token: &Token) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks.credentials(|_, _, _| Cred::userpass_plaintext(&token.user, &token.secret));
    callbacks.push_update_reference(|name, refusal| match refusal {
        Some(words) => Err(git2::Error::from_str(&format!("{name}: {words}"))),
        None => Ok(()),
    });
    callbacks
}

fn fetch_options(token: &Token) -> FetchOptions<'_> {
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks(token));
    options
}

fn push(repo: &Repository, token: &Token, specs: &[&str]) -> Result<(), git2::Error> {
    let mut options = PushOptions::new();
    options.remote_callbacks(callbacks(token));
    repo.find_remote("origin")?.push(specs, Some(&mut options))
}

fn commit(repo: &Repository, path: &str, content: &str) -> git2::Oid {
    std::fs::write(repo.workdir().unwrap().join(path), content).unwrap();
    let mut index = repo.index().unwrap();
    index.add_path(std::path::Path::new(path)).unwrap();
    index.write().unwrap();
    let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
    let author = Signature::now("Ada Example", "ada@example.org").unwrap();
    let parent = repo.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
    repo.commit(Some("HEAD"), &author, &author, path, &tree, &parents).unwrap()
}

#[test]
fn libgit2_clones_everything_and_checks_it_out() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/history");
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let source = fixtures().join("acme/history.git");
    git.ok(&source, &["push", "-q", "--mirror", &hub.repo_url_as("acme/history", &token)]);

    let dir = home.path().join("clone");
    let repo = RepoBuilder::new().clone(&hub.repo_url("acme/history"), &dir).unwrap();
    assert_eq!(repo.head().unwrap().shorthand().unwrap(), "main");
    let id = |name: &str| repo.revparse_single(name).unwrap().id().to_string();
    for (ours, theirs) in [("origin/main", "main"), ("origin/side", "side"), ("refs/tags/nested", "nested")] {
        assert_eq!(id(ours), git.ok(&source, &["rev-parse", theirs]), "{ours}");
    }
    git.fsck(&dir);
    assert_eq!(git.ok(&dir, &["status", "--porcelain"]), "");
}

#[test]
fn libgit2_fetches_pushes_forces_and_deletes_in_a_private_repository() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.cli(&["repo", "add", "acme/m", "--private"]).ok();
    let work = Work::new();
    let url = hub.repo_url_as("acme/m", &token);

    let dir = work.beside("libgit2");
    let repo = Repository::init(&dir).unwrap();
    repo.set_head("refs/heads/main").unwrap();
    repo.remote("origin", &hub.repo_url("acme/m")).unwrap();
    let first = commit(&repo, "a", "a\n");
    push(&repo, &token, &["refs/heads/main"]).unwrap();
    let second = commit(&repo, "b", "b\n");
    push(&repo, &token, &["refs/heads/main", "refs/heads/main:refs/heads/topic"]).unwrap();
    let refs = work.ok(&["ls-remote", &url]);
    assert_eq!(refs, format!("{second}\tHEAD\n{second}\trefs/heads/main\n{second}\trefs/heads/topic"));

    // Somebody else pushes; libgit2 fetches it.
    work.ok(&["fetch", "-q", &url, "main"]);
    work.ok(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    let third = work.commit_file("c", b"c\n");
    work.ok(&["push", "-q", &url, "main"]);
    let mut remote = repo.find_remote("origin").unwrap();
    remote.fetch(&["main"], Some(&mut fetch_options(&token)), None).unwrap();
    let fetched = repo.revparse_single("refs/remotes/origin/main").unwrap();
    assert_eq!(fetched.id().to_string(), third);
    repo.reset(&fetched, git2::ResetType::Hard, Some(&mut CheckoutBuilder::new())).unwrap();
    assert!(dir.join("c").exists());

    repo.reset(&repo.find_object(first, None).unwrap(), git2::ResetType::Hard, None).unwrap();
    let forced = commit(&repo, "d", "d\n");
    push(&repo, &token, &["+refs/heads/main", ":refs/heads/topic"]).unwrap();
    assert_eq!(work.ok(&["ls-remote", &url]), format!("{forced}\tHEAD\n{forced}\trefs/heads/main"));
    work.git.fsck(&dir);

    let refused = push(&repo, &token, &["refs/heads/main:refs/pr/1"]).unwrap_err();
    assert!(refused.message().contains("refs/pr/1"), "{refused}");
    let wrong = Token { user: "ada".to_owned(), secret: "wrong".to_owned() };
    assert!(push(&repo, &wrong, &["refs/heads/main:refs/heads/x"]).is_err());
    hub.fsck();
}

#[test]
fn libgit2_makes_shallow_clones_and_meets_an_empty_repository() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/history");
    hub.repo("acme/empty");
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let source = fixtures().join("acme/history.git");
    git.ok(&source, &["push", "-q", "--mirror", &hub.repo_url_as("acme/history", &token)]);

    let dir = home.path().join("shallow");
    let mut options = fetch_options(&token);
    options.depth(1);
    RepoBuilder::new().fetch_options(options).clone(&hub.repo_url("acme/history"), &dir).unwrap();
    assert_eq!(git.ok(&dir, &["rev-list", "--count", "HEAD"]), "1");
    git.fsck(&dir);

    let empty = RepoBuilder::new().clone(&hub.repo_url("acme/empty"), &home.path().join("empty")).unwrap();
    assert!(empty.is_empty().unwrap());
}
