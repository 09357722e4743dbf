//! What the operator types: the commands and their flags, nothing of what they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use polder_hub::QuotaLimit;
use polder_types::{AccountName, Clock, RepoName, Role, TokenId, UnixMillis, Visibility};

use crate::admin::{AuditTask, BranchCommand, Command};
use crate::size::parse_limit;

/// A git-backed hub for models and datasets.
#[derive(Debug, Parser)]
#[command(
    name = "polder",
    version,
    about = "A git-backed hub for models and datasets",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// Flags that every command takes, before or after its name.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Data directory [default: ./polder-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file (TOML); see polder.example.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the hub until it is told to stop
    Serve(Serve),
    /// Users
    #[command(subcommand)]
    User(User),
    /// Organisations
    #[command(subcommand)]
    Org(Org),
    /// Access tokens
    #[command(subcommand)]
    Token(Token),
    /// Repositories: acme/m, datasets/acme/d, spaces/acme/s, kernels/acme/k
    #[command(subcommand)]
    Repo(Repo),
    /// What users and organisations may store
    #[command(subcommand)]
    Quota(Quota),
    /// What was done on this hub and what was refused, and by whom
    Audit(Audit),
    /// Copy everything to a directory while the hub serves; again copies what is new
    Backup(Place),
    /// Make a new data directory out of a backup
    Restore(Place),
    /// Check that everything stored is present and intact; exit 1 and a list if not
    Fsck(Fsck),
    /// Run a hub with sample repositories in a temporary data directory
    Demo(Serve),
}

/// Flags of `serve` and `demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct Serve {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The URL under which clients reach this hub; needed to listen on a public address
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
}

/// `polder user …`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user
    Add {
        /// Name of the user, which is also a namespace
        name: AccountName,
        /// May do everything on this hub
        #[arg(long)]
        admin: bool,
    },
    /// List the users
    List(List),
}

/// `polder org …`
#[derive(Debug, Subcommand)]
pub enum Org {
    /// Add an organisation
    Add {
        /// Name of the organisation, which is also a namespace
        name: AccountName,
        /// The user who becomes its first admin
        #[arg(long, value_name = "USER")]
        owner: AccountName,
    },
    /// Make a user a member, or change a member's role
    Member {
        /// The organisation
        org: AccountName,
        /// The user
        user: AccountName,
        /// read, write or admin
        #[arg(long)]
        role: Role,
    },
    /// List the organisations with their members and roles
    List(List),
}

/// `polder token …`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it: the only time it is shown
    Add {
        /// Whose token it is
        #[arg(long, value_name = "NAME")]
        user: AccountName,
        /// The most it may do: read, write or admin
        #[arg(long, default_value = "write")]
        scope: Role,
        /// Only for this repository; may be given more than once
        #[arg(long = "repo", value_name = "ID")]
        repos: Vec<RepoName>,
        /// How long it is valid, such as 90d, 12h or 30m; without it, until revoked
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<Duration>,
    },
    /// List the tokens that were not revoked, without their secrets
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<AccountName>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token back; its next request is refused
    Revoke {
        /// Its number, as `token list` shows it
        #[arg(value_parser = parse_token_id)]
        id: TokenId,
    },
}

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
    /// Make a repository public or private
    Visibility {
        /// The repository
        id: RepoName,
        /// public or private
        visibility: Visibility,
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
    /// List the repositories
    List(List),
    /// Copy a git repository on disk, with its LFS objects, to this hub; again updates it
    Import {
        /// A bare or ordinary git repository
        dir: PathBuf,
        /// Its name on this hub; made if missing
        id: RepoName,
        /// If the repository is made: only its members may see it
        #[arg(long)]
        private: bool,
    },
    /// Write a repository as a plain bare one, with its LFS objects; again updates it
    Export {
        /// The repository
        id: RepoName,
        /// Where to write it
        dir: PathBuf,
    },
}

