//! Which chunks were hashed lately, of files that nobody touched since: as they were stored, or as they were sent.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;

use polder_types::{BlobId, UnixMillis};
use polder_xet::XorbHash;

use crate::Hub;
use crate::error::{Error, Result};

/// How long what was hashed counts as what it was, in seconds. What a disk does to a file leaves no trace in its
/// times, so that it is found at the latest by the first download after that.
const VERIFIED_SECONDS: i64 = 3600;
/// Most runs that are remembered: a tebibyte of them, in some four megabytes. And most objects.
const VERIFIED_RUNS_MAX: u64 = 16 << 10;
/// How long a file must have been as it is before what is hashed of it counts, in seconds. Of two changes within
/// one step of the file system's clock the second leaves no trace; the coarsest steps are of a second, and that
/// clock runs a few milliseconds behind the machine's.
const SETTLED_SECONDS: i64 = 2;

/// A file as it was: whatever is done to one by the file system's ways shows in these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    place: (u64, u64),
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    /// As it is now.
    fn of(file: &File) -> io::Result<Self> {
        let now = file.metadata()?;
        Ok(Self {
            place: (now.dev(), now.ino()),
            size_bytes: now.size(),
            modified: (now.mtime(), now.mtime_nsec()),
            changed: (now.ctime(), now.ctime_nsec()),
        })
    }

    /// Whether any change that came after `seen`, when the file was looked at, makes it another one. The time of
    /// the last change says so: every change sets it, and nobody can set it back.
    ///
    /// Source: git `Documentation/technical/racy-git.adoc`.
    fn is_settled(&self, seen: UnixMillis) -> bool {
        let (seconds, nanos) = self.changed;
        let changed = UnixMillis(nanos.div_euclid(1_000_000)).plus_seconds(seconds);
        changed.plus_seconds(SETTLED_SECONDS) <= seen
    }
}

/// An object's bytes and its chunk list, as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObjectState {
    pub(super) bytes: FileState,
    pub(super) list: FileState,
}

impl ObjectState {
    /// As its files are now.
    pub(super) fn of(bytes: &File, list: &File) -> io::Result<Self> {
        Ok(Self { bytes: FileState::of(bytes)?, list: FileState::of(list)? })
    }
}

/// Chunks of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RunKey {
    pub(super) blob: BlobId,
    /// Which chunks they are.
    pub(super) xorb: XorbHash,
    /// Where in the object they begin.
    pub(super) offset: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    chunks: Range<usize>,
    file: FileState,
    since: UnixMillis,
}

/// Whether what was hashed at `since` counts yet.
fn is_lately(since: UnixMillis, now: UnixMillis) -> bool {
    (since..since.plus_seconds(VERIFIED_SECONDS)).contains(&now)
}

impl Entry {
    fn holds(&self, file: FileState, now: UnixMillis) -> bool {
        self.file == file && is_lately(self.since, now)
    }

    fn covers(&self, chunks: &Range<usize>) -> bool {
        self.chunks.start <= chunks.start && chunks.end <= self.chunks.end
    }
}

/// What this process has hashed. What is least asked for is forgotten first.
pub(crate) struct Verified {
    runs: moka::sync::Cache<RunKey, Entry>,
    /// What was hashed while it was stored, all of it.
    objects: moka::sync::Cache<BlobId, (ObjectState, UnixMillis)>,
}

impl Default for Verified {
    fn default() -> Self {
        Self::new(VERIFIED_RUNS_MAX)
    }
}

impl Verified {
    fn new(runs_max: u64) -> Self {
        Self { runs: moka::sync::Cache::new(runs_max), objects: moka::sync::Cache::new(runs_max) }
    }

    /// Whether `chunks` of the run, in the object as it is now, were hashed lately.
    pub(super) fn has(&self, run: &RunKey, chunks: &Range<usize>, now: (ObjectState, UnixMillis)) -> bool {
        let (object, time) = now;
        let is_whole =
            |(stored, since): (ObjectState, UnixMillis)| stored == object && is_lately(since, time);
        self.objects.get(&run.blob).is_some_and(is_whole)
            || self.runs.get(run).is_some_and(|entry| entry.holds(object.bytes, time) && entry.covers(chunks))
    }

    /// Takes note that an object was hashed while its files, which nobody else had, were written.
    pub(super) fn note_stored(&self, blob: BlobId, object: ObjectState, since: UnixMillis) {
        self.objects.insert(blob, (object, since));
    }

    /// Takes note that they were, beginning at `since`, when the file was as `file` says; not of a file that was
    /// changed just before. Of two ranges the one that is not in the other is kept.
    pub(super) fn note(&self, run: RunKey, chunks: Range<usize>, file: FileState, since: UnixMillis) {
        if !file.is_settled(since) {
            return;
        }
        let known = self.runs.get(&run);
        // The older of two is good for less long, but for more chunks.
        let is_known = known
            .is_some_and(|entry| entry.holds(file, since) && entry.covers(&chunks) && entry.chunks != chunks);
        if !is_known {
            self.runs.insert(run, Entry { chunks, file, since });
        }
    }
}

