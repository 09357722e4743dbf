//! Many reads as of one moment.

use sqlx::postgres::PgTransaction;
use sqlx::sqlite::SqliteTransaction;

use crate::row::Row;
use crate::sql::Statement;
use crate::value::Value;
use crate::{Error, Result, postgres, sqlite};

/// A read transaction, for as long as it is held.
pub(crate) enum View {
    Sqlite(SqliteTransaction<'static>),
    Postgres(PgTransaction<'static>),
}

impl View {
    /// Runs a statement and gathers its rows.
    pub(crate) async fn rows(&mut self, statement: Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(view) => sqlite::rows(view, statement, args).await,
            Self::Postgres(view) => postgres::rows(view, statement, args).await.map_err(Error::from),
        }
    }

    /// Ends it.
    pub(crate) async fn close(self) -> Result<()> {
        let closed = match self {
            Self::Sqlite(view) => view.rollback().await,
            Self::Postgres(view) => view.rollback().await,
        };
        closed.map_err(|source| Error::Other {
            doing: "ending a view of",
            subject: "the database".to_owned(),
            source: Some(source.into()),
        })
    }
}
