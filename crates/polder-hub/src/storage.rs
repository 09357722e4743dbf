//! Where rows and bytes are: in the data directory, or where several hubs share them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_blob::Store;
use polder_db::Db;
use polder_types::{Clock, IdSource};

use crate::data_dir;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::secret::Secret;

/// What several hubs may share, so that they are one.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// URL of a PostgreSQL database; without one, SQLite in the data directory. It may hold a password.
    pub database_url: Option<Secret>,
    /// Directory of packs, large objects and the hub's keys; without one, in the data directory. Every
    /// hub of one database must have the same.
    pub store_dir: Option<PathBuf>,
}

/// What was opened, while no other node starts on it.
pub(crate) struct Storage {
    pub(crate) keys: Keys,
    pub(crate) store: Store,
    pub(crate) db: Db,
    /// To be dropped when the start is over.
    pub(crate) starting: File,
}

impl Storage {
    pub(crate) async fn open(data_dir: &Path, shared: Shared, clock: Clock) -> Result<Self> {
        // Keys are with the bytes: never in the database, whose dump must give nobody a credential.
        let (store_dir, keys_dir) = match shared.store_dir {
            Some(dir) => (dir.clone(), dir),
            None => (data_dir.join("store"), data_dir.to_owned()),
        };
        data_dir::create_store(&store_dir)?;
        let starting = data_dir::start_alone(&store_dir).await?;
        let keys = Keys::open(&keys_dir, data_dir)?;
        let store = Store::open(&store_dir)?;
        let ids = Arc::new(IdSource::new(clock.clone(), store.node()));
        let db = match &shared.database_url {
            Some(url) => Db::connect(url.reveal(), data_dir, clock, ids).await.map_err(unreachable)?,
            None => Db::open(data_dir, clock, ids).await?,
        };
        Ok(Self { keys, store, db, starting })
    }
}

fn unreachable(error: polder_db::Error) -> Error {
    match error {
        polder_db::Error::Busy => Error::unavailable("the database cannot be reached"),
        error => error.into(),
    }
}
