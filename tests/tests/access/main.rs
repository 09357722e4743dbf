//! Route × credential × visibility: every cell of the table, read from the routes themselves.
//!
//! The tables match on each edge's closed `RouteKind`, so a new route without a row does not compile.
#![cfg(test)]

mod federation;
mod hf;
mod place;
mod smart;

use polder_http::{Access, OpsRoute};
use polder_tests::{Http, Hub, Request, Response, Token, Work};

use crate::federation::{LoggedRepo, federation, federation_status};
use crate::hf::{cas, hf, hf_account, hf_granted};
use crate::place::{
    Admin, Credential, EVERY_CREDENTIAL, EVERY_VISIBILITY, Form, Level, OtherUser, Place, Reader, Visibility,
    Writer,
};
use crate::smart::{batch, granted, same_for_everyone, smart};

/// One request for each route of the operator's, as from another machine, and its status for everyone
/// if it is open.
fn ops(kind: OpsRoute, http: Http) -> (Request, u16) {
    let (request, status) = match kind {
        OpsRoute::Version => (http.get("/api/version"), 200),
        OpsRoute::Health => (http.get("/healthz"), 200),
        OpsRoute::Ready => (http.get("/readyz"), 200),
        OpsRoute::Metrics => (http.get("/metrics"), 0),
        OpsRoute::WrongMethod => (http.post("/healthz", ""), 405),
    };
    (request.header("X-Forwarded-For", "192.0.2.1"), status)
}

#[test]
fn every_route_answers_every_credential_for_every_visibility_as_the_table_says() {
    let place = Place::new();
    let object = &place.object;
    for kind in polder_smart::RouteKind::ALL {
        let build = |http: Http, repo: &str| smart(*kind, http, repo, object);
        match kind.access() {
            access @ (Access::Read | Access::Write) => {
                place.check(kind.as_str(), &build, &|who, what| match who.expected(access, what) {
                    200 => granted(*kind),
                    refused => refused,
                });
            }
            Access::Batch => {
                place.check("batch download", &build, &|who, what| who.expected(Access::Read, what));
                let upload = |http: Http, repo: &str| batch(http, repo, "upload", object);
                place.check("batch upload", &upload, &|who, what| who.expected(Access::Write, what));
            }
            Access::Open | Access::Signed => {
                place.check(kind.as_str(), &build, &|_, _| same_for_everyone(*kind));
            }
            Access::LoopbackOrAdmin
            | Access::Account
            | Access::Manage
            | Access::Public
            | Access::XetRead
            | Access::XetWrite
            | Access::Anyone
            | Access::See
            | Access::SeeAsAccount
            | Access::ReadAsAccount => panic!("{kind:?} has no table"),
        }
    }
    for kind in OpsRoute::ALL {
        let build = |http: Http, _: &str| ops(*kind, http).0;
        let status = ops(*kind, place.hub.http()).1;
        place.check(kind.as_str(), &build, &|who, _| match (kind.access(), who) {
            (Access::Open, _) => status,
            (_, Admin) => 200,
            (_, who) if who == Credential::None || !who.is_valid() => 401,
            _ => 403,
        });
    }
    place.hub.http().get("/metrics").send().expect(200);
}

