//! Downloads from a mirror are counted there and told to the repository's home.
#![cfg(test)]

use polder_log::{DownloadCounts, SecretKey, sign_counts};
use polder_tests::{Hub, LargeObject, Shared, Work, until};
use polder_types::Sha256;
use serde_json::Value;

struct Place {
    home: Hub,
    mirror: Hub,
    shared: Shared,
    namespace: String,
    work: Work,
}

impl Place {
    /// A home with `acme/m` and `acme/n`, and a mirror of both that keeps its rows where this test can make time pass.
    fn new() -> Option<Self> {
        let shared = Shared::create()?;
        let (home, mirror) = (Hub::start(), shared.node().start());
        let token = home.acme();
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        for repo in ["acme/m", "acme/n"] {
            home.repo(repo);
            work.ok(&["push", "-q", &home.repo_url_as(repo, &token), "main"]);
        }
        until("the mirror to have a name", 60, || about(&mirror));
        mirror.cli(&["follow", &format!("http://{}", home.address())]).ok();
        let namespace = format!("acme.{}", home.address().to_string().replace(':', "_"));
        let place = Self { home, mirror, shared, namespace, work };
        for name in ["m", "n"] {
            let url = place.mirror.repo_url(&format!("{}/{name}", place.namespace));
            until("the mirror", 30, || {
                place.work.run(&["ls-remote", "--exit-code", &url]).success().then_some(())
            });
        }
        Some(place)
    }

    fn clone(&self, hub: &Hub, repo: &str, times: usize) {
        for _ in 0..times {
            let dir = tempfile::tempdir().unwrap();
            let to = dir.path().join("clone");
            self.work.ok(&["clone", "-q", &hub.repo_url(repo), to.to_str().unwrap()]);
        }
    }

    /// Waits until the mirror has written that it counted so many in all.
    fn counted(&self, times: &str) {
        let sum = "SELECT COALESCE(SUM(times), 0) FROM download";
        until("the downloads to be written", 60, || {
            (self.shared.database().sql(sum).trim() == times).then_some(())
        });
    }

    /// What the mirror counted was yesterday.
    fn tomorrow(&self) {
        self.shared.database().sql("UPDATE download SET day = day - 1");
    }

    fn today(&self) -> u64 {
        let day = self.shared.database().sql("SELECT MAX(day) + 1 FROM download");
        day.trim().parse().unwrap()
    }

    fn rid(&self) -> String {
        let rid = "SELECT encode(r.rid, 'hex') FROM repo r WHERE r.name = 'm'";
        self.shared.database().sql(rid).trim().to_owned()
    }

    fn shown(&self, repo: &str) -> String {
        self.home.cli(&["repo", "downloads", repo]).ok()
    }
}

fn about(hub: &Hub) -> Option<Value> {
    let answer = hub.http().get("/.well-known/polder").send();
    (answer.status == 200).then(|| answer.json())
}

#[test]
fn downloads_from_a_mirror_are_told_to_the_home() {
    let Some(place) = Place::new() else { return };
    let at = |name: &str| format!("{}/{name}", place.namespace);
    place.clone(&place.mirror, &at("m"), 4);
    place.clone(&place.mirror, &at("n"), 4);
    // A file by its path is one, and neither a look at it nor a listing is.
    let file = format!("/{}/resolve/main/README.md", at("m"));
    place.mirror.http().get(&file).send().expect(200);
    place.mirror.http().head(&file).send().expect(200);
    place.work.ok(&["ls-remote", &place.mirror.repo_url(&at("m"))]);
    place.counted("9");
    assert!(place.mirror.cli(&["repo", "downloads", &at("m")]).ok().contains("5 downloads here"));
    // What other hubs fetch is no download.
    assert!(place.shown("acme/m").contains("0 downloads here"), "{}", place.shown("acme/m"));
    place.clone(&place.home, "acme/m", 1);

    place.tomorrow();
    let origin = place.mirror.address().to_string().replace(':', "_");
    let told = format!("5 from {origin}");
    until("the home to be told", 100, || place.shown("acme/m").contains(&told).then_some(()));
    assert!(place.shown("acme/m").contains("1 download here"), "{}", place.shown("acme/m"));
    assert!(!place.shown("acme/n").contains(&origin), "four are too few: {}", place.shown("acme/n"));

    // In its name nobody else can say anything.
    let rid = place.rid().parse::<Sha256>().unwrap();
    let home = about(&place.home).unwrap();
    let counts = DownloadCounts {
        from: origin.parse().unwrap(),
        home: home["origin"].as_str().unwrap().parse().unwrap(),
        day: place.today() - 2,
        rows: vec![(rid, 1_000)],
    };
    let forged = sign_counts(counts.encode(), &SecretKey::new(&[66; 32]));
    let answer = place.home.http().post("/polder/v1/downloads", forged).send();
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("has not signed"), "{}", answer.text());
    assert!(place.shown("acme/m").contains(&told));
}

#[test]
fn a_batch_of_large_objects_and_a_file_by_its_path_are_one_download_each() {
    let hub = Hub::start();
    let (token, work) = (hub.acme(), Work::new());
    hub.repo("acme/m");
    let objects = [1, 2].map(|seed| LargeObject::random(seed, 10_000));
    work.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n");
    for (n, object) in objects.iter().enumerate() {
        object.upload(hub.http(), "acme/m", &token);
        work.write(&format!("{n}.bin"), object.pointer().as_bytes());
    }
    work.commit("weights");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
    let counted = |what: &str, times: &str| {
        let shown = hub.cli(&["repo", "downloads", "acme/m"]).ok();
        assert!(shown.contains(times), "{what}: {shown}");
    };
    counted("uploads", "0 downloads here");
    let href = objects[0].action(hub.http(), "acme/m", "download", None).expect("it can be had");
    for _ in 0..2 {
        hub.http().get(&href).send().expect(200);
    }
    counted("one object, twice", "1 download here");
    let all = objects.each_ref().map(|o| serde_json::json!({ "oid": o.oid, "size": o.bytes.len() }));
    let request = serde_json::json!({ "operation": "download", "transfers": ["basic"], "objects": all });
    let json = "application/vnd.git-lfs+json";
    let batch = hub.http().post("/acme/m.git/info/lfs/objects/batch", request.to_string());
    batch.header("Accept", json).header("Content-Type", json).send().expect(200);
    counted("a batch of two", "2 downloads here");
    let file = |range: &str| {
        let request = hub.http().get("/acme/m/resolve/main/0.bin");
        if range.is_empty() { request.send() } else { request.header("Range", range).send() }
    };
    file("").expect(200);
    counted("a file", "3 downloads here");
    file("bytes=0-99").expect(206);
    file("bytes=100-").expect(206);
    counted("a file in two parts", "4 downloads here");
    hub.http().head("/acme/m/resolve/main/0.bin").send().expect(200);
    hub.http().get("/acme/m/resolve/main/none.bin").send().expect(404);
    file("bytes=20000-").expect(416);
    counted("a look, and what there is not", "4 downloads here");
}
