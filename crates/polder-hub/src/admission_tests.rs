use super::*;

fn share(repo: i64, account: i64) -> Share {
    Share { repo: RepoId(repo), client: Some(Client::Account(AccountId(account))) }
}

fn admission(running_max: usize, limits: Limits) -> Admission {
    Admission::new("test", running_max, &limits)
}

fn limits() -> Limits {
    Limits {
        per_repository_max: 2,
        per_client_max: 2,
        queue_max: 8,
        // Whoever must not wait would hang the test.
        queue_wait: Duration::from_hours(1),
        ..Limits::default()
    }
}

impl Admission {
    fn is_empty(&self) -> bool {
        let state = self.0.state();
        state.running == 0 && state.waiting.is_empty() && state.holders.is_empty()
    }

    fn waiting(&self) -> usize {
        self.0.state().waiting.len()
    }
}

/// Lets every other task run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Tells `order` the name of who started, and keeps the place until told to go on.
fn arrive(
    admission: &Admission,
    share: Share,
    name: &'static str,
    order: &Arc<Mutex<Vec<&'static str>>>,
) -> tokio::task::JoinHandle<Place> {
    let (admission, order) = (admission.clone(), Arc::clone(order));
    tokio::spawn(async move {
        let place = admission.enter(share).await.expect("a place");
        order.lock().expect("unpoisoned").push(name);
        place
    })
}

#[tokio::test]
async fn a_client_at_its_limit_is_throttled_and_others_are_not_kept_waiting() {
    let admission = admission(10, Limits { queue_max: 0, ..limits() });
    let _first = admission.enter(share(1, 1)).await.expect("a place");
    let _second = admission.enter(share(2, 1)).await.expect("a place");
    let refused = admission.enter(share(3, 1)).await.err().expect("refused");
    assert_eq!(refused.kind(), Kind::Throttled);
    admission.enter(share(3, 2)).await.expect("a place for another");
}

#[tokio::test]
async fn a_repository_at_its_limit_is_busy_and_others_are_not() {
    let admission = admission(10, Limits { queue_max: 0, ..limits() });
    let _first = admission.enter(share(1, 1)).await.expect("a place");
    let _second = admission.enter(share(1, 2)).await.expect("a place");
    let refused = admission.enter(share(1, 3)).await.err().expect("refused");
    assert_eq!(refused.kind(), Kind::Unavailable);
    admission.enter(share(2, 3)).await.expect("a place in another");
}

#[tokio::test]
async fn the_one_who_holds_least_goes_first_then_the_one_who_came_first() {
    let admission = admission(2, limits());
    let order = Arc::default();
    let first = admission.enter(share(1, 1)).await.expect("a place");
    let second = admission.enter(share(2, 1)).await.expect("a place");
    let mut later = Vec::new();
    for (who, name) in [(share(3, 1), "greedy"), (share(4, 2), "early"), (share(5, 3), "late")] {
        later.push(arrive(&admission, who, name, &order));
        settle().await;
    }
    drop(first);
    settle().await;
    assert_eq!(*order.lock().expect("unpoisoned"), ["early"]);
    drop(second);
    settle().await;
    // "greedy" holds nothing any more, and has waited longer than "late".
    assert_eq!(*order.lock().expect("unpoisoned"), ["early", "greedy"]);
    drop(later.remove(0).await.expect("started"));
    settle().await;
    assert_eq!(*order.lock().expect("unpoisoned"), ["early", "greedy", "late"]);
}

#[tokio::test]
async fn one_client_cannot_fill_the_queue_and_a_full_queue_refuses_at_once() {
    let admission = admission(1, limits());
    let order = Arc::default();
    let running = admission.enter(share(1, 1)).await.expect("a place");
    // A quarter of eight.
    let mut tasks: Vec<_> = (2..4).map(|repo| arrive(&admission, share(repo, 1), "a", &order)).collect();
    settle().await;
    let refused = admission.enter(share(4, 1)).await.err().expect("refused");
    assert_eq!(refused.kind(), Kind::Throttled);
    tasks.extend((2..8).map(|account| arrive(&admission, share(10 + account, account), "b", &order)));
    settle().await;
    assert_eq!(admission.waiting(), 8);
    let refused = admission.enter(share(99, 99)).await.err().expect("refused");
    assert_eq!(refused.kind(), Kind::Unavailable);
    assert!(running.is_wanted());
    drop(running);
    for task in tasks {
        drop(task.await.expect("everyone who waited got a place"));
    }
    assert!(admission.is_empty());
}

#[tokio::test]
async fn who_waits_too_long_or_goes_away_leaves_nothing_behind() {
    let admission = admission(1, Limits { queue_wait: Duration::from_millis(20), ..limits() });
    let running = admission.enter(share(1, 1)).await.expect("a place");
    let refused = admission.enter(share(1, 2)).await.err().expect("too long");
    assert_eq!(refused.kind(), Kind::Unavailable);
    let waiting = tokio::spawn({
        let admission = admission.clone();
        async move { admission.enter(share(1, 2)).await.map(drop) }
    });
    settle().await;
    assert_eq!(admission.waiting(), 1);
    waiting.abort();
    settle().await;
    assert_eq!(admission.waiting(), 0);
    // Gone in the very moment in which its turn came.
    let waiting = tokio::spawn({
        let admission = admission.clone();
        async move { admission.enter(share(1, 2)).await.map(drop) }
    });
    settle().await;
    drop(running);
    waiting.abort();
    settle().await;
    assert!(admission.is_empty());
}

#[test]
fn an_ipv6_customer_is_one_client() {
    let at = |text: &str| Client::at(text.parse().expect("an address"));
    assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
    assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
}
