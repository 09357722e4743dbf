//! Jobs of a CI that have no secret: what their issuer says of them is exchanged for a token of the hub.

use polder_tests::{Done, Hub, HubClient, Issuer, Response};
use serde_json::{Value, json};

use crate::Place;

/// The versions that know how to.
const VERSIONS: [&str; 3] = ["1.19.0", "1.33.0", "2.4.0"];
const EXCHANGE_GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A hub with `acme/m`, which trusts the jobs of `acme/ci`, and `acme/other`, which does not.
struct Trusting {
    place: Place,
    issuer: Issuer,
}

impl Trusting {
    fn new() -> Self {
        let (place, issuer) = (Place::new(), Issuer::start());
        place.hub.repo("acme/m");
        place.hub.repo("acme/other");
        let trusting = Self { place, issuer };
        trusting.trust(&["repo", "trust", "acme/m", "--user", "ada", "--claim", "repository=acme/ci"]);
        trusting
    }

    fn trust(&self, command: &[&str]) {
        let url = self.issuer.url();
        let whom = ["--issuer", &url, "--subject", "repo:acme/ci:*"];
        self.place.hub.cli(&[command, &whom].concat()).ok();
    }

    fn hub(&self) -> &Hub {
        &self.place.hub
    }

    fn endpoint(&self) -> String {
        self.hub().url("").trim_end_matches('/').to_owned()
    }

    fn id_token(&self) -> String {
        self.issuer.id_token(Issuer::SUBJECT, &self.endpoint())
    }

    /// A client in a job that was given an id token, as on GitLab.
    fn job(&self, version: &str, resource: &str) -> Option<HubClient> {
        let client = HubClient::of(version)?;
        Some(client.variable("HF_OIDC_RESOURCE", resource).variable("HF_OIDC_ID_TOKEN", self.id_token()))
    }

    fn hf(&self, client: &HubClient, args: &[&str]) -> Done {
        client.hf(&self.endpoint(), None, self.place.dir.path(), args)
    }

    fn exchange(&self, id_token: &str, resource: &str) -> Response {
        let body = json!({"grant_type": EXCHANGE_GRANT, "subject_token_type": ID_TOKEN, "subject_token": id_token, "resource": resource});
        let request = self.hub().http().post("/oauth/token", body.to_string());
        request.header("Content-Type", "application/json").send()
    }

    /// The text of a file on the hub.
    fn file(&self, path: &str) -> Response {
        self.hub().http().get(&format!("/{path}")).bearer(&self.place.ada.secret).send()
    }
}

#[test]
fn hf_upload_of_a_job_writes_to_its_repository_and_to_no_other() {
    let trusting = Trusting::new();
    for version in VERSIONS {
        let Some(client) = trusting.job(version, "acme/m") else { continue };
        std::fs::write(trusting.place.dir.path().join("file.txt"), version).unwrap();
        trusting.hf(&client, &["upload", "acme/m", "file.txt", version]).ok();
        assert_eq!(trusting.file(&format!("acme/m/resolve/main/{version}")).expect(200).text(), version);
        trusting.hf(&client, &["upload", "acme/other", "file.txt", version]).fails();
        trusting.hf(&client, &["upload", "acme/new", "file.txt", version]).fails();
        let other = trusting.job(version, "acme/other").unwrap();
        let said = trusting.hf(&other, &["upload", "acme/other", "file.txt", version]).fails();
        assert!(said.contains("invalid_grant"), "{said}");
    }
    trusting.file("acme/other/resolve/main/2.4.0").expect(404);
    trusting.file("acme/new/resolve/main/2.4.0").expect(404);
    let (log, id_token) = (trusting.hub().log(), trusting.id_token());
    // All of them begin with the same head, which is too long for a random name to hold it.
    let (head, _) = id_token.split_once('.').unwrap();
    assert!(!log.contains(head), "an id token is in the log: {log}");
}

