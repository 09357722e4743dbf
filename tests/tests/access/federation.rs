//! The rows of other hubs.

use polder_tests::{FLUSH, Http, Hub, LargeObject, Request, pkt};

use crate::place::Visibility;
use crate::smart::post;

/// One request for each route of other hubs, about the repository with this id.
pub(crate) fn federation(
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
pub(crate) fn federation_status(kind: polder_federation::RouteKind, visibility: Visibility) -> u16 {
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
        // What was said of one that is deleted or gated since stays said.
        Kind::Body | Kind::Namespace | Kind::Repo => match visibility {
            Visibility::Public | Visibility::Gated | Visibility::Deleted => 200,
            Visibility::Private | Visibility::Missing => 404,
        },
        Kind::Refs | Kind::AdvertiseFetch | Kind::UploadPack | Kind::Proof => if is_public { 200 } else { 404 },
        Kind::Snapshot | Kind::SnapshotPart | Kind::Manifest | Kind::Ping | Kind::Unknown => 404,
        Kind::Extents | Kind::Downloads => 400,
        Kind::WrongMethod => 405,
    }
}

/// What the log says of a repository.
pub(crate) struct LoggedRepo {
    name: String,
    pub(crate) rid: String,
    nsid: String,
    refs: String,
    body: String,
}

impl LoggedRepo {
    /// The first event of the repository; one that never was in the log has ids that nothing has.
    pub(crate) fn read(hub: &Hub, name: &str) -> Self {
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