#[test]
fn every_route_of_hugging_face_s_clients_answers_as_the_table_says() {
    let place = Place::new();
    for kind in polder_hf::RouteKind::ALL {
        let build = |http: Http, repo: &str| hf(*kind, http, repo);
        match kind.access() {
            access @ (Access::See
            | Access::SeeAsAccount
            | Access::Read
            | Access::ReadAsAccount
            | Access::Write
            | Access::Manage) => {
                place.check(kind.as_str(), &build, &|who, what| match who.expected(access, what) {
                    200 => hf_granted(*kind, who, what),
                    refused => refused,
                });
            }
            Access::Open => {
                let status = match kind {
                    polder_hf::RouteKind::WrongMethod => 405,
                    polder_hf::RouteKind::FilePage | polder_hf::RouteKind::FolderPage => 307,
                    polder_hf::RouteKind::Attachment | polder_hf::RouteKind::NotServed => 404,
                    polder_hf::RouteKind::OAuthDevice | polder_hf::RouteKind::OAuthToken => 400,
                    _ => 200,
                };
                place.check(kind.as_str(), &build, &|_, _| status);
            }
            Access::Anyone => {
                // It asks for one that is not there.
                let status = if *kind == polder_hf::RouteKind::Collection { 404 } else { 200 };
                place.check(kind.as_str(), &build, &|who, _| if who.is_valid() { status } else { 401 });
            }
            Access::Account => place.check(kind.as_str(), &build, &|who, _| hf_account(*kind, who)),
            Access::Batch
            | Access::Signed
            | Access::LoopbackOrAdmin
            | Access::Public
            | Access::XetRead
            | Access::XetWrite => {
                panic!("{kind:?} has no table")
            }
        }
    }
    for kind in polder_hf::cas::RouteKind::ALL {
        let build = |http: Http, _: &str| cas(*kind, http);
        // Tokens of the hub itself count for nothing here.
        let status = match kind.access() {
            Access::XetRead | Access::XetWrite => 401,
            Access::Signed => 403,
            _ if *kind == polder_hf::cas::RouteKind::Telemetry => 204,
            _ => 404,
        };
        place.check(kind.as_str(), &build, &|_, _| status);
    }
}

#[test]
fn other_hubs_are_answered_alike_whoever_they_are_and_only_about_what_is_public() {
    let place = Place::new();
    polder_tests::until("the log to tell of what is public", 60, || {
        let deleted = LoggedRepo::read(&place.hub, "acme/deleted");
        let gated = LoggedRepo::read(&place.hub, "acme/gated");
        let open = LoggedRepo::read(&place.hub, "acme/public1");
        (!deleted.rid.starts_with("ffff") && !gated.rid.starts_with("ffff") && !open.rid.starts_with("ffff"))
            .then_some(())
    });
    let logged: Vec<(Visibility, LoggedRepo)> =
        EVERY_VISIBILITY.map(|what| (what, LoggedRepo::read(&place.hub, what.repo()))).into();
    for kind in polder_federation::RouteKind::ALL {
        assert!(matches!(kind.access(), Access::Open | Access::Public));
        for (visibility, repo) in &logged {
            for credential in EVERY_CREDENTIAL {
                let request = federation(*kind, place.hub.http(), repo, &place.object);
                let answer = place.with(request, credential, Form::Bearer).send();
                let cell = format!("{kind:?} × {credential:?} × {visibility:?}");
                let expected = federation_status(*kind, *visibility);
                assert_eq!(answer.status, expected, "{cell}\n{}", answer.text());
            }
        }
    }
}

/// Makes a request for a repository.
type Build<'a> = Box<dyn Fn(Http, &str) -> Request + 'a>;

/// Everything in an answer that could tell two answers apart, without what differs by itself.
fn shape(answer: &Response, repo: &str) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.replace(repo, "REPO")))
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .collect();
    headers.sort();
    let mut text = answer.text().replace(repo, "REPO");
    if let Some(id) = answer.header("x-request-id") {
        text = text.replace(id, "ID");
    }
    (answer.status, headers, text)
}

