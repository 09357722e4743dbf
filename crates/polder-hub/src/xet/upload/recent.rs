//! A few values that were used last.

/// The values; a new one takes the place of the one that was used longest ago.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    values: Vec<(K, V)>,
    max: usize,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self { values: Vec::new(), max }
    }

    /// A value that is there.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let at = self.values.iter().position(|(held, _)| held == key)?;
        let found = self.values.remove(at);
        let value = found.1.clone();
        self.values.push(found);
        Some(value)
    }

    /// Adds one that is not.
    pub(super) fn add(&mut self, key: K, value: V) {
        if self.values.len() >= self.max {
            self.values.remove(0);
        }
        self.values.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_longest_ago_goes() {
        let mut recent = Recent::new(2);
        recent.add(1, 'a');
        recent.add(2, 'b');
        assert_eq!(recent.get(&1), Some('a'));
        recent.add(3, 'c');
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (Some('a'), None, Some('c')));
    }
}
