//! How SQL is written down: named constants, in lists that a test prepares one by one.

use sqlx::database::HasStatementCache;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database, Encode, SqlSafeStr, SqlStr, Type};

use crate::value::Value;

/// Most rows (or list members) that one statement takes; longer lists are split. SQLite looks every numbered
/// argument up among all others, which makes long statements dear.
pub(crate) const ROWS_PER_STATEMENT_MAX: usize = 100;

/// Up to this many rows a statement's text is worth keeping prepared; and with the most, which long lists repeat.
const ROWS_KEPT_PREPARED_MAX: usize = 4;

/// A statement with a list of any length in it.
///
/// `row` is repeated, joined by commas, each `?` replaced by the next number after `fixed`
/// arguments that all rows share.
pub(crate) struct Template {
    pub(crate) head: &'static str,
    pub(crate) row: &'static str,
    pub(crate) tail: &'static str,
    pub(crate) fixed: usize,
}

impl Template {
    /// The text for `rows` repetitions.
    pub(crate) fn statement(&self, rows: usize) -> Statement {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + rows * self.row.len() * 2);
        let mut number = self.fixed;
        text.push_str(self.head);
        for row in 0..rows {
            if row > 0 {
                text.push_str(", ");
            }
            for part in self.row.split_inclusive('?') {
                match part.strip_suffix('?') {
                    Some(before) => {
                        number += 1;
                        text.push_str(before);
                        text.push('$');
                        text.push_str(&number.to_string());
                    }
                    None => text.push_str(part),
                }
            }
        }
        text.push_str(self.tail);
        let kept = rows <= ROWS_KEPT_PREPARED_MAX || rows == ROWS_PER_STATEMENT_MAX;
        Statement { kept, text: AssertSqlSafe(text).into_sql_str() }
    }
}

/// One statement's text, and whether to keep it prepared.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) text: SqlStr,
    pub(crate) kept: bool,
}

impl From<&'static str> for Statement {
    fn from(text: &'static str) -> Self {
        Self { text: text.into_sql_str(), kept: true }
    }
}

/// A statement with its arguments, for either driver.
pub(crate) fn bound<'q, DB: Database + HasStatementCache>(
    statement: Statement,
    args: Vec<Value>,
) -> Query<'q, DB, <DB as Database>::Arguments>
where
    Option<i64>: Encode<'q, DB> + Type<DB>,
    bool: Encode<'q, DB> + Type<DB>,
    Option<String>: Encode<'q, DB> + Type<DB>,
    Option<Vec<u8>>: Encode<'q, DB> + Type<DB>,
{
    let mut query = sqlx::query(statement.text).persistent(statement.kept);
    for value in args {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Bool(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        };
    }
    query
}

/// A statement's beginning, which names it in errors; arguments are never shown.
pub(crate) fn shown(text: &SqlStr) -> String {
    const SHOWN_CHARS_MAX: usize = 120;
    text.as_str().chars().take(SHOWN_CHARS_MAX).collect()
}

/// Defines SQL constants and the list `ALL` of them.
macro_rules! statements {
    ($($name:ident = $text:expr;)*) => {
        $(pub(crate) const $name: &str = $text;)*
        /// Every statement of this file.
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($name),*];
    };
}

/// Defines list statements and the list `TEMPLATES` of them: name(fixed) = head, row, tail.
macro_rules! templates {
    ($($name:ident($fixed:literal) = $head:expr, $row:expr, $tail:expr;)*) => {
        $(const $name: $crate::sql::Template =
            $crate::sql::Template { head: $head, row: $row, tail: $tail, fixed: $fixed };)*
        /// Every list statement of this file.
        #[cfg(test)]
        pub(crate) const TEMPLATES: &[&$crate::sql::Template] = &[$(&$name),*];
    };
}
pub(crate) use {statements, templates};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access_requests, accounts, attachments, audit, blobs, blocks, catalog, catalog_search, chunks,
        collections, contract, contributed, damage, discussions, downloads, dump, events, follow, jobs,
        known_chunks, lfs_files, locks, log, meta, oauth, pull_mirrors, push, quota, recent_tips,
        remote_namespaces, repo_storage, repos, snapshots, tokens, upkeep, uploads, webhooks, xorb_runs,
        xorbs,
    };

    const FILES: &[&[&str]] = &[
        access_requests::ALL,
        accounts::ALL,
        attachments::ALL,
        audit::ALL,
        blobs::ALL,
        blocks::ALL,
        catalog::ALL,
        catalog_search::ALL,
        chunks::ALL,
        contributed::ALL,
        damage::ALL,
        downloads::ALL,
        dump::ALL,
        events::ALL,
        jobs::ALL,
        known_chunks::ALL,
        lfs_files::ALL,
        locks::ALL,
        meta::ALL,
        pull_mirrors::ALL,
        recent_tips::ALL,
        remote_namespaces::ALL,
        repo_storage::ALL,
        snapshots::ALL,
        tokens::ALL,
        upkeep::ALL,
        uploads::ALL,
        xorb_runs::ALL,
    ];
    const LISTS: &[&[&Template]] = &[
        blobs::TEMPLATES,
        blocks::TEMPLATES,
        catalog::TEMPLATES,
        chunks::TEMPLATES,
        jobs::TEMPLATES,
        snapshots::TEMPLATES,
        xorb_runs::TEMPLATES,
    ];

    #[tokio::test]
    async fn every_statement_prepares() {
        let home = contract::Home::open().await;
        let every = FILES
            .iter()
            .chain(repos::EVERY)
            .chain(push::EVERY)
            .chain(webhooks::EVERY)
            .chain(discussions::EVERY)
            .chain(collections::EVERY)
            .chain(oauth::EVERY)
            .chain(follow::EVERY)
            .chain(log::EVERY)
            .chain(quota::EVERY)
            .chain(xorbs::EVERY)
            .copied()
            .flatten();
        for statement in every {
            home.db.prepare((*statement).into()).await.expect(statement);
        }
        for template in LISTS
            .iter()
            .chain(push::TEMPLATES)
            .chain(follow::TEMPLATES)
            .chain(log::TEMPLATES)
            .chain(xorbs::TEMPLATES)
            .copied()
            .flatten()
        {
            for rows in [1, 2, ROWS_PER_STATEMENT_MAX] {
                home.db.prepare(template.statement(rows)).await.expect(template.head);
            }
        }
    }

    #[test]
    fn rows_of_a_list_share_the_fixed_arguments() {
        let template = Template { head: "INSERT INTO t VALUES ", row: "($1, ?, ?)", tail: " END", fixed: 1 };
        let text = template.statement(2).text;
        assert_eq!(text.as_str(), "INSERT INTO t VALUES ($1, $2, $3), ($1, $4, $5) END");
    }
}
