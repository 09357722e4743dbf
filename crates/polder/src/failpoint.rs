//! Arms the failpoint that a test named; a build without failpoints refuses to pretend.

use crate::Error;

/// Arms `name[:count][@FILE]`: the `count`-th time it is reached, counted once the file is there.
///
/// # Errors
/// When the count is no number, or this build has no failpoints.
#[cfg(feature = "failpoints")]
pub(crate) fn arm(failpoint: Option<&str>) -> Result<(), Error> {
    let Some(text) = failpoint else { return Ok(()) };
    let (what, once) = match text.split_once('@') {
        None => (text, None),
        Some((what, file)) => (what, Some(file.into())),
    };
    let (name, count) = match what.split_once(':') {
        None => (what, Ok(1)),
        Some((name, count)) => (name, count.parse()),
    };
    let count = count.map_err(|_error| Error::plain(format!("POLDER_FAILPOINT: `{text}` has no count")))?;
    polder_types::failpoint::arm(name, count, once);
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