/// `polder quota …`
#[derive(Debug, Subcommand)]
pub enum Quota {
    /// Set what a user or organisation may store
    Set {
        /// The user or organisation
        #[arg(value_name = "NAME")]
        namespace: AccountName,
        /// Such as 500GB or 1.5TiB; none; or default for what the configuration says
        #[arg(value_name = "SIZE", value_parser = parse_limit)]
        limit: QuotaLimit,
    },
    /// Show what is stored and what may be
    Show {
        /// Only this user's or organisation's
        #[arg(value_name = "NAME")]
        namespace: Option<AccountName>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
}

/// `polder audit …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// What else to do with it than to list it
    #[command(subcommand)]
    pub action: Option<AuditAction>,
    /// Not before this moment (2026-11-26, 2026-11-26T21:30:00Z) or this long ago (90d, 12h)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<UnixMillis>,
    /// Only on this repository, under whatever names it had
    #[arg(long, value_name = "ID")]
    pub repo: Option<RepoName>,
    /// Only by this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<AccountName>,
    /// The latest so many
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub limit: usize,
    /// How to list
    #[command(flatten)]
    pub list: List,
}

/// `polder audit export` and `verify`
#[derive(Debug, Subcommand)]
pub enum AuditAction {
    /// Write it as lines of JSON, each with the hash of the one before, the last one signed
    Export {
        /// From this place in the chain on
        #[arg(long, value_name = "INDEX", default_value = "1")]
        since: i64,
    },
    /// Check the chain of hashes; exit 1 if a line was altered, dropped or moved
    Verify {
        /// What `audit export` wrote; without it, what the database has
        file: Option<PathBuf>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
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

/// How to list.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct List {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where a backup is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The directory of the backup
    #[arg(value_name = "BACKUP")]
    pub dir: PathBuf,
}

/// Flags of `fsck`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Fsck {
    /// Also read every byte of every pack and blob
    #[arg(long)]
    pub deep: bool,
    /// Check nothing: take a database that is older than the store as the truth, so that sweeps go on
    #[arg(long, conflicts_with = "deep")]
    pub accept_database: bool,
    /// How to list
    #[command(flatten)]
    pub list: List,
}

/// What a parsed command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Run the hub.
    Serve(Serve),
    /// Run the demo.
    Demo(Serve),
    /// Make a data directory out of a backup, in this process.
    Restore(PathBuf),
    /// Run one command, here or in the server that owns the data directory.
    Admin {
        /// The command.
        command: Command,
        /// Print the answer as JSON.
        json: bool,
    },
}

impl From<Action> for Invocation {
    fn from(action: Action) -> Self {
        let (command, json) = match action {
            Action::Serve(serve) => return Self::Serve(serve),
            Action::Demo(serve) => return Self::Demo(serve),
            Action::User(user) => user.command(),
            Action::Org(org) => org.command(),
            Action::Token(token) => token.command(),
            Action::Repo(repo) => repo.command(),
            Action::Quota(quota) => quota.command(),
            Action::Audit(audit) => audit.command(),
            Action::Backup(Place { dir }) => (Command::Backup { dir }, false),
            Action::Restore(Place { dir }) => return Self::Restore(dir),
            Action::Fsck(Fsck { accept_database: true, .. }) => (Command::AcceptDatabase, false),
            Action::Fsck(Fsck { deep, list, .. }) => (Command::Fsck { deep }, list.json),
        };
        Self::Admin { command, json }
    }
}

impl User {
    fn command(self) -> (Command, bool) {
        match self {
            Self::Add { name, admin } => (Command::UserAdd { name, admin }, false),
            Self::List(list) => (Command::UserList, list.json),
        }
    }
}

impl Org {
    fn command(self) -> (Command, bool) {
        match self {
            Self::Add { name, owner } => (Command::OrgAdd { name, owner }, false),
            Self::Member { org, user, role } => (Command::OrgMember { org, user, role }, false),
            Self::List(list) => (Command::OrgList, list.json),
        }
    }
}

impl Token {
    fn command(self) -> (Command, bool) {
        match self {
            Self::Add { user, scope, repos, expires } => {
                let expires_seconds = expires.map(|time| time.as_secs());
                (Command::TokenAdd { user, scope, repos, expires_seconds }, false)
            }
            Self::List { user, json } => (Command::TokenList { user }, json),
            Self::Revoke { id } => (Command::TokenRevoke { id }, false),
        }
    }
}

