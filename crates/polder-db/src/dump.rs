//! Every row, as of one moment, in a form that either engine takes: for backups.
//!
//! A row is a line of JSON, an array of its columns in the order of [`DumpedTable::columns`]; binary values
//! are base64. The schema's version goes with it: rows are loaded into a database of the same version.

mod tables;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use self::tables::{Kind, TABLES, Table};
use crate::row::Row;
use crate::sql::{Statement, statements};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::view::View;
use crate::{Db, Error, Result, migrations};

statements! {
    ANY_ACCOUNT = "SELECT id FROM account LIMIT 1";
    // What was promised to uploads is not part of a backup, as the uploads are not.
    FORGET_RESERVED = "UPDATE quota SET reserved_bytes = 0 WHERE reserved_bytes <> 0";
}

/// A table as a backup lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpedTable {
    /// Its name.
    pub name: &'static str,
    table: &'static Table,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for Table {}

impl DumpedTable {
    /// Every table, in the order in which they must be loaded.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLES.iter().map(|table| Self { name: table.name, table })
    }

    /// Names of its columns.
    pub fn columns(&self) -> Vec<&'static str> {
        self.table.columns.iter().map(|(name, _)| *name).collect()
    }

    /// The place of a column in a row.
    pub fn place_of(&self, column: &str) -> Option<usize> {
        self.table.columns.iter().position(|(name, _)| *name == column)
    }
}

