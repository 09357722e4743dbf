use polder_types::{AccountId, DiscussionEventId, RepoId};

use super::{Home, oid, push_of, update};
use crate::{
    DISCUSSION_EVENTS_MAX, Discussion, DiscussionAt, DiscussionEvent, DiscussionFilter, DiscussionStatus,
    EventAt, Happened, NewDiscussion, Proposal, ProposedCommit, Pull, Push, PushOutcome, Repo, Talked,
};

fn new(repo: RepoId, author: AccountId, title: &str) -> NewDiscussion {
    NewDiscussion { repo, author, title: title.to_owned(), text: format!("about {title}") }
}

fn done<T: std::fmt::Debug>(talked: Talked<T>) -> T {
    match talked {
        Talked::Done(value) => value,
        other => panic!("{other:?}"),
    }
}

/// The push that opens a pull request for `main`, which is at 1.
pub(super) fn opening(repo: &Repo, num: i64, author: AccountId, head: u8) -> Push {
    let pull = Pull { base: "refs/heads/main".to_owned(), base_oid: oid(1), merge_oid: None };
    let name = format!("refs/pr/{num}");
    let proposal = Proposal::Open { num, new: new(repo.id, author, "change"), pull };
    Push { atomic: true, proposal: Some(proposal), ..push_of(repo, vec![update(&name, 0, head)]) }
}

pub(super) fn merging(repo: &Repo, num: i64, author: AccountId, head: u8) -> Push {
    let (base_oid, merge_oid) = (oid(1), oid(9));
    let comment = Some("thanks".to_owned());
    let proposal = Proposal::Merge { num, author, head: oid(head), base_oid, merge_oid, comment };
    Push { atomic: true, proposal: Some(proposal), ..push_of(repo, vec![update("refs/heads/main", 1, 9)]) }
}

impl Home {
    async fn discuss(&self, repo: RepoId, author: AccountId, title: &str) -> DiscussionAt {
        let num = done(self.db.add_discussion(new(repo, author, title)).await.unwrap());
        DiscussionAt { repo, num }
    }

    async fn told(&self, at: DiscussionAt) -> Vec<String> {
        let shown = |event: DiscussionEvent| match event.what {
            Happened::Comment { text, edited, hidden, history } => {
                let history: Vec<String> = history.into_iter().map(|(text, _)| text).collect();
                let marks = [edited.map(|_| " edited"), hidden.then_some(" hidden")];
                let marks: String = marks.into_iter().flatten().collect();
                format!("{}: {text}{marks} {history:?}", event.author_name)
            }
            Happened::Status(status) => format!("{}: -> {}", event.author_name, status.as_str()),
            Happened::Commit { oid, subject } => {
                format!("{}: {} {subject}", event.author_name, &oid.to_string()[..2])
            }
            Happened::Title { from, to } => format!("{}: {from} -> {to}", event.author_name),
        };
        self.db.discussion_events(at).await.unwrap().into_iter().map(shown).collect()
    }

    async fn standing(&self, at: DiscussionAt) -> Discussion {
        self.db.discussion(at).await.unwrap().expect("there")
    }

    async fn nums(&self, repo: RepoId, filter: &DiscussionFilter, skip: i64, limit: i64) -> (Vec<i64>, i64) {
        let (page, count) = self.db.discussions(repo, filter, skip, limit).await.unwrap();
        (page.into_iter().map(|discussion| discussion.num).collect(), count)
    }
}

#[tokio::test]
async fn numbers_count_from_1_in_each_repository_and_pull_requests_share_them() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await, home.repo("acme/b").await);
    let ann = home.user("ann").await;
    assert_eq!(home.db.next_discussion(a.id).await.unwrap(), 1);
    assert_eq!(home.discuss(a.id, ann, "one").await.num, 1);
    assert_eq!(home.discuss(a.id, ann, "two").await.num, 2);
    assert_eq!(home.discuss(b.id, ann, "other").await.num, 1);
    home.push(push_of(&a, vec![update("refs/heads/main", 0, 1)])).await;
    // Somebody else has number 2: nothing happens, neither the ref nor the row.
    assert_eq!(home.push(opening(&a, 2, ann, 1)).await, PushOutcome::ProposalRaced);
    assert!(matches!(home.push(opening(&a, 3, ann, 1)).await, PushOutcome::Done { changed: true, .. }));
    assert_eq!(home.discuss(a.id, ann, "four").await.num, 4);
    let pull = home.standing(DiscussionAt { repo: a.id, num: 3 }).await;
    assert_eq!((pull.status, pull.title.as_str()), (DiscussionStatus::Draft, "change"));
    assert_eq!(pull.pull.map(|pull| (pull.base_oid, pull.merge_oid)), Some((oid(1), None)));
    assert_eq!(home.told(DiscussionAt { repo: a.id, num: 3 }).await, ["ann: about change []"]);
}

