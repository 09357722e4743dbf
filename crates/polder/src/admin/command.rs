//! The commands and their answers as values: what goes through the socket, and what runs in process.

use std::path::PathBuf;

use polder_hub::{AuditReport, FsckReport, QuotaLimit};
use polder_types::{AccountName, RepoName, Role, TokenId, Visibility};
use serde::{Deserialize, Serialize};

use super::{
    AuditRow, AuditTask, BlockRow, BlockTask, BranchCommand, BundleTask, FollowTask, GateCommand, ImportFrom,
    KeyCommand, KeyRow, MirrorRow, NamespaceTask, OrgRow, ProtectionRow, PublisherCommand, PublisherRow,
    QuotaRow, RepoRow, RequestRow, TakedownTask, TokenRow, UpstreamRow, UserRow,
};

/// One thing that the operator asks of the hub.
///
/// Paths are absolute by the time they are here: the process that runs the command has another
/// working directory than the one that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum Command {
    /// `user add`
    UserAdd {
        #[serde(with = "text")]
        name: AccountName,
        admin: bool,
    },
    /// `user list`
    UserList,
    /// `org add`
    OrgAdd {
        #[serde(with = "text")]
        name: AccountName,
        #[serde(with = "text")]
        owner: AccountName,
    },
    /// `org member`
    OrgMember {
        #[serde(with = "text")]
        org: AccountName,
        #[serde(with = "text")]
        user: AccountName,
        role: Role,
    },
    /// `org list`
    OrgList,
    /// `token add`; without repositories it is for all that its user may use
    TokenAdd {
        #[serde(with = "text")]
        user: AccountName,
        scope: Role,
        #[serde(with = "text::many")]
        repos: Vec<RepoName>,
        expires_seconds: Option<u64>,
    },
    /// `token list`; without a user it lists everybody's
    TokenList {
        #[serde(with = "text::maybe")]
        user: Option<AccountName>,
    },
    /// `token approve`
    TokenApprove {
        code: String,
        #[serde(with = "text")]
        user: AccountName,
        scope: Role,
    },
    /// `token revoke`
    TokenRevoke { id: TokenId },
    /// `repo add`
    RepoAdd {
        #[serde(with = "text")]
        id: RepoName,
        visibility: Visibility,
    },
    /// `repo delete`
    RepoDelete {
        #[serde(with = "text")]
        id: RepoName,
    },
    /// `repo rename`
    RepoRename {
        #[serde(with = "text")]
        id: RepoName,
        #[serde(with = "text")]
        new: RepoName,
    },
    /// `repo downloads`
    RepoDownloads {
        #[serde(with = "text")]
        id: RepoName,
    },
    /// `repo visibility`
    RepoVisibility {
        #[serde(with = "text")]
        id: RepoName,
        visibility: Visibility,
    },
    /// `repo default-branch`, `repo protect`, `repo unprotect` and `repo protection`
    RepoBranches {
        #[serde(with = "text")]
        id: RepoName,
        what: BranchCommand,
    },
    /// `repo gate` and `repo requests`
    RepoGate {
        #[serde(with = "text")]
        id: RepoName,
        what: GateCommand,
    },
    /// `repo trust`, `user trust` and their like
    Publishers { what: PublisherCommand },
    /// `repo list`
    RepoList,
    /// `repo import`; `visibility` is as was said, for a repository that must be made first
    RepoImport {
        from: ImportFrom,
        #[serde(with = "text::maybe")]
        id: Option<RepoName>,
        visibility: Option<Visibility>,
    },
    /// `repo mirrors`
    RepoMirrors {
        #[serde(with = "text::maybe")]
        stop: Option<RepoName>,
    },
    /// `repo export`
    RepoExport {
        #[serde(with = "text")]
        id: RepoName,
        dir: PathBuf,
    },
    /// `quota set`
    QuotaSet {
        #[serde(with = "text")]
        namespace: AccountName,
        limit: QuotaLimit,
    },
    /// `quota show`; without a namespace it shows all
    QuotaShow {
        #[serde(with = "text::maybe")]
        namespace: Option<AccountName>,
    },
    /// `follow`, `unfollow`, `mirrors` and `sync`
    Follow { task: FollowTask },
    /// `bundle …`
    Bundle { task: BundleTask },
    /// `block …`
    Block { task: BlockTask },
    /// `takedown`
    Takedown { task: TakedownTask },
    /// `key …`
    Key { what: KeyCommand },
    /// `namespace …`
    Namespace { task: NamespaceTask },
    /// `audit …`
    Audit { task: AuditTask },
    /// `backup`
    Backup { dir: PathBuf },
    /// `fsck`
    Fsck { deep: bool },
    /// `fsck --accept-database`
    AcceptDatabase,
}

impl Command {
    /// Resolves relative paths against this process's working directory.
    ///
    /// # Errors
    /// When there is no working directory, or the path is empty.
    pub fn with_absolute_paths(mut self) -> std::io::Result<Self> {
        if let Self::RepoImport { from: ImportFrom::Directory { dir }, .. }
        | Self::RepoImport { from: ImportFrom::Server { token_file: Some(dir), .. }, .. }
        | Self::RepoExport { dir, .. }
        | Self::Backup { dir }
        | Self::Key { what: KeyCommand::Rotate { recovery: Some(dir) } }
        | Self::Audit { task: AuditTask::Verify { file: Some(dir) } } = &mut self
        {
            *dir = std::path::absolute(&*dir)?;
        }
        if let Self::Namespace { task } = &mut self {
            for path in task.paths() {
                *path = std::path::absolute(&*path)?;
            }
        }
        if let Self::Bundle { task } = &mut self {
            for path in task.paths() {
                *path = std::path::absolute(&*path)?;
            }
        }
        Ok(self)
    }
}

