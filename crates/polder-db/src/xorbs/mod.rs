//! Xorbs that clients of Xet sent: those that wait for their files, and where the chunks of the others lie.

mod pieces;
mod readable;
mod staged;

pub(crate) use pieces::FORGET_PIECES;
pub use pieces::{Entries, XorbPiece};
pub use staged::{NewXorb, StagedXorb, Staging};

#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[pieces::ALL, readable::ALL, staged::ALL];

#[cfg(test)]
pub(crate) const TEMPLATES: &[&[&crate::sql::Template]] = &[pieces::TEMPLATES, staged::TEMPLATES];
