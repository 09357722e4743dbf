use polder_types::PackId;

use super::{Home, inline_pack, push_of, update};
use crate::{PushOutcome, RepoVersion};

#[tokio::test]
async fn packs_take_the_place_of_damaged_ones_unless_anything_has_changed() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let (first, second, new) = (inline_pack(&home.db, 1), inline_pack(&home.db, 2), inline_pack(&home.db, 3));
    let mut ids = Vec::new();
    for (n, pack) in [(1, first), (2, second)] {
        ids.push(pack.id);
        let mut push = push_of(&repo, vec![update(&format!("refs/heads/b{n}"), 0, n)]);
        push.pack = Some(pack);
        let outcome = home.db.commit_push(push).await.unwrap();
        assert!(matches!(outcome, PushOutcome::Done { changed: true, .. }));
    }
    assert!(home.db.damaged_pack_repos(None, 10).await.unwrap().is_empty());
    assert!(home.db.mark_damaged_pack(ids[0]).await.unwrap());
    assert_eq!(home.db.damaged_pack_repos(None, 10).await.unwrap(), [repo.id]);
    assert!(home.db.damaged_pack_repos(Some(repo.id), 10).await.unwrap().is_empty());
    let version = home.db.repo_version(repo.id).await.unwrap().unwrap();
    let before = home.db.load_repo_state(repo.id).await.unwrap().unwrap();
    assert_eq!(before.packs.iter().map(|pack| pack.damaged).collect::<Vec<_>>(), [true, false]);

    let replace = async |version, damaged: &[PackId]| {
        home.db.replace_packs(repo.id, version, damaged.to_vec(), vec![new.clone()]).await.unwrap()
    };
    let behind = RepoVersion { generation: version.generation - 1, ..version };
    let collected = RepoVersion { gc_epoch: version.gc_epoch - 1, ..version };
    assert!(!replace(behind, &ids[..1]).await);
    assert!(!replace(collected, &ids[..1]).await);
    assert!(!replace(version, &ids).await, "one of them is sound");
    assert_eq!(home.db.load_repo_state(repo.id).await.unwrap().unwrap(), before, "nothing is done");

    assert!(replace(version, &ids[..1]).await);
    let after = home.db.load_repo_state(repo.id).await.unwrap().unwrap();
    assert_eq!(after.refs, before.refs);
    assert_eq!(after.packs.iter().map(|pack| (pack.id, pack.damaged)).collect::<Vec<_>>(), {
        [(ids[1], false), (new.id, false)]
    });
    let now = home.db.repo_version(repo.id).await.unwrap().unwrap();
    assert_eq!((now.generation, now.gc_epoch), (version.generation, version.gc_epoch + 1));
    assert_eq!(home.db.damage().await.unwrap().packs, 0);
    assert_eq!(home.db.claim_jobs(&["sweep"], 10, 1).await.unwrap().len(), 1);
    assert_eq!(home.db.check_usage(None, 100).await.unwrap().1, Vec::<String>::new());
    assert!(!replace(version, &ids[..1]).await, "that was once");
}
