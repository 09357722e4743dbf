//! Who asks for what: the credentials, the repositories and what each holder may do with them.

use polder_http::Access;
use polder_tests::{Http, Hub, LargeObject, Request, Work};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    NotAToken,
    UnknownToken,
    Expired,
    OtherUser,
    Reader,
    Writer,
    /// The writer's token with the scope `read`.
    WriterReading,
    /// The writer's token for another repository only.
    WriterElsewhere,
    /// A stranger who was given access to what is gated.
    Accepted,
    /// An administrator of the hub with the scope `admin`.
    Admin,
    /// The same person with the scope `write`.
    AdminWriting,
}
pub(crate) use Credential::{
    Accepted, Admin, AdminWriting, Expired, NotAToken, OtherUser, Reader, UnknownToken, Writer,
    WriterElsewhere, WriterReading,
};

pub(crate) const EVERY_CREDENTIAL: [Credential; 12] = [
    Credential::None,
    NotAToken,
    UnknownToken,
    Expired,
    OtherUser,
    Reader,
    Writer,
    WriterReading,
    WriterElsewhere,
    Accepted,
    Admin,
    AdminWriting,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    BasicPassword,
    BasicUser,
    Bearer,
}

pub(crate) const EVERY_FORM: [Form; 3] = [Form::BasicPassword, Form::BasicUser, Form::Bearer];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Public,
    Gated,
    Private,
    Missing,
    Deleted,
}

pub(crate) const EVERY_VISIBILITY: [Visibility; 5] =
    [Visibility::Public, Visibility::Gated, Visibility::Private, Visibility::Missing, Visibility::Deleted];

impl Visibility {
    pub(crate) fn repo(self) -> &'static str {
        match self {
            Self::Public => "acme/public1",
            Self::Gated => "acme/gated",
            Self::Private => "acme/private",
            Self::Missing => "acme/missing",
            Self::Deleted => "acme/deleted",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Nothing,
    See,
    Read,
    Write,
}

impl Credential {
    pub(crate) fn is_valid(self) -> bool {
        !matches!(self, NotAToken | UnknownToken | Expired)
    }

    /// What the holder may do with a repository.
    pub(crate) fn level(self, visibility: Visibility) -> Level {
        let everyone = match visibility {
            Visibility::Public => Level::Read,
            Visibility::Gated => Level::See,
            Visibility::Private => Level::Nothing,
            Visibility::Missing | Visibility::Deleted => return Level::Nothing,
        };
        let own = match self {
            Accepted if visibility == Visibility::Gated => Level::Read,
            Self::None | NotAToken | UnknownToken | Expired | OtherUser | WriterElsewhere | Accepted => {
                Level::Nothing
            }
            Reader | WriterReading => Level::Read,
            Writer | Admin | AdminWriting => Level::Write,
        };
        own.max(everyone)
    }

