//! What each command does: the same code in a server and in a process of its own.

use std::path::Path;

use polder_hub::{BackupReport, DownloadSummary, FsckOptions, Hub, TokenRequest};
use polder_types::{AccountName, RepoName, Role, TokenId};

use super::imports::{import, mirrors};
use super::{Answer, Command, FsckAnswer, Progress, branches, gate, publishers};
use crate::Error;
use crate::size::show_limit;

/// Runs a command on a hub.
///
/// # Errors
/// What went wrong, in the operator's words.
pub async fn execute(hub: &Hub, command: Command, progress: &Progress) -> Result<Answer, Error> {
    match command {
        Command::UserAdd { name, admin } => {
            hub.add_user(&name, admin).await?;
            done(format!("added the user `{name}`"))
        }
        Command::UserList => Ok(Answer::Users(rows(hub.list_users().await?))),
        Command::OrgAdd { name, owner } => {
            hub.add_org(&name, &owner).await?;
            done(format!("added the organisation `{name}`"))
        }
        Command::OrgMember { org, user, role } => {
            hub.set_member(&org, &user, role).await?;
            done(format!("`{user}` has the role {role} in `{org}`"))
        }
        Command::OrgList => Ok(Answer::Orgs(rows(hub.list_orgs().await?))),
        Command::TokenAdd { user, scope, repos, expires_seconds } => {
            let lifetime_seconds = expires_seconds.map(|life| i64::try_from(life).unwrap_or(i64::MAX));
            add_token(hub, TokenRequest { user, scope, repos, lifetime_seconds }).await
        }
        Command::TokenList { user } => Ok(Answer::Tokens(rows(hub.list_tokens(user.as_ref()).await?))),
        Command::TokenApprove { code, user, scope } => approve(hub, &user, &code, scope).await,
        Command::TokenRevoke { id } => revoke(hub, id).await,
        Command::RepoAdd { id, visibility } => {
            hub.add_repo(&id, visibility).await?;
            done(format!("added the {visibility} repository `{id}`"))
        }
        Command::RepoDelete { id } => {
            hub.delete_repo(&id).await?;
            done(format!("deleted `{id}`; its name will not be used again"))
        }
        Command::RepoRename { id, new } => {
            hub.rename_repo(&id, &new).await?;
            done(format!("renamed `{id}` to `{new}`; the old name leads to the new one"))
        }
        Command::RepoDownloads { id } => done(downloads(&id, &hub.repo_downloads(&id).await?)),
        Command::RepoVisibility { id, visibility } => {
            hub.set_visibility(&id, visibility).await?;
            done(format!("`{id}` is {visibility}"))
        }
        Command::RepoBranches { id, what } => branches::execute(hub, &id, what).await,
        Command::Publishers { what } => publishers::execute(hub, what).await,
        Command::RepoGate { id, what } => gate::execute(hub, &id, what).await,
        Command::RepoList => Ok(Answer::Repos(rows(hub.list_repos().await?))),
        Command::RepoImport { from, id, visibility } => import(hub, from, id, visibility, progress).await,
        Command::RepoMirrors { stop } => mirrors(hub, stop).await,
        Command::RepoExport { id, dir } => export(hub, &id, &dir, progress).await,
        Command::QuotaSet { namespace, limit } => {
            hub.set_quota(&namespace, limit).await?;
            done(format!("`{namespace}` may store {}", show_limit(limit)))
        }
        Command::QuotaShow { namespace } => {
            Ok(Answer::Quotas(rows(hub.list_quotas(namespace.as_ref()).await?)))
        }
        Command::Follow { task } => task.execute(hub, progress).await,
        Command::Bundle { task } => task.execute(hub, progress).await,
        Command::Block { task } => task.execute(hub).await,
        Command::Takedown { task } => task.execute(hub).await,
        Command::Key { what } => what.execute(hub).await,
        Command::Namespace { task } => task.execute(hub).await,
        Command::Audit { task } => task.execute(hub, progress).await,
        Command::Backup { dir } => done(back_up(hub, &dir, progress).await?),
        Command::AcceptDatabase => accept_database(hub).await,
        Command::Fsck { deep } => {
            let report = hub.fsck(FsckOptions { deep }, progress.teller()).await?;
            Ok(Answer::Fsck(FsckAnswer::from(report)))
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every arm of `execute` ends in it")]
fn done(sentence: String) -> Result<Answer, Error> {
    Ok(Answer::Done(sentence))
}

async fn approve(hub: &Hub, user: &AccountName, code: &str, scope: Role) -> Result<Answer, Error> {
    hub.approve_device_for(user, code, scope).await?;
    done(format!("the program that shows `{code}` gets a token of `{user}`"))
}

async fn revoke(hub: &Hub, id: TokenId) -> Result<Answer, Error> {
    hub.revoke_token(id).await?;
    done(format!("revoked the token {id}"))
}

/// What is listed, as it is shown.
fn rows<T, Row: From<T>>(listed: Vec<T>) -> Vec<Row> {
    listed.into_iter().map(Row::from).collect()
}

async fn accept_database(hub: &Hub) -> Result<Answer, Error> {
    hub.accept_database().await?;
    done("the database is taken as it is; files that it does not know go to lost/ in a day".to_owned())
}

async fn export(hub: &Hub, id: &RepoName, dir: &Path, progress: &Progress) -> Result<Answer, Error> {
    hub.export(id, dir, progress.teller()).await?;
    done(format!("exported `{id}` to `{}`", dir.display()))
}

async fn back_up(hub: &Hub, dir: &Path, progress: &Progress) -> Result<String, Error> {
    let BackupReport { rows, files, copied } = hub.backup(dir, progress.teller()).await?;
    Ok(format!("backed up {rows} rows to `{}`; copied {copied} of {files} files", dir.display()))
}

async fn add_token(hub: &Hub, request: TokenRequest) -> Result<Answer, Error> {
    Ok(Answer::Token(hub.add_token(request).await?.reveal().to_owned()))
}

/// What is counted here, and apart from that what other hubs say.
fn downloads(id: &RepoName, counted: &DownloadSummary) -> String {
    let noun = if counted.here == 1 { "download" } else { "downloads" };
    let mut text = format!("`{id}`: {} {noun} here in the last thirty days", counted.here);
    if !counted.relayed.is_empty() {
        let from: Vec<String> =
            counted.relayed.iter().map(|(origin, times)| format!("{times} from {origin}")).collect();
        text = format!("{text}; as other hubs say: {}", from.join(", "));
    }
    text
}