#[test]
fn a_job_on_github_asks_for_its_id_token_itself_and_uploads_chunk_by_chunk() {
    let trusting = Trusting::new();
    for version in VERSIONS {
        let Some(client) = HubClient::of(version) else { continue };
        let client = client
            .variable("HF_OIDC_RESOURCE", "acme/m")
            .variable("GITHUB_ACTIONS", "true")
            .variable("ACTIONS_ID_TOKEN_REQUEST_URL", trusting.issuer.request_url())
            .variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", Issuer::REQUEST_TOKEN);
        let weights: Vec<u8> =
            (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let name = format!("{version}.bin");
        std::fs::write(trusting.place.dir.path().join(&name), &weights).unwrap();
        trusting.hf(&client, &["upload", "acme/m", &name]).ok();
        assert_eq!(trusting.file(&format!("acme/m/resolve/main/{name}")).expect(200).body, weights);
        let minted = trusting.issuer.minted();
        assert!(minted.last() == Some(&trusting.endpoint()), "for this hub: {minted:?}");
    }
}

#[test]
fn a_job_that_a_user_trusts_reads_what_they_may_and_writes_nothing() {
    let trusting = Trusting::new();
    let hub = trusting.hub();
    hub.cli(&["repo", "add", "acme/private", "--private"]).ok();
    hub.cli(&["repo", "gate", "acme/m", "manual"]).ok();
    trusting.trust(&["user", "trust", "ada"]);
    for version in VERSIONS {
        let Some(client) = trusting.job(version, "ada") else { continue };
        let file = trusting.place.dir.path().join("read.txt");
        std::fs::write(&file, version).unwrap();
        let with_token = HubClient::of(version).unwrap();
        for at in ["acme/private", "acme/m"] {
            let upload = ["upload", at, "read.txt"];
            with_token
                .hf(&trusting.endpoint(), Some(&trusting.place.ada), trusting.place.dir.path(), &upload)
                .ok();
            let to = format!("{version}-{}", at.replace('/', "-"));
            trusting.hf(&client, &["download", at, "read.txt", "--local-dir", &to]).ok();
            let read = std::fs::read_to_string(trusting.place.dir.path().join(to).join("read.txt")).unwrap();
            assert_eq!(read, version);
            std::fs::write(&file, "by the job").unwrap();
            trusting.hf(&client, &["upload", at, "read.txt"]).fails();
            assert_eq!(trusting.file(&format!("{at}/resolve/main/read.txt")).expect(200).text(), version);
            std::fs::write(&file, version).unwrap();
        }
    }
}

#[test]
fn the_answer_is_that_of_rfc_8693_and_a_refusal_tells_nothing() {
    let trusting = Trusting::new();
    let answer = trusting.exchange(&trusting.id_token(), "acme/m").expect(200);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let mut given = answer.json();
    let secret = given["access_token"].take();
    let secret = secret.as_str().unwrap();
    assert!(secret.starts_with("pld_"));
    let expected = json!({
        "access_token": null,
        "token_type": "bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "expires_in": 3600,
        "scope": "write",
    });
    assert_eq!(given, expected);
    let whoami = trusting.hub().http().get("/api/whoami-v2").bearer(secret).send().expect(200).json();
    assert_eq!(whoami["name"], "ada");
    // As a form, too, as RFC 8693 has it.
    let form = format!(
        "grant_type={EXCHANGE_GRANT}&subject_token_type={ID_TOKEN}&subject_token={}&resource=acme%2Fm",
        trusting.id_token()
    );
    trusting.hub().http().post("/oauth/token", form).send().expect(200);

    let stranger = trusting.issuer.id_token("repo:evil/ci:ref:refs/heads/main", &trusting.endpoint());
    let elsewhere = trusting.issuer.id_token(Issuer::SUBJECT, "https://other.example");
    let good = trusting.id_token();
    let refusals = [
        trusting.exchange(&stranger, "acme/m"),
        trusting.exchange(&elsewhere, "acme/m"),
        trusting.exchange(&good, "acme/other"),
        trusting.exchange(&good, "acme/nothing"),
        trusting.exchange(&good, "ada"),
        trusting.exchange("x", "acme/m"),
    ];
    let refusals = refusals.map(|answer| answer.expect(400).json());
    assert_eq!(refusals[0]["error"], "invalid_grant");
    assert!(refusals.iter().all(|one| *one == refusals[0]), "{refusals:?}");
    assert_eq!(trusting.exchange(&good, "a/b/c").expect(400).json()["error"], "invalid_target");
}

#[test]
fn the_operator_sees_whom_the_hub_trusts_and_ends_it() {
    let trusting = Trusting::new();
    trusting.trust(&["user", "trust", "ada"]);
    let list = |of: &[&str]| -> Vec<Value> {
        let said = trusting.hub().cli(&[of, &["--json"]].concat()).ok();
        serde_json::from_str(&said).unwrap()
    };
    let [of_repos, of_users] = [list(&["repo", "trusted"]), list(&["user", "trusted"])];
    assert_eq!((of_repos.len(), of_users.len()), (1, 1), "{of_repos:?} {of_users:?}");
    assert_eq!((&of_repos[0]["repo"], &of_users[0]["repo"]), (&json!("acme/m"), &Value::Null));
    assert_eq!((&of_repos[0]["user"], &of_repos[0]["subject"]), (&json!("ada"), &json!("repo:acme/ci:*")));
    assert_eq!(of_repos[0]["claims"], json!({"repository": "acme/ci"}));
    assert_eq!(list(&["repo", "trusted", "acme/other"]), Vec::<Value>::new());
    let shown = trusting.hub().cli(&["repo", "trusted", "acme/m"]).ok();
    assert!(shown.contains("writes to acme/m") && shown.contains("repository=acme/ci"), "{shown}");
    let url = trusting.issuer.url();
    let broad = ["repo", "trust", "acme/m", "--user", "ada", "--issuer", &url, "--subject", "repo:*"];
    let said = trusting.hub().cli(&broad).fails();
    assert!(said.contains("would trust too many"), "{said}");

    let given = trusting.exchange(&trusting.id_token(), "acme/m").expect(200).json();
    let secret = given["access_token"].as_str().unwrap();
    let whoami = || trusting.hub().http().get("/api/whoami-v2").bearer(secret).send();
    whoami().expect(200);
    let tokens = trusting.hub().cli(&["token", "list"]).ok();
    assert!(tokens.contains(&format!("{} {}", url.replace("http://", ""), Issuer::SUBJECT)), "{tokens}");
    let id = of_repos[0]["id"].as_str().unwrap();
    trusting.hub().cli(&["repo", "untrust", "acme/other", id]).fails();
    trusting.hub().cli(&["repo", "untrust", "acme/m", id]).ok();
    whoami().expect(401);
    trusting.exchange(&trusting.id_token(), "acme/m").expect(400);
    trusting.exchange(&trusting.id_token(), "ada").expect(200);
    let audit = trusting.hub().cli(&["audit"]).ok();
    for told in ["publisher.trust", "publisher.untrust", "nobody is trusted for this"] {
        assert!(audit.contains(told), "{told}: {audit}");
    }
}
