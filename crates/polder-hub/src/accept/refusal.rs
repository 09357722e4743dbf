//! Why a ref stayed where it was, in words.

use polder_db::RefRefusal;

/// How every refusal begins that is about what changed meanwhile; git's own words.
pub(crate) const STALE: &str = "failed to update ref";

/// Why a ref stayed where another one of the same change had to.
pub(crate) const ABORTED: &str = "atomic transaction failed";

/// Git's own words where it has them; `send-pack` and its users know these.
pub(super) fn refusal(why: &RefRefusal) -> String {
    match why {
        RefRefusal::Stale { current: Some(_) } => {
            format!("{STALE}: it moved meanwhile; fetch first")
        }
        RefRefusal::Stale { current: None } => format!("{STALE}: it is gone"),
        RefRefusal::DirectoryFileConflict { with } => format!("'{with}' exists; cannot create"),
        RefRefusal::Forbidden { why } => why.clone(),
        RefRefusal::AtomicAborted => ABORTED.to_owned(),
        RefRefusal::TooManyRefs => "too many refs in this repository".to_owned(),
    }
}
