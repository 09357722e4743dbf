use super::*;
use polder_http::Target;

fn parse(method: &str, uri: &str) -> Option<Route> {
    let uri = uri.parse().expect("URI");
    Route::parse(&method.parse().expect("method"), &Url::parse(&uri).expect("UTF-8"))
}

fn read(uri: &str) -> (RouteKind, Target, String, String) {
    let Route { kind, at } = parse("GET", uri).expect(uri);
    (kind, at.place.target, at.revision, at.path)
}

#[test]
fn every_form_of_address_is_read() {
    use RouteKind::{FilePage, FolderPage, Raw, Resolve};
    for (uri, kind, repo, revision, path) in [
        ("/acme/m/resolve/main/config.json", Resolve, "acme/m", "main", "config.json"),
        ("/models/acme/m/resolve/main/a", Resolve, "acme/m", "main", "a"),
        ("/datasets/acme/d/raw/main/a/b/c", Raw, "datasets/acme/d", "main", "a/b/c"),
        ("/a/b/blob/refs%2Fpr%2F1/f", FilePage, "a/b", "refs/pr/1", "f"),
        ("/datasets/acme/d/tree/main", FolderPage, "datasets/acme/d", "main", ""),
        ("/a/b/tree/main/sub", FolderPage, "a/b", "main", "sub"),
        ("/spaces/a/b/resolve/dev%2Fx/f", Resolve, "spaces/a/b", "dev/x", "f"),
        ("/kernels/a/b/resolve/refs%2Fpr%2F1/f", Resolve, "kernels/a/b", "refs/pr/1", "f"),
        (
            "/a/b/resolve/main/dir%20with/fi%23le%25%C3%A9.txt?x=1",
            Resolve,
            "a/b",
            "main",
            "dir with/fi#le%é.txt",
        ),
        // The action word is found by its place, not by its first occurrence.
        ("/acme/resolve/resolve/resolve/resolve", Resolve, "acme/resolve", "resolve", "resolve"),
        ("/datasets/acme/raw/resolve/raw/resolve/raw", Resolve, "datasets/acme/raw", "raw", "resolve/raw"),
        ("/a/b/resolve/main/info/refs", Resolve, "a/b", "main", "info/refs"),
        ("/a/b/resolve/main/x//y/", Resolve, "a/b", "main", "x//y/"),
    ] {
        let name = Target::Name(repo.parse().expect(repo));
        assert_eq!(read(uri), (kind, name, revision.to_owned(), path.to_owned()), "{uri}");
    }
}

#[test]
fn names_that_cannot_exist_are_read_as_such() {
    for uri in [
        "/gpt2/resolve/main/f",
        "/datasets/squad/resolve/main/f",
        "/a/b.git/resolve/main/f",
        "/a%2Fb/resolve/main/f",
        "/a/..%2Fb/raw/main/f",
    ] {
        assert!(matches!(read(uri).1, Target::Impossible(_)), "{uri}");
    }
}

#[test]
fn other_addresses_are_not_ours() {
    for uri in [
        "/",
        "/a/b",
        "/a/b/resolve",
        "/a/b/resolve/main",
        "/a/b/resolve//f",
        "/a/b/blob/main",
        "/a/b/resolve%2Fmain/f",
        "/a/b/Resolve/main/f",
        "/x/a/b/resolve/main/f",
        "/resolve/main/f/g",
        "/a/b/info/refs",
        "/a/b/c?/resolve/main/f",
    ] {
        assert_eq!(parse("GET", uri), None, "{uri}");
    }
    let kind = |method, uri| parse(method, uri).map(|route| route.kind);
    assert_eq!(kind("PUT", "/a/b/resolve/main/f"), Some(RouteKind::WrongMethod));
    assert_eq!(kind("POST", "/a/b/raw/main/f"), Some(RouteKind::WrongMethod));
}

#[test]
fn a_query_cannot_change_what_a_path_needs() {
    for query in ["service=git-receive-pack", "sig=x&expires=9", "download=true", "access=open", "raw"] {
        let plain = parse("GET", "/a/b/resolve/main/f").expect("ours");
        let asked = parse("GET", &format!("/a/b/resolve/main/f?{query}")).expect("ours");
        assert_eq!((plain.kind, plain.access()), (asked.kind, asked.access()), "{query}");
        assert_eq!(asked.access(), Access::Read);
    }
}

#[test]
fn only_the_words_for_yes_ask_for_a_download() {
    let asks = |query: &str| parse("GET", &format!("/a/b/resolve/main/f{query}")).expect("ours").at.download;
    assert!(asks("?download=true") && asks("?download=1") && asks("?download"));
    assert!(!asks("") && !asks("?download=false") && !asks("?undownload=true"));
}

#[test]
fn every_request_about_discussions_is_read() {
    use RouteKind::*;
    for (method, path, kind, num, comment) in [
        ("GET", "?p=0", Discussions, "", ""),
        ("POST", "", OpenDiscussion, "", ""),
        ("GET", "/7?diff=1", Discussion, "7", ""),
        ("POST", "/7/comment", AddComment, "7", ""),
        ("POST", "/7/title", RenameDiscussion, "7", ""),
        ("POST", "/7/status", CloseDiscussion, "7", ""),
        ("POST", "/7/merge", MergePull, "7", ""),
        ("POST", "/7/comment/0f/edit", EditComment, "7", "0f"),
        ("POST", "/7/comment/0f/hide", HideComment, "7", "0f"),
        ("GET", "/7/title", WrongMethod, "7", ""),
    ] {
        let uri = format!("/api/datasets/acme/d/discussions{path}");
        let Route { kind: found, at } = parse(method, &uri).expect(&uri);
        assert_eq!((found, at.revision.as_str(), at.path.as_str()), (kind, num, comment), "{method} {uri}");
        assert_eq!(at.place.target, Target::Name("datasets/acme/d".parse().expect("a name")));
    }
}

