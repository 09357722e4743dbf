//! What the operator types: the commands and their flags, nothing of what they do.

mod accounts;
mod audit;
mod block;
mod bundle;
mod duration;
mod follow;
mod key;
mod namespace;
mod quota;
mod repo;
mod takedown;
#[cfg(test)]
mod tests;
mod trust;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use polder_log::VerifierKey;

pub use self::accounts::{Org, Token, User};
pub use self::audit::{Audit, AuditAction};
pub use self::block::Block;
pub use self::bundle::Bundle;
pub use self::follow::{Follow, Sync, Unfollow};
pub use self::key::Key;
pub use self::namespace::Namespace;
pub use self::quota::Quota;
pub use self::repo::{Pusher, Repo};
pub use self::takedown::Takedown;
pub use self::trust::Publisher;
use crate::admin::Command;

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
    /// Let nobody have a repository any more, here and where it is mirrored
    Takedown(Takedown),
    /// What is neither served, fetched nor taken here, whoever offers it
    #[command(subcommand)]
    Block(Block),
    /// What users and organisations may store
    #[command(subcommand)]
    Quota(Quota),
    /// Mirror repositories of another hub, and keep them so
    Follow(Follow),
    /// Follow a hub no longer; its mirrors stay as they are
    Unfollow(Unfollow),
    /// The hubs that are followed, and how far the mirrors of their repositories are
    Mirrors(follow::Mirrors),
    /// Bring every mirror up to date
    Sync(Sync),
    /// Repositories as files, for hubs that reach no other
    #[command(subcommand)]
    Bundle(Bundle),
    /// The key by which other hubs know this one
    #[command(subcommand)]
    Key(Key),
    /// The keys of users and organisations, as other hubs know them
    #[command(subcommand)]
    Namespace(Namespace),
    /// What was done on this hub and what was refused, and by whom
    Audit(Audit),
    /// Copy everything to a directory while the hub serves; again copies what is new
    Backup(Place),
    /// Make a new data directory out of a backup
    Restore(Place),
    /// Check that everything stored is present and intact; exit 1 and a list if not
    Fsck(Fsck),
    /// Check a clone from anywhere against what its hub signed; exit 1 and a list if it is not that
    Verify(Verify),
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

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The clone
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The key of the hub where the repository is at home, from someone you trust
    #[arg(long, value_name = "VKEY")]
    pub key: VerifierKey,
    /// A file with the proof, instead of asking for it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "write_proof"])]
    pub proof: Option<PathBuf>,
    /// Whom to ask for the proof: the repository's URL at its hub or any mirror [default: the clone's own remote]
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// Keep the proof, to check without a network later
    #[arg(long, value_name = "FILE")]
    pub write_proof: Option<PathBuf>,
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
    /// Check a clone, in this process.
    Verify(Verify),
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
            Action::Takedown(takedown) => takedown.command(),
            Action::Block(block) => block.command(),
            Action::Quota(quota) => quota.command(),
            Action::Follow(follow) => follow.command(),
            Action::Unfollow(unfollow) => unfollow.command(),
            Action::Mirrors(mirrors) => mirrors.command(),
            Action::Sync(_) => Sync::command(),
            Action::Bundle(bundle) => bundle.command(),
            Action::Key(key) => key.command(),
            Action::Namespace(namespace) => namespace.command(),
            Action::Audit(audit) => audit.command(),
            Action::Backup(Place { dir }) => (Command::Backup { dir }, false),
            Action::Restore(Place { dir }) => return Self::Restore(dir),
            Action::Verify(verify) => return Self::Verify(verify),
            Action::Fsck(Fsck { accept_database: true, .. }) => (Command::AcceptDatabase, false),
            Action::Fsck(Fsck { deep, list, .. }) => (Command::Fsck { deep }, list.json),
        };
        Self::Admin { command, json }
    }
}
