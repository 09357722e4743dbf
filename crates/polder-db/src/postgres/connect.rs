//! What a session is given at its start, and what a database must be like.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Row};

use super::errors::error_of;
use super::statement::in_time;
use crate::{Error, Result};

/// Prepared statements each connection keeps.
const STATEMENTS_KEPT_MAX: usize = 256;
/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Limits that the server keeps, in milliseconds: a batch waits this long for its turn, a statement
/// runs this long, and a writer that went silent in its turn is ended after this long.
const SESSION: &[(&str, &str)] = &[
    ("lock_timeout", "30000"),
    ("statement_timeout", "60000"),
    ("idle_in_transaction_session_timeout", "15000"),
    ("client_min_messages", "warning"),
];
/// Oldest version that is tested.
const VERSION_MIN: i32 = 150_000;

/// Reads a `postgres://` URL. The error never shows it: it may hold a password.
pub(super) fn options(url: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().map_err(|source: sqlx::Error| Error::Other {
        doing: "reading",
        subject: "the URL of the database".to_owned(),
        source: Some(source.into()),
    })?;
    Ok(options
        .application_name("polder")
        .options(SESSION.iter().copied())
        .statement_cache_capacity(STATEMENTS_KEPT_MAX)
        .disable_statement_logging())
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connected = tokio::time::timeout(CONNECT_TIME_MAX, options.connect()).await;
    let connected = connected.unwrap_or_else(|_elapsed| Err(sqlx::Error::PoolTimedOut));
    connected.map_err(|error| error_of("connecting to", "the database", error))
}

/// Refuses a database that would sort differently or lose what it said it kept.
pub(super) async fn check(connection: &mut PgConnection) -> Result<()> {
    const ASKED: &str = "SELECT current_setting('server_version_num')::int, \
        pg_encoding_to_char(encoding), datcollate, 'B' < 'a' AND 'a-b' < 'aa', \
        current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' \
        FROM pg_database WHERE datname = current_database()";
    let failed = |error| error_of("looking at", "the database", error);
    let row = in_time(sqlx::query(ASKED).fetch_one(&mut *connection)).await.map_err(failed)?;
    let version: i32 = row.try_get(0).map_err(failed)?;
    let (encoding, collation): (String, String) =
        (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
    let (sorts_by_bytes, is_durable): (bool, bool) =
        (row.try_get(3).map_err(failed)?, row.try_get(4).map_err(failed)?);
    if version < VERSION_MIN {
        return Err(unfit(format!("it is PostgreSQL {}; 15 or newer is needed", version / 10_000)));
    }
    if encoding != "UTF8" {
        return Err(unfit(format!("its encoding is {encoding}, not UTF8")));
    }
    if !sorts_by_bytes || !["C", "POSIX"].contains(&collation.as_str()) {
        return Err(unfit(format!(
            "its collation is `{collation}`, not C: make it with CREATE DATABASE … TEMPLATE template0 \
             ENCODING 'UTF8' LOCALE 'C'"
        )));
    }
    if !is_durable {
        tracing::warn!(
            "fsync or full_page_writes is off in PostgreSQL: a power cut may lose what was pushed"
        );
    }
    Ok(())
}

/// Refuses a session whose commits are acknowledged before they are durable, and pins the setting.
pub(super) async fn check_durable(connection: &mut PgConnection) -> Result<()> {
    const PIN: &str = "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), FALSE)";
    let failed = |error| error_of("looking at", "the database", error);
    let row = in_time(sqlx::query(PIN).fetch_one(connection)).await.map_err(failed)?;
    let setting: String = row.try_get(0).map_err(failed)?;
    if setting == "off" {
        return Err(unfit(
            "synchronous_commit is off: it would lose pushes that were acknowledged".to_owned(),
        ));
    }
    Ok(())
}

fn unfit(why: String) -> Error {
    Error::Other { doing: "using", subject: "this PostgreSQL database".to_owned(), source: Some(why.into()) }
}