#[tokio::test]
async fn what_is_said_and_changed_is_told_in_its_order() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    let at = home.discuss(repo, ann, "bug").await;
    let said = done(home.db.add_comment(at, bob, "me too".to_owned()).await.unwrap());
    let comment = EventAt { discussion: at, id: said.id };
    for text in ["me as well", "me also"] {
        home.pass_seconds(1);
        let edited = done(home.db.edit_comment(comment, text.to_owned()).await.unwrap());
        assert_eq!(edited.id, said.id);
        let Happened::Comment { text: now, history, .. } = &edited.what else { panic!("{edited:?}") };
        assert_eq!((now.as_str(), history[0].0.as_str()), (text, "me too"));
    }
    done(home.db.rename_discussion(at, ann, "bad bug".to_owned()).await.unwrap());
    let closed = DiscussionStatus::Closed;
    done(home.db.set_discussion_status(at, bob, closed, Some("fixed".to_owned())).await.unwrap());
    let expected = [
        "ann: about bug []",
        "bob: me also edited [\"me too\", \"me as well\"]",
        "ann: bug -> bad bug",
        "bob: fixed []",
        "bob: -> closed",
    ];
    assert_eq!(home.told(at).await, expected);
    let now = home.standing(at).await;
    assert_eq!((now.title.as_str(), now.status, now.events), ("bad bug", closed, 7));

    // Hidden for good: neither the text nor what it was before is anywhere.
    done(home.db.hide_comment(comment).await.unwrap());
    assert_eq!(home.told(at).await[1], "bob:  edited hidden []");
    let edited = home.db.edit_comment(comment, "again".to_owned()).await.unwrap();
    assert_eq!(edited, Talked::Hidden);
}

#[tokio::test]
async fn a_comment_is_found_in_its_discussion_only() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let ann = home.user("ann").await;
    let (one, two) = (home.discuss(repo, ann, "one").await, home.discuss(repo, ann, "two").await);
    let said = done(home.db.add_comment(one, ann, "x".to_owned()).await.unwrap());
    let elsewhere = EventAt { discussion: two, id: said.id };
    assert_eq!(home.db.edit_comment(elsewhere, "y".to_owned()).await.unwrap(), Talked::Unknown);
    assert_eq!(home.db.hide_comment(elsewhere).await.unwrap(), Talked::Unknown);
    assert_eq!(home.db.discussion_event(elsewhere).await.unwrap(), None);
    // What is no comment is neither edited nor hidden.
    let title = done(home.db.rename_discussion(one, ann, "uno".to_owned()).await.unwrap());
    let title = EventAt { discussion: one, id: title.id };
    assert_eq!(home.db.edit_comment(title, "y".to_owned()).await.unwrap(), Talked::Unknown);
    assert_eq!(home.db.hide_comment(title).await.unwrap(), Talked::Unknown);
    let missing = DiscussionAt { repo, num: 9 };
    assert_eq!(home.db.add_comment(missing, ann, "x".to_owned()).await.unwrap(), Talked::Unknown);
    assert_eq!(home.db.rename_discussion(missing, ann, "x".to_owned()).await.unwrap(), Talked::Unknown);
    let nothing = EventAt { discussion: one, id: DiscussionEventId(7) };
    assert_eq!(home.db.hide_comment(nothing).await.unwrap(), Talked::Unknown);
}

#[tokio::test]
async fn discussions_are_listed_in_pages_by_kind_status_and_author() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let (ann, bob) = (home.user("Ann").await, home.user("bob").await);
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    for (num, author) in [(1, ann), (2, bob), (3, ann)] {
        assert_eq!(home.discuss(repo.id, author, "x").await.num, num);
    }
    home.push(opening(&repo, 4, bob, 1)).await;
    let closed = DiscussionStatus::Closed;
    let first = DiscussionAt { repo: repo.id, num: 1 };
    done(home.db.set_discussion_status(first, ann, closed, None).await.unwrap());
    let all = DiscussionFilter::default();
    let status = |word: &str| DiscussionFilter { status: Some(word.to_owned()), ..all.clone() };
    let of = |fold: &str| DiscussionFilter { author_fold: Some(fold.to_owned()), ..all.clone() };
    let kind = |is_pull| DiscussionFilter { is_pull_request: Some(is_pull), ..all.clone() };
    assert_eq!(home.nums(repo.id, &all, 0, 3).await, (vec![4, 3, 2], 4));
    assert_eq!(home.nums(repo.id, &all, 3, 3).await, (vec![1], 4));
    assert_eq!(home.nums(repo.id, &all, 9, 3).await, (vec![], 4));
    assert_eq!(home.nums(repo.id, &status("open"), 0, 9).await, (vec![4, 3, 2], 3));
    assert_eq!(home.nums(repo.id, &status("closed"), 0, 9).await, (vec![1], 1));
    assert_eq!(home.nums(repo.id, &status("draft"), 0, 9).await, (vec![4], 1));
    assert_eq!(home.nums(repo.id, &of("ann"), 0, 9).await, (vec![3, 1], 2));
    assert_eq!(home.nums(repo.id, &kind(true), 0, 9).await, (vec![4], 1));
    assert_eq!(home.nums(repo.id, &kind(false), 0, 9).await, (vec![3, 2, 1], 3));
}

