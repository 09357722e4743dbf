//! Small facts about the store itself.

use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    META = "SELECT value FROM meta WHERE name = $1";
    SET_META = "INSERT INTO meta (name, value) VALUES ($1, $2) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    NEWEST_ID = "SELECT MAX(newest) FROM (SELECT MAX(id) AS newest FROM account UNION ALL SELECT MAX(id) FROM token \
        UNION ALL SELECT MAX(id) FROM repo UNION ALL SELECT MAX(id) FROM pack UNION ALL SELECT MAX(id) FROM blob \
        UNION ALL SELECT MAX(id) FROM job UNION ALL SELECT MAX(id) FROM lock UNION ALL SELECT MAX(id) FROM upload \
        UNION ALL SELECT MAX(id) FROM reservation UNION ALL SELECT MAX(id) FROM audit UNION ALL SELECT MAX(id) FROM log \
        UNION ALL SELECT MAX(id) FROM webhook UNION ALL SELECT MAX(id) FROM webhook_delivery \
        UNION ALL SELECT MAX(id) FROM collection UNION ALL SELECT MAX(id) FROM collection_item) ids";
    INIT_META = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
}

impl Db {
    /// The greatest id that there is.
    pub(crate) async fn newest_id(&self) -> Result<i64> {
        let newest = self.row(NEWEST_ID, args![]).await?.map(|row| row.read::<Option<i64>>(0)).transpose()?;
        Ok(newest.flatten().unwrap_or_default())
    }

    /// Reads a value.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn meta(&self, key: &str) -> Result<Option<String>> {
        self.row(META, args![key]).await?.map(|row| row.read(0)).transpose()
    }

    /// Writes a value, whatever it was.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        let args = args![key, value];
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(SET_META, args).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Writes a value unless there is one; the value that stands. Two racing callers get the same.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn init_meta(&self, key: &str, value: &str) -> Result<String> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(INIT_META, args![key.clone(), value.clone()]).await?;
                let stands = tx.row(META, args![key]).await?;
                Ok(Verdict::Keep(stands.map_or(Ok(value), |row| row.read(0))?))
            })
        })
        .await
    }
}