/// The version of the schema that this build reads and writes.
pub fn schema_version() -> i64 {
    migrations::MAIN.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

/// Rows as of the moment in which this was made.
pub struct Dump {
    view: View,
    table: Option<&'static Table>,
    after: Option<Vec<Value>>,
}

impl Db {
    /// Looks at the database as it is at this moment; writes go on meanwhile.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn dump(&self) -> Result<Dump> {
        Ok(Dump { view: self.view().await?, table: None, after: None })
    }

    /// Whether nothing was ever put into it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.row(ANY_ACCOUNT, args![]).await?.is_none())
    }

    /// Removes what a new database has by itself, to make room for [`Db::load`].
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn clear_for_load(&self) -> Result<()> {
        self.write(|tx| {
            Box::pin(async move {
                for table in TABLES.iter().rev() {
                    tx.execute(own(format!("DELETE FROM {}", table.name)), args![]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Writes rows of a dump; tables come in the order of [`DumpedTable::all`].
    ///
    /// # Errors
    /// [`Error::Other`] for a row that is none of this table.
    pub async fn load(&self, table: DumpedTable, rows: &[Json]) -> Result<()> {
        let table = table.table;
        let rows: Vec<Vec<Value>> = rows.iter().map(|row| values(table, row)).collect::<Result<_>>()?;
        self.write(move |tx| {
            Box::pin(async move {
                for row in rows {
                    tx.execute(insert(table), row).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Completes a load: what is not part of a backup is not counted either.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn finish_load(&self) -> Result<()> {
        self.write(|tx| {
            Box::pin(async move {
                tx.execute(FORGET_RESERVED, args![]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

impl Dump {
    /// Begins with a table.
    pub fn table(&mut self, table: DumpedTable) {
        (self.table, self.after) = (Some(table.table), None);
    }

    /// The next rows of the table that was begun with; none at its end.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next(&mut self) -> Result<Vec<Json>> {
        let Some(table) = self.table else { return Ok(Vec::new()) };
        let (statement, mut args) = match self.after.take() {
            None => (select(table, false), args![]),
            Some(after) => (select(table, true), after),
        };
        args.push(table.page.into());
        let rows = self.view.rows(statement, args).await?;
        let rows: Vec<Json> = rows.iter().map(|row| json(table, row)).collect::<Result<_>>()?;
        match rows.last() {
            Some(last) => self.after = Some(values(table, last)?.into_iter().take(table.key).collect()),
            None => self.table = None,
        }
        Ok(rows)
    }

    /// Ends it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn close(self) -> Result<()> {
        self.view.close().await
    }
}

/// A text made of nothing but names of [`TABLES`].
fn own(text: String) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), kept: true }
}

fn names(table: &Table, count: usize) -> String {
    let names: Vec<&str> = table.columns.iter().take(count).map(|(name, _)| *name).collect();
    names.join(", ")
}

fn numbers(count: usize) -> String {
    let numbers: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    numbers.join(", ")
}

fn select(table: &Table, after: bool) -> Statement {
    let (columns, key) = (names(table, table.columns.len()), names(table, table.key));
    let (behind, limit) = if after {
        (format!("WHERE ({key}) > ({}) ", numbers(table.key)), table.key + 1)
    } else {
        (String::new(), 1)
    };
    own(format!("SELECT {columns} FROM {} {behind}ORDER BY {key} LIMIT ${limit}", table.name))
}

fn insert(table: &Table) -> Statement {
    let count = table.columns.len();
    own(format!("INSERT INTO {} ({}) VALUES ({})", table.name, names(table, count), numbers(count)))
}

fn json(table: &Table, row: &Row) -> Result<Json> {
    let columns = table.columns.iter().enumerate();
    let values: Result<Vec<Json>> = columns
        .map(|(place, (_, kind))| {
            Ok(match kind {
                Kind::Int => row.read::<Option<i64>>(place)?.into(),
                Kind::Bool => row.read::<Option<bool>>(place)?.into(),
                Kind::Text => row.read::<Option<String>>(place)?.into(),
                Kind::Bytes => row.maybe_bytes(place)?.map(|bytes| STANDARD.encode(bytes)).into(),
            })
        })
        .collect();
    Ok(Json::Array(values?))
}

fn values(table: &Table, row: &Json) -> Result<Vec<Value>> {
    let unreadable =
        || Error::Other { doing: "reading a row of", subject: table.name.to_owned(), source: None };
    let row = row.as_array().filter(|row| row.len() == table.columns.len()).ok_or_else(unreadable)?;
    let value = |(kind, value): (Kind, &Json)| {
        Some(match (kind, value) {
            (Kind::Int, Json::Null) => Value::Int(None),
            (Kind::Int, value) => Value::Int(Some(value.as_i64()?)),
            (Kind::Bool, value) => Value::Bool(value.as_bool()?),
            (Kind::Text, Json::Null) => Value::Text(None),
            (Kind::Text, value) => Value::Text(Some(value.as_str()?.to_owned())),
            (Kind::Bytes, Json::Null) => Value::Bytes(None),
            (Kind::Bytes, value) => Value::Bytes(Some(STANDARD.decode(value.as_str()?).ok()?)),
        })
    };
    let kinds = table.columns.iter().map(|(_, kind)| *kind);
    kinds.zip(row).map(|pair| value(pair).ok_or_else(unreadable)).collect()
}

#[cfg(test)]
mod tests {
    use super::tables::LEFT_OUT;
    use super::*;
    use crate::contract::Home;

    #[tokio::test]
    async fn every_table_and_every_column_is_in_a_backup() {
        let home = Home::open().await;
        if home.db.is_shared() {
            return;
        }
        let shape = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
            WHERE m.type = 'table' ORDER BY m.name, c.cid";
        let mut found: Vec<(String, String)> = Vec::new();
        for row in home.db.rows(shape, args![]).await.unwrap() {
            found.push((row.read(0).unwrap(), row.read(1).unwrap()));
        }
        found.retain(|(table, _)| !LEFT_OUT.contains(&table.as_str()));
        let listed = |table: &Table| {
            let columns = table.columns.iter();
            columns.map(|(column, _)| (table.name.to_owned(), (*column).to_owned())).collect::<Vec<_>>()
        };
        let mut known: Vec<_> = TABLES.iter().flat_map(listed).collect();
        known.sort();
        found.sort();
        assert_eq!(found, known, "crates/polder-db/src/dump/tables.rs lists every table, or leaves it out");
    }
}
