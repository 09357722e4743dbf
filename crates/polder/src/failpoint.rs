//! Arms the failpoint that a test named; a build without failpoints refuses to pretend.

use crate::Error;

/// Arms `name` or `name:count`.
///
/// # Errors
/// When the count is no number, or this build has no failpoints.
#[cfg(feature = "failpoints")]
pub(crate) fn arm(failpoint: Option<&str>) -> Result<(), Error> {
    let Some(text) = failpoint else { return Ok(()) };
    let (name, count) = match text.split_once(':') {
        None => (text, Ok(1)),
        Some((name, count)) => (name, count.parse()),
    };
    let count = count.map_err(|_error| Error::plain(format!("POLDER_FAILPOINT: `{text}` has no count")))?;
    polder_types::failpoint::arm(name, count);
    Ok(())
}

/// See above.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn arm(failpoint: Option<&str>) -> Result<(), Error> {
    match failpoint {
        None => Ok(()),
        Some(_) => Err(Error::plain("POLDER_FAILPOINT: this build has no failpoints")),
    }
}
