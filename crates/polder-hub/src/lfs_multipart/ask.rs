//! Whether an object is asked for in parts, and in how many.

use polder_types::UploadId;
use polder_types::limits::UPLOAD_PARTS_MAX;

use crate::Hub;
use crate::access::{Contribute, Grant};
use crate::lfs_batch::{LfsAnswer, LfsObject};
use crate::signed_url::{Action, InParts};

/// Most parts that the objects of one batch have together, which bounds the answer (3 MB).
const BATCH_PARTS_MAX: usize = 10_000;
/// Part sizes are multiples of this, in bytes.
const PART_STEP_BYTES: u64 = 1 << 20;

/// How a client can send an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LfsTransfer {
    /// In one request.
    Basic,
    /// In parts.
    Multipart,
}

/// Where to send the parts of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsParts {
    /// Bytes of every part but the last.
    pub part_bytes: u64,
    /// Path and signed query for each part in turn.
    pub paths_and_queries: Vec<String>,
}

impl Hub {
    /// The transfer for a batch: parts when the client can and an object is larger than one, or when it
    /// can nothing else. All objects of a batch go the same way, because git-lfs has one agent per batch.
    pub fn lfs_transfer<'a>(
        &self,
        offered: impl IntoIterator<Item = &'a str>,
        objects: &[LfsObject],
    ) -> LfsTransfer {
        let (mut basic, mut multipart) = (true, false);
        for (at, name) in offered.into_iter().enumerate() {
            basic = (basic && at > 0) || name == "basic";
            multipart = multipart || name == "multipart";
        }
        let is_large = objects.iter().any(|object| object.size_bytes > self.lfs_part_bytes);
        if multipart && (is_large || !basic) { LfsTransfer::Multipart } else { LfsTransfer::Basic }
    }

    /// The answer that asks for an object in parts. `objects` is how many the batch has.
    pub(crate) fn ask_in_parts(
        &self,
        grant: &Grant<Contribute>,
        object: LfsObject,
        objects: usize,
    ) -> LfsAnswer {
        let parts_max = (BATCH_PARTS_MAX / objects.max(1)).clamp(1, UPLOAD_PARTS_MAX);
        let parts_max = u64::try_from(parts_max).unwrap_or(1);
        let part_bytes = part_size(object.size_bytes, self.lfs_part_bytes, parts_max);
        let in_parts = InParts { upload: UploadId(self.db.next_id()), part_bytes };
        let link = |action| self.link(grant, object, action, Some(in_parts));
        let numbers = 1..=object.size_bytes.div_ceil(part_bytes);
        let paths_and_queries = numbers.map(|number| link(Action::Part(number)).path_and_query).collect();
        LfsAnswer {
            object,
            action: Some(link(Action::Complete)),
            verify: Some(self.link(grant, object, Action::Verify, None)),
            parts: Some(LfsParts { part_bytes, paths_and_queries }),
            error: None,
        }
    }
}

/// The part size: the usual one, unless that makes more than `parts_max` of them.
pub(super) fn part_size(size_bytes: u64, usual_bytes: u64, parts_max: u64) -> u64 {
    usual_bytes.max(size_bytes.div_ceil(parts_max).next_multiple_of(PART_STEP_BYTES))
}
