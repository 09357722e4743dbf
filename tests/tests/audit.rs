//! Who did what stays on record: with the change itself, in a chain that shows when a line was altered,
//! dropped or moved.
#![cfg(test)]

use std::collections::BTreeMap;

use polder_tests::{Client, Hub, LargeObject, Token, Work, have, program, run, sha256_hex, until};
use serde_json::Value;

/// The lines of `polder audit export`, the signed one last.
fn export(hub: &Hub, args: &[&str]) -> Vec<String> {
    let lines = hub.cli(&[&["audit", "export"], args].concat()).ok();
    lines.lines().map(str::to_owned).collect()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The members of a line, without those that differ each time.
fn said(line: &Value) -> [&str; 5] {
    ["actor", "name", "action", "repo_name", "result"].map(|key| line[key].as_str().unwrap_or("-"))
}

type Tamper = Box<dyn Fn(&mut Vec<String>)>;

struct Place {
    hub: Hub,
    ada: Token,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let ada = hub.acme();
        hub.repo("acme/m");
        Self { hub, ada }
    }

    fn lines(&self) -> Vec<Value> {
        let lines = export(&self.hub, &[]);
        lines[..lines.len() - 1].iter().map(|line| json(line)).collect()
    }

    fn token_id(&self, token: &Token) -> String {
        let listed = json(&self.hub.cli(&["token", "list", "--user", &token.user, "--json"]).ok());
        listed[0]["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn every_change_and_every_refusal_has_who_what_where_and_how_it_went() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let Place { hub, ada } = &place;
    let bob = hub.user("bob", "write");
    let work = Work::with_lfs();
    work.write("weights.bin", &LargeObject::random(1, 50_000).bytes);
    work.commit("Add weights");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", ada), "main"]);
    let pushed = work.ok(&["rev-parse", "main"]);
    work.commit_file("README.md", b"words\n");
    work.run(&["push", &hub.repo_url_as("acme/m", &bob), "main"]).fails();
    work.run(&[
        "push",
        &hub.repo_url_as("acme/m", ada),
        "main~1:refs/heads/main",
        "HEAD~1:refs/heads/x/../y",
    ])
    .fails();
    // A ref that is not where the pusher thinks: refused inside the transaction, no row of a change.
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", ada), "main"]);
    let wrong = LargeObject::random(2, 1_000);
    let link = wrong.action(hub.http(), "acme/m", "upload", Some(ada)).unwrap();
    let put = hub.http().put(&link, vec![0; 1_000]).header("X-Request-Id", "upload-of-wrong-bytes");
    put.send().expect(422);
    let refs = "/acme/m.git/info/refs?service=git-upload-pack";
    hub.http().get(refs).basic("eve", "pld_nonsense").send().expect(401);
    let locks = "/acme/m.git/info/lfs/locks";
    let lock = hub.http().post(locks, r#"{"path":"weights.bin"}"#).bearer(&ada.secret);
    lock.header("Content-Type", "application/vnd.git-lfs+json").send().expect(201);
    hub.cli(&["repo", "protect", "acme/m", "main"]).ok();
    hub.cli(&["repo", "visibility", "acme/m", "private"]).ok();
    hub.cli(&["quota", "set", "acme", "1GB"]).ok();
    hub.cli(&["token", "revoke", &place.token_id(&bob)]).ok();
    hub.cli(&["repo", "delete", "acme/m"]).ok();

    let lines = place.lines();
    let all: Vec<[&str; 5]> = lines.iter().map(said).collect();
    for expected in [
        ["operator", "-", "user.add", "-", "ok"],
        ["operator", "-", "org.add", "-", "ok"],
        ["operator", "-", "token.add", "-", "ok"],
        ["operator", "-", "repo.add", "acme/m", "ok"],
        ["account", "ada", "lfs.upload", "acme/m", "ok"],
        ["account", "ada", "git.push", "acme/m", "ok"],
        ["account", "bob", "repo.write", "acme/m", "refused"],
        ["account", "ada", "lfs.upload", "acme/m", "refused"],
        ["anonymous", "-", "login", "-", "refused"],
        ["account", "ada", "lock.add", "acme/m", "ok"],
        ["operator", "-", "repo.protect", "acme/m", "ok"],
        ["operator", "-", "repo.visibility", "acme/m", "ok"],
        ["operator", "-", "quota.set", "-", "ok"],
        ["operator", "-", "token.revoke", "-", "ok"],
        ["operator", "-", "repo.delete", "acme/m", "ok"],
    ] {
        assert!(all.contains(&expected), "{expected:?} is not among {all:#?}");
    }
    let push = &lines[all.iter().position(|line| line[2] == "git.push").unwrap()];
    assert_eq!(push["detail"]["refs"][0][0], "refs/heads/main");
    assert_eq!(push["detail"]["refs"][0][2], pushed.as_str());
    assert_eq!(push["token"], place.token_id(ada).as_str());
    let request = push["request"].as_str().unwrap();
    assert!(hub.log().contains(&format!("id={request}")), "the request log knows {request}");
    let wrong_bytes = lines.iter().find(|line| line["request"] == "upload-of-wrong-bytes").expect("a line");
    assert_eq!((&wrong_bytes["token"], &wrong_bytes["name"]), (&push["token"], &"ada".into()));
    assert_eq!(wrong_bytes["address"], Value::Null, "addresses are kept only if the operator wants them");
    let places: Vec<i64> = lines.iter().map(|line| line["index"].as_i64().unwrap()).collect();
    assert_eq!(places, (1..=i64::try_from(lines.len()).unwrap()).collect::<Vec<_>>());
    let text = export(hub, &[]).join("\n");
    assert!(!text.contains("pld_"), "no token is in the log");

    the_listing_is_of_the_same_rows(hub, lines.len());
}

/// A deleted repository still has its own.
fn the_listing_is_of_the_same_rows(hub: &Hub, count: usize) {
    let list = |args: &[&str]| json(&hub.cli(&[&["audit", "--json"], args].concat()).ok());
    assert_eq!(list(&[]).as_array().unwrap().len(), count);
    let of_repo = list(&["--repo", "acme/m"]);
    assert!(of_repo.as_array().unwrap().iter().all(|row| row["repo"] == "acme/m"), "{of_repo}");
    let of_bob = list(&["--user", "bob"]);
    assert_eq!(of_bob.as_array().unwrap().len(), 1, "{of_bob}");
    assert_eq!(list(&["--since", "2020-01-01"]).as_array().unwrap().len(), count);
    assert_eq!(list(&["--since", "2090-01-01"]).as_array().unwrap().len(), 0);
    let table = hub.cli(&["audit", "--limit", "1"]).ok();
    assert!(table.contains("operator") && table.contains("repo.delete"), "{table}");
}

#[test]
fn a_line_that_was_altered_dropped_or_moved_is_noticed() {
    let place = Place::new();
    let hub = &place.hub;
    for name in ["a", "b", "c", "d"] {
        hub.repo(&format!("acme/{name}"));
    }
    let lines = export(hub, &[]);
    // Anyone can check it without this program: the hash is of the line before it, `prev` is in it.
    let mut prev = "0".repeat(64);
    for line in &lines[..lines.len() - 1] {
        let (hashed, _) = line.rsplit_once(",\"hash\":").unwrap();
        assert_eq!(json(line)["prev"], prev.as_str(), "{line}");
        prev = sha256_hex(hashed.as_bytes());
        assert_eq!(json(line)["hash"], prev.as_str(), "{line}");
    }
    let head = json(lines.last().unwrap());
    assert_eq!(head["hash"], prev.as_str());

    let file = hub.beside("audit.jsonl");
    let verify = |lines: &[String]| {
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        hub.cli(&["audit", "verify", file.to_str().unwrap()])
    };
    let whole = verify(&lines).ok();
    assert!(whole.contains(&prev) && whole.contains("whole"), "{whole}");
    let last = lines.len() - 1;
    let tampers: [(&str, Tamper); 8] = [
        ("altered", Box::new(|lines| lines[2] = lines[2].replace("operator", "hub"))),
        ("altered in its time", Box::new(|lines| lines[3] = lines[3].replacen('T', "t", 1))),
        ("dropped", Box::new(|lines| drop(lines.remove(3)))),
        ("moved", Box::new(|lines| lines.swap(2, 3))),
        ("doubled", Box::new(|lines| lines.insert(3, lines[2].clone()))),
        ("the last dropped", Box::new(move |lines| drop(lines.remove(last - 1)))),
        ("the end dropped", Box::new(move |lines| lines.truncate(last - 1))),
        (
            "the signed line altered",
            Box::new(move |lines| {
                lines.remove(last - 1);
                let before = json(&lines[last - 2]);
                let mut head = json(&lines[last - 1]);
                head["head"] = before["index"].clone();
                head["hash"] = before["hash"].clone();
                lines[last - 1] = head.to_string();
            }),
        ),
    ];
    for (what, tamper) in tampers {
        let mut tampered = lines.clone();
        tamper(&mut tampered);
        let said = verify(&tampered).fails();
        assert!(said.contains("the chain is broken"), "{what}: {said}");
    }
    // A part of it is checked from where it begins.
    let part = export(hub, &["--since", "4"]);
    assert_eq!((json(&part[0])["index"].as_i64(), part.len()), (Some(4), lines.len() - 3));
    verify(&part).ok();
    hub.cli(&["audit", "verify"]).ok();
}

#[test]
fn a_row_altered_in_the_database_is_noticed() {
    let mut place = Place::new();
    place.hub.cli(&["audit", "verify"]).ok();
    place.hub.stop();
    let sql = |sql: &str| {
        let script =
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()";
        let file = place.hub.data().join("polder.db");
        run(program("/usr/bin/python3").args(["-c", script]).arg(file).arg(sql)).ok();
    };
    let problem = |words: &str| {
        let said = place.hub.cli(&["audit", "verify"]).fails();
        assert!(said.contains("the chain is broken") && said.contains(words), "{said}");
    };
    sql("UPDATE audit SET account_name = 'eve' WHERE chain_index = 3");
    problem("line 3");
    sql("UPDATE audit SET account_name = NULL WHERE chain_index = 3");
    place.hub.cli(&["audit", "verify"]).ok();
    sql("UPDATE audit SET chain_index = -chain_index WHERE chain_index = 2");
    problem("line 3");
    sql("UPDATE audit SET chain_index = -chain_index WHERE chain_index = -2");
    sql("DELETE FROM audit WHERE chain_index = (SELECT MAX(chain_index) FROM audit)");
    problem("missing");
}

#[test]
fn a_flood_of_failed_logins_does_not_fill_the_log() {
    let hub = Hub::builder().config("[limits]\nfailed-logins-max = 1000").start();
    let ada = hub.acme();
    hub.repo("acme/m");
    let place = Place { hub, ada };
    let http = place.hub.http();
    for _ in 0..400 {
        http.get("/acme/m.git/info/refs?service=git-upload-pack")
            .basic("eve", "pld_wrong")
            .send()
            .expect(401);
    }
    let mut results: BTreeMap<String, usize> = BTreeMap::new();
    for line in place.lines() {
        *results.entry(line["action"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    // 120 a minute; the flood may have met the turn of one.
    assert!((120..=240).contains(&results["login"]), "{results:?}");
}

#[test]
fn rows_are_chained_while_the_hub_runs_and_addresses_are_kept_on_demand() {
    let hub = Hub::builder().config("[audit]\naddresses = true").start();
    let ada = hub.acme();
    hub.repo("ada/m");
    let work = Work::new();
    work.commit_file("README.md", b"words\n");
    work.ok(&["push", "-q", &hub.repo_url_as("ada/m", &ada), "main"]);
    until("the push to be chained", 60, || {
        let rows = json(&hub.cli(&["audit", "--json", "--user", "ada"]).ok());
        let push = rows.as_array()?.iter().find(|row| row["action"] == "git.push")?.clone();
        assert_eq!(push["address"], "127.0.0.1", "{push}");
        push["index"].is_i64().then_some(())
    });
}