#[test]
fn a_private_repository_and_a_missing_one_answer_alike_to_those_who_may_not_know() {
    let place = Place::new();
    let object = &place.object;
    let mut routes: Vec<(&str, Build<'_>)> =
        vec![("batch upload", Box::new(|http, repo| batch(http, repo, "upload", object)))];
    for kind in polder_smart::RouteKind::ALL {
        routes.push((kind.as_str(), Box::new(|http, repo| smart(*kind, http, repo, object))));
    }
    for kind in polder_hf::RouteKind::ALL {
        routes.push((kind.as_str(), Box::new(|http, repo| hf(*kind, http, repo))));
    }
    for (route, build) in routes {
        for credential in EVERY_CREDENTIAL {
            if credential.level(Visibility::Private) > Level::Nothing {
                continue;
            }
            let ask = |visibility: Visibility| {
                let request = build(place.hub.http(), visibility.repo());
                shape(&place.with(request, credential, Form::Bearer).send(), visibility.repo())
            };
            let private = ask(Visibility::Private);
            assert_eq!(private, ask(Visibility::Missing), "{route} × {credential:?}");
            assert_eq!(private, ask(Visibility::Deleted), "{route} × {credential:?}, deleted");
        }
    }
}

#[test]
fn a_former_name_is_told_only_to_those_who_may_read_the_repository() {
    let place = Place::new();
    place.hub.cli(&["repo", "rename", "acme/private", "acme/renamed"]).ok();
    let path = "/acme/private.git/info/refs?service=git-upload-pack";
    for credential in EVERY_CREDENTIAL {
        let answer = place.with(place.hub.http().get(path), credential, Form::Bearer).send();
        let expected = match credential.expected(Access::Read, Visibility::Private) {
            200 => 307,
            refused => refused,
        };
        assert_eq!(answer.status, expected, "{credential:?}");
        if expected == 307 {
            let to = answer.header("location").expect("a location");
            assert!(to.ends_with("/acme/renamed.git/info/refs?service=git-upload-pack"), "{to}");
        } else {
            assert!(!answer.text().contains("renamed"), "{}", answer.text());
        }
    }
}

#[test]
fn a_right_that_is_taken_away_is_gone_at_once() {
    let place = Place::new();
    let path = "/acme/public1.git/info/refs?service=git-receive-pack";
    let status = |who: Credential| place.with(place.hub.http().get(path), who, Form::Bearer).send().status;
    assert_eq!((status(Writer), status(Reader)), (200, 403));
    place.hub.cli(&["org", "member", "acme", "writer", "--role", "read"]).ok();
    place.hub.cli(&["org", "member", "acme", "reader", "--role", "write"]).ok();
    assert_eq!((status(Writer), status(Reader)), (403, 200));
    let read = "/acme/public1/raw/main/README.md";
    let status = |who: Credential| place.with(place.hub.http().get(read), who, Form::Bearer).send().status;
    assert_eq!((status(Credential::None), status(OtherUser)), (200, 200));
    place.hub.cli(&["repo", "visibility", "acme/public1", "private"]).ok();
    assert_eq!((status(Credential::None), status(OtherUser), status(Reader)), (401, 404, 200));
    place.hub.cli(&["repo", "visibility", "acme/public1", "public"]).ok();
    assert_eq!((status(Credential::None), status(OtherUser)), (200, 200));
}

#[test]
fn git_itself_is_asked_for_a_password_only_where_one_helps() {
    let hub = Hub::start();
    let ada = hub.acme();
    hub.cli(&["repo", "add", "acme/private", "--private"]).ok();
    hub.repo("acme/public1");
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for repo in ["acme/public1", "acme/private"] {
        work.ok(&["push", "-q", &hub.repo_url_as(repo, &ada), "main"]);
    }
    work.ok(&["ls-remote", &hub.repo_url("acme/public1")]);
    for repo in ["acme/private", "acme/missing"] {
        let told = work.run(&["ls-remote", &hub.repo_url(repo)]).fails();
        assert!(told.contains("could not read Username"), "{told}");
    }
    let other = hub.user("other", "write");
    for repo in ["acme/private", "acme/missing"] {
        let told = work.run(&["ls-remote", &hub.repo_url_as(repo, &other)]).fails();
        assert!(told.contains("not found"), "{told}");
    }
    let told = work.run(&["push", &hub.repo_url_as("acme/public1", &other), "main:x"]).fails();
    assert!(told.contains("403") || told.contains("may read"), "{told}");
    let wrong = Token { user: "ada".to_owned(), secret: "wrong".to_owned() };
    let told = work.run(&["ls-remote", &hub.repo_url_as("acme/private", &wrong)]).fails();
    assert!(told.contains("Authentication failed"), "{told}");
}
