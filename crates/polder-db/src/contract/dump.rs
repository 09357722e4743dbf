use polder_log::{SecretKey, VerifierKey};
use polder_types::{BlobId, Sha256};
use serde_json::Value;

use super::{Home, inline_pack, push_of, sha, update};
use crate::{
    Attest, AuditActor, AuditResult, DumpedTable, FollowRule, MirrorMode, NewAudit, NewPublisher, NewToken,
};

/// Every row, table after table.
async fn everything(home: &Home) -> Vec<(&'static str, Vec<Value>)> {
    let mut dump = home.db.dump().await.unwrap();
    let mut all = Vec::new();
    for table in DumpedTable::all() {
        dump.table(table);
        let mut rows = Vec::new();
        loop {
            let page = dump.next().await.unwrap();
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
        all.push((table.name, rows));
    }
    dump.close().await.unwrap();
    all
}

async fn load(home: &Home, all: &[(&'static str, Vec<Value>)]) {
    assert!(home.db.is_empty().await.unwrap());
    home.db.clear_for_load().await.unwrap();
    for (table, (name, rows)) in DumpedTable::all().zip(all) {
        assert_eq!(table.name, *name);
        home.db.load(table, rows).await.unwrap();
    }
    home.db.finish_load().await.unwrap();
}

async fn filled() -> Home {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let ada = home.user("ada").await;
    home.db
        .add_token(NewToken {
            account: ada,
            hash: Sha256::new([9; 32]),
            scope: polder_types::Role::Read,
            repos: Some(vec![repo.id]),
            expires: Some(home.now()),
            name: Some("a name".to_owned()),
        })
        .await
        .unwrap();
    let publisher = NewPublisher {
        repo: Some(repo.id),
        account: ada,
        issuer: "https://issuer.example".to_owned(),
        subject: "repo:acme/ci:*".to_owned(),
        claims: [("environment".to_owned(), "release".to_owned())].into(),
    };
    let publisher = home.db.add_publisher(publisher).await.unwrap();
    let token = NewToken {
        account: ada,
        hash: Sha256::new([8; 32]),
        scope: polder_types::Role::Write,
        repos: Some(vec![repo.id]),
        expires: Some(home.now()),
        name: None,
    };
    home.db.give_token(publisher, token).await.unwrap();
    home.db.publish_blob(BlobId(home.db.next_id()), sha(1), 10, repo.id, None).await.unwrap();
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1), update("refs/heads/模", 0, 1)]);
    push.pack = Some(inline_pack(&home.db, 7));
    home.push(push).await;
    let key = VerifierKey::new("hub.example.org", SecretKey::new(&[7; 32]).public()).unwrap();
    let log = home.db.open_log("hub.example.org/polder/1".parse().unwrap(), key, false).await.unwrap().id;
    let rule = FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full };
    home.db.set_upstream(log, "https://hub.example.org".to_owned(), vec![rule]).await.unwrap();
    home.db
        .put_attests(vec![Attest { log, by: log, size: 1, root: sha(1), contradicts: false }])
        .await
        .unwrap();
    // More than a page.
    for n in 0..600 {
        home.db.set_meta(&format!("name-{n:04}"), "a 'quoted' \"text\"\n").await.unwrap();
    }
    let entry = NewAudit {
        actor: AuditActor::Hub,
        account: None,
        token: None,
        address: None,
        action: "test",
        repo: None,
        repo_name: None,
        result: AuditResult::Ok,
        request: None,
        detail: serde_json::Map::new(),
    };
    home.db.record_audit(entry).await.unwrap();
    home
}

#[tokio::test]
async fn what_is_dumped_comes_back_whole_on_either_engine() {
    let home = filled().await;
    let all = everything(&home).await;
    assert!(all.iter().map(|(_, rows)| rows.len()).sum::<usize>() > 600);
    let mut others = vec![Home::open().await];
    if home.postgres.is_none()
        && let Some(postgres) = polder_cluster::Database::create()
    {
        others.push(Home::open_on(Some(postgres)).await);
    }
    for other in others {
        load(&other, &all).await;
        assert!(everything(&other).await == all);
        assert_eq!(other.db.check_usage(None, 100).await.unwrap().1, Vec::<String>::new());
        assert!(!other.db.is_empty().await.unwrap());
    }
}

#[tokio::test]
async fn a_dump_is_of_one_moment() {
    let home = filled().await;
    let before = everything(&home).await;
    let mut dump = home.db.dump().await.unwrap();
    home.user("late").await;
    let accounts = DumpedTable::all().find(|table| table.name == "account").unwrap();
    dump.table(accounts);
    let rows = dump.next().await.unwrap();
    dump.close().await.unwrap();
    let known = before.iter().find(|(name, _)| *name == "account").unwrap();
    assert_eq!(rows, known.1);
}
