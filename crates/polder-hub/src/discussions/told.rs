//! What webhooks are told of discussions.
//!
//! Source: `huggingface_hub` 2.4.0 `_webhooks_payload.py`, `WebhookPayloadDiscussion`, `WebhookPayloadComment`.

use polder_db::{DiscussionAt, DiscussionEvent, Happened};
use serde_json::{Value, json};

use crate::Hub;
use crate::access::Grant;
use crate::error::Result;
use crate::webhooks::hex_id;

impl Hub {
    /// Has those told who watch: a discussion was opened or is otherwise now. What was done is done; if nobody can be
    /// told of it, that is logged.
    pub(super) async fn tell_discussion<L>(&self, grant: &Grant<L>, num: i64, action: &'static str) {
        self.tell_watchers(grant, num, (action, "discussion"), None).await;
    }

    /// The same of a comment.
    pub(super) async fn tell_comment<L>(
        &self,
        grant: &Grant<L>,
        num: i64,
        action: &'static str,
        comment: &DiscussionEvent,
    ) {
        self.tell_watchers(grant, num, (action, "discussion.comment"), Some(comment)).await;
    }

    async fn tell_watchers<L>(
        &self,
        grant: &Grant<L>,
        num: i64,
        event: (&'static str, &'static str),
        comment: Option<&DiscussionEvent>,
    ) {
        if let Err(error) = self.queue_told(grant, num, event, comment).await {
            tracing::warn!(repo = %grant.repo(), num, error = %error.chain(), "no webhook is told of a discussion");
        }
    }

    async fn queue_told<L>(
        &self,
        grant: &Grant<L>,
        num: i64,
        (action, scope): (&'static str, &'static str),
        comment: Option<&DiscussionEvent>,
    ) -> Result<()> {
        let at = DiscussionAt { repo: grant.repo_id(), num };
        let Some(discussion) = self.db.discussion(at).await? else { return Ok(()) };
        let name = grant.repo();
        let web = format!("{}/{name}/discussions/{num}", self.public_url());
        let place = format!("{}/{}/{}", name.kind().plural(), name.namespace(), name.name());
        let api = format!("{}/api/{place}/discussions/{num}", self.public_url());
        let changes = discussion.pull.as_ref().map(
            |pull| json!({ "base": pull.base, "mergeCommitId": pull.merge_oid.map(|oid| oid.to_string()) }),
        );
        let mut told = json!({
            "event": { "action": action, "scope": scope },
            "discussion": {
                "id": format!("{}-{num}", hex_id(grant.repo_id().0)),
                "num": num,
                "title": discussion.title,
                "author": { "id": hex_id(discussion.author.0) },
                "isPullRequest": discussion.pull.is_some(),
                "status": discussion.status.as_str(),
                "changes": changes,
                "url": { "web": web, "api": api },
            },
        });
        if let (Some(comment), Some(told)) =
            (comment.and_then(|event| said(event, &web)), told.as_object_mut())
        {
            told.insert("comment".to_owned(), comment);
        }
        Ok(self.db.tell_talk(grant.repo_id(), told.to_string()).await?)
    }
}

fn said(event: &DiscussionEvent, web: &str) -> Option<Value> {
    let Happened::Comment { text, hidden, .. } = &event.what else { return None };
    let id = event.id.to_string();
    Some(json!({
        "id": id,
        "author": { "id": hex_id(event.author.0) },
        "content": (!hidden).then_some(text),
        "hidden": hidden,
        "url": { "web": format!("{web}#{id}") },
    }))
}
