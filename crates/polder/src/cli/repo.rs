//! Repositories and the rules of their branches.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use polder_hub::AccessStatus;
use polder_types::{AccountName, Gate, PublisherId, RepoName, Role, Visibility};

use super::duration::parse_duration;
use super::trust::{parse_publisher, untrust};
use super::{List, Publisher};
use crate::admin::{BranchCommand, Command, GateCommand, ImportFrom, PublisherCommand, TrustedBy};

/// `polder repo …`
#[derive(Debug, Subcommand)]
pub enum Repo {
    /// Add an empty repository
    Add {
        /// Such as acme/m or datasets/acme/d
        id: RepoName,
        /// Only its members may see it
        #[arg(long)]
        private: bool,
    },
    /// Delete a repository; its name is never used again
    Delete {
        /// The repository
        id: RepoName,
    },
    /// Rename or move a repository; the old name leads to the new one
    Rename {
        /// The repository as it is called now
        id: RepoName,
        /// Its new name
        new: RepoName,
    },
    /// Show how often a repository was downloaded in the last thirty days, here and from hubs that mirror it
    Downloads {
        /// The repository
        id: RepoName,
    },
    /// Make a repository public or private
    Visibility {
        /// The repository
        id: RepoName,
        /// public or private
        visibility: Visibility,
    },
    /// Let anyone know of a public repository, but read it only with access
    Gate {
        /// The repository
        id: RepoName,
        /// auto (whoever asks gets access), manual (administrators decide) or off
        #[arg(value_parser = parse_gate)]
        gate: GateWord,
    },
    /// List who asks for access to a gated repository, or decide
    Requests {
        /// The repository
        id: RepoName,
        /// Which: pending, accepted or rejected
        #[arg(long, default_value = "pending", conflicts_with_all = ["accept", "reject"])]
        status: AccessStatus,
        /// Give this user access
        #[arg(long, value_name = "USER", conflicts_with_all = ["reject", "json"])]
        accept: Option<AccountName>,
        /// Refuse this user access
        #[arg(long, value_name = "USER", conflicts_with = "json")]
        reject: Option<AccountName>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
    /// Set the branch that a clone checks out
    DefaultBranch {
        /// The repository
        id: RepoName,
        /// One of its branches; any name while it has none
        branch: String,
    },
    /// Protect branches: no force-push, no deletion, and who may push
    Protect {
        /// The repository
        id: RepoName,
        /// Such as main or release/*; * stops at a slash, ** does not
        pattern: String,
        /// Who may push: write, admin, a user or an organisation; may be given more than once
        #[arg(long, value_name = "WHO", default_value = "write", value_parser = parse_pusher)]
        push: Vec<Pusher>,
        /// History may be rewritten all the same
        #[arg(long)]
        allow_force: bool,
        /// They may be deleted all the same
        #[arg(long)]
        allow_delete: bool,
    },
    /// Take a protection back
    Unprotect {
        /// The repository
        id: RepoName,
        /// The pattern, as `repo protection` shows it
        pattern: String,
    },
    /// List the protected branches of a repository
    Protection {
        /// The repository
        id: RepoName,
        /// How to list
        #[command(flatten)]
        list: List,
    },
    /// Let jobs elsewhere, such as a CI's, have tokens for an hour that write to a repository and nothing else
    Trust {
        /// The repository
        id: RepoName,
        /// Which
        #[command(flatten)]
        what: Publisher,
        /// The user for whom they write, who may
        #[arg(long, value_name = "NAME")]
        user: AccountName,
    },
    /// List those that have
    Trusted {
        /// Only those of this repository
        id: Option<RepoName>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
    /// Trust one no longer; its tokens are revoked
    Untrust {
        /// The repository
        id: RepoName,
        /// Its number, as `repo trusted` shows it
        #[arg(value_name = "PUBLISHER-ID", value_parser = parse_publisher)]
        publisher: PublisherId,
    },
    /// List the repositories
    List(List),
    /// Copy a git repository, with its LFS objects, to this hub; again updates it
    Import {
        /// A bare or ordinary git repository on disk, the https:// URL of one on any git server, or such as
        /// hf:acme/m or hf:datasets/acme/d@v1 on a server that speaks the Hugging Face API
        source: String,
        /// Its name on this hub; made if missing. Without it, what an hf: one is called there
        id: Option<RepoName>,
        /// If the repository is made: only its members may see it, as where its source is private
        #[arg(long)]
        private: bool,
        /// Anyone may read the copy even if the source is private or gated: you say that you may show it
        #[arg(long, conflicts_with = "private")]
        public: bool,
        /// How to ask a server
        #[command(flatten)]
        server: Server,
    },
    /// List the repositories that are pulled from other servers by the clock
    Mirrors {
        /// Stop pulling this one; it takes pushes again
        #[arg(long, value_name = "ID", conflicts_with = "json")]
        stop: Option<RepoName>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
    /// Write a repository as a plain bare one, with its LFS objects; again updates it
    Export {
        /// The repository
        id: RepoName,
        /// Where to write it
        dir: PathBuf,
    },
}

/// How to ask another server for a repository.
#[derive(Debug, clap::Args)]
pub struct Server {
    /// The server of an hf: source, in place of the configured one
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// A file with the token that the server wants, readable by the hub
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The user whose the token is, where the server wants to know
    #[arg(long, value_name = "NAME", requires = "token_file")]
    user: Option<String>,
    /// Pull it again so often, such as 1h; it takes no pushes then
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    every: Option<Duration>,
    /// Keep what is deleted or rewritten there, hidden under refs/polder/kept/
    #[arg(long)]
    safe: bool,
}

/// A gate, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateWord(Option<Gate>);

fn parse_gate(text: &str) -> Result<GateWord, String> {
    match text {
        "off" => Ok(GateWord(None)),
        text => text.parse().map(|gate| GateWord(Some(gate))).map_err(|why: String| format!("{why}, off")),
    }
}

/// Who may push to a protected branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pusher {
    /// Whoever has this role, or more.
    Role(Role),
    /// A user, or the members of an organisation.
    Account(AccountName),
}

impl Pusher {
    /// The least role, and the names.
    fn apart(pushers: Vec<Self>) -> (Option<Role>, Vec<AccountName>) {
        let (mut least, mut names) = (None, Vec::new());
        for pusher in pushers {
            match pusher {
                Self::Role(role) => least = Some(least.map_or(role, |least: Role| least.min(role))),
                Self::Account(name) => names.push(name),
            }
        }
        (least, names)
    }
}

impl Repo {
    pub(super) fn command(self) -> (Command, bool) {
        let visibility_of = |private| if private { Visibility::Private } else { Visibility::Public };
        let command = match self {
            Self::List(list) => return (Command::RepoList, list.json),
            Self::Trusted { id, list } => {
                return (Command::Publishers { what: PublisherCommand::ListOfRepos { id } }, list.json);
            }
            Self::Trust { id, what, user } => what.command(TrustedBy::Repo(id), user),
            Self::Untrust { id, publisher } => untrust(TrustedBy::Repo(id), publisher),
            Self::Mirrors { stop, list } => return (Command::RepoMirrors { stop }, list.json),
            Self::Protection { id, list } => {
                return (Command::RepoBranches { id, what: BranchCommand::List }, list.json);
            }
            Self::DefaultBranch { id, branch } => {
                Command::RepoBranches { id, what: BranchCommand::Default { branch } }
            }
            Self::Protect { id, pattern, push, allow_force, allow_delete } => {
                let (push_role, push_accounts) = Pusher::apart(push);
                let what =
                    BranchCommand::Protect { pattern, push_role, push_accounts, allow_force, allow_delete };
                Command::RepoBranches { id, what }
            }
            Self::Gate { id, gate: GateWord(gate) } => {
                Command::RepoGate { id, what: GateCommand::Set { gate } }
            }
            Self::Requests { id, status, accept, reject, list } => {
                let decided = accept.map(|user| (user, AccessStatus::Accepted));
                let decided = decided.or(reject.map(|user| (user, AccessStatus::Rejected)));
                let what = match decided {
                    Some((user, status)) => GateCommand::Decide { user, status },
                    None => GateCommand::Requests { status },
                };
                return (Command::RepoGate { id, what }, list.json);
            }
            Self::Unprotect { id, pattern } => {
                Command::RepoBranches { id, what: BranchCommand::Unprotect { pattern } }
            }
            Self::Add { id, private } => Command::RepoAdd { id, visibility: visibility_of(private) },
            Self::Delete { id } => Command::RepoDelete { id },
            Self::Downloads { id } => Command::RepoDownloads { id },
            Self::Rename { id, new } => Command::RepoRename { id, new },
            Self::Visibility { id, visibility } => Command::RepoVisibility { id, visibility },
            Self::Import { source, id, private, public, server } => {
                import(source, id, (private || public).then(|| visibility_of(private)), server)
            }
            Self::Export { id, dir } => Command::RepoExport { id, dir },
        };
        (command, false)
    }
}

/// What has `://` in it is a URL, or means to be one; so does what is to be asked like one.
fn import(source: String, id: Option<RepoName>, visibility: Option<Visibility>, server: Server) -> Command {
    let Server { endpoint, token_file, user, every, safe } = server;
    let is_asked = token_file.is_some() || every.is_some() || safe || endpoint.is_some();
    let from = if is_asked || source.contains("://") || source.starts_with("hf:") {
        let every_seconds = every.map(|time| time.as_secs());
        ImportFrom::Server { url: source, endpoint, user, token_file, keep: safe, every_seconds }
    } else {
        ImportFrom::Directory { dir: source.into() }
    };
    Command::RepoImport { from, id, visibility }
}

fn parse_pusher(text: &str) -> Result<Pusher, String> {
    match text.parse() {
        Ok(Role::Read) => Err("a reader cannot push: write or admin, or a name".to_owned()),
        Ok(role) => Ok(Pusher::Role(role)),
        Err(_) => text.parse().map(Pusher::Account).map_err(|error| format!("{error}")),
    }
}