impl Repo {
    fn command(self) -> (Command, bool) {
        let visibility_of = |private| if private { Visibility::Private } else { Visibility::Public };
        let command = match self {
            Self::List(list) => return (Command::RepoList, list.json),
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
            Self::Unprotect { id, pattern } => {
                Command::RepoBranches { id, what: BranchCommand::Unprotect { pattern } }
            }
            Self::Add { id, private } => Command::RepoAdd { id, visibility: visibility_of(private) },
            Self::Delete { id } => Command::RepoDelete { id },
            Self::Rename { id, new } => Command::RepoRename { id, new },
            Self::Visibility { id, visibility } => Command::RepoVisibility { id, visibility },
            Self::Import { dir, id, private } => {
                Command::RepoImport { dir, id, visibility: visibility_of(private) }
            }
            Self::Export { id, dir } => Command::RepoExport { id, dir },
        };
        (command, false)
    }
}

impl Audit {
    fn command(self) -> (Command, bool) {
        let Self { action, since, repo, user, limit, list } = self;
        match action {
            None => (Command::Audit { task: AuditTask::List { since, repo, user, limit } }, list.json),
            Some(AuditAction::Export { since }) => {
                (Command::Audit { task: AuditTask::Export { since } }, false)
            }
            Some(AuditAction::Verify { file, list }) => {
                (Command::Audit { task: AuditTask::Verify { file } }, list.json)
            }
        }
    }
}

impl Quota {
    fn command(self) -> (Command, bool) {
        match self {
            Self::Set { namespace, limit } => (Command::QuotaSet { namespace, limit }, false),
            Self::Show { namespace, list } => (Command::QuotaShow { namespace }, list.json),
        }
    }
}

/// The longest life a token can be given, in seconds (100 years).
const TOKEN_LIFE_SECONDS_MAX: u64 = 100 * 365 * 86_400;

fn parse_token_id(text: &str) -> Result<TokenId, String> {
    let wrong = |_error| format!("`{text}` is not a token's number; `polder token list` shows them");
    text.parse().map(TokenId).map_err(wrong)
}

/// Reads a moment, or how long ago it was.
fn parse_since(text: &str) -> Result<UnixMillis, String> {
    match parse_duration(text) {
        Ok(ago) => {
            let seconds = i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
            Ok(Clock::System.now().plus_seconds(-seconds))
        }
        Err(_) => text.parse(),
    }
}

fn parse_pusher(text: &str) -> Result<Pusher, String> {
    match text.parse() {
        Ok(Role::Read) => Err("a reader cannot push: write or admin, or a name".to_owned()),
        Ok(role) => Ok(Pusher::Role(role)),
        Err(_) => text.parse().map(Pusher::Account).map_err(|error| format!("{error}")),
    }
}

