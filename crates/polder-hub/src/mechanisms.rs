//! How the mechanisms' errors become the hub's.

use crate::error::{Error, Kind, chain};
use crate::fatal;

const FULL: &str = "the hub has no space left; nothing was stored";

impl From<polder_db::Error> for Error {
    fn from(error: polder_db::Error) -> Self {
        use polder_db::Error as Db;
        match error {
            Db::NotFound { what } => Self::not_found(format!("{what} does not exist")),
            Db::Conflict { what } => Self::new(Kind::Conflict, what),
            Db::Retired { .. } => Self::new(Kind::Gone, format!("{error}; choose another")),
            Db::Blocked { what } => Self::blocked(&what),
            Db::OverQuota { namespace, bytes_max, bytes_left } => {
                Self::over_quota(&namespace, bytes_max, bytes_left)
            }
            Db::OverContribution { namespace, bytes_max } => Self::over_contribution(&namespace, bytes_max),
            Db::Busy => Self::unavailable("the hub is busy; try again in a moment"),
            Db::Full => Self::new(Kind::Full, FULL),
            Db::StorageFailed { .. } => {
                fatal::raise(chain(&error));
                Self::unavailable("the hub's storage failed; nothing was stored").caused_by(error)
            }
            Db::Undecided { .. } => {
                let message =
                    "the hub lost its database at the very moment of storing; look whether it was stored";
                Self::unavailable(message).caused_by(error)
            }
            Db::Newer { .. } => Self::new(Kind::Internal, error.to_string()),
            error => Self::internal(error),
        }
    }
}

impl From<polder_blob::Error> for Error {
    fn from(error: polder_blob::Error) -> Self {
        use polder_blob::Error as Blob;
        match error {
            Blob::Full { .. } => Self::new(Kind::Full, FULL),
            Blob::SizeMismatch { .. } => Self::invalid(format!("{error}; nothing was stored")),
            Blob::Xorb(error) => Self::invalid(format!("{error}; nothing was stored")),
            Blob::SyncFailed { .. } => {
                fatal::raise(chain(&error));
                Self::unavailable("the hub's storage failed; nothing was stored").caused_by(error)
            }
            error => Self::internal(error),
        }
    }
}

impl From<polder_git::Error> for Error {
    fn from(error: polder_git::Error) -> Self {
        use polder_git::Error as Git;
        match error {
            Git::NotFound { .. } => Self::not_found(error.to_string()),
            Git::Refused { message } => Self::invalid(message),
            Git::TooLarge { message } => Self::new(Kind::TooLarge, message),
            Git::Closed => Self::invalid("the client closed the connection"),
            // What was asked of another server came back through git's own reading.
            Git::Io { source, .. } if inside::<Self>(&source).is_some() => {
                let inner = source.into_inner().and_then(|inner| inner.downcast::<Self>().ok());
                inner.map_or_else(|| Self::internal("an error without its cause"), |own| *own)
            }
            Git::Io { ref source, .. } if let Some(out) = inside::<polder_egress::Error>(source) => {
                Self::from(out.clone())
            }
            Git::Io { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(Kind::Full, FULL).caused_by(error)
            }
            error => Self::internal(error),
        }
    }
}

impl From<polder_egress::Error> for Error {
    fn from(error: polder_egress::Error) -> Self {
        use polder_egress::Kind as Egress;
        let kind = match error.kind() {
            Egress::Refused => Kind::Invalid,
            Egress::TooLarge => Kind::TooLarge,
            Egress::Unreachable | Egress::TimedOut | Egress::BadAnswer => Kind::Unavailable,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

/// An error of ours that travelled as the cause of another.
fn inside<E: std::error::Error + 'static>(source: &std::io::Error) -> Option<&E> {
    source.get_ref()?.downcast_ref()
}

/// Whether a write that failed so may show up later: the files it names must stay then.
pub(crate) fn may_have_committed(error: &polder_db::Error) -> bool {
    use polder_db::Error as Db;
    let refused = matches!(
        error,
        Db::NotFound { .. }
            | Db::Conflict { .. }
            | Db::Blocked { .. }
            | Db::OverQuota { .. }
            | Db::OverContribution { .. }
            | Db::Busy
            | Db::Full
            | Db::Newer { .. }
    );
    !refused
}
