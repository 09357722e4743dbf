//! Guards against the wrong data directory: one that is missing, or one that is something else.

use std::io;
use std::path::Path;

use crate::Error;

/// What the first start puts in first; a directory with it is ours.
const MARK: &str = "polder.lock";
/// What may already be in a directory that is to become ours: the root of a fresh ext4 has it.
const HARMLESS: &str = "lost+found";

/// Checks that `dir` is a data directory, or may become one.
///
/// # Errors
/// When it holds something else; when it is not there and `may_make` is false.
pub(crate) fn check(dir: &Path, may_make: bool) -> Result<(), Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(dir)),
        Err(error) => return Err(Error::io("reading the data directory", dir, error)),
    };
    let mut is_empty = true;
    for entry in entries {
        let name = entry.map_err(|error| Error::io("reading the data directory", dir, error))?.file_name();
        if name == MARK {
            return Ok(());
        }
        is_empty &= name == HARMLESS;
    }
    match (is_empty, may_make) {
        (true, true) => Ok(()),
        (true, false) => Err(missing(dir)),
        (false, _) => Err(Error::plain(format!(
            "`{}` is not empty and not a data directory of Polder; name another with --data",
            dir.display()
        ))),
    }
}

fn missing(dir: &Path) -> Error {
    Error::plain(format!(
        "there is no data directory `{}`: `polder serve` or `polder user add` makes it, --data names another",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_or_our_own_directory_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert!(check(&data, true).is_ok());
        assert!(check(&data, false).unwrap_err().to_string().contains("polder serve"));

        std::fs::create_dir_all(data.join(HARMLESS)).unwrap();
        assert!(check(&data, true).is_ok());
        assert!(check(&data, false).is_err());

        std::fs::write(data.join("thesis.tex"), "").unwrap();
        assert!(check(&data, true).unwrap_err().to_string().contains("not empty"));

        std::fs::write(data.join(MARK), "").unwrap();
        assert!(check(&data, false).is_ok());
        assert!(check(&data.join("thesis.tex"), true).is_err(), "a file is no directory");
    }
}
