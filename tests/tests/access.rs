//! Route × credential × visibility: every cell of the table, read from the routes themselves.
//!
//! The tables match on each edge's closed `RouteKind`, so a new route without a row does not compile.
#![cfg(test)]

use polder_http::{Access, OpsRoute};
use polder_tests::{FLUSH, Http, Hub, LargeObject, Request, Response, Token, Work, pkt};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
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
    /// An administrator of the hub with the scope `admin`.
    Admin,
    /// The same person with the scope `write`.
    AdminWriting,
}
use Credential::{
    Admin, AdminWriting, Expired, NotAToken, OtherUser, Reader, UnknownToken, Writer, WriterElsewhere,
    WriterReading,
};

const EVERY_CREDENTIAL: [Credential; 11] = [
    Credential::None,
    NotAToken,
    UnknownToken,
    Expired,
    OtherUser,
    Reader,
    Writer,
    WriterReading,
    WriterElsewhere,
    Admin,
    AdminWriting,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    BasicPassword,
    BasicUser,
    Bearer,
}

const EVERY_FORM: [Form; 3] = [Form::BasicPassword, Form::BasicUser, Form::Bearer];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Public,
    Private,
    Missing,
    Deleted,
}

const EVERY_VISIBILITY: [Visibility; 4] =
    [Visibility::Public, Visibility::Private, Visibility::Missing, Visibility::Deleted];

impl Visibility {
    fn repo(self) -> &'static str {
        match self {
            Self::Public => "acme/public1",
            Self::Private => "acme/private",
            Self::Missing => "acme/missing",
            Self::Deleted => "acme/deleted",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Nothing,
    Read,
    Write,
}

impl Credential {
    fn is_valid(self) -> bool {
        !matches!(self, NotAToken | UnknownToken | Expired)
    }

    /// What the holder may do with a repository.
    fn level(self, visibility: Visibility) -> Level {
        let everyone = match visibility {
            Visibility::Public => Level::Read,
            Visibility::Private => Level::Nothing,
            Visibility::Missing | Visibility::Deleted => return Level::Nothing,
        };
        let own = match self {
            Self::None | NotAToken | UnknownToken | Expired | OtherUser | WriterElsewhere => Level::Nothing,
            Reader | WriterReading => Level::Read,
            Writer | Admin | AdminWriting => Level::Write,
        };
        own.max(everyone)
    }