    /// The status of a route that needs `access`.
    pub(crate) fn expected(self, access: Access, visibility: Visibility) -> u16 {
        let needed = match access {
            Access::Write => Level::Write,
            Access::Manage => return self.expected_to_manage(visibility),
            Access::SeeAsAccount | Access::ReadAsAccount if self == Self::None => return 401,
            Access::See | Access::SeeAsAccount => Level::See,
            Access::Read | Access::ReadAsAccount => Level::Read,
            Access::Open
            | Access::Public
            | Access::Batch
            | Access::Signed
            | Access::XetRead
            | Access::XetWrite
            | Access::LoopbackOrAdmin
            | Access::Account
            | Access::Anyone => {
                unreachable!("these have tables of their own")
            }
        };
        let level = self.level(visibility);
        if !self.is_valid() {
            401
        } else if level >= needed {
            200
        } else if self == Self::None {
            401
        } else if level == Level::Nothing {
            404
        } else {
            403
        }
    }
}

impl Credential {
    /// The status of a route for administrators of the namespace: whoever may write is one, or is told.
    pub(crate) fn expected_to_manage(self, visibility: Visibility) -> u16 {
        match self.expected(Access::Write, visibility) {
            200 if self == Writer => 403,
            answer => answer,
        }
    }
}

pub(crate) struct Place {
    pub(crate) hub: Hub,
    tokens: Vec<(Credential, String)>,
    pub(crate) object: LargeObject,
}

impl Place {
    pub(crate) fn new() -> Self {
        // Every route is asked with wrong tokens, from one address.
        let hub = Hub::builder().config("[limits]\nfailed-logins-max = 1000000").start();
        let ada = hub.acme();
        for (user, role) in [("reader", "read"), ("writer", "write"), ("other", ""), ("guest", "")] {
            hub.cli(&["user", "add", user]).ok();
            if !role.is_empty() {
                hub.cli(&["org", "member", "acme", user, "--role", role]).ok();
            }
        }
        hub.cli(&["user", "add", "chief", "--admin"]).ok();
        hub.repo("acme/public1");
        hub.cli(&["repo", "add", "acme/private", "--private"]).ok();
        hub.repo("acme/gated");
        hub.repo("acme/deleted");
        hub.repo("acme/elsewhere");
        let object = LargeObject::random(1, 1000);
        let work = Work::new();
        work.write("weights.bin", object.pointer().as_bytes());
        work.commit_file("README.md", b"# A model\n");
        for repo in ["acme/public1", "acme/gated", "acme/private", "acme/deleted"] {
            object.upload(hub.http(), repo, &ada);
            work.ok(&["push", "-q", &hub.repo_url_as(repo, &ada), "main"]);
        }
        hub.cli(&["repo", "delete", "acme/deleted"]).ok();
        hub.cli(&["repo", "gate", "acme/gated", "manual"]).ok();
        let token =
            |user: &str, more: &[&str]| hub.cli(&[&["token", "add", "--user", user][..], more].concat()).ok();
        let writer = token("writer", &["--scope", "write"]);
        let unknown: String = writer.chars().rev().collect::<String>();
        let tokens = vec![
            (NotAToken, "hunter2".to_owned()),
            (UnknownToken, format!("pld_{}", unknown.trim_end_matches("_dlp"))),
            (Expired, token("writer", &["--scope", "write", "--expires", "1s"])),
            (OtherUser, token("other", &["--scope", "write"])),
            (Reader, token("reader", &["--scope", "write"])),
            (Writer, writer),
            (WriterReading, token("writer", &["--scope", "read"])),
            (WriterElsewhere, token("writer", &["--scope", "write", "--repo", "acme/elsewhere"])),
            (Accepted, token("guest", &["--scope", "write"])),
            (Admin, token("chief", &["--scope", "admin"])),
            (AdminWriting, token("chief", &["--scope", "write"])),
        ];
        let place = Self { hub, tokens, object };
        let ask = place.hub.http().post("/acme/gated/ask-access", "");
        place.with(ask, Accepted, Form::Bearer).send().expect(200);
        place.hub.cli(&["repo", "requests", "acme/gated", "--accept", "guest"]).ok();
        polder_tests::until("a token to expire", 10, || {
            let answer =
                place.with(place.hub.http().get("/acme/public1/raw/main/README.md"), Expired, Form::Bearer);
            (answer.send().status == 401).then_some(())
        });
        place
    }

    pub(crate) fn with(&self, request: Request, credential: Credential, form: Form) -> Request {
        let Some((_, secret)) = self.tokens.iter().find(|(known, _)| *known == credential) else {
            return request;
        };
        match form {
            Form::BasicPassword => request.basic("anyone", secret),
            Form::BasicUser => request.basic(secret, ""),
            Form::Bearer => request.bearer(secret),
        }
    }

    /// Sends the request in every cell of the table and compares the status with `expected`.
    pub(crate) fn check(
        &self,
        what: &str,
        build: &dyn Fn(Http, &str) -> Request,
        expected: &dyn Fn(Credential, Visibility) -> u16,
    ) {
        for visibility in EVERY_VISIBILITY {
            for credential in EVERY_CREDENTIAL {
                for form in EVERY_FORM {
                    let request = build(self.hub.http(), visibility.repo());
                    let answer = self.with(request, credential, form).send();
                    let cell = format!("{what} × {credential:?} ({form:?}) × {visibility:?}");
                    assert_eq!(answer.status, expected(credential, visibility), "{cell}\n{}", answer.text());
                    if answer.status == 401 {
                        assert!(answer.header("www-authenticate").is_some(), "{cell} has no challenge");
                    }
                    if credential == Credential::None {
                        break;
                    }
                }
            }
        }
    }
}
