//! Tokens and signed links stay with whoever they were given to: wherever a client puts them, they are in
//! no log line, no stored byte and no error text.
#![cfg(test)]

use std::path::Path;

use polder_tests::{Hub, LargeObject, Response, Token, Work, pkt};

/// What must not be found, and where it was.
struct Search {
    secrets: Vec<String>,
}

impl Search {
    #[track_caller]
    fn through(&self, place: &str, text: &[u8]) {
        for secret in &self.secrets {
            let found = text.windows(secret.len()).position(|window| window == secret.as_bytes());
            if let Some(at) = found {
                let around = &text[at.saturating_sub(300)..(at + 20).min(text.len())];
                panic!("a secret is in {place}: …{}", String::from_utf8_lossy(around));
            }
        }
    }

    fn through_files(&self, dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.through_files(&path);
            } else if path.is_file() {
                self.through(&path.display().to_string(), &std::fs::read(&path).unwrap());
            }
        }
    }
}

/// A request with the token in every place of it, and its answer.
fn everywhere(hub: &Hub, token: &Token) -> Vec<Response> {
    let (user, secret) = (&token.user, &token.secret);
    let http = hub.http();
    let json = "application/vnd.git-lfs+json";
    let batch = |body: String| {
        let target = "/acme/closed.git/info/lfs/objects/batch";
        http.post(target, body).header("Content-Type", json).basic(user, secret).send()
    };
    let mut answers = vec![
        http.get(&format!("/acme/closed/resolve/main/a?token={secret}")).send(),
        http.get(&format!("/acme/closed.git/info/refs?service={secret}")).send(),
        http.get(&format!("/{secret}/closed.git/info/refs?service=git-upload-pack")).send(),
        http.get(&format!("/acme/{secret}/resolve/main/a")).bearer(secret).send(),
        http.get(&format!("/acme/closed/resolve/{secret}/a")).bearer(secret).send(),
        http.get(&format!("/acme/closed/resolve/main/{secret}")).bearer(secret).send(),
        http.get(&format!("/acme/closed/raw/main/{secret}/{secret}")).basic(user, secret).send(),
        http.get(&format!("/api/{secret}")).send(),
        http.get(&format!("/metrics?{secret}")).bearer(secret).send(),
        http.request(secret, "/acme/closed").send(),
        http.get("/acme/closed/resolve/main/a").basic(secret, "x-oauth-basic").send(),
        http.get("/acme/closed/resolve/main/a").basic(secret, "").send(),
        http.get("/acme/closed/resolve/main/a").header("Authorization", secret).send(),
        http.get("/acme/closed/resolve/main/a").header("Authorization", &format!("token {secret}")).send(),
        http.get("/acme/closed/resolve/main/a").bearer(&secret[..secret.len() - 1]).send(),
        batch(format!("{{\"operation\":\"{secret}\",\"objects\":[]}}")),
        batch(format!("{{\"operation\":\"download\",\"objects\":\"{secret}\"}}")),
        batch(format!("{{\"operation\":\"download\",\"objects\":[{{\"oid\":\"{secret}\",\"size\":1}}]}}")),
        http.post("/acme/closed.git/git-upload-pack", pkt(secret))
            .header("Content-Type", "application/x-git-upload-pack-request")
            .header("Git-Protocol", secret)
            .basic(user, secret)
            .send(),
    ];
    for header in
        ["X-Request-Id", "X-Amzn-Trace-Id", "User-Agent", "Cookie", "Referer", "X-Forwarded-For", "Range"]
    {
        answers.push(http.get("/acme/closed/resolve/main/a").header(header, secret).bearer(secret).send());
    }
    answers
}

#[test]
fn no_secret_is_in_a_log_a_file_or_an_error() {
    let mut hub = Hub::builder().config("[log]\nlevel = \"trace\"").start();
    let token = hub.acme();
    let revoked = hub.token("ada", "read");
    hub.cli(&["repo", "add", "acme/closed", "--private"]).ok();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    let url = hub.repo_url_as("acme/closed", &token);
    work.ok(&["push", "-q", &url, "main"]);
    work.ok(&["ls-remote", &url]);
    let object = LargeObject::random(1, 100_000);
    let link = |action: &str| object.action(hub.http(), "acme/closed", action, Some(&token));
    let upload = link("upload").expect("an upload");
    let verify = link("verify").expect("a way to verify");
    object.upload(hub.http(), "acme/closed", &token);
    let download = link("download").expect("a download");
    hub.http().get(&download).send().expect(200);
    let altered = download.replace("expires=", "expires=9");
    hub.http().get(&altered).send().expect(403);
    let mut answers = everywhere(&hub, &token);
    answers.extend(everywhere(
        &hub,
        &Token { secret: revoked.secret.replace("pld_", "pld_x"), ..revoked.clone() },
    ));
    let signature = |link: &str| link.split_once("sig=").expect("a signature").1.to_owned();
    let search = Search {
        secrets: vec![
            token.secret.clone(),
            token.secret[..token.secret.len() - 1].to_owned(),
            revoked.secret.clone(),
            revoked.secret.replace("pld_", "pld_x"),
            signature(&upload),
            signature(&verify),
            signature(&download),
        ],
    };
    assert!(answers.iter().any(|answer| answer.status == 200), "nothing was answered");
    for answer in &answers {
        search.through("an answer's body", &answer.body);
        search.through("an answer's headers", format!("{:?}", answer.headers).as_bytes());
    }
    search.through("the metrics", &hub.http().get("/metrics").send().expect(200).body);
    let log = hub.log();
    assert!(log.contains("DEBUG") && log.contains("/api/pld_…"), "{}", &log[..2000.min(log.len())]);
    search.through("the log", log.as_bytes());
    hub.stop();
    search.through_files(hub.data());
}