#[tokio::test]
async fn a_discussion_takes_as_many_events_as_it_may_have() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let ann = home.user("ann").await;
    let at = home.discuss(repo, ann, "x").await;
    let mut taken = 1;
    while let Talked::Done(_) = home.db.add_comment(at, ann, "x".to_owned()).await.unwrap() {
        taken += 1;
    }
    assert_eq!(taken, DISCUSSION_EVENTS_MAX);
    let full = home.db.add_comment(at, ann, "x".to_owned()).await.unwrap();
    assert_eq!(full, Talked::TooMany);
    assert_eq!(home.db.rename_discussion(at, ann, "y".to_owned()).await.unwrap(), Talked::TooMany);
    assert_eq!(home.standing(at).await.title, "x", "what is refused changes nothing");
}

#[tokio::test]
async fn a_merge_is_one_with_its_branch_and_happens_once() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    home.push(opening(&repo, 1, ann, 1)).await;
    let at = DiscussionAt { repo: repo.id, num: 1 };
    let commit = |num, n, subject: &str| ProposedCommit { num, oid: oid(n), subject: subject.to_owned() };
    let proposed = vec![commit(1, 2, "Fix it"), commit(1, 3, "Fix it well"), commit(2, 3, "other")];
    let actor = Some(ann);
    let more = Push { actor, proposed, ..push_of(&repo, vec![update("refs/pr/1", 1, 3)]) };
    home.push(more.clone()).await;
    let told = ["ann: about change []", "ann: 02 Fix it", "ann: 03 Fix it well"];
    assert_eq!(home.told(at).await, told);
    // A push that does not happen leaves no event.
    home.push(more).await;
    assert_eq!(home.told(at).await, told);

    // Its ref moved since the merge was made: look again.
    assert_eq!(home.push(merging(&repo, 1, bob, 2)).await, PushOutcome::ProposalRaced);
    assert!(home.standing(at).await.status.is_open());
    assert!(matches!(home.push(merging(&repo, 1, bob, 3)).await, PushOutcome::Done { changed: true, .. }));
    let merged = home.standing(at).await;
    assert_eq!(merged.status, DiscussionStatus::Merged);
    assert_eq!(merged.pull.and_then(|pull| pull.merge_oid), Some(oid(9)));
    assert_eq!(home.told(at).await[3..], ["bob: thanks []", "bob: -> merged"]);

    assert_eq!(home.push(merging(&repo, 1, bob, 3)).await, PushOutcome::ProposalRaced);
    let reopened = home.db.set_discussion_status(at, bob, DiscussionStatus::Open, None).await.unwrap();
    assert_eq!(reopened, Talked::Merged);
}

#[tokio::test]
async fn a_merge_whose_branch_moved_is_none() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let ann = home.user("ann").await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    home.push(opening(&repo, 1, ann, 2)).await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 1, 5)])).await;
    assert!(matches!(home.push(merging(&repo, 1, ann, 2)).await, PushOutcome::Done { changed: false, .. }));
    let at = DiscussionAt { repo: repo.id, num: 1 };
    assert!(home.standing(at).await.status.is_open());
    assert_eq!(home.told(at).await, ["ann: about change []"]);
}

#[tokio::test]
async fn discussions_go_with_their_repository_and_stay_through_a_rename() {
    let home = Home::open().await;
    let (repo, other) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let ann = home.user("ann").await;
    let at = home.discuss(repo, ann, "x").await;
    let kept = home.discuss(other, ann, "y").await;
    let name = "acme/c".parse().unwrap();
    home.db.rename_repo(repo, name, None).await.unwrap();
    assert_eq!(home.told(at).await, ["ann: about x []"]);
    home.db.delete_repo(repo, None).await.unwrap();
    assert_eq!(home.db.discussion(at).await.unwrap(), None);
    assert_eq!(home.number("SELECT COUNT(*) FROM discussion_event").await, 1);
    assert_eq!(home.told(kept).await, ["ann: about y []"]);
    assert!(home.db.add_discussion(new(repo, ann, "z")).await.is_err(), "of a repository that is gone");
}
