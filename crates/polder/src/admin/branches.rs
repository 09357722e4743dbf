//! Commands about the branches of one repository: the default one, and the protected ones.

use polder_hub::{Hub, ProtectionRule};
use polder_types::{AccountName, RepoName, Role};
use serde::{Deserialize, Serialize};

use super::Answer;
use super::command::text;
use crate::Error;

/// What the operator asks of a repository's branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum BranchCommand {
    /// `repo default-branch`
    Default { branch: String },
    /// `repo protect`
    Protect {
        pattern: String,
        push_role: Option<Role>,
        #[serde(with = "text::many")]
        push_accounts: Vec<AccountName>,
        allow_force: bool,
        allow_delete: bool,
    },
    /// `repo unprotect`
    Unprotect { pattern: String },
    /// `repo protection`
    List,
}

/// A line of `repo protection`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionRow {
    /// Which branches.
    pub pattern: String,
    /// Who may push: at most one role, then users and organisations.
    pub push: Vec<String>,
    /// Whether history may be rewritten.
    pub allow_force: bool,
    /// Whether they may be deleted.
    pub allow_delete: bool,
}

impl From<ProtectionRule> for ProtectionRow {
    fn from(rule: ProtectionRule) -> Self {
        let ProtectionRule { pattern, allow_force, allow_delete, push_role, push_accounts } = rule;
        let push_role = push_role.iter().map(ToString::to_string);
        let push = push_role.chain(push_accounts.iter().map(ToString::to_string)).collect();
        Self { pattern, push, allow_force, allow_delete }
    }
}

pub(super) async fn execute(hub: &Hub, id: &RepoName, command: BranchCommand) -> Result<Answer, Error> {
    let sentence = match command {
        BranchCommand::Default { branch } => {
            hub.set_default_branch(id, &branch).await?;
            format!("the default branch of `{id}` is `{branch}`")
        }
        BranchCommand::Protect { pattern, push_role, push_accounts, allow_force, allow_delete } => {
            let sentence = format!("the branches `{pattern}` of `{id}` are protected");
            let rule = ProtectionRule { pattern, allow_force, allow_delete, push_role, push_accounts };
            hub.protect(id, rule).await?;
            sentence
        }
        BranchCommand::Unprotect { pattern } => {
            hub.unprotect(id, &pattern).await?;
            format!("the branches `{pattern}` of `{id}` are no longer protected")
        }
        BranchCommand::List => {
            let rules = hub.protection(id).await?;
            return Ok(Answer::Protection(rules.into_iter().map(ProtectionRow::from).collect()));
        }
    };
    Ok(Answer::Done(sentence))
}