/// What a command answers; printed by `crate::output`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "value")]
pub enum Answer {
    /// `key show`, `key rotate`
    Key(KeyRow),
    /// It is done; a sentence for people.
    Done(String),
    /// A new token's secret: printed alone on standard output, kept nowhere.
    Token(String),
    /// `user list`
    Users(Vec<UserRow>),
    /// `org list`
    Orgs(Vec<OrgRow>),
    /// `token list`
    Tokens(Vec<TokenRow>),
    /// `repo list`
    Repos(Vec<RepoRow>),
    /// `repo requests`
    Requests(Vec<RequestRow>),
    /// `repo mirrors`
    Mirrors(Vec<MirrorRow>),
    /// `mirrors`
    Followed(Vec<UpstreamRow>),
    /// `repo protection`
    Protection(Vec<ProtectionRow>),
    /// `repo trusted`, `user trusted`
    Publishers(Vec<PublisherRow>),
    /// `block list`
    Blocks(Vec<BlockRow>),
    /// `quota show`
    Quotas(Vec<QuotaRow>),
    /// `audit`
    Audit(Vec<AuditRow>),
    /// `audit verify`
    AuditVerified(AuditReport),
    /// Everything was said already, line by line.
    Written,
    /// `fsck`
    Fsck(FsckAnswer),
}

/// What `fsck` found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FsckAnswer {
    /// Repositories looked at.
    pub repositories: u64,
    /// Packs looked at.
    pub packs: u64,
    /// Git objects reached from refs.
    pub objects: u64,
    /// Large objects looked at.
    pub blobs: u64,
    /// What is wrong, one sentence each; nothing means all is well.
    pub problems: Vec<String>,
}

impl From<FsckReport> for FsckAnswer {
    fn from(report: FsckReport) -> Self {
        let FsckReport { repos: repositories, packs, objects, blobs, problems } = report;
        Self { repositories, packs, objects, blobs, problems }
    }
}

/// A name as text inside JSON, checked again by whoever reads it.
pub(super) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::admin) fn serialize<T: Display, S: Serializer>(
        name: &T,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_str(name)
    }

    pub(in crate::admin) fn deserialize<'de, T, D>(input: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }

    /// A name, or null.
    pub(crate) mod maybe {
        use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

        #[expect(clippy::ref_option, reason = "the signature that serde calls")]
        pub(crate) fn serialize<T: Display, S: Serializer>(
            name: &Option<T>,
            out: S,
        ) -> Result<S::Ok, S::Error> {
            match name {
                Some(name) => out.collect_str(name),
                None => out.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            let name = Option::<String>::deserialize(input)?;
            name.map(|name| name.parse().map_err(D::Error::custom)).transpose()
        }
    }

    /// A list of names as a JSON array of texts.
    pub(in crate::admin) mod many {
        use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

        pub(crate) fn serialize<T: Display, S: Serializer>(names: &[T], out: S) -> Result<S::Ok, S::Error> {
            out.collect_seq(names.iter().map(ToString::to_string))
        }

        pub(crate) fn deserialize<'de, T, D>(input: D) -> Result<Vec<T>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            let names = Vec::<String>::deserialize(input)?;
            names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::TrustedBy;

    #[test]
    fn a_command_survives_the_wire() {
        for command in [
            Command::RepoList,
            Command::TokenList { user: None },
            Command::TokenList { user: Some("ada".parse().unwrap()) },
            Command::TokenRevoke { id: TokenId(i64::MAX) },
            Command::UserAdd { name: "ada".parse().unwrap(), admin: true },
            Command::TokenAdd {
                user: "ada".parse().unwrap(),
                scope: Role::Read,
                repos: vec!["datasets/acme/d".parse().unwrap()],
                expires_seconds: Some(60),
            },
            Command::RepoBranches { id: "acme/m".parse().unwrap(), what: BranchCommand::List },
            Command::RepoBranches {
                id: "acme/m".parse().unwrap(),
                what: BranchCommand::Protect {
                    pattern: "release/*".to_owned(),
                    push_role: None,
                    push_accounts: vec!["ada".parse().unwrap()],
                    allow_force: true,
                    allow_delete: false,
                },
            },
            Command::Publishers {
                what: PublisherCommand::Trust {
                    by: TrustedBy::Repo("acme/m".parse().unwrap()),
                    user: "ada".parse().unwrap(),
                    issuer: "https://issuer.example".to_owned(),
                    subject: "repo:acme/ci:*".to_owned(),
                    claims: vec![("environment".to_owned(), "a=b".to_owned())],
                },
            },
            Command::Publishers { what: PublisherCommand::ListOfUsers { name: None } },
            Command::RepoExport { id: "acme/m".parse().unwrap(), dir: "/tmp/a b/\u{7f16}".into() },
        ] {
            let wire = serde_json::to_string(&command).unwrap();
            assert_eq!(serde_json::from_str::<Command>(&wire).unwrap(), command, "{wire}");
        }
    }

    #[test]
    fn a_name_is_checked_again_on_the_other_side() {
        for wire in [
            r#"{"command":"repo-delete","id":"acme/../m"}"#,
            r#"{"command":"user-add","name":"api","admin":false}"#,
            r#"{"command":"fsck","deep":true,"extra":1}"#,
            r#"{"command":"format-disk"}"#,
        ] {
            assert!(serde_json::from_str::<Command>(wire).is_err(), "{wire}");
        }
    }
}
