//! Who may read a git repository, as what its server answers to anyone tells.

use polder_types::Visibility;

use super::evil::{EvilHub, Said};
use crate::pull::{Patience, PullSource};
use crate::tests::{Fixture, fixture};
use crate::{Kind, Result};

const GREETING: &str = "/acme/m.git/info/refs?service=git-upload-pack";

/// Who may read what a token shows, where anyone who asks gets that answer, and whoever is sent to `/login` a page.
async fn visibility_there(
    fixture: &Fixture,
    answer: impl Fn() -> Said + Send + Sync + 'static,
) -> Result<Visibility> {
    let evil = EvilHub::start();
    evil.lie(move |asked, said| match asked.path.as_str() {
        GREETING => answer(),
        "/login" => Said::status(200).header("Content-Type", "text/html"),
        _ => said,
    });
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "secret").expect("written");
    let source = PullSource::new(&format!("{}/acme/m.git", evil.url), None, Some(token)).expect("a source");
    let hub = fixture.hub.clone();
    fixture.hub.door.run(move || hub.visibility_there(&source, &Patience::by_hand())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_private_where_anyone_is_refused_and_not_where_the_answer_is_odd() {
    let fixture = fixture().await;
    for refusal in [401, 403, 404] {
        let seen = visibility_there(&fixture, move || Said::status(refusal)).await.expect("told");
        assert_eq!(seen, Visibility::Private, "{refusal}");
    }
    let page = || Said::status(200).header("Content-Type", "text/html");
    assert_eq!(visibility_there(&fixture, page).await.expect("told"), Visibility::Private);
    let login = || Said::status(302).header("Location", "/login");
    assert_eq!(visibility_there(&fixture, login).await.expect("told"), Visibility::Private);
    let shown = || Said::status(200).header("Content-Type", "application/x-git-upload-pack-advertisement");
    assert_eq!(visibility_there(&fixture, shown).await.expect("told"), Visibility::Public);
    for (odd, kind) in
        [(400, Kind::Invalid), (418, Kind::Invalid), (451, Kind::Invalid), (503, Kind::Unavailable)]
    {
        let error = visibility_there(&fixture, move || Said::status(odd)).await.expect_err("nothing told");
        assert_eq!(error.kind(), kind, "{odd}: {error}");
        assert!(error.message().contains(&odd.to_string()), "{error}");
    }
}