impl Hub {
    /// Takes note of an object that was hashed while it was stored, and that nobody has under its id yet. What cannot
    /// be looked at now is hashed when it is sent. Blocking.
    pub(crate) fn note_stored(&self, id: BlobId) {
        let looked = || -> Result<()> {
            let (bytes, list) = (self.store.open_blob(id)?.file, self.store.open_list(id)?.file);
            let object = ObjectState::of(&bytes, &list).map_err(Error::internal)?;
            self.xet_verified.note_stored(id, object, self.clock.now());
            Ok(())
        };
        if let Err(error) = looked() {
            tracing::debug!(%id, error = %error.chain(), "what was stored cannot be looked at");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

    use super::*;

    const RUN: RunKey = RunKey { blob: BlobId(1), xorb: XorbHash::new([2; 32]), offset: 3 };
    /// Long after the files of these tests were written.
    const NOW: UnixMillis = UnixMillis(4_107_542_400_000);

    fn object(bytes: FileState) -> ObjectState {
        ObjectState { bytes, list: bytes }
    }

    fn file() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1000]).unwrap();
        file
    }

    #[test]
    fn what_was_hashed_counts_for_an_hour_for_these_chunks_alone() {
        let (verified, state) = (Verified::default(), FileState::of(&file()).unwrap());
        verified.note(RUN, 2..5, state, NOW);
        let later = |millis| UnixMillis(NOW.0 + millis);
        for (chunks, now, expected) in [
            (2..5, NOW, true),
            (3..4, later(3_599_999), true),
            (2..5, later(3_600_000), false),
            (2..5, later(-1), false),
            (1..5, NOW, false),
            (2..6, NOW, false),
        ] {
            assert_eq!(verified.has(&RUN, &chunks, (object(state), now)), expected, "{chunks:?} {now:?}");
        }
        for other in [
            RunKey { blob: BlobId(9), ..RUN },
            RunKey { xorb: XorbHash::new([9; 32]), ..RUN },
            RunKey { offset: 9, ..RUN },
        ] {
            assert!(!verified.has(&other, &(2..5), (object(state), NOW)), "{other:?}");
        }
        // Some of them hashed again leave the others as they are; more of them take their place.
        verified.note(RUN, 3..4, state, NOW);
        assert!(verified.has(&RUN, &(2..5), (object(state), NOW)));
        verified.note(RUN, 0..9, state, later(5));
        assert!(verified.has(&RUN, &(0..9), (object(state), later(3_600_004))));
        verified.note(RUN, 1..2, state, later(3_600_005));
        assert!(!verified.has(&RUN, &(0..9), (object(state), later(3_600_005))));
        assert!(verified.has(&RUN, &(1..2), (object(state), later(3_600_005))));
    }

    #[test]
    fn whatever_is_done_to_a_file_makes_it_another() {
        let file = file();
        let mut seen = vec![FileState::of(&file).unwrap()];
        let times = std::fs::FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
        let changes: [&dyn Fn(); 4] = [
            &|| file.write_all_at(b"x", 500).unwrap(),
            // The time of the last change of its bytes can be set back; that this was done cannot be hidden.
            &|| {
                file.write_all_at(b"y", 500).unwrap();
                file.set_times(times).unwrap();
            },
            &|| file.set_permissions(std::fs::Permissions::from_mode(0o400)).unwrap(),
            &|| file.set_len(999).unwrap(),
        ];
        for change in changes {
            let state = (0..1000).find_map(|_| {
                change();
                let state = FileState::of(&file).unwrap();
                // The file system's clock has steps of a few milliseconds.
                std::thread::sleep(std::time::Duration::from_millis(1));
                (!seen.contains(&state)).then_some(state)
            });
            seen.push(state.expect("another state"));
        }
    }

    #[test]
    fn a_file_that_was_changed_just_before_is_hashed_again() {
        let state = FileState::of(&file()).unwrap();
        let of = |seconds, nanos| FileState { changed: (seconds, nanos), ..state };
        for (changed, seen, expected) in [
            ((50, 0), 52_000, true),
            ((50, 0), 51_999, false),
            ((50, 4_000_000), 52_003, false),
            ((50, 4_000_000), 52_004, true),
            ((50, 999_999_999), 52_998, false),
            // The clock was set back since, or the disk has another one.
            ((50, 0), 40_000, false),
            ((-50, 1), 0, true),
        ] {
            let (file, seen) = (of(changed.0, changed.1), UnixMillis(seen));
            assert_eq!(file.is_settled(seen), expected, "{changed:?} {seen:?}");
            let verified = Verified::default();
            verified.note(RUN, 0..1, file, seen);
            assert_eq!(verified.has(&RUN, &(0..1), (object(file), seen)), expected, "{changed:?} {seen:?}");
        }
    }

    #[test]
    fn only_so_many_runs_are_remembered() {
        let (verified, state) = (Verified::new(10), FileState::of(&file()).unwrap());
        for offset in 0..1000 {
            verified.note(RunKey { offset, ..RUN }, 0..1, state, NOW);
        }
        verified.runs.run_pending_tasks();
        assert!(verified.runs.entry_count() <= 10, "{}", verified.runs.entry_count());
    }
}
