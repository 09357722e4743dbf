use polder_types::UnixMillis;

use super::Home;
use crate::NewJob;

fn sweep(due: UnixMillis) -> NewJob {
    NewJob { kind: "sweep".to_owned(), dedup: "sweep".to_owned(), payload: "{}".to_owned(), due }
}

#[tokio::test]
async fn a_job_is_queued_once_and_claimed_once() {
    let home = Home::open().await;
    assert!(home.db.enqueue_job(sweep(home.now())).await.unwrap());
    assert!(!home.db.enqueue_job(sweep(home.now())).await.unwrap());
    assert_eq!(home.db.claim_jobs(&["other"], 60, 10).await.unwrap(), vec![]);
    assert_eq!(home.db.claim_jobs(&[], 60, 10).await.unwrap(), vec![]);
    let claims = futures(&home, 8).await;
    assert_eq!(claims.iter().map(Vec::len).sum::<usize>(), 1);
    let job = claims.into_iter().flatten().next().unwrap();
    assert_eq!((job.kind.as_str(), job.attempt), ("sweep", 1));
    assert!(home.db.finish_job(&job).await.unwrap());
    assert!(!home.db.finish_job(&job).await.unwrap());
    assert!(home.db.enqueue_job(sweep(home.now())).await.unwrap());
}

async fn futures(home: &Home, count: usize) -> Vec<Vec<crate::Job>> {
    let claim = |db: crate::Db| async move { db.claim_jobs(&["sweep"], 60, 10).await.unwrap() };
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(claim(home.db.clone()))).collect();
    let mut claims = Vec::new();
    for task in tasks {
        claims.push(task.await.unwrap());
    }
    claims
}

#[tokio::test]
async fn a_lapsed_lease_goes_to_another_attempt_and_fences_the_first() {
    let mut home = Home::open().await;
    home.db.enqueue_job(sweep(home.now())).await.unwrap();
    let first = home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().remove(0);
    home.pass_seconds(59);
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap(), vec![]);
    home.pass_seconds(1);
    home.reopen().await;
    let second = home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().remove(0);
    assert_eq!((second.id, second.attempt), (first.id, 2));
    assert!(!home.db.finish_job(&first).await.unwrap());
    assert!(!home.db.fail_job(&first, "late", home.now()).await.unwrap());
    assert!(home.db.finish_job(&second).await.unwrap());
}

#[tokio::test]
async fn a_failed_job_waits_for_its_next_try() {
    let home = Home::open().await;
    home.db.enqueue_job(sweep(home.now().plus_seconds(5))).await.unwrap();
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap(), vec![]);
    home.pass_seconds(5);
    let job = home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().remove(0);
    assert!(home.db.fail_job(&job, "disk on fire", home.now().plus_seconds(30)).await.unwrap());
    home.pass_seconds(29);
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap(), vec![]);
    home.pass_seconds(1);
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap()[0].attempt, 2);
}

#[tokio::test]
async fn work_asked_for_while_it_runs_runs_once_more() {
    let home = Home::open().await;
    home.db.enqueue_job(sweep(home.now())).await.unwrap();
    let job = home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().remove(0);
    assert!(home.db.enqueue_job(sweep(home.now())).await.unwrap());
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap(), vec![]);
    assert!(home.db.finish_job(&job).await.unwrap());
    let again = home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().remove(0);
    assert!(home.db.finish_job(&again).await.unwrap());
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap(), vec![]);
}
