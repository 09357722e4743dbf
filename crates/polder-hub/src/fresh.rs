//! A cache of database rows that never outlives a change.

use std::hash::Hash;

use parking::RwLock;

use crate::coalesced::Coalesced;

/// `std`'s lock without poisoning: a panic elsewhere must not take reads down with it.
mod parking {
    use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

    pub(super) struct RwLock<T>(std::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(super) fn new(value: T) -> Self {
            Self(std::sync::RwLock::new(value))
        }
        pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }
        pub(super) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// Rows by key. Where this process alone writes, a row is kept until it changes, and one read before a
/// change can never be stored after it: the epoch tells. Where others write too, it is read each time.
pub(crate) struct Fresh<K, V> {
    rows: moka::sync::Cache<K, V>,
    epoch: RwLock<u64>,
    shared: Option<Coalesced<K, V>>,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Fresh<K, V> {
    /// At most `rows_max` rows; the least used go first. `is_shared`: others write too.
    pub(crate) fn new(rows_max: u64, is_shared: bool) -> Self {
        Self {
            rows: moka::sync::Cache::new(rows_max),
            epoch: RwLock::new(0),
            shared: is_shared.then(|| Coalesced::new(rows_max)),
        }
    }

    /// The row of `key`, if it is held.
    pub(crate) fn held(&self, key: &K) -> Option<V> {
        self.rows.get(key)
    }

    /// The row of `key`, read by `load` when it is not held.
    pub(crate) async fn get<E>(&self, key: K, load: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        if let Some(shared) = &self.shared {
            return shared.read(key, load).await;
        }
        if let Some(row) = self.rows.get(&key) {
            return Ok(row);
        }
        let before = *self.epoch.read();
        let row = load.await?;
        let now = self.epoch.read();
        if *now == before {
            self.rows.insert(key, row.clone());
        }
        Ok(row)
    }

    /// Forgets every row. Called after each commit that changes what a row says.
    pub(crate) fn clear(&self) {
        let mut epoch = self.epoch.write();
        *epoch += 1;
        self.rows.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_row_read_before_a_change_is_not_kept_after_it() {
        let cache: Fresh<u8, &str> = Fresh::new(10, false);
        let slow = async {
            cache.clear();
            Ok::<_, ()>("old")
        };
        assert_eq!(cache.get(1, slow).await, Ok("old"));
        assert_eq!(cache.get(1, async { Ok::<_, ()>("new") }).await, Ok("new"));
        assert_eq!(cache.get(1, async { Err(()) }).await, Ok("new"));
    }

    #[tokio::test]
    async fn where_others_write_nothing_is_kept() {
        let cache: Fresh<u8, &str> = Fresh::new(10, true);
        assert_eq!(cache.get(1, async { Ok::<_, ()>("old") }).await, Ok("old"));
        assert_eq!(cache.get(1, async { Ok::<_, ()>("new") }).await, Ok("new"));
    }
}