    /// The status of a route that needs `access`.
    fn expected(self, access: Access, visibility: Visibility) -> u16 {
        let needed = match access {
            Access::Write => Level::Write,
            Access::Manage => return self.expected_to_manage(visibility),
            Access::ReadAsAccount if self == Self::None => return 401,
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
    fn expected_to_manage(self, visibility: Visibility) -> u16 {
        match self.expected(Access::Write, visibility) {
            200 if self == Writer => 403,
            answer => answer,
        }
    }
}

struct Place {
    hub: Hub,
    tokens: Vec<(Credential, String)>,
    object: LargeObject,
}

impl Place {
    fn new() -> Self {
        // Every route is asked with wrong tokens, from one address.
        let hub = Hub::builder().config("[limits]\nfailed-logins-max = 1000000").start();
        let ada = hub.acme();
        for (user, role) in [("reader", "read"), ("writer", "write"), ("other", "")] {
            hub.cli(&["user", "add", user]).ok();
            if !role.is_empty() {
                hub.cli(&["org", "member", "acme", user, "--role", role]).ok();
            }
        }
        hub.cli(&["user", "add", "chief", "--admin"]).ok();
        hub.repo("acme/public1");
        hub.cli(&["repo", "add", "acme/private", "--private"]).ok();
        hub.repo("acme/deleted");
        hub.repo("acme/elsewhere");
        let object = LargeObject::random(1, 1000);
        let work = Work::new();
        work.write("weights.bin", object.pointer().as_bytes());
        work.commit_file("README.md", b"# A model\n");
        for repo in ["acme/public1", "acme/private", "acme/deleted"] {
            object.upload(hub.http(), repo, &ada);
            work.ok(&["push", "-q", &hub.repo_url_as(repo, &ada), "main"]);
        }
        hub.cli(&["repo", "delete", "acme/deleted"]).ok();
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
            (Admin, token("chief", &["--scope", "admin"])),
            (AdminWriting, token("chief", &["--scope", "write"])),
        ];
        let place = Self { hub, tokens, object };
        polder_tests::until("a token to expire", 10, || {
            let answer =
                place.with(place.hub.http().get("/acme/public1/raw/main/README.md"), Expired, Form::Bearer);
            (answer.send().status == 401).then_some(())
        });
        place
    }

    fn with(&self, request: Request, credential: Credential, form: Form) -> Request {
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
    fn check(
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

const LFS_JSON: &str = "application/vnd.git-lfs+json";

fn post(http: Http, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Request {
    http.post(path, body).header("Content-Type", kind).header("Accept", LFS_JSON)
}

fn batch(http: Http, repo: &str, operation: &str, object: &LargeObject) -> Request {
    let objects = [json!({"oid": object.oid, "size": object.bytes.len()})];
    let body = json!({"operation": operation, "transfers": ["basic"], "objects": objects});
    post(http, &format!("/{repo}.git/info/lfs/objects/batch"), LFS_JSON, body.to_string())
}

/// One request for each route of git and git-lfs.
fn smart(kind: polder_smart::RouteKind, http: Http, repo: &str, object: &LargeObject) -> Request {
    use polder_smart::RouteKind as Kind;
    let git = format!("/{repo}.git");
    match kind {
        Kind::AdvertiseFetch => http.get(&format!("{git}/info/refs?service=git-upload-pack")),
        Kind::AdvertisePush => http.get(&format!("{git}/info/refs?service=git-receive-pack")),
        Kind::UploadPack => {
            let body =
                [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha1")[..], b"0001", FLUSH].concat();
            let kind = "application/x-git-upload-pack-request";
            post(http, &format!("{git}/git-upload-pack"), kind, body).header("Git-Protocol", "version=2")
        }
        Kind::ReceivePack => {
            post(http, &format!("{git}/git-receive-pack"), "application/x-git-receive-pack-request", FLUSH)
        }
        Kind::UnknownService => http.get(&format!("{git}/info/refs")),
        Kind::GitWrongMethod => http.get(&format!("{git}/git-upload-pack")),
        Kind::LfsBatch => batch(http, repo, "download", object),
        Kind::LfsDownload => http.get(&format!("{git}/info/lfs/objects/{}", object.oid)),
        Kind::LfsUpload => http.put(&format!("{git}/info/lfs/objects/{}", object.oid), object.bytes.clone()),
        Kind::LfsVerify => {
            let body = json!({"oid": object.oid, "size": object.bytes.len()});
            post(http, &format!("{git}/info/lfs/verify"), LFS_JSON, body.to_string())
        }
        Kind::LfsVerifyLink => {
            let body = json!({"oid": object.oid, "size": object.bytes.len()});
            post(http, &format!("{git}/info/lfs/objects/{}/verify", object.oid), LFS_JSON, body.to_string())
        }
        Kind::LfsUploadPart => {
            http.put(&format!("{git}/info/lfs/objects/{}/parts/1", object.oid), object.bytes.clone())
        }
        Kind::LfsComplete => {
            let body = json!({"oid": object.oid, "parts": []});
            post(http, &format!("{git}/info/lfs/objects/{}/complete", object.oid), LFS_JSON, body.to_string())
        }
        Kind::LfsLocks => http.get(&format!("{git}/info/lfs/locks?path=none")),
        Kind::LfsLock => post(http, &format!("{git}/info/lfs/locks"), LFS_JSON, "{\"path\": \"../up\"}"),
        Kind::LfsLocksVerify => post(http, &format!("{git}/info/lfs/locks/verify"), LFS_JSON, "{}"),
        Kind::LfsUnlock => post(http, &format!("{git}/info/lfs/locks/1/unlock"), LFS_JSON, "{}"),
        Kind::LfsUnknown => http.get(&format!("{git}/info/lfs/unknown")),
        Kind::LfsWrongMethod => http.get(&format!("{git}/info/lfs/objects/batch")),
    }
}

/// One request for each route of the Hugging Face surface. What would change something names what is not
/// there, or is there already, or changes nothing.
fn hf(kind: polder_hf::RouteKind, http: Http, repo: &str) -> Request {
    use polder_hf::RouteKind as Kind;
    let api = format!("/api/models/{repo}");
    let json = |http: Http, path: &str, body: serde_json::Value| {
        http.post(path, body.to_string()).header("Content-Type", "application/json")
    };
    match kind {
        Kind::Resolve => http.get(&format!("/{repo}/resolve/main/weights.bin")),
        Kind::Raw => http.get(&format!("/{repo}/raw/main/README.md")),
        Kind::Whoami => http.get("/api/whoami-v2"),
        Kind::AgentHarnesses => http.get("/api/agent-harnesses"),
        Kind::Telemetry => http.get("/api/telemetry/x"),
        Kind::ValidateYaml => json(http, "/api/validate-yaml", json!({"content": "# A model"})),
        Kind::CreateRepo => json(http, "/api/repos/create", named("acme/elsewhere")),
        Kind::DeleteRepo => http.delete("/api/repos/delete").body(named("acme/never").to_string()),
        Kind::MoveRepo => {
            json(http, "/api/repos/move", json!({"fromRepo": "acme/never", "toRepo": "acme/other"}))
        }
        Kind::Models => http.get(&format!("/api/models?search={repo}")),
        Kind::Datasets => http.get("/api/datasets"),
        Kind::Spaces => http.get("/api/spaces"),
        Kind::Kernels => http.get("/api/kernels"),
        Kind::UserOverview => http.get("/api/users/ada/overview"),
        Kind::UserLikes => http.get("/api/users/ada/likes"),
        Kind::OrgOverview => http.get("/api/organizations/acme/overview"),
        Kind::OrgMembers => http.get("/api/organizations/acme/members"),
        Kind::Likers => http.get(&format!("{api}/likers")),
        Kind::Like => http.post(&format!("{api}/like"), ""),
        Kind::Unlike => http.delete(&format!("{api}/like")),
        Kind::Info => http.get(&api),
        Kind::Revision => http.get(&format!("{api}/revision/main")),
        Kind::Tree => http.get(&format!("{api}/tree/main")),
        Kind::PathsInfo => json(http, &format!("{api}/paths-info/main"), json!({"paths": ["README.md"]})),
        Kind::Refs => http.get(&format!("{api}/refs")),
        Kind::Commits => http.get(&format!("{api}/commits/main")),
        Kind::AuthCheck => http.get(&format!("{api}/auth-check")),
        Kind::AuthCheckWrite => http.get(&format!("{api}/auth-check/write")),
        Kind::Preupload => json(http, &format!("{api}/preupload/main"), json!({"files": []})),
        Kind::Commit => http.post(&format!("{api}/commit/main"), "no commit"),
        Kind::XetReadToken => http.get(&format!("{api}/xet-read-token/main")),
        Kind::XetWriteToken => http.get(&format!("{api}/xet-write-token/None?create_pr=1")),
        Kind::CreateBranch => json(http, &format!("{api}/branch/main"), json!({})),
        Kind::DeleteBranch => http.delete(&format!("{api}/branch/never")),
        Kind::CreateTag => json(http, &format!("{api}/tag/never"), json!({"tag": "v1"})),
        Kind::DeleteTag => http.delete(&format!("{api}/tag/never")),
        Kind::SuperSquash => json(http, &format!("{api}/super-squash/never"), json!({"message": "x"})),
        Kind::Settings => http.put(&format!("{api}/settings"), "{}"),
        Kind::WrongMethod => http.post(&format!("/{repo}/raw/main/README.md"), ""),
    }
}

/// One request for each route of the CAS, about what is not there.
fn cas(kind: polder_hf::cas::RouteKind, http: Http) -> Request {
    use polder_hf::cas::RouteKind as Kind;
    let none = "f".repeat(64);
    match kind {
        Kind::Chunk => http.get(&format!("/cas/v1/chunks/default/{none}")),
        Kind::Reconstruction => http.get(&format!("/cas/v1/reconstructions/{none}")),
        Kind::Data => http.get(&format!("/cas/data/{none}?sig=none")),
        Kind::Xorb => http.post(&format!("/cas/v1/xorbs/default/{none}"), vec![0; 9]),
        Kind::Shard => http.post("/cas/v1/shards", vec![0; 48]),
        Kind::Telemetry => http.post("/v1/telemetry", "{}"),
        Kind::Unknown => http.put("/cas/v1/shards", "{}"),
    }
}

/// A repository as the API's bodies name it.
fn named(repo: &str) -> serde_json::Value {
    let (organization, name) = repo.split_once('/').expect("two parts");
    json!({"organization": organization, "name": name})
}

/// The status of a Hugging Face request for those who may make it.
fn hf_granted(kind: polder_hf::RouteKind) -> u16 {
    use polder_hf::RouteKind as Kind;
    match kind {
        Kind::Commit => 400,
        Kind::CreateBranch => 409,
        Kind::DeleteBranch | Kind::DeleteTag | Kind::CreateTag | Kind::SuperSquash => 404,
        _ => 200,
    }
}

/// The status of a Hugging Face request that is an account's; where the body names a repository, it names
/// the same one in every row.
fn hf_account(kind: polder_hf::RouteKind, who: Credential) -> u16 {
    use polder_hf::RouteKind as Kind;
    match kind {
        _ if who == Credential::None || !who.is_valid() => 401,
        Kind::Whoami => 200,
        // Only who may write to the namespace learns that a name is taken.
        Kind::CreateRepo => match who {
            Writer | Admin | AdminWriting => 409,
            _ => 403,
        },
        _ => 404,
    }
}

/// One request for each route of other hubs, about the repository with this id.
fn federation(
    kind: polder_federation::RouteKind,
    http: Http,
    repo: &LoggedRepo,
    object: &LargeObject,
) -> Request {
    use polder_federation::RouteKind as Kind;
    let LoggedRepo { name, rid, nsid, refs, body } = repo;
    let v1 = |rest: String| http.get(&format!("/polder/v1/{rest}"));
    let none = "f".repeat(64);
    match kind {
        Kind::WellKnown => http.get("/.well-known/polder"),
        Kind::Checkpoint => v1("log/checkpoint".to_owned()),
        Kind::Tile => v1("log/tile/0/000.p/1".to_owned()),
        Kind::Entries => v1("log/tile/entries/000.p/1".to_owned()),
        Kind::Body => v1(format!("log/body/{body}")),
        Kind::Events => v1("log/events?from=0".to_owned()),
        Kind::Bodies => http.post("/polder/v1/log/bodies", vec![0; 32]),
        Kind::Snapshot => v1("snapshot".to_owned()),
        Kind::SnapshotPart => v1(format!("snapshot/0/{none}")),
        Kind::Namespace => v1(format!("ns/{nsid}")),
        Kind::Repo => v1(format!("repos/{rid}")),
        Kind::Refs => v1(format!("repos/{rid}/refs/{refs}")),
        Kind::Manifest => v1(format!("repos/{rid}/manifest/{refs}")),
        Kind::Proof => v1(format!("proof/{name}")),
        Kind::AdvertiseFetch => v1(format!("git/{rid}/info/refs?service=git-upload-pack")),
        Kind::UploadPack => {
            let body =
                [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha1")[..], b"0001", FLUSH].concat();
            let kind = "application/x-git-upload-pack-request";
            post(http, &format!("/polder/v1/git/{rid}/git-upload-pack"), kind, body)
                .header("Git-Protocol", "version=2")
        }
        Kind::Object => v1(format!("objects/sha256/{}", object.oid)),
        Kind::Chunks => v1(format!("objects/sha256/{}/chunks", object.oid)),
        Kind::Extents => http.post(&format!("/polder/v1/objects/sha256/{}/extents", object.oid), vec![0; 7]),
        Kind::Ping => http.post("/polder/v1/ping", "{\"origin\": \"other.example.org\"}"),
        Kind::Downloads => http.post("/polder/v1/downloads", "{}"),
        Kind::Unknown => v1("nothing".to_owned()),
        Kind::WrongMethod => http.post("/.well-known/polder", ""),
    }
}

/// Its status, for everyone alike.
fn federation_status(kind: polder_federation::RouteKind, visibility: Visibility) -> u16 {
    use polder_federation::RouteKind as Kind;
    let is_public = visibility == Visibility::Public;
    match kind {
        Kind::WellKnown
        | Kind::Checkpoint
        | Kind::Tile
        | Kind::Entries
        | Kind::Events
        | Kind::Bodies
        // Linked by the public repository, too.
        | Kind::Object
        | Kind::Chunks => 200,
        // What was said of one that is deleted stays said.
        Kind::Body | Kind::Namespace | Kind::Repo => match visibility {
            Visibility::Public | Visibility::Deleted => 200,
            Visibility::Private | Visibility::Missing => 404,
        },
        Kind::Refs | Kind::AdvertiseFetch | Kind::UploadPack | Kind::Proof => if is_public { 200 } else { 404 },
        Kind::Snapshot | Kind::SnapshotPart | Kind::Manifest | Kind::Ping | Kind::Unknown => 404,
        Kind::Extents | Kind::Downloads => 400,
        Kind::WrongMethod => 405,
    }
}

/// What the log says of a repository.
struct LoggedRepo {
    name: String,
    rid: String,
    nsid: String,
    refs: String,
    body: String,
}

impl LoggedRepo {
    /// The first event of the repository; one that never was in the log has ids that nothing has.
    fn read(hub: &Hub, name: &str) -> Self {
        let page = hub.http().get("/polder/v1/log/events?from=0").send().expect(200).body;
        let page = polder_log::EventsPage::decode(&page).expect("a page");
        let bodies = page.bodies.iter().map(|body| polder_log::Body::decode(body).expect("a body"));
        let found = bodies.into_iter().find(|body| {
            body.kind == polder_log::EventType::RepoCreate
                && body.meta.as_ref().is_some_and(|m| m.path == name)
        });
        let none = || "f".repeat(64);
        Self {
            name: name.to_owned(),
            rid: found.as_ref().map_or_else(none, |body| body.id().to_string()),
            nsid: found.as_ref().and_then(|body| body.nsid).map_or_else(none, |nsid| nsid.to_string()),
            refs: found.as_ref().and_then(|body| body.state).map_or_else(none, |s| s.refs_sha256.to_string()),
            body: found.as_ref().map_or_else(none, |body| body.sha256().to_string()),
        }
    }
}

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

/// The status of a signed or open route of a repository: the same for everyone, so it tells nothing.
fn same_for_everyone(kind: polder_smart::RouteKind) -> u16 {
    use polder_smart::RouteKind as Kind;
    match kind {
        Kind::LfsDownload
        | Kind::LfsUpload
        | Kind::LfsVerifyLink
        | Kind::LfsUploadPart
        | Kind::LfsComplete
        | Kind::UnknownService => 403,
        Kind::GitWrongMethod | Kind::LfsWrongMethod => 405,
        Kind::LfsUnknown => 404,
        Kind::AdvertiseFetch
        | Kind::AdvertisePush
        | Kind::UploadPack
        | Kind::ReceivePack
        | Kind::LfsBatch
        | Kind::LfsVerify
        | Kind::LfsLocks
        | Kind::LfsLock
        | Kind::LfsLocksVerify
        | Kind::LfsUnlock => unreachable!("these depend on the caller"),
    }
}

/// The status for those who may, of a request that leaves the next cell's world as it is.
fn granted(kind: polder_smart::RouteKind) -> u16 {
    use polder_smart::RouteKind as Kind;
    match kind {
        // A path that cannot be locked, and a lock that is not there.
        Kind::LfsLock => 422,
        Kind::LfsUnlock => 404,
        _ => 200,
    }
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
            access @ (Access::Read | Access::Write | Access::Manage | Access::ReadAsAccount) => {
                place.check(kind.as_str(), &build, &|who, what| match who.expected(access, what) {
                    200 => hf_granted(*kind),
                    refused => refused,
                });
            }
            Access::Open => {
                let status = if *kind == polder_hf::RouteKind::WrongMethod { 405 } else { 200 };
                place.check(kind.as_str(), &build, &|_, _| status);
            }
            Access::Anyone => {
                place.check(kind.as_str(), &build, &|who, _| if who.is_valid() { 200 } else { 401 });
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
    polder_tests::until("the log to tell of what is public", 10, || {
        let deleted = LoggedRepo::read(&place.hub, "acme/deleted");
        let open = LoggedRepo::read(&place.hub, "acme/public1");
        (!deleted.rid.starts_with("ffff") && !open.rid.starts_with("ffff")).then_some(())
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