/// Reads `90d`, `12h`, `30m`, `45s` or `2w`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time: write a number and a unit, such as 90d, 12h or 30m");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_error| wrong())?;
    match number.checked_mul(seconds) {
        Some(0) => Err(format!("`{text}` is over before it begins")),
        Some(life) if life <= TOKEN_LIFE_SECONDS_MAX => Ok(Duration::from_secs(life)),
        _ => Err(format!("`{text}` is longer than 100 years")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("polder").chain(words.split_whitespace()))
    }

    fn command(words: &str) -> (Command, bool) {
        match parse(words).unwrap_or_else(|error| panic!("{words}: {error}")).action.into() {
            Invocation::Admin { command, json } => (command, json),
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_parses_with_data_and_config_on_either_side() {
        for words in [
            "serve",
            "serve --listen 127.0.0.1:0 --public-url https://hub.example.org",
            "user add ada",
            "user add ada --admin",
            "user list --json",
            "org add acme --owner ada",
            "org list --json",
            "org member acme bob --role write",
            "token add --user ada",
            "token add --user ada --scope read --repo acme/m --repo datasets/acme/d --expires 90d",
            "token list",
            "token list --user ada --json",
            "token revoke 7",
            "repo add acme/m --private",
            "repo add kernels/acme/k",
            "repo delete spaces/acme/s",
            "repo rename acme/m acme/n",
            "repo visibility acme/m private",
            "repo list --json",
            "repo default-branch acme/m dev",
            "repo protect acme/m main",
            "repo protect acme/m release/* --push admin --push ada --allow-force --allow-delete",
            "repo unprotect acme/m release/*",
            "repo protection acme/m --json",
            "repo import ./dir datasets/acme/d",
            "repo export acme/m ./dir",
            "quota set acme 500GB",
            "quota set acme none",
            "quota show",
            "quota show acme --json",
            "audit",
            "audit --since 7d --repo acme/m --user ada --limit 5 --json",
            "audit export --since 17",
            "audit verify",
            "audit verify audit.jsonl --json",
            "backup ./dir",
            "restore ./dir",
            "fsck --accept-database",
            "fsck --deep --json",
            "demo",
            "demo --listen 127.0.0.1:0",
        ] {
            for line in [format!("--data d --config c {words}"), format!("{words} --data d --config c")] {
                let cli = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(cli.common.data, Some(PathBuf::from("d")), "{line}");
                assert_eq!(cli.common.config, Some(PathBuf::from("c")), "{line}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_contract_is_refused() {
        for words in [
            "",
            "user add",
            "user add api",
            "org add acme",
            "org member acme bob",
            "org member acme bob --role owner",
            "token add",
            "token add --user ada --expires 90",
            "token revoke",
            "token revoke pld_x",
            "token list ada",
            "repo add m",
            "repo add acme/../m",
            "repo visibility acme/m secret",
            "repo list --yaml",
            "quota set acme",
            "quota set acme much",
            "audit --since noon",
            "audit export file",
            "backup",
            "restore",
            "fsck --deep --accept-database",
            "repo protect acme/m",
            "repo protect acme/m main --push read",
            "repo protect acme/m main --push a/b",
            "fsck everything",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }

    #[test]
    fn flags_reach_the_command() {
        let (token, json) = command("token add --user ada --repo acme/m --expires 2h");
        let expected = Command::TokenAdd {
            user: "ada".parse().unwrap(),
            scope: Role::Write,
            repos: vec!["acme/m".parse().unwrap()],
            expires_seconds: Some(7_200),
        };
        assert_eq!((token, json), (expected, false));
        assert_eq!(command("repo list --json"), (Command::RepoList, true));
        let of_ada = Command::TokenList { user: Some("ada".parse().unwrap()) };
        assert_eq!(command("token list --user ada --json"), (of_ada, true));
        assert_eq!(command("token revoke 7"), (Command::TokenRevoke { id: TokenId(7) }, false));
        let (protect, _) = command("repo protect acme/m main --push admin --push ada --push write");
        let rule = |push_role, names: &[&str]| BranchCommand::Protect {
            pattern: "main".to_owned(),
            push_role,
            push_accounts: names.iter().map(|name| name.parse().unwrap()).collect(),
            allow_force: false,
            allow_delete: false,
        };
        let on_m = |what| Command::RepoBranches { id: "acme/m".parse().unwrap(), what };
        assert_eq!(protect, on_m(rule(Some(Role::Write), &["ada"])));
        for (words, expected) in [("", rule(Some(Role::Write), &[])), (" --push ada", rule(None, &["ada"]))] {
            assert_eq!(command(&format!("repo protect acme/m main{words}")).0, on_m(expected));
        }
        let (add, _) = command("repo add acme/m --private");
        assert_eq!(add, Command::RepoAdd { id: "acme/m".parse().unwrap(), visibility: Visibility::Private });
    }

    #[test]
    fn times_have_a_unit_and_an_end() {
        assert_eq!(parse_duration("90d"), Ok(Duration::from_hours(2_160)));
        assert_eq!(parse_duration("1w"), Ok(Duration::from_hours(168)));
        for wrong in ["", "d", "90", "-1d", "1.5h", "90 d", "0d", "99999999999999999999d", "36501d", "1y"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