#[test]
fn every_request_of_the_api_is_read() {
    use RouteKind::*;
    for (method, uri, kind, repo, revision, path) in [
        ("GET", "/api/models/acme/m", Info, "acme/m", "", ""),
        ("GET", "/api/datasets/acme/tree", Info, "datasets/acme/tree", "", ""),
        ("GET", "/api/models/acme/m/revision/refs%2Fpr%2F1", Revision, "acme/m", "refs/pr/1", ""),
        ("GET", "/api/kernels/acme/k/tree/main", Tree, "kernels/acme/k", "main", ""),
        ("GET", "/api/models/acme/m/tree/main/a%2Fb", Tree, "acme/m", "main", "a/b"),
        ("GET", "/api/models/acme/m/tree/main/a/b/", Tree, "acme/m", "main", "a/b"),
        ("GET", "/api/models/tree/tree/tree/tree", Tree, "tree/tree", "tree", ""),
        ("POST", "/api/spaces/acme/s/paths-info/main", PathsInfo, "spaces/acme/s", "main", ""),
        ("GET", "/api/models/acme/m/refs?include_prs=1", Refs, "acme/m", "", ""),
        ("GET", "/api/models/acme/m/commits/dev%2Fx", Commits, "acme/m", "dev/x", ""),
        ("GET", "/api/models/acme/m/auth-check", AuthCheck, "acme/m", "", ""),
        ("GET", "/api/models/acme/m/auth-check/write", AuthCheckWrite, "acme/m", "", ""),
        ("POST", "/api/models/acme/m/preupload/main?create_pr=1", Preupload, "acme/m", "main", ""),
        ("POST", "/api/models/acme/m/commit/main", Commit, "acme/m", "main", ""),
        ("POST", "/api/models/acme/m/branch/dev%2Fx", CreateBranch, "acme/m", "dev/x", ""),
        ("DELETE", "/api/models/acme/m/branch/dev%2Fx", DeleteBranch, "acme/m", "dev/x", ""),
        ("POST", "/api/models/acme/m/tag/main", CreateTag, "acme/m", "main", ""),
        ("DELETE", "/api/models/acme/m/tag/v1", DeleteTag, "acme/m", "v1", ""),
        ("POST", "/api/models/acme/m/super-squash/main", SuperSquash, "acme/m", "main", ""),
        ("GET", "/api/models/acme/m/xet-read-token/abc", XetReadToken, "acme/m", "abc", ""),
        ("GET", "/api/models/acme/m/xet-write-token/None?create_pr=1", XetWriteToken, "acme/m", "None", ""),
        (
            "GET",
            "/api/datasets/acme/d/xet-write-token/dev%2Fx",
            XetWriteToken,
            "datasets/acme/d",
            "dev/x",
            "",
        ),
        ("PUT", "/api/models/acme/m/settings", Settings, "acme/m", "", ""),
        ("GET", "/api/models/acme/m/likers", Likers, "acme/m", "", ""),
        ("POST", "/api/models/acme/m/like", Like, "acme/m", "", ""),
        ("DELETE", "/api/models/acme/m/like", Unlike, "acme/m", "", ""),
        ("PATCH", "/api/models/acme/m/tag/v1", WrongMethod, "acme/m", "v1", ""),
        ("DELETE", "/api/models/acme/m", WrongMethod, "acme/m", "", ""),
    ] {
        let Route { kind: found, at } = parse(method, uri).expect(uri);
        let name = Target::Name(repo.parse().expect(repo));
        assert_eq!(
            (found, at.place.target, at.revision.as_str(), at.path.as_str()),
            (kind, name, revision, path),
            "{method} {uri}"
        );
    }
    for (method, uri, kind) in [
        ("GET", "/api/whoami-v2", Whoami),
        ("GET", "/api/agent-harnesses", AgentHarnesses),
        ("HEAD", "/api/telemetry/datasets/load", Telemetry),
        ("POST", "/api/validate-yaml", ValidateYaml),
        ("POST", "/api/repos/create", CreateRepo),
        ("DELETE", "/api/repos/delete", DeleteRepo),
        ("POST", "/api/repos/move", MoveRepo),
        ("GET", "/api/repos/create", WrongMethod),
        ("GET", "/api/models", Models),
        ("GET", "/api/datasets?search=x", Datasets),
        ("GET", "/api/spaces", Spaces),
        ("GET", "/api/kernels", Kernels),
        ("GET", "/api/users/ada/overview", UserOverview),
        ("GET", "/api/users/ada/likes", UserLikes),
        ("GET", "/api/organizations/acme/overview", OrgOverview),
        ("GET", "/api/organizations/acme/members", OrgMembers),
    ] {
        assert_eq!(parse(method, uri).expect(uri).kind, kind, "{method} {uri}");
    }
}

#[test]
fn an_id_of_one_segment_is_a_repository_that_cannot_exist() {
    for uri in ["/api/models/gpt2/tree/main", "/api/models/gpt2/revision/main", "/api/datasets/squad"] {
        assert!(matches!(read(uri).1, Target::Impossible(_)), "{uri}");
    }
}

#[test]
fn other_addresses_below_api_are_not_ours() {
    for uri in [
        "/api",
        "/api/",
        "/api/version",
        "/api/models/acme/m/unknown/main",
        "/api/planets/a/b",
        "/api/models/",
    ] {
        assert_eq!(parse("GET", uri), None, "{uri}");
    }
}
