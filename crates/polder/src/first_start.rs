//! The first start: an administrator and a token, shown once.

use std::io::{self, Write};

use polder_hub::{Hub, Kind, Secret, TokenRequest};
use polder_types::{AccountName, Role};

use crate::Error;
use crate::config::PublicUrl;

/// Name of the first administrator. (`admin` and `root` are reserved.)
const ADMINISTRATOR: &str = "operator";

/// How many numbered names are tried when users have the first ones.
const NAMES_TRIED_MAX: u32 = 100;

/// Who can log in to a hub that had no administrator.
#[derive(Debug)]
pub(crate) struct FirstLogin {
    /// The administrator's name.
    pub(crate) name: AccountName,
    /// A token without limits; not kept anywhere else.
    pub(crate) token: Secret,
}

/// Makes the first administrator, unless there is one already.
///
/// # Errors
/// When the hub cannot store it.
pub(crate) async fn first_login(hub: &Hub) -> Result<Option<FirstLogin>, Error> {
    if hub.has_any_admin().await? {
        return Ok(None);
    }
    let Some(name) = add_administrator(hub).await? else { return Ok(None) };
    let request =
        TokenRequest { user: name.clone(), scope: Role::Admin, repos: Vec::new(), lifetime_seconds: None };
    let token = hub.add_token(request).await?;
    Ok(Some(FirstLogin { name, token }))
}

/// Adds an administrator under the first free name: a user who has it does not become one. None when
/// another node was first.
async fn add_administrator(hub: &Hub) -> Result<Option<AccountName>, Error> {
    let mut number = 1;
    loop {
        let name = if number == 1 { ADMINISTRATOR.to_owned() } else { format!("{ADMINISTRATOR}-{number}") };
        let name: AccountName =
            name.parse().map_err(|error| Error::caused_by("the administrator's name", error))?;
        match hub.add_first_admin(&name).await {
            Ok(added) => return Ok(added.then_some(name)),
            Err(error) if error.kind() == Kind::Conflict && number < NAMES_TRIED_MAX => number += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

impl FirstLogin {
    /// Writes how to log in.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(crate) fn write(&self, out: &mut dyn Write, url: &PublicUrl) -> io::Result<()> {
        let token = self.token.reveal();
        let git = url.with_login(self.name.as_str(), token);
        writeln!(out, "This hub had no administrator. It is `{}`, with this token, shown once:", self.name)?;
        writeln!(out)?;
        writeln!(out, "  {token}")?;
        writeln!(out)?;
        writeln!(out, "  git clone {git}/NAMESPACE/NAME")?;
        writeln!(out, "  HF_ENDPOINT={url} HF_TOKEN={token} hf download NAMESPACE/NAME")?;
        writeln!(out)?;
        writeln!(
            out,
            "Add users, organisations and repositories with `polder user add`, `polder org add` and"
        )?;
        writeln!(out, "`polder repo add`; more tokens with `polder token add`.")?;
        writeln!(out)
    }
}

/// Writes the key that outranks the hub's own.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn write_recovery_key(out: &mut dyn Write, key: &Secret) -> io::Result<()> {
    writeln!(
        out,
        "Other hubs can follow this one from now on. Whoever has this recovery key can give it another"
    )?;
    writeln!(out, "key if its own is lost or stolen; it is shown once, keep it somewhere else:")?;
    writeln!(out)?;
    writeln!(out, "  {}", key.reveal())?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layer};
    use crate::options::hub_options;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_administrator_is_made_whenever_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let layer = Layer { data: Some(dir.path().join("data")), ..Layer::default() };
        let config = Config::resolve(layer).unwrap();
        let hub = Box::pin(Hub::open(hub_options(&config, None))).await.unwrap();
        // Users of before, one with the very name, are no obstacle and stay what they are.
        for name in ["ada", "Operator"] {
            hub.add_user(&name.parse().unwrap(), false).await.unwrap();
        }
        let login = first_login(&hub).await.unwrap().expect("an administrator");
        assert_eq!(login.name.as_str(), "operator-2");
        assert!(first_login(&hub).await.unwrap().is_none(), "once is enough");
        let users = hub.list_users().await.unwrap();
        let admins: Vec<_> =
            users.iter().filter(|user| user.is_admin).map(|user| user.name.as_str()).collect();
        assert_eq!(admins, ["operator-2"]);
        hub.close().await;
    }
}
