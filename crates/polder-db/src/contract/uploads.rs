use polder_types::{BlobId, PartId, RepoId, UnixMillis, UploadId};

use super::{Home, sha};
use crate::{Error, Limit, Upload, UploadPart, UploadState};

fn upload(home: &Home, repo: RepoId) -> Upload {
    let id = UploadId(home.db.next_id());
    Upload { id, repo, account: None, sha256: sha(1), size_bytes: 25, part_bytes: 10 }
}

fn part(number: i64, id: i64) -> UploadPart {
    UploadPart { number, id: PartId(id), size_bytes: 10 }
}

#[tokio::test]
async fn a_part_sent_again_takes_the_place_of_the_one_before() {
    let mut home = Home::open().await;
    let upload = upload(&home, home.repo("acme/a").await.id);
    let early = home.db.set_part(upload.id, part(1, 7)).await;
    assert!(matches!(early, Err(Error::NotFound { .. })), "{early:?}");
    for _ in 0..2 {
        assert_eq!(home.db.open_upload(upload.clone()).await.unwrap(), UploadState::Open);
    }
    assert_eq!(home.db.set_part(upload.id, part(2, 8)).await.unwrap(), None);
    assert_eq!(home.db.set_part(upload.id, part(1, 7)).await.unwrap(), None);
    assert_eq!(home.db.set_part(upload.id, part(2, 9)).await.unwrap(), Some(PartId(8)));
    home.reopen().await;
    assert_eq!(home.db.upload_parts(upload.id).await.unwrap(), [part(1, 7), part(2, 9)]);
    assert!(home.db.forget_upload(upload.id).await.unwrap());
    assert!(!home.db.forget_upload(upload.id).await.unwrap());
    assert_eq!(home.db.upload_parts(upload.id).await.unwrap(), []);
}

#[tokio::test]
async fn an_upload_lives_while_something_comes() {
    let home = Home::open().await;
    let upload = upload(&home, home.repo("acme/a").await.id);
    let since = |seconds: i64| home.now().plus_seconds(-seconds);
    assert_eq!(home.db.keep_upload(upload.id, since(900)).await.unwrap(), UploadState::Gone);
    home.db.open_upload(upload.clone()).await.unwrap();
    for _ in 0..3 {
        home.pass_seconds(800);
        assert_eq!(home.db.keep_upload(upload.id, since(900)).await.unwrap(), UploadState::Open);
    }
    home.pass_seconds(901);
    assert_eq!(home.db.keep_upload(upload.id, since(900)).await.unwrap(), UploadState::Gone);
    assert_eq!(home.db.idle_uploads(since(902), 9).await.unwrap(), []);
    assert_eq!(home.db.idle_uploads(since(900), 9).await.unwrap(), [upload.id]);
    assert!(home.db.is_upload_open(upload.id).await.unwrap());
    assert_eq!(home.db.set_part(upload.id, part(1, 7)).await.unwrap(), None, "a slow part still counts");
    assert_eq!(home.db.idle_uploads(since(900), 9).await.unwrap(), []);
}

#[tokio::test]
async fn uploads_go_with_their_repository() {
    let home = Home::open().await;
    let upload = upload(&home, home.repo("acme/a").await.id);
    home.db.open_upload(upload.clone()).await.unwrap();
    home.db.set_part(upload.id, part(1, 7)).await.unwrap();
    home.db.delete_repo(upload.repo, None).await.unwrap();
    assert!(!home.db.is_upload_open(upload.id).await.unwrap());
    assert_eq!(home.db.idle_uploads(UnixMillis(i64::MAX), 9).await.unwrap(), []);
    assert!(matches!(home.db.open_upload(upload).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn an_upload_that_begins_is_promised_its_bytes_until_it_ends() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    home.limit("acme", Limit::Bytes(49)).await;
    let (first, second) = (upload(&home, repo), upload(&home, repo));
    for _ in 0..2 {
        assert_eq!(home.db.open_upload(first.clone()).await.unwrap(), UploadState::Open);
        assert_eq!(home.used("acme").await, (0, 0, 25));
    }
    let over = home.db.open_upload(second.clone()).await;
    assert!(matches!(over, Err(Error::OverQuota { bytes_left: 24, .. })), "{over:?}");
    assert_eq!(home.db.keep_upload(second.id, UnixMillis(0)).await.unwrap(), UploadState::Gone);
    home.db.forget_upload(first.id).await.unwrap();
    assert_eq!(home.used("acme").await, (0, 0, 0));
    home.db.open_upload(second.clone()).await.unwrap();
    let spending = home.db.spending(Some(second.id.reservation()));
    spending.publish_blob(BlobId(home.db.next_id()), sha(1), 25, repo, None).await.unwrap();
    assert_eq!(home.used("acme").await, (25, 0, 0));
    home.db.forget_upload(second.id).await.unwrap();
    assert_eq!(home.used("acme").await, (25, 0, 0));
    home.numbers_are_right().await;
}
