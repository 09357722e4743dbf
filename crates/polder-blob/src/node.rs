//! The number that sets this process apart from all others that have the store open.

use std::fs::{self, OpenOptions};
use std::path::Path;

use polder_types::IdSource;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result, failed};

/// A number that is ours for as long as the lock on its file is held: a dead process holds none.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: u16,
    _lock: fs::File,
}

impl Node {
    /// Takes the lowest free number, from 0.
    pub(crate) fn take(nodes: &Path) -> Result<Self> {
        fs::create_dir_all(nodes).map_err(failed("make", nodes))?;
        for number in 0..IdSource::NODES {
            let path = nodes.join(number.to_string());
            let mut options = OpenOptions::new();
            let file = options.create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(failed("open", &path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { number, _lock: file }),
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(failed("lock", &path)(error)),
            }
        }
        Err(Error::Exists { what: format!("a process with each of the {} node numbers", IdSource::NODES) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_process_s_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Node::take(dir.path()).unwrap(), Node::take(dir.path()).unwrap());
        assert_eq!((first.number, second.number), (0, 1));
        drop(first);
        assert_eq!(Node::take(dir.path()).unwrap().number, 0);
    }
}
